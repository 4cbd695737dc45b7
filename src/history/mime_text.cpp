#include "history/mime_text.h"

#include <iconv.h>

#include <cctype>
#include <optional>

namespace kith::history {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

int base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return -1;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

// The length of the valid UTF-8 sequence that starts here, or 0.
std::size_t sequence_size(std::string_view text) {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned char first = byte(0);
    std::size_t size = first < 0x80                    ? 1
                       : first >= 0xC2 && first < 0xE0 ? 2
                       : first >= 0xE0 && first < 0xF0 ? 3
                       : first >= 0xF0 && first < 0xF5 ? 4
                                                       : 0;
    if (size == 0 || size > text.size()) return 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    if (size == 3 && ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F))) return 0;
    if (size == 4 && ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F))) return 0;
    return size;
}

bool is_valid_utf8(std::string_view text) {
    while (!text.empty()) {
        auto size = sequence_size(text);
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

// One encoded word "=?charset?B|Q?text?=" at the start of `text`.
struct EncodedWord {
    std::string decoded;
    std::size_t size;
};

std::optional<EncodedWord> encoded_word(std::string_view text) {
    if (!text.starts_with("=?")) return std::nullopt;
    auto charset_end = text.find('?', 2);
    if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() ||
        text[charset_end + 2] != '?')
        return std::nullopt;
    auto end = text.find("?=", charset_end + 3);
    if (end == std::string_view::npos || end > 2000) return std::nullopt;
    auto charset = text.substr(2, charset_end - 2);
    charset = charset.substr(0, charset.find('*'));  // RFC 2231 language
    auto content = text.substr(charset_end + 3, end - charset_end - 3);
    char encoding = static_cast<char>(std::tolower(static_cast<unsigned char>(text[charset_end + 1])));
    if (encoding != 'b' && encoding != 'q') return std::nullopt;
    Bytes bytes = encoding == 'b' ? decode_base64(content) : decode_quoted_printable(content, true);
    return EncodedWord{to_utf8(bytes, charset), end + 2};
}

}  // namespace

std::string readable_field(std::string_view raw) {
    std::string out;
    std::size_t word_end = 0;  // where the last encoded word ended in `out`, while only space follows it
    std::size_t at = 0;
    while (at < raw.size()) {
        if (auto word = encoded_word(raw.substr(at))) {
            // Space between two encoded words is not part of the text.
            if (word_end > 0) out.resize(word_end);
            out += word->decoded;
            word_end = out.size();
            at += word->size;
            continue;
        }
        char c = raw[at++];
        bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
        if (!space) word_end = 0;
        out.push_back(space ? ' ' : c);
    }
    auto first = out.find_first_not_of(' ');
    if (first == std::string::npos) return {};
    out = out.substr(first, out.find_last_not_of(' ') - first + 1);
    return is_valid_utf8(out) ? out : to_utf8(as_bytes(out), "");
}

std::string to_utf8(ByteView bytes, std::string_view charset) {
    std::string name(charset);
    for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (is_valid_utf8(as_text(bytes)) &&
        (name.empty() || name == "utf-8" || name == "us-ascii" || name == "ascii"))
        return std::string(as_text(bytes));
    if (name == "utf-8") return valid_utf8(as_text(bytes));
    iconv_t converter = name.empty() || name == "us-ascii" || name == "iso-8859-1" || name.size() > 40
                            ? iconv_open("UTF-8", "WINDOWS-1252")
                            : iconv_open("UTF-8", name.c_str());
    if (converter == iconv_t(-1)) converter = iconv_open("UTF-8", "WINDOWS-1252");
    if (converter == iconv_t(-1)) return valid_utf8(as_text(bytes));
    std::string out;
    std::string input(as_text(bytes));
    char* from = input.data();
    std::size_t left = input.size();
    while (left > 0) {
        char buffer[4096];
        char* to = buffer;
        std::size_t room = sizeof buffer, before = left;
        std::size_t converted = iconv(converter, &from, &left, &to, &room);
        out.append(buffer, sizeof buffer - room);
        if (converted != static_cast<std::size_t>(-1) || left == 0) continue;
        if (room == sizeof buffer && left == before) {  // a byte that this charset does not have
            out += replacement;
            ++from;
            --left;
        }
    }
    iconv_close(converter);
    return valid_utf8(out);
}

std::string valid_utf8(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        auto size = sequence_size(text);
        if (size == 0)
            out += replacement;
        else
            out.append(text.substr(0, size));
        text.remove_prefix(size == 0 ? 1 : size);
    }
    return out;
}

Bytes decode_base64(std::string_view text) {
    Bytes out;
    std::uint32_t held = 0;
    int bits = 0;
    for (char c : text) {
        if (c == '=') break;
        int value = base64_value(c);
        if (value < 0) continue;
        held = held << 6 | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out.push_back(static_cast<std::uint8_t>(held >> bits));
        }
    }
    return out;
}

Bytes decode_quoted_printable(std::string_view text, bool in_header) {
    Bytes out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (in_header && c == '_') {
            out.push_back(' ');
        } else if (c == '=' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
                   hex_digit(text[i + 2]) >= 0) {
            out.push_back(static_cast<std::uint8_t>(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2])));
            i += 2;
        } else if (c == '=' && i + 1 < text.size() && (text[i + 1] == '\n' || text[i + 1] == '\r')) {
            ++i;
            if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
        } else {
            out.push_back(static_cast<std::uint8_t>(c));
        }
    }
    return out;
}

}  // namespace kith::history
