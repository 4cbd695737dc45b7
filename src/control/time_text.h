// Times in the control protocol: RFC 3339, UTC, milliseconds, "2002-08-22T11:26:25.000Z".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kith::control {

// Times outside of the years 0 to 9999, which RFC 3339 cannot write, become the nearest that it can.
std::string to_time_text(std::int64_t unix_ms);
// Reads the form above only, fraction optional; nothing for another or for a date that does not exist.
std::optional<std::int64_t> from_time_text(std::string_view text);

}  // namespace kith::control
