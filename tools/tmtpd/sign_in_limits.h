// Limits of signing in, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// A provider changes its keys every few weeks, and announces them days before.
inline constexpr std::int64_t sign_in_keys_ms = 3600ll * 1000;
// When it was not reached, or a token names a key that is not known.
inline constexpr std::int64_t sign_in_keys_retry_ms = 30'000;
// Tokens that are remembered until they have expired.
inline constexpr std::size_t sign_in_used = 100'000;

}  // namespace kith::limits
