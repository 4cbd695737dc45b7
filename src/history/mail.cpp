#include "history/mail.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/limits.h"
#include "history/date.h"
#include "history/mail_scan.h"
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
    const auto header = mail.substr(0, limits::mail_header);
    std::size_t at = 0;
    while (at < header.size()) {
        auto line = line_at(header, at);
        at = line.next;
        if (line.text.empty()) break;
        auto found = header_name(line.text);
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

std::string_view header_name(std::string_view line) {
    auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return {};
    auto name = line.substr(0, colon);
    while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
    bool printable = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
    return printable ? name : std::string_view{};
}

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
        auto name = header_name(line.text);
        if (first && (folded || name.empty())) return false;
        first = false;
        for (auto known : usual)
            if (name.size() == known.size() && starts_with_no_case(name, known)) return true;
    }
    return false;
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

std::size_t mail_header_size(ByteView mail) {
    return header_size(as_text(mail));
}

Boundaries mail_boundaries(ByteView mail) {
    BoundaryFinder finder;
    auto text = as_text(mail);
    for (std::size_t at = 0; at < text.size();) {
        auto line = line_at(text, at);
        finder.line(at, line.next, line.text);
        at = line.next;
    }
    return finder.finish(text.size());
}

std::string mail_field(ByteView mail, std::string_view name) {
    auto raw = raw_field(as_text(mail), name);
    return raw ? readable_field(*raw) : std::string();
}

}  // namespace kith::history
