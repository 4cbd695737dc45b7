// Dates as mails write them (RFC 5322 section 3.3 and 4.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kith::history {

// Milliseconds since 1970, UTC. Takes a day name, comments, two-digit years, zone names and a missing zone
// (UTC) as they occur in old mails; nothing outside 1970 to 2099.
std::optional<std::uint64_t> parse_date(std::string_view text);

}  // namespace kith::history
