#include "control/time_text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

namespace kith::control {
namespace {

using namespace std::chrono;

// The digits of `text` at [at, at + count) as a number; -1 when one is no digit.
int digits(std::string_view text, std::size_t at, std::size_t count) {
    int value = 0;
    for (char c : text.substr(at, count)) {
        if (c < '0' || c > '9') return -1;
        value = value * 10 + (c - '0');
    }
    return value;
}

}  // namespace

std::string to_time_text(std::int64_t unix_ms) {
    constexpr std::int64_t least = -62167219200000, most = 253402300799999;
    sys_time<milliseconds> time{milliseconds{std::clamp(unix_ms, least, most)}};
    auto day = floor<days>(time);
    year_month_day date{day};
    hh_mm_ss clock{time - day};
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                  static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                  static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
                  static_cast<int>(clock.subseconds().count()));
    return text.data();
}

std::optional<std::int64_t> from_time_text(std::string_view text) {
    bool fraction = text.size() == 24;
    if (text.size() != 20 && !fraction) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
        text.back() != 'Z' || (fraction && text[19] != '.'))
        return std::nullopt;
    int y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2), h = digits(text, 11, 2),
        mi = digits(text, 14, 2), s = digits(text, 17, 2), ms = fraction ? digits(text, 20, 3) : 0;
    if (y < 0 || mo < 0 || d < 0 || h < 0 || mi < 0 || s < 0 || ms < 0) return std::nullopt;
    year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
    if (!date.ok() || h > 23 || mi > 59 || s > 59) return std::nullopt;
    return duration_cast<milliseconds>(sys_days{date}.time_since_epoch() + hours{h} + minutes{mi} +
                                       seconds{s} + milliseconds{ms})
        .count();
}

}  // namespace kith::control
