#include "history/html_text.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace kith::history {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool is_letter(char c) {
    return lower(c) >= 'a' && lower(c) <= 'z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Where `what`, in lower case, next begins in `html`, or its end.
std::size_t find_no_case(std::string_view html, std::string_view what, std::size_t from) {
    auto at = std::search(html.begin() + static_cast<std::ptrdiff_t>(std::min(from, html.size())), html.end(),
                          what.begin(), what.end(), [](char a, char b) { return lower(a) == b; });
    return static_cast<std::size_t>(at - html.begin());
}

struct Tag {
    std::string name;  // lower case, at most 10 bytes of it; empty: no tag
    bool end = false;
    std::size_t next = 0;  // behind it
};

Tag tag_at(std::string_view html, std::size_t at) {
    Tag tag;
    auto here = at + 1;
    if (here < html.size() && html[here] == '/') {
        tag.end = true;
        ++here;
    }
    if (here >= html.size() || !is_letter(html[here])) return tag;
    while (here < html.size() && (is_letter(html[here]) || is_digit(html[here]))) {
        if (tag.name.size() < 10) tag.name += lower(html[here]);
        ++here;
    }
    // A > within a quoted value does not end the tag.
    char quote = 0;
    for (; here < html.size(); ++here) {
        char c = html[here];
        if (quote) {
            if (c == quote) quote = 0;
        } else if (c == '>') {
            break;
        } else if ((c == '"' || c == '\'') && html[here - 1] == '=') {
            quote = c;
        }
    }
    tag.next = std::min(here + 1, html.size());
    return tag;
}

bool within_line(std::string_view name) {
    static constexpr std::array<std::string_view, 22> names{
        "a",    "abbr", "b", "big",  "code",  "em",   "font",   "i",   "img", "ins", "kbd",
        "mark", "o",    "s", "samp", "small", "span", "strong", "sub", "sup", "tt",  "u"};
    return std::find(names.begin(), names.end(), name) != names.end();
}

void append_utf8(std::string& to, std::uint32_t point) {
    if (point < ' ' || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) point = ' ';
    auto add = [&](std::uint32_t bits) { to += static_cast<char>(bits); };
    if (point < 0x80) {
        add(point);
    } else if (point < 0x800) {
        add(0xC0 | point >> 6);
        add(0x80 | (point & 63));
    } else if (point < 0x10000) {
        add(0xE0 | point >> 12);
        add(0x80 | (point >> 6 & 63));
        add(0x80 | (point & 63));
    } else {
        add(0xF0 | point >> 18);
        add(0x80 | (point >> 12 & 63));
        add(0x80 | (point >> 6 & 63));
        add(0x80 | (point & 63));
    }
}

// The character that the entity at the start of `text` stands for; 0: it is none. `size`: of the entity.
std::uint32_t entity_at(std::string_view text, std::size_t& size) {
    auto name = text.substr(1, text.substr(0, 12).find(';') - 1);
    if (text.substr(0, 12).find(';') == std::string_view::npos || name.empty()) return 0;
    size = name.size() + 2;
    if (name[0] == '#') {
        const bool hex = name.size() > 1 && lower(name[1]) == 'x';
        auto digits = name.substr(hex ? 2 : 1);
        if (digits.empty() || digits.size() > 7) return 0;
        std::uint32_t point = 0;
        for (char c : digits) {
            const bool in_hex = hex && lower(c) >= 'a' && lower(c) <= 'f';
            if (!is_digit(c) && !in_hex) return 0;
            point =
                point * (hex ? 16 : 10) + static_cast<std::uint32_t>(in_hex ? lower(c) - 'a' + 10 : c - '0');
        }
        return point == 0 ? ' ' : point;
    }
    struct Named {
        std::string_view name;
        std::uint32_t point;
    };
    static constexpr Named table[] = {
        {"amp", '&'},      {"lt", '<'},        {"gt", '>'},       {"quot", '"'},     {"apos", '\''},
        {"nbsp", ' '},     {"auml", 0xE4},     {"ouml", 0xF6},    {"uuml", 0xFC},    {"Auml", 0xC4},
        {"Ouml", 0xD6},    {"Uuml", 0xDC},     {"szlig", 0xDF},   {"eacute", 0xE9},  {"egrave", 0xE8},
        {"ecirc", 0xEA},   {"agrave", 0xE0},   {"aacute", 0xE1},  {"acirc", 0xE2},   {"aring", 0xE5},
        {"ccedil", 0xE7},  {"iacute", 0xED},   {"ntilde", 0xF1},  {"oacute", 0xF3},  {"ocirc", 0xF4},
        {"oslash", 0xF8},  {"uacute", 0xFA},   {"ugrave", 0xF9},  {"Eacute", 0xC9},  {"copy", 0xA9},
        {"euro", 0x20AC},  {"hellip", 0x2026}, {"mdash", 0x2014}, {"ndash", 0x2013}, {"lsquo", 0x2018},
        {"rsquo", 0x2019}, {"ldquo", 0x201C},  {"rdquo", 0x201D}, {"bull", 0x2022}};
    for (const auto& one : table)
        if (one.name == name) return one.point;
    return 0;
}

}  // namespace

std::string html_text(std::string_view html) {
    std::string text;
    std::size_t at = 0;
    while (at < html.size()) {
        const char c = html[at];
        if (c == '&') {
            std::size_t size = 0;
            if (auto point = entity_at(html.substr(at), size)) {
                append_utf8(text, point);
                at += size;
                continue;
            }
        }
        if (c != '<') {
            text += c;
            ++at;
            continue;
        }
        if (html.substr(at).starts_with("<!--")) {
            auto end = html.find("-->", at + 4);
            at = end == std::string_view::npos ? html.size() : end + 3;
            continue;
        }
        if (html.substr(at).starts_with("<!") || html.substr(at).starts_with("<?")) {
            auto end = html.find('>', at);
            at = end == std::string_view::npos ? html.size() : end + 1;
            continue;
        }
        auto tag = tag_at(html, at);
        if (tag.name.empty()) {  // a < in the text
            text += c;
            ++at;
            continue;
        }
        at = tag.next;
        if (!tag.end && (tag.name == "script" || tag.name == "style"))
            at = find_no_case(html, "</" + tag.name, at);
        else if (!within_line(tag.name))
            text += '\n';
    }
    return text;
}

}  // namespace kith::history
