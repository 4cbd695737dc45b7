#include "history/date.h"

#include <array>
#include <cctype>
#include <chrono>
#include <string>
#include <vector>

namespace kith::history {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

// Words between spaces and commas; what stands in brackets is a comment.
std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    int depth = 0;
    for (char c : text) {
        if (c == '(') ++depth;
        bool ends = depth > 0 || c == ',' || std::isspace(static_cast<unsigned char>(c));
        if (c == ')' && depth > 0) --depth;
        if (!ends) {
            word.push_back(c);
        } else if (!word.empty()) {
            words.push_back(std::move(word));
            word.clear();
        }
        if (words.size() > 12) break;
    }
    if (!word.empty()) words.push_back(std::move(word));
    return words;
}

std::optional<int> number(std::string_view text, std::size_t max_digits) {
    if (text.empty() || text.size() > max_digits) return std::nullopt;
    int value = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    return value;
}

std::optional<int> month_of(std::string_view word) {
    static constexpr std::array<std::string_view, 12> names{"jan", "feb", "mar", "apr", "may", "jun",
                                                            "jul", "aug", "sep", "oct", "nov", "dec"};
    auto key = lower(word.substr(0, 3));
    for (std::size_t i = 0; i < names.size(); ++i)
        if (key == names[i]) return static_cast<int>(i) + 1;
    return std::nullopt;
}

// Seconds of the day from "hh:mm" or "hh:mm:ss".
std::optional<int> clock_of(std::string_view word) {
    auto first = word.find(':');
    if (first == std::string_view::npos) return std::nullopt;
    auto second = word.find(':', first + 1);
    auto hours = number(word.substr(0, first), 2);
    auto minutes =
        number(word.substr(first + 1, second == std::string_view::npos ? second : second - first - 1), 2);
    std::optional<int> seconds = 0;
    if (second != std::string_view::npos) {
        auto rest = word.substr(second + 1);
        seconds = number(rest.substr(0, rest.find('.')), 2);
    }
    if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 60) return std::nullopt;
    return *hours * 3600 + *minutes * 60 + *seconds;
}

// Offset from UTC in seconds; names other than RFC 5322's count as UTC, as it says.
std::optional<int> zone_of(std::string_view word) {
    if (word.size() == 5 && (word[0] == '+' || word[0] == '-')) {
        auto hours = number(word.substr(1, 2), 2), minutes = number(word.substr(3, 2), 2);
        if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
        int offset = *hours * 3600 + *minutes * 60;
        return word[0] == '-' ? -offset : offset;
    }
    auto name = lower(word);
    struct Named {
        std::string_view name;
        int hours;
    };
    static constexpr Named zones[] = {{"est", -5}, {"edt", -4}, {"cst", -6}, {"cdt", -5},
                                      {"mst", -7}, {"mdt", -6}, {"pst", -8}, {"pdt", -7}};
    for (const auto& zone : zones)
        if (name == zone.name) return zone.hours * 3600;
    return 0;
}

std::optional<int> year_of(std::string_view word) {
    auto year = number(word, 4);
    if (!year) return std::nullopt;
    if (word.size() == 2) return *year + (*year < 50 ? 2000 : 1900);
    if (word.size() == 3) return *year + 1900;
    return year;
}

}  // namespace

std::optional<std::uint64_t> parse_date(std::string_view text) {
    auto words = words_of(text.substr(0, 200));
    // The day of the month is the first word that is a number; what stands before it is the name of a day.
    std::size_t at = 0;
    while (at < words.size() && !number(words[at], 2) && !month_of(words[at])) ++at;
    if (at + 2 >= words.size()) return std::nullopt;
    std::optional<int> day = number(words[at], 2), month = month_of(words[at + 1]), year, clock;
    std::size_t zone_at = 0;
    if (day) {
        year = year_of(words[at + 2]);
        if (at + 3 < words.size()) clock = clock_of(words[at + 3]);
        zone_at = at + 4;
    } else {  // as ctime writes it: month day clock year
        month = month_of(words[at]);
        day = number(words[at + 1], 2);
        clock = clock_of(words[at + 2]);
        if (at + 3 < words.size()) year = year_of(words[at + 3]);
        zone_at = at + 4;
    }
    if (!day || !month || !year || !clock || *year < 1970 || *year > 2099) return std::nullopt;
    std::chrono::year_month_day date{std::chrono::year(*year),
                                     std::chrono::month(static_cast<unsigned>(*month)),
                                     std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok()) return std::nullopt;
    auto offset = zone_at < words.size() ? zone_of(words[zone_at]) : std::optional<int>(0);
    if (!offset) offset = 0;
    auto days = std::chrono::sys_days(date).time_since_epoch().count();
    std::int64_t seconds = std::int64_t{days} * 86400 + *clock - *offset;
    if (seconds < 0) return std::nullopt;
    return static_cast<std::uint64_t>(seconds) * 1000;
}

}  // namespace kith::history
