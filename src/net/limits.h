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

}  // namespace kith::limits
