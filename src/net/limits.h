// Limits of this layer that nothing else needs; the others are in base/limits.h.
#pragma once

#include <cstdint>

namespace kith::limits {

// Changes of addresses come in bursts: a new network brings three or four within some milliseconds.
inline constexpr std::int64_t interfaces_settle_ms = 150;
// Where the system has no news of them.
inline constexpr std::int64_t interfaces_look_ms = 3000;

// What was sent on a link and is not acknowledged for this long ends the connection. libzmq's pings do not
// notice a dead path while its own output is stuck, which is what a dead path brings about in mid-transfer.
inline constexpr int link_unacknowledged_ms = 4000;

}  // namespace kith::limits
