// Finds the mails in a file whose bytes go by once, in runs of any size and in constant memory: where each
// begins and ends, and where its content may be cut (README "Mails in a file", "Parts").
//
// A file that starts with a "From " line is taken for an mbox: a new mail starts where such a line (sender,
// then a date) stands after an empty line and before a header line. The "From " line is left out, and of
// several mails in a file the empty line that ends each. Any other file is one mail from its first byte to
// its last.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "history/mail.h"

namespace kith::history {

// One mail within a file.
struct ScannedMail {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    Boundaries boundaries;  // the first one ends the header
};

// Cuts one mail while its lines go by.
class BoundaryFinder {
  public:
    // The line from `start` up to `next`; `text` is its beginning, without its end.
    void line(std::uint64_t start, std::uint64_t next, std::string_view text);
    // For a mail of this size, whose lines may have gone on behind it. Ready for another one then.
    Boundaries finish(std::uint64_t size);

  private:
    Boundaries found_;
    bool in_header_ = true;  // the mail's, or what follows a delimiter
};

class MailScanner {
  public:
    // In order. What is found meanwhile waits for next().
    void feed(ByteView run);
    void end();
    std::optional<ScannedMail> next();

  private:
    void line(std::uint64_t start, std::uint64_t next, std::string_view text, std::uint64_t size);
    void start_mail(std::uint64_t offset);
    void end_mail(std::uint64_t end);

    std::uint64_t at_ = 0;  // bytes that went by
    // The line that has begun: where, and its first limits::mbox_line bytes or so.
    std::uint64_t line_start_ = 0;
    std::string line_;
    bool mbox_ = false, several_ = false;
    std::optional<std::uint64_t> mail_start_;
    BoundaryFinder boundaries_;
    // Of the mail: the line before this one, when it is empty; and that "From " line behind it which starts a
    // new mail if a header follows.
    std::optional<std::uint64_t> empty_line_;
    std::optional<std::uint64_t> ends_at_;
    bool last_empty_ = false;
    std::deque<ScannedMail> found_;
};

}  // namespace kith::history
