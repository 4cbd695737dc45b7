// The column `flags` of a record's row (src/store/README.md). Of use to this layer's sources alone; where a
// query holds them as numbers, so that SQLite takes the partial index made for it, they are these.
#pragma once

#include <cstdint>

namespace kith::store {

inline constexpr std::int64_t flag_shown = 1, flag_packed = 2, flag_conflict = 4, flag_blobs = 8,
                              flag_absent = 16, flag_erased = 32, flag_was_shown = 64;

}  // namespace kith::store
