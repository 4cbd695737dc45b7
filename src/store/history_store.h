// The history of a profile: its records, in the encrypted database, with what listing and reconciliation need
// kept beside them in the same transactions.
//
// Nothing here checks that an id is the hash of its bytes: whoever brings records in from outside does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/secret.h"
#include "history/range.h"
#include "store/database.h"
#include "store/packer.h"

namespace kith::store {

// What a list of history shows of a record, found by whoever can parse it. Texts beyond limits::listing_bytes
// are cut.
struct Listing {
    std::string from;
    std::string subject;
    bool shown = false;  // false: kept, but not a message for people
    // Messages: the service's id for it. Records of one (account, msgid) with different bytes are all kept
    // and flagged; the one with the lowest key is shown.
    std::string msgid;
};

struct NewRecord {
    history::StoredRecord stored;
    history::Record record;  // decoded from stored.canonical
    Listing listing;
};

struct AddResult {
    std::uint64_t added = 0;
    std::uint64_t already = 0;
};

struct ListedRecord {
    history::Key key;
    AccountId account;  // zero: none
    std::string kind;
    std::string from;
    std::string subject;
    bool conflict = false;  // other bytes came under the same message id
};

struct MissingBlob {
    BlobId id;
    std::uint64_t size = 0;
};

struct Totals {
    std::uint64_t records = 0;
    std::uint64_t record_bytes = 0;  // of canonical forms
    std::uint64_t blobs = 0;         // that records name
    std::uint64_t blob_bytes = 0;
    std::uint64_t blobs_missing = 0;  // of these, not complete here
    std::uint64_t bytes_missing = 0;
    bool operator==(const Totals&) const = default;
};

class HistoryStore : public history::RecordSet {
  public:
    // On a database with profile_schema(), which must outlive this. `term_key` is the person's secret for
    // fingerprints; without it, fingerprint() is Fault::unavailable until set_term_key().
    static Result<std::unique_ptr<HistoryStore>> open(Database& db, const kith::Key* term_key);

    // Sets the secret for fingerprints, and recomputes them when they were made with another or none.
    Result<> set_term_key(const kith::Key& term_key);

    // Adds those that are not here yet, all or none, durable when it returns (or when an outer transaction
    // commits). What an added record names becomes rows of blobs, missing unless the blob is here already.
    Result<AddResult> add(std::span<const NewRecord> records);

    Result<Totals> totals() const;
    // Shown records, newest first, at most `limit`; only those below `before`, when given.
    Result<std::vector<ListedRecord>> list(std::size_t limit, std::optional<history::Key> before = {}) const;
    Result<bool> has(const history::Key& key) const;
    Result<ListedRecord> listed(const history::Key& key) const;
    // The record whose id begins with these hexadecimal digits. not_found, or refused when several do. Reads
    // the index of all keys, 45 bytes a record: for a person's question, not for a loop.
    Result<history::Key> find(std::string_view hex_prefix) const;
    // Messages under (account, msgid), lowest key first: one, or several that differ.
    Result<std::vector<history::Key>> find_message(const AccountId& account, std::string_view msgid) const;

    // The callbacks must not write to the database; an error they return ends the walk and is returned.
    using RecordFn = std::function<Result<>(const history::StoredRecord&)>;
    Result<> for_each_of_kind(std::string_view kind, const RecordFn& fn) const;  // in order of keys
    Result<bool> has_kind(std::string_view kind) const;
    Result<> for_each_id(const std::function<void(const history::Key&)>& fn) const;  // in order of keys
    Result<> for_each_complete_blob(const std::function<void(const BlobId&, std::uint64_t size)>& fn) const;
    // Blobs that records name and that are not complete, those of the newest records first.
    Result<std::vector<MissingBlob>> missing_blobs(std::size_t limit) const;

    // history::RecordSet
    Result<history::Fingerprint> fingerprint(const history::Range& range) const override;
    Result<std::vector<history::Range>> split(const history::Range& range) const override;
    Result<std::vector<history::Key>> keys(const history::Range& range, std::size_t max) const override;
    Result<history::Page> newest(const history::Range& range, std::size_t max_records,
                                 std::size_t max_bytes) const override;
    Result<std::vector<history::StoredRecord>> get(const std::vector<history::Key>& keys) const override;

  private:
    struct Batch;
    static ListedRecord load_listed(Statement& row);
    explicit HistoryStore(Database& db) : db_(db) {}
    Result<bool> insert(const NewRecord& item);
    Result<> index_message(const NewRecord& item, std::int64_t row);
    Result<> name_blobs(const NewRecord& item);
    Result<> write_sums(const Batch& batch);
    Result<> rebuild_sums(const kith::Key& term_key, ByteView check);
    Result<history::Fingerprint> scan(const history::Range& range) const;
    Result<std::optional<history::Key>> edge(const history::Range& range, bool lowest) const;
    Result<std::vector<history::Range>> split_by_slots(const history::Range& range, history::Key first,
                                                       history::Key last) const;
    Result<std::vector<history::Range>> split_by_keys(const history::Range& range) const;
    // Columns: time, id.
    static history::Key load_key(Statement& row, int first_column);
    // Columns: time, id, flags, size, body.
    Result<history::StoredRecord> load(Statement& row, int first_column) const;

    Database& db_;
    std::optional<kith::Key> term_key_;
    std::unique_ptr<Packer> packer_ = std::make_unique<Packer>();
};

}  // namespace kith::store
