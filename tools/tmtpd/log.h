// The log, on standard error: one line an event, `time=... event=NAME key=value ...`, for people and for
// programs. Never what clients say to each other, names that people chose, or secrets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace kith::tmtpd {

class LogLine {
  public:
    LogLine(std::int64_t unix_ms, std::string_view event);
    LogLine(const LogLine&) = delete;
    LogLine& operator=(const LogLine&) = delete;
    ~LogLine();  // writes it

    template <class Number>
    requires std::is_integral_v<Number> LogLine& with(std::string_view key, Number value) {
        return put(key, std::to_string(value));
    }
    // Quoted where it needs to be: within quotes `"` and `\` have a `\` before them, control characters are
    // \xNN.
    LogLine& with(std::string_view key, std::string_view value) { return put(key, value); }

  private:
    LogLine& put(std::string_view key, std::string_view value);
    std::string line_;
};

}  // namespace kith::tmtpd
