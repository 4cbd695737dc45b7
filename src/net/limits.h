// Limits of this layer that base/limits.h does not hold, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// A connection that is probed and gives no answer for this long is dead: a path that loses packets has had
// several chances.
inline constexpr std::int64_t tls_dead_ms = 4000;
inline constexpr int tls_probe_interval_s = 1;  // the system's shortest
inline constexpr int tls_probes = 3;
// How often an answer is looked for.
inline constexpr std::int64_t tls_probe_look_ms = 100;

// From the name to the whole answer of one request: a provider under load, over a slow line.
inline constexpr std::int64_t https_ms = 20'000;
// Browsers open a few connections at once, some for nothing.
inline constexpr std::size_t loopback_connections = 16;
// From a connection to its whole request.
inline constexpr std::int64_t loopback_ms = 10'000;

// Changes of addresses come in bursts: a new network brings three or four within some milliseconds.
inline constexpr std::int64_t interfaces_settle_ms = 150;
// Where the system has no news of them.
inline constexpr std::int64_t interfaces_look_ms = 3000;

// What was sent on a link and is not acknowledged for this long ends the connection. libzmq's pings do not
// notice a dead path while its own output is stuck, which is what a dead path brings about in mid-transfer.
inline constexpr int link_unacknowledged_ms = 4000;

}  // namespace kith::limits
