// Mail: when it came, who wrote it, and what can be read of it. (Where one ends in a file: mail_scan.h.)
// Everything works on the bytes alone, keeps them as they are, and takes whatever it is given.
// Sources: RFC 5322 (messages, dates with their obsolete forms), RFC 2045-2047 (MIME), RFC 4155 (mbox).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "history/record.h"

namespace kith::history {

// True when the bytes begin like a mail: header lines, one of them a field that every mail system writes.
bool looks_like_mail(ByteView bytes);

// The name of the field that a header line starts; empty: it starts none.
std::string_view header_name(std::string_view line);
// Where the header ends, behind its empty line.
std::size_t mail_header_size(ByteView mail);

// The time of a mail in ms since 1970, from its bytes: the date of the topmost Received field, else of the
// Date field, else 0. A date that cannot be read, or outside 1970 to 2099, counts as absent.
std::uint64_t mail_time(ByteView mail);

// Where a mail's content may be cut (README "Parts"): after the header; before each line that begins with
// "--", and after the first empty line that follows it.
Boundaries mail_boundaries(ByteView mail);

// A header field's value as a person reads it: unfolded, encoded words decoded, invalid bytes replaced.
// Empty when there is none.
std::string mail_field(ByteView mail, std::string_view name);

// What of a mail can be shown: the first plain text, else the first other text, as UTF-8, and the names of
// what is attached.
struct MailView {
    std::string text;
    bool is_html = false;  // `text` is HTML: there is no plain one
    struct Attachment {
        std::string name;
        std::string type;
        std::uint64_t size = 0;  // decoded
    };
    std::vector<Attachment> attachments;
};
MailView view_mail(ByteView mail);
// The decoded bytes of an attachment, by its number in the view; empty when there is none.
Bytes mail_attachment(ByteView mail, std::size_t number);

}  // namespace kith::history
