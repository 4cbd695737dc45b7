// Any bytes as a file of mails, and any bytes as a record.
#include <algorithm>
#include <cstdint>

#include "history/html_text.h"
#include "history/mail_scan.h"

using namespace kith;
using namespace kith::history;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    ByteView bytes(data, size);
    (void)looks_like_mail(bytes);
    MailScanner scanner;
    for (std::size_t at = 0, run = 1; at < size; at += run, run = run % 7 + 1)
        scanner.feed(bytes.subspan(at, std::min(run, size - at)));
    scanner.end();
    while (auto found = scanner.next()) {
        auto mail = bytes.subspan(found->offset, found->size);
        (void)mail_time(mail);
        (void)mail_field(mail, "subject");
        (void)html_text(view_mail(mail).text);
        (void)cut(mail.size(), found->boundaries);
    }
    (void)decode(bytes);
    return 0;
}
