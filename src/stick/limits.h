// Limits of this layer, with their reasons.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace kith::limits {

// A request on a stick: fixed fields, and as many names of accounts as a selection may have.
inline constexpr std::size_t stick_request_bytes = 128 * 1024;
// A message: a frame of the peer link, sealed. It is read into memory before it can be checked.
inline constexpr std::size_t stick_message_bytes = frame_bytes + head_bytes + 32 * 1024;
// A file of a payload: some file systems of sticks end at 4 GiB.
inline constexpr std::uint64_t stick_part_bytes = 1024ull * 1024 * 1024;
// Files of a payload: 4 digits.
inline constexpr std::uint32_t stick_parts = 10'000;

}  // namespace kith::limits
