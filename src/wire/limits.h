// Limits of this room that stand alone, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// An HTTP message's header, ours or a sign-in provider's: browsers send some hundred bytes, and cookies.
inline constexpr std::size_t http_head_bytes = 32 * 1024;
// The answer of a token address, and a provider's set of keys: a few KiB.
inline constexpr std::size_t http_body_bytes = 256 * 1024;
// An address, with parameters: what browsers take.
inline constexpr std::size_t url_bytes = 8 * 1024;

}  // namespace kith::limits
