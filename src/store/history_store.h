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
    std::string thread{};  // the id of its first message; empty: it belongs to none
    std::string uid{};     // of who sent it
    int met = 0;           // how `from` and `uid` came to be known: of Met, or nothing
    bool group = false;    // tells who is in a group
};

// What somebody's alias is known from. To be added up.
enum Met : int { wrote = 1, pinged = 2, invited = 4, shares_group = 8 };

struct Correspondent {
    AccountId account;
    std::string uid, alias;
    int met = 0;
};

struct NewRecord {
    history::StoredRecord stored;
    history::Record record;  // decoded from its canonical form; of an absent one: nothing
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

struct MissingTotal {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
};

using history::Totals;

class HistoryStore : public history::RecordSet {
  public:
    // On a database with profile_schema(), which must outlive this. `term_key` is the person's secret for
    // fingerprints; without it, fingerprint() is Fault::unavailable until set_term_key().
    static Result<std::unique_ptr<HistoryStore>> open(Database& db, const kith::Key* term_key);

    // Sets the secret for fingerprints, and recomputes them when they were made with another or none.
    Result<> set_term_key(const kith::Key& term_key);

    // Adds those that are not here yet, all or none, durable when it returns (or when an outer transaction
    // commits). What an added record names becomes rows of blobs, missing unless the blob is here already. An
    // absent record is in the set all the same; its bytes take its place when they come.
    Result<AddResult> add(std::span<const NewRecord> records);

    // Records that are erased from now on: exactly these, whether they are here (yet) or not. They stay in
    // the set, are shown no more, and their bytes never leave this device.
    struct Erased {
        history::Key key;
        std::uint64_t erased_ms = 0;
    };
    Result<> add_erased(std::span<const Erased> erased);
    // What was erased and is not in the list any more is shown again, as far as its bytes are still here.
    Result<> set_erased(const std::vector<Erased>& erased);
    // Removes the bytes of records erased before this time for good. At most `max` in one transaction; how
    // many it was.
    Result<std::size_t> purge_erased(std::uint64_t before_ms, std::size_t max);

    Result<Totals> totals() const;
    // Shown records, newest first, at most `limit`; only those below `before`, when given.
    Result<std::vector<ListedRecord>> list(std::size_t limit, std::optional<history::Key> before = {}) const;
    // The same of messages alone, of one account or thread if given.
    struct Messages {
        std::optional<AccountId> account;
        std::string thread;  // needs an account
    };
    Result<std::vector<ListedRecord>> list_messages(const Messages& of, std::size_t limit,
                                                    std::optional<history::Key> before = {}) const;
    // Who has written, pinged or invited, by each alias they used.
    Result<std::vector<Correspondent>> correspondents() const;
    // Messages that tell who is in a group, oldest first.
    Result<std::vector<history::Key>> group_events(const AccountId& account) const;
    // Lists the messages anew that an older version kept; at once when that is done.
    Result<> list_again(const std::function<Listing(const history::Record&)>& listing_of);

    Result<bool> has(const history::Key& key) const;
    Result<ListedRecord> listed(const history::Key& key) const;
    // The record whose id begins with these hexadecimal digits. not_found, or refused when several do. Reads
    // the index of all keys, 45 bytes a record: for a person's question, not for a loop.
    Result<history::Key> find(std::string_view hex_prefix) const;
    // Messages under (account, msgid), lowest key first: one, or several that differ.
    Result<std::vector<history::Key>> find_message(const AccountId& account, std::string_view msgid) const;

    // A record, decoded. not_found; unavailable when its bytes are not here or it was erased.
    Result<history::Record> read(const history::Key& key) const;

    // The callbacks must not write to the database; an error they return ends the walk and is returned.
    using RecordFn = std::function<Result<>(const history::Key&, const history::Record&)>;
    Result<> for_each_of_kind(std::string_view kind, const RecordFn& fn) const;  // in order of keys
    // Those of a time from `from_ms` to `to_ms`, of a kind that is neither mail nor message.
    Result<> for_each_of_kind(std::string_view kind, std::uint64_t from_ms, std::uint64_t to_ms,
                              const RecordFn& fn) const;
    Result<bool> has_kind(std::string_view kind) const;
    Result<> for_each_id(const std::function<void(const history::Key&)>& fn) const;  // in order of keys
    Result<> for_each_complete_blob(const std::function<void(const BlobId&, std::uint64_t size)>& fn) const;
    // All records whose content has blobs, of accounts and times that the selection takes, with those.
    Result<> for_each_selected_blob(const history::Selection& selection,
                                    const std::function<void(const BlobId&, std::uint64_t size)>& fn) const;
    // Blobs that records name, that are not complete and at most `largest` bytes, those of the newest records
    // first.
    Result<std::vector<MissingBlob>> missing_blobs(std::uint64_t largest, std::size_t limit) const;
    // How much the missing blobs above that size are together.
    Result<MissingTotal> missing_above(std::uint64_t largest) const;

    // history::RecordSet
    Result<history::Fingerprint> fingerprint(const history::Range& range) const override;
    Result<std::vector<history::Range>> split(const history::Range& range) const override;
    Result<std::vector<history::Key>> keys(const history::Range& range, std::size_t max) const override;
    Result<std::vector<history::Key>> lacking(std::span<const history::Key> keys) const override;
    Result<history::Page> newest(const history::Range& range, const history::Selection& selection,
                                 history::Budget budget) const override;
    Result<Got> get(std::span<const history::Key> keys, const history::Selection& selection,
                    history::Budget budget) const override;
    Result<std::vector<history::Key>> wanted(const history::Selection& selection, const history::Key& before,
                                             std::size_t max) const override;

  private:
    struct Batch;
    // Columns: flags, size, body, time, id.
    Result<> for_each(Statement& rows, const RecordFn& fn) const;
    static ListedRecord load_listed(Statement& row);
    static Result<std::vector<ListedRecord>> load_list(Statement& rows);
    explicit HistoryStore(Database& db) : db_(db) {}
    Result<bool> insert(const NewRecord& item, Batch& batch);
    Result<bool> replace_absent(const NewRecord& item, Batch& batch);
    Result<> index_message(const NewRecord& item, std::int64_t row);
    Result<> index_thread(const AccountId& account, const history::Key& key, const Listing& listing);
    Result<> name_blobs(const history::Key& key, const history::Record& record);
    Result<> unname_blobs(const history::Record& record);
    Result<bool> is_erased(const history::Key& key) const;
    Result<> hide(const history::Key& key);
    Result<> show_again(const history::Key& key);
    Result<> write_sums(Batch& batch);
    Result<> rebuild_sums(const kith::Key& term_key, ByteView check);
    Result<std::vector<history::Range>> split_by_keys(const history::Range& range) const;
    // Columns: time, id.
    static history::Key load_key(Statement& row, int first_column);
    // Columns: time, id, flags, size, account, kind, body. What the selection leaves out is absent, and its
    // body is not read.
    history::StoredRecord load(Statement& row, const history::Selection& selection) const;
    Result<history::Record> load_record(Statement& row) const;

    Database& db_;
    std::optional<kith::Key> term_key_;
    mutable history::Packer packer_;
};

}  // namespace kith::store
