// Ranges of history and their fingerprints.
//
// A fingerprint of a range is its count and the sum, modulo 2^256, of BLAKE2b-256 keyed with a secret of the
// person over each record's id (A. Meyer, "Range-Based Set Reconciliation", 2022). The key keeps whoever can
// send us messages from making two sets with one sum.
#pragma once

#include <array>
#include <vector>

#include "base/secret.h"
#include "history/record.h"

namespace kith::history {

// An unsigned number modulo 2^256, big-endian.
struct Sum {
    std::array<std::uint8_t, 32> bytes{};
    bool operator==(const Sum&) const = default;
    Sum& operator+=(const Sum& other);
    Sum& operator-=(const Sum& other);
};

struct Fingerprint {
    std::uint64_t count = 0;
    Sum sum;
    bool operator==(const Fingerprint&) const = default;
    Fingerprint& operator+=(const Fingerprint& other);
};

// What one record adds to the fingerprint of each range it is in.
Sum term(const kith::Key& key, const RecordId& id);

// All keys k with from <= k < to.
struct Range {
    Key from;
    Key to;
    bool operator==(const Range&) const = default;
    bool empty() const { return !(from < to); }
    bool contains(const Key& key) const { return from <= key && key < to; }
    static Range all();
};
// A key above every record's.
Key last_key();

// 40 bytes: time (8, big-endian), id (32).
void append_key(Bytes& to, const Key& key);
Key load_key(ByteView forty_bytes);

// A record as it is moved and stored.
struct StoredRecord {
    Key key;
    Bytes canonical;
};

// A page of records, newest first, and the upper end of what remains of the range below them: the place to
// go on from. `rest.empty()` when the range is exhausted.
struct Page {
    std::vector<StoredRecord> records;
    Range rest;
};

// What reconciliation and transfer need of a store of records. Reads only; all may fail with Fault::io,
// corrupt or disk_full.
class RecordSet {
  public:
    virtual ~RecordSet() = default;
    virtual Result<Fingerprint> fingerprint(const Range& range) const = 0;
    // Cuts a range with more than one record into 2 to 64 parts that cover it, oldest first, without gaps.
    // Any cut will do; equal shares are best.
    virtual Result<std::vector<Range>> split(const Range& range) const = 0;
    // All keys of the range, oldest first, at most `max`.
    virtual Result<std::vector<Key>> keys(const Range& range, std::size_t max) const = 0;
    // The newest records of the range, up to these limits but at least one.
    virtual Result<Page> newest(const Range& range, std::size_t max_records, std::size_t max_bytes) const = 0;
    // Those of the keys that are here, in the order given.
    virtual Result<std::vector<StoredRecord>> get(const std::vector<Key>& keys) const = 0;
};

}  // namespace kith::history
