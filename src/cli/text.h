// Text for people: what strangers wrote made harmless for a terminal, and numbers and times as words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kith::cli {

// `text` safe to print: control characters (an escape sequence could rewrite the screen), overrides of
// writing direction (they make a name read as another) and bytes that are not UTF-8 each become U+FFFD.
// `lines` keeps line ends and tabs, for a message's body; without it they become spaces.
enum class Keep { nothing, lines };
std::string clean(std::string_view text, Keep keep = Keep::nothing);

bool is_utf8(std::string_view text);

// Code points of UTF-8 text: its width, nearly.
std::size_t width(std::string_view text);
// At most `columns` wide, the last being "…" when something was cut off.
std::string cut(std::string_view text, std::size_t columns);

std::string size_text(std::uint64_t bytes);       // "1.4 MB"
std::string duration_text(std::int64_t seconds);  // "1 h 05 min", "12 s"
std::string count_text(std::uint64_t count, std::string_view one, std::string_view many);
// A time of the control protocol in local time, "2002-08-22 13:26"; "no date" for 0, as of a mail that gives
// none; as it came when it is no time.
std::string local_time(std::string_view time_text);

// Columns side by side, the last as wide as it is. Cells must be clean.
std::string table(const std::vector<std::vector<std::string>>& rows);

// Digits five lines high.
std::string big_digits(std::string_view digits);

}  // namespace kith::cli
