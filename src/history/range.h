// Ranges of history and their fingerprints.
//
// A fingerprint of a range is its count and the sum, modulo 2^256, of BLAKE2b-256 keyed with a secret of the
// person over each record's id (A. Meyer, "Range-Based Set Reconciliation", 2022). The key keeps whoever can
// send us messages from making two sets with one sum.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "base/secret.h"
#include "history/packer.h"
#include "history/record.h"
#include "history/selection.h"

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

// How a record's bytes are kept and moved.
enum class Form : std::uint8_t {
    plain = 0,   // the canonical form
    packed = 1,  // one zstd frame of it
    absent = 2,  // not at all: left out by a selection, or erased
};

// A record as it is moved and stored. Packed once, where it was made: what is kept packed travels so.
struct StoredRecord {
    Key key;
    AccountId account;
    Form form = Form::plain;
    std::uint64_t size = 0;  // of the canonical form
    Bytes bytes;
    bool here() const { return form != Form::absent; }
};
StoredRecord plain_record(const Key& key, const AccountId& account, Bytes canonical);
// The canonical form. Fault::unavailable when it is absent, corrupt when it cannot be unpacked.
Result<Bytes> canonical(const StoredRecord& record, Packer& packer);

// What one batch may hold. The first record always fits.
class Budget {
  public:
    // `bytes` as it is moved; `size` unpacked, so that a batch is no bomb for its receiver.
    bool take(std::size_t bytes, std::uint64_t size);
    std::size_t records() const { return records_; }

  private:
    std::size_t records_ = 0;
    std::uint64_t bytes_ = 0, size_ = 0;
};

// What a device holds.
struct Totals {
    std::uint64_t records = 0;
    std::uint64_t record_bytes = 0;  // of canonical forms
    std::uint64_t blobs = 0;         // that records name
    std::uint64_t blob_bytes = 0;
    std::uint64_t blobs_missing = 0;  // of these, not complete here
    std::uint64_t bytes_missing = 0;
    std::uint64_t absent = 0;  // records whose bytes are not here, though nobody erased them
    std::uint64_t absent_bytes = 0;
    std::uint64_t erased = 0;  // records that erasures name, here or not
    bool operator==(const Totals&) const = default;
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
    // Those of these keys that are not in the set, in the order given.
    virtual Result<std::vector<Key>> lacking(std::span<const Key> keys) const = 0;
    // The newest records of the range, as many as the budget takes; those that the selection leaves out are
    // absent.
    virtual Result<Page> newest(const Range& range, const Selection& selection, Budget budget) const = 0;
    // Those of the keys that are here, in the order given, as many as the budget takes; `done` counts the
    // keys that were looked at.
    struct Got {
        std::vector<StoredRecord> records;
        std::size_t done = 0;
    };
    virtual Result<Got> get(std::span<const Key> keys, const Selection& selection, Budget budget) const = 0;
    // Keys below `before` of records that are absent though this selection takes them, newest first.
    virtual Result<std::vector<Key>> wanted(const Selection& selection, const Key& before,
                                            std::size_t max) const = 0;
};

}  // namespace kith::history
