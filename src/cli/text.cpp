#include "cli/text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "control/time_text.h"

namespace kith::cli {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// One code point of UTF-8 at the start of `text`: its value and length; {0, 0} for bytes that are none
// (overlong forms and surrogates included).
struct CodePoint {
    char32_t value = 0;
    std::size_t size = 0;
};
CodePoint first_code_point(std::string_view text) {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned char lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    std::size_t size = lead >= 0xF0 && lead <= 0xF4 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    if (size == 0 || lead > 0xF4 || text.size() < size) return {};
    char32_t value = lead & (0x7Fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {};
        value = value << 6 | (byte(i) & 0x3Fu);
    }
    constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
    return {value, size};
}

bool is_dangerous(char32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) ||        // C0, DEL, C1
           c == 0x061C || c == 0x200E || c == 0x200F ||  // direction marks
           (c >= 0x202A && c <= 0x202E) ||               // embeddings and overrides
           (c >= 0x2066 && c <= 0x2069) ||               // isolates
           c == 0x2028 || c == 0x2029 || c == 0xFEFF ||  // separators, byte order mark
           (c >= 0xFFF9 && c <= 0xFFFB) ||               // interlinear annotation
           (c >= 0xE0000 && c <= 0xE007F);               // invisible tags
}

}  // namespace

std::string clean(std::string_view text, Keep keep) {
    std::string safe;
    safe.reserve(text.size());
    while (!text.empty()) {
        auto [value, size] = first_code_point(text);
        if (size == 0) {
            safe += replacement;
            text.remove_prefix(1);
            continue;
        }
        // A mail's line ends are CR LF: the CR says nothing.
        if (value == '\r' && text.size() > 1 && text[1] == '\n') {
        } else if (value == '\n' || value == '\t') {
            safe += keep == Keep::lines ? static_cast<char>(value) : ' ';
        } else if (is_dangerous(value)) {
            safe += replacement;
        } else {
            safe += text.substr(0, size);
        }
        text.remove_prefix(size);
    }
    return safe;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        auto size = first_code_point(text).size;
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string cut(std::string_view text, std::size_t columns) {
    if (width(text) <= columns) return std::string(text);
    if (columns == 0) return {};
    std::size_t end = 0, seen = 0;
    for (; end < text.size(); ++end) {
        bool starts = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
        if (starts && seen++ == columns - 1) break;
    }
    return std::string(text.substr(0, end)) + "…";
}

std::string size_text(std::uint64_t bytes) {
    constexpr std::array<const char*, 5> units{"bytes", "kB", "MB", "GB", "TB"};
    if (bytes < 1000) return std::to_string(bytes) + " bytes";
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 999.5 && unit + 1 < units.size()) value /= 1000, ++unit;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text.data();
}

std::string duration_text(std::int64_t seconds) {
    seconds = std::max<std::int64_t>(seconds, 0);
    if (seconds < 60) return std::to_string(seconds) + " s";
    std::array<char, 48> text{};
    if (seconds < 3600)
        std::snprintf(text.data(), text.size(), "%d min %02d s", static_cast<int>(seconds / 60),
                      static_cast<int>(seconds % 60));
    else
        std::snprintf(text.data(), text.size(), "%lld h %02d min", static_cast<long long>(seconds / 3600),
                      static_cast<int>(seconds % 3600 / 60));
    return text.data();
}

std::string count_text(std::uint64_t count, std::string_view one, std::string_view many) {
    return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

std::string local_time(std::string_view time_text) {
    auto unix_ms = control::from_time_text(time_text);
    if (!unix_ms) return clean(time_text);
    if (*unix_ms == 0) return "no date";
    std::time_t seconds = static_cast<std::time_t>(*unix_ms / 1000);
    std::tm parts{};
    if (!localtime_r(&seconds, &parts)) return clean(time_text);
    std::array<char, 40> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &parts);
    return text.data();
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
    }
    std::string text;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            text += row[i];
            if (i + 1 < row.size()) text.append(widths[i] - width(row[i]) + 2, ' ');
        }
        text += '\n';
    }
    return text;
}

std::string big_digits(std::string_view digits) {
    // Each digit is five rows of three cells, the top row in the highest bits.
    constexpr std::array<unsigned, 10> shapes{
        0b111'101'101'101'111, 0b010'110'010'010'111, 0b111'001'111'100'111, 0b111'001'111'001'111,
        0b101'101'111'001'001, 0b111'100'111'001'111, 0b111'100'111'101'111, 0b111'001'010'010'010,
        0b111'101'111'101'111, 0b111'101'111'001'111};
    std::string text;
    for (unsigned row = 0; row < 5; ++row) {
        text += "   ";
        for (char c : digits) {
            unsigned cells =
                c >= '0' && c <= '9' ? shapes[static_cast<unsigned>(c - '0')] >> (12 - 3 * row) & 7 : 0;
            for (unsigned column = 0; column < 3; ++column) text += cells >> (2 - column) & 1 ? "██" : "  ";
            text += "  ";
        }
        text += '\n';
    }
    return text;
}

}  // namespace kith::cli
