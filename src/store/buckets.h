// The index of fingerprints: records in the order of their keys, in buckets of some hundred, each with its
// count and the sum of its terms; buckets in larger ones, on four levels. A range then costs a few rows and
// what sticks out at its two ends, however many records have one time.
//
// On each level the buckets cover all keys without gaps: a bucket reaches from its key up to the next one's.
// Each bucket of a level starts where one of the next finer level does. The first of each starts at the
// lowest key.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "history/range.h"
#include "store/database.h"

namespace kith::store {

inline constexpr std::size_t bucket_levels = 4;

struct Bucket {
    history::Key from;
    history::Fingerprint fingerprint;
};

// What a batch of records adds to the buckets. All within the caller's transaction.
class BucketIndex {
  public:
    // The records of the table `record` have been added already; `terms` are theirs, in any order.
    using Terms = std::vector<std::pair<history::Key, history::Sum>>;
    static Result<> add(Database& db, const kith::Key& term_key, Terms terms);
    // Makes the index anew from the table `record`.
    static Result<> rebuild(Database& db, const kith::Key& term_key);

    static Result<history::Fingerprint> fingerprint(Database& db, const kith::Key& term_key,
                                                    const history::Range& range);
    // Keys within the range at which it can be cut in shares that do not differ much, rising: the starts of
    // buckets. None when the range lies within one.
    static Result<std::vector<history::Key>> cuts(Database& db, const history::Range& range);
};

}  // namespace kith::store
