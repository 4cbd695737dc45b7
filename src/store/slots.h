// The index of fingerprints: how many records fall into each slot of time, and the sum of their terms, on
// five levels, each 64 times finer than the one before. A range then costs a few rows instead of a scan.
//
// On level l, the slot of a time is time_ms >> slot_shifts[l]: from 35 years to 65 seconds. Rows are kept
// only for slots that hold a record.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "history/range.h"
#include "store/database.h"

namespace kith::store {

inline constexpr std::array<unsigned, 5> slot_shifts{40, 34, 28, 22, 16};
inline constexpr std::size_t finest_level = slot_shifts.size() - 1;
inline constexpr std::uint64_t slots_within = 64;  // of the next finer level, in each slot

inline std::uint64_t slot_of(std::uint64_t time_ms, std::size_t level) {
    return time_ms >> slot_shifts[level];
}
// The lowest key of a slot.
inline history::Key slot_start(std::size_t level, std::uint64_t slot) {
    return {slot << slot_shifts[level], {}};
}

// What a batch of records adds to the slots, put together in memory and written once a slot.
class SlotDeltas {
  public:
    void add(std::uint64_t time_ms, const history::Sum& term);
    // Within the caller's transaction.
    Result<> write(Database& db) const;

  private:
    std::map<std::pair<std::size_t, std::uint64_t>, history::Fingerprint> deltas_;  // by level and slot
};

// Writes the slots anew for records that come in the order of their keys, in constant memory.
class SlotRebuild {
  public:
    static Result<> clear(Database& db);
    Result<> add(Database& db, std::uint64_t time_ms, const history::Sum& term);
    Result<> finish(Database& db);

  private:
    struct Open {
        std::uint64_t slot = 0;
        history::Fingerprint fingerprint;
    };
    std::array<Open, slot_shifts.size()> open_;
};

// The fingerprint of all records in the slots from `first` up to, not including, `end` of the finest level.
Result<history::Fingerprint> slots_fingerprint(Database& db, std::uint64_t first, std::uint64_t end);

struct SlotCount {
    std::size_t level;
    std::uint64_t slot;
    std::uint64_t count;
};
// The slots of a level that hold records, from `first` to `last`, both included.
Result<std::vector<SlotCount>> slot_counts(Database& db, std::size_t level, std::uint64_t first,
                                           std::uint64_t last);

}  // namespace kith::store
