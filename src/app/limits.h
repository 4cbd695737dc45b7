// Limits of this room that stand alone, each with its reason; those of the peer link are in base/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// Messages that one record of marks or tags tells of, and the bytes that this takes: a record of one inline
// part.
inline constexpr std::size_t labels = 256;
inline constexpr std::size_t label_bytes = 48 * 1024;
// Tags of one message, and the bytes of a tag's name: what people can read.
inline constexpr std::size_t tags = 64;
inline constexpr std::size_t tag_bytes = 256;

}  // namespace kith::limits
