// Any bytes as a file of mails, and any bytes as a record.
#include <cstdint>

#include "history/html_text.h"
#include "history/mail.h"

using namespace kith;
using namespace kith::history;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    ByteView bytes(data, size);
    (void)looks_like_mail(bytes);
    MailWalker walker(bytes);
    while (auto span = walker.next()) {
        auto mail = bytes.subspan(span->offset, span->size);
        (void)mail_time(mail);
        (void)mail_field(mail, "subject");
        (void)html_text(view_mail(mail).text);
        (void)cut(mail.size(), mail_boundaries(mail));
    }
    (void)decode(bytes);
    return 0;
}
