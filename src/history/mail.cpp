#include "history/mail.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/limits.h"
#include "history/date.h"
#include "history/mime_text.h"

namespace kith::history {
namespace {

// The line that starts at `at`, without its end, and where the next one starts.
struct Line {
    std::string_view text;
    std::size_t next;
};

Line line_at(std::string_view bytes, std::size_t at) {
    auto end = bytes.find('\n', at);
    if (end == std::string_view::npos) return {bytes.substr(at), bytes.size()};
    auto text = bytes.substr(at, end - at);
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    return {text, end + 1};
}

bool starts_with_no_case(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() &&
           std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) {
               return std::tolower(static_cast<unsigned char>(a)) ==
                      std::tolower(static_cast<unsigned char>(b));
           });
}

// The name of the field that a header line starts, or nothing.
std::string_view field_name(std::string_view line) {
    auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return {};
    auto name = line.substr(0, colon);
    while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
    bool printable = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
    return printable ? name : std::string_view{};
}

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

// A "From " line and, behind it, a header line.
bool starts_mail(std::string_view file, std::size_t at) {
    if (!file.substr(at).starts_with("From ")) return false;
    auto line = line_at(file, at);
    if (!is_from_line(line.text)) return false;
    auto after = line_at(file, line.next).text;
    return !field_name(after).empty() || after.starts_with(">From ");
}

std::size_t header_size(std::string_view mail) {
    std::size_t at = 0;
    while (at < mail.size()) {
        auto line = line_at(mail, at);
        at = line.next;
        if (line.text.empty()) break;
    }
    return at;
}

// The first field of this name, unfolded, raw; headers are looked at up to the limit.
std::optional<std::string> raw_field(std::string_view mail, std::string_view name) {
    auto header = mail.substr(0, std::min(header_size(mail), limits::mail_header));
    std::size_t at = 0;
    while (at < header.size()) {
        auto line = line_at(header, at);
        at = line.next;
        auto found = field_name(line.text);
        if (found.size() != name.size() || !starts_with_no_case(found, name)) continue;
        std::string value(line.text.substr(line.text.find(':') + 1));
        while (at < header.size() && (header[at] == ' ' || header[at] == '\t')) {
            auto more = line_at(header, at);
            value.append(more.text);
            at = more.next;
        }
        return value;
    }
    return std::nullopt;
}

}  // namespace

bool looks_like_mail(ByteView bytes) {
    static constexpr std::array<std::string_view, 8> usual{
        "from", "to", "date", "subject", "received", "message-id", "return-path", "delivered-to"};
    auto text = as_text(bytes.first(std::min<std::size_t>(bytes.size(), limits::mail_header)));
    std::size_t at = 0;
    bool first = true;
    while (at < text.size()) {
        auto line = line_at(text, at);
        at = line.next;
        if (line.text.empty()) return false;
        bool folded = line.text[0] == ' ' || line.text[0] == '\t';
        auto name = field_name(line.text);
        if (first && (folded || name.empty())) return false;
        first = false;
        for (auto known : usual)
            if (name.size() == known.size() && starts_with_no_case(name, known)) return true;
    }
    return false;
}

MailWalker::MailWalker(ByteView file) : file_(file) {
    auto text = as_text(file_);
    mbox_ = text.starts_with("From ");
    if (!mbox_) return;
    position_ = line_at(text, 0).next;
}

std::optional<MailSpan> MailWalker::next() {
    if (position_ >= file_.size()) return std::nullopt;
    auto text = as_text(file_);
    std::size_t start = position_;
    if (!mbox_) {
        position_ = text.size();
        return MailSpan{start, text.size() - start};
    }
    // Candidates are found by a plain search; only they are looked at as lines.
    for (std::size_t at = text.find("\nFrom ", start); at != std::string_view::npos;
         at = text.find("\nFrom ", at + 1)) {
        bool crlf = at > start && text[at - 1] == '\r';
        std::size_t empty_line = crlf ? at - 1 : at;  // the line that ends at `at` must be empty
        if (empty_line == start || text[empty_line - 1] != '\n' || !starts_mail(text, at + 1)) continue;
        several_ = true;
        position_ = line_at(text, at + 1).next;
        return MailSpan{start, empty_line - start};
    }
    position_ = text.size();
    std::size_t end = text.size();
    auto rest = text.substr(start);
    if (several_ && rest.ends_with("\n\n"))
        end -= 1;
    else if (several_ && rest.ends_with("\n\r\n"))
        end -= 2;
    return MailSpan{start, end - start};
}

std::uint64_t mail_time(ByteView mail) {
    auto text = as_text(mail);
    if (auto received = raw_field(text, "received")) {
        auto semicolon = received->rfind(';');
        if (semicolon != std::string::npos)
            if (auto time = parse_date(std::string_view(*received).substr(semicolon + 1))) return *time;
    }
    if (auto date = raw_field(text, "date"))
        if (auto time = parse_date(*date)) return *time;
    return 0;
}

Boundaries mail_boundaries(ByteView mail) {
    auto text = as_text(mail);
    Boundaries boundaries{header_size(text)};
    std::size_t at = boundaries[0];
    while (boundaries.size() < limits::mail_boundaries) {
        if (!text.substr(at).starts_with("--")) {
            auto newline = text.find("\n--", at);
            if (newline == std::string_view::npos) break;
            at = newline + 1;
        }
        boundaries.push_back(at);
        at += header_size(text.substr(at));
        boundaries.push_back(at);
    }
    return boundaries;
}

std::string mail_field(ByteView mail, std::string_view name) {
    auto raw = raw_field(as_text(mail), name);
    return raw ? readable_field(*raw) : std::string();
}

}  // namespace kith::history
