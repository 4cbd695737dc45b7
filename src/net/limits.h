// Limits of this room that stand alone, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// From the name to the whole answer of one request: a provider under load, over a slow line.
inline constexpr std::int64_t https_ms = 20'000;
// Browsers open a few connections at once, some for nothing.
inline constexpr std::size_t loopback_connections = 16;
// From a connection to its whole request.
inline constexpr std::int64_t loopback_ms = 10'000;

}  // namespace kith::limits
