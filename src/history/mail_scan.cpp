#include "history/mail_scan.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace kith::history {
namespace {

bool is_from_line(std::string_view line) {
    if (!line.starts_with("From ") || line.size() > 300) return false;
    // Sender, then a date as ctime writes it: there is a clock, and behind it a year.
    auto colon = line.find(':', 5);
    if (colon == std::string_view::npos || colon + 2 >= line.size()) return false;
    auto digit = [&](std::size_t i) { return i < line.size() && line[i] >= '0' && line[i] <= '9'; };
    for (; colon != std::string_view::npos; colon = line.find(':', colon + 1)) {
        if (!digit(colon - 1) || !digit(colon + 1) || !digit(colon + 2)) continue;
        for (std::size_t i = colon + 3; i + 3 < line.size(); ++i)
            if (digit(i) && digit(i + 1) && digit(i + 2) && digit(i + 3)) return true;
    }
    return false;
}

}  // namespace

void BoundaryFinder::line(std::uint64_t start, std::uint64_t next, std::string_view text) {
    if (in_header_) {
        if (!text.empty()) return;
        found_.push_back(next);
        in_header_ = false;
    } else if (text.starts_with("--") && found_.size() < limits::mail_boundaries) {
        found_.push_back(start);
        in_header_ = true;
    }
}

Boundaries BoundaryFinder::finish(std::uint64_t size) {
    if (in_header_) found_.push_back(size);
    for (auto& offset : found_) offset = std::min(offset, size);
    in_header_ = true;
    return std::exchange(found_, {});
}

void MailScanner::feed(ByteView run) {
    auto text = as_text(run);
    while (!text.empty()) {
        const auto newline = text.find('\n');
        const auto in_run = std::min(newline, text.size());
        const bool whole = newline != std::string_view::npos;
        const auto begun = at_ - line_start_;
        if (!whole || begun > 0) {
            // What is left out of a long line is not looked at by anybody.
            const auto room = limits::mbox_line - std::min(limits::mbox_line, line_.size());
            line_.append(text.substr(0, std::min(in_run, room)));
            // Its last byte is: it may belong to the line's end.
            if (in_run > room) line_.back() = text[in_run - 1];
        }
        if (!whole) {
            at_ += in_run;
            return;
        }
        const auto next = at_ + in_run + 1;
        line(line_start_, next, begun > 0 ? std::string_view(line_) : text.substr(0, in_run), begun + in_run);
        line_.clear();
        at_ = line_start_ = next;
        text.remove_prefix(in_run + 1);
    }
}

void MailScanner::end() {
    if (at_ > line_start_) line(line_start_, at_, line_, at_ - line_start_);
    if (!mail_start_) return;
    auto end = at_;
    // The empty line at the end of several mails, but not one that is all there is.
    if (several_ && last_empty_ && empty_line_ && *empty_line_ > *mail_start_) end = *empty_line_;
    end_mail(end);
}

std::optional<ScannedMail> MailScanner::next() {
    if (found_.empty()) return std::nullopt;
    auto mail = std::move(found_.front());
    found_.pop_front();
    return mail;
}

void MailScanner::start_mail(std::uint64_t offset) {
    mail_start_ = offset;
    empty_line_.reset();
    ends_at_.reset();
}

void MailScanner::end_mail(std::uint64_t end) {
    const auto start = *mail_start_;
    mail_start_.reset();
    found_.push_back({start, end - start, boundaries_.finish(end - start)});
}

// A line of `size` bytes without its line feed; of a long one, `text` has the beginning.
void MailScanner::line(std::uint64_t start, std::uint64_t next, std::string_view text, std::uint64_t size) {
    if (start == 0) {
        mbox_ = text.starts_with("From ");
        // Whatever follows belongs to a mail, and nothing is no mail.
        if (mbox_) return;
        start_mail(0);
    }
    if (mbox_ && !mail_start_) start_mail(start);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (ends_at_ && (!header_name(text).empty() || text.starts_with(">From "))) {
        several_ = true;
        end_mail(*ends_at_);
        start_mail(start);
    }
    ends_at_.reset();
    // An empty line that the mail begins with ends nothing.
    if (mbox_ && empty_line_ && *empty_line_ > *mail_start_ && is_from_line(text)) ends_at_ = empty_line_;
    empty_line_ = text.empty() ? std::optional(start) : std::nullopt;
    last_empty_ = text.empty() && next > start + size;
    boundaries_.line(start - *mail_start_, next - *mail_start_, text);
}

}  // namespace kith::history
