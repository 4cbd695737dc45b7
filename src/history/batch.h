// The bodies of the sync frames (src/history/README.md "Frames"): ranges with fingerprints, answers to them,
// and batches of records.
#pragma once

#include <utility>
#include <vector>

#include "history/sync.h"

namespace kith::history {

using Compared = std::pair<Range, Fingerprint>;

// A range and its fingerprint: 120 bytes.
inline constexpr std::size_t compare_bytes = 120;
void append_compare(Bytes& to, const Range& range, const Fingerprint& fingerprint);
Result<std::vector<Compared>> decode_compare(ByteView body);

// What the peer holds in a range that was compared: the same; or its parts; or, when `parts` is empty, all
// keys.
struct PartsAnswer {
    Range range;
    bool same = false;
    std::vector<Compared> parts;
    std::vector<Key> keys;  // oldest first
};
void append_parts(Bytes& to, const PartsAnswer& answer);
// Checks that the answers are for the ranges that were asked, in order, that parts cover their range without
// gaps, and that keys rise within it.
Result<std::vector<PartsAnswer>> decode_parts(ByteView body, const std::vector<Range>& asked);

// Records, as they are kept; packed together as well where most of them are not.
struct Batch {
    Bytes body;
    std::uint64_t count = 0;
    std::uint64_t raw = 0;  // of the body before packing
    bool packed = false;
};
Batch encode_batch(const std::vector<StoredRecord>& records, Packer& packer);
// Checks and decodes every record; the ids are computed, never taken from the peer (but of absent ones).
Result<std::vector<Arrived>> decode_batch(ByteView body, const Batch& head, Packer& packer);

}  // namespace kith::history
