#include "store/history_store.h"

#include <algorithm>

#include "base/limits.h"
#include "crypto/keys.h"
#include "store/buckets.h"
#include "store/record_flags.h"

namespace kith::store {
namespace {

constexpr std::string_view check_purpose = "kith.history.term-check";

// At most limits::listing_bytes, not cut within a character.
std::string_view cut_text(std::string_view text) {
    if (text.size() <= limits::listing_bytes) return text;
    std::size_t end = limits::listing_bytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return text.substr(0, end);
}

std::optional<AccountId> account_or_none(const AccountId& account) {
    return account.is_zero() ? std::nullopt : std::optional(account);
}

}  // namespace

// What adding a batch changes besides its rows.
struct HistoryStore::Batch {
    BucketIndex::Terms terms;
    std::int64_t records = 0, bytes = 0;
    std::int64_t absent = 0, absent_bytes = 0;
    bool any_erased = false;
};

Result<std::unique_ptr<HistoryStore>> HistoryStore::open(Database& db, const kith::Key* term_key) {
    std::unique_ptr<HistoryStore> store(new HistoryStore(db));
    if (term_key) KITH_TRY(store->set_term_key(*term_key));
    return store;
}

Result<> HistoryStore::set_term_key(const kith::Key& term_key) {
    const auto check = crypto::derive(term_key, check_purpose);
    auto state = db_.query("SELECT term_check FROM history_state");
    KITH_TRY_VALUE(row, state.next());
    if (!row || !equal_constant_time(state.bytes(0), check.view()))
        KITH_TRY(rebuild_sums(term_key, check.view()));
    term_key_ = term_key.copy();
    return {};
}

Result<> HistoryStore::rebuild_sums(const kith::Key& term_key, ByteView check) {
    KITH_TRY_VALUE(tx, Transaction::begin(db_));
    KITH_TRY(BucketIndex::rebuild(db_, term_key));
    KITH_TRY(db_.run("UPDATE history_state SET term_check = ?", check));
    return tx.commit();
}

Result<AddResult> HistoryStore::add(std::span<const NewRecord> records) {
    AddResult result;
    Batch batch;
    KITH_TRY_VALUE(tx, Transaction::begin(db_));
    {
        auto rows = db_.query("SELECT 1 FROM erased LIMIT 1");
        KITH_TRY_VALUE(any, rows.next());
        batch.any_erased = any;
    }
    for (const auto& item : records) {
        KITH_TRY_VALUE(added, insert(item, batch));
        ++(added ? result.added : result.already);
    }
    if (result.added > 0) KITH_TRY(write_sums(batch));
    KITH_TRY(tx.commit());
    return result;
}

Result<bool> HistoryStore::insert(const NewRecord& item, Batch& batch) {
    const auto& stored = item.stored;
    const auto& key = stored.key;
    if (key.time_ms > limits::time_ms) return fail(Fault::protocol, "record: time out of range");
    bool erased = false;
    if (batch.any_erased) {
        KITH_TRY_VALUE(named, is_erased(key));
        erased = named;
    }
    ByteView body = stored.bytes;
    std::int64_t flags = erased ? flag_erased : 0;
    if (item.listing.shown) flags |= erased ? flag_was_shown : flag_shown;
    if (stored.form == history::Form::absent) flags |= flag_absent;
    if (stored.form == history::Form::packed) flags |= flag_packed;
    if (stored.form == history::Form::plain) {
        if (auto packed = packer_.pack(body)) {
            body = *packed;
            flags |= flag_packed;
        }
    }
    for (const auto& part : item.record.parts)
        if (part.is_blob) flags |= flag_blobs;
    KITH_TRY_VALUE(
        count, db_.run("INSERT INTO record (time_ms, id, kind, account, flags, size, sender, subject, body) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (time_ms, id) DO NOTHING",
                       key.time_ms, key.id, item.record.kind, account_or_none(stored.account), flags,
                       stored.size, cut_text(item.listing.from), cut_text(item.listing.subject), body));
    if (count == 0) {
        if (!stored.here() || erased) return false;
        return replace_absent(item, batch);
    }
    ++batch.records;
    batch.bytes += static_cast<std::int64_t>(stored.size);
    batch.terms.emplace_back(key, term_key_ ? history::term(*term_key_, key.id) : history::Sum{});
    if (!stored.here() && !erased) {
        ++batch.absent;
        batch.absent_bytes += static_cast<std::int64_t>(stored.size);
    }
    if (item.record.kind == history::kind::message) {
        if (!item.listing.msgid.empty()) KITH_TRY(index_message(item, db_.last_row()));
        KITH_TRY(index_thread(item.record.account, key, item.listing));
    }
    if ((flags & flag_blobs) && !erased) KITH_TRY(name_blobs(key, item.record));
    return true;
}

// The bytes of a record that was absent. It is a new row, at the end of the order of arrival.
Result<bool> HistoryStore::replace_absent(const NewRecord& item, Batch& batch) {
    const auto& key = item.stored.key;
    std::int64_t size = 0;
    {
        auto rows = db_.query("SELECT size FROM record WHERE time_ms = ? AND id = ? AND flags & 16",
                              key.time_ms, key.id);
        KITH_TRY_VALUE(absent, rows.next());
        if (!absent) return false;
        size = rows.number(0);
    }
    // So that the new row comes behind all others even when this one was the last.
    KITH_TRY(db_.run("UPDATE record SET seq = (SELECT max(seq) + 1 FROM record) WHERE time_ms = ? AND id = ?",
                     key.time_ms, key.id));
    KITH_TRY(db_.run("DELETE FROM record WHERE time_ms = ? AND id = ?", key.time_ms, key.id));
    Batch again;
    KITH_TRY_VALUE(added, insert(item, again));
    if (!added) return fail(Fault::corrupt, "a record cannot take the place that was kept for it");
    batch.bytes += again.bytes - size;
    --batch.absent;
    batch.absent_bytes -= size;
    return true;
}

Result<> HistoryStore::index_message(const NewRecord& item, std::int64_t row) {
    const auto& account = item.record.account;
    const auto msgid = std::string(cut_text(item.listing.msgid));
    // Of those that were here under the same message id: the lowest key, and whether people see one of them.
    auto lowest = item.stored.key;
    auto lowest_row = row;
    bool shown = item.listing.shown, alone = true;
    {
        auto rows = db_.query(
            "SELECT record.seq, time_ms, id, flags FROM message JOIN record USING (seq) "
            "WHERE message.account = ? AND msgid = ?",
            account, msgid);
        while (true) {
            KITH_TRY_VALUE(more, rows.next());
            if (!more) break;
            alone = false;
            shown = shown || (rows.number(3) & flag_shown) != 0;
            if (auto key = load_key(rows, 1); key < lowest) {
                lowest = key;
                lowest_row = rows.number(0);
            }
        }
    }
    KITH_TRY(db_.run("INSERT INTO message (account, msgid, seq) VALUES (?, ?, ?)", account, msgid, row));
    if (alone) return {};
    KITH_TRY(
        db_.run("UPDATE record SET flags = (flags & ~?3) | ?4 "
                "WHERE seq IN (SELECT seq FROM message WHERE account = ?1 AND msgid = ?2)",
                account, msgid, flag_shown, flag_conflict));
    if (shown) KITH_TRY(db_.run("UPDATE record SET flags = flags | ? WHERE seq = ?", flag_shown, lowest_row));
    return {};
}

Result<> HistoryStore::name_blobs(const history::Key& key, const history::Record& record) {
    for (const auto& part : record.parts) {
        if (!part.is_blob) continue;
        KITH_TRY(db_.run(
            "INSERT INTO blob (id, size, state, refs, newest_ms) VALUES (?, ?, 0, 1, ?) "
            "ON CONFLICT (id) DO UPDATE SET refs = refs + 1, newest_ms = max(newest_ms, excluded.newest_ms)",
            part.blob, part.size, key.time_ms));
    }
    return {};
}

Result<> HistoryStore::unname_blobs(const history::Record& record) {
    for (const auto& part : record.parts)
        if (part.is_blob) KITH_TRY(db_.run("UPDATE blob SET refs = refs - 1 WHERE id = ?", part.blob));
    return {};
}

Result<> HistoryStore::write_sums(Batch& batch) {
    if (term_key_) KITH_TRY(BucketIndex::add(db_, *term_key_, std::move(batch.terms)));
    KITH_TRY(
        db_.run("UPDATE history_state SET records = records + ?, record_bytes = record_bytes + ?, "
                "absent = absent + ?, absent_bytes = absent_bytes + ?",
                batch.records, batch.bytes, batch.absent, batch.absent_bytes));
    // Sums that lack these terms must be made anew, once the secret is there.
    if (!term_key_)
        KITH_TRY(db_.run("UPDATE history_state SET term_check = NULL WHERE term_check IS NOT NULL"));
    return {};
}

Result<Totals> HistoryStore::totals() const {
    auto state = db_.query(
        "SELECT records, record_bytes, blobs, blob_bytes, blobs_missing, bytes_missing, absent, "
        "absent_bytes, "
        "(SELECT count(*) FROM erased) FROM history_state");
    KITH_TRY_VALUE(row, state.next());
    if (!row) return fail(Fault::corrupt, "the totals of history are gone");
    return Totals{state.count(0), state.count(1), state.count(2), state.count(3), state.count(4),
                  state.count(5), state.count(6), state.count(7), state.count(8)};
}

// Columns: time, id, account, kind, sender, subject, flags.
Result<std::vector<ListedRecord>> HistoryStore::load_list(Statement& rows) {
    std::vector<ListedRecord> list;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return list;
        list.push_back(load_listed(rows));
    }
}

ListedRecord HistoryStore::load_listed(Statement& row) {
    ListedRecord listed;
    listed.key = load_key(row, 0);
    if (!row.is_null(2)) listed.account = row.id<AccountId>(2);
    listed.kind = row.text(3);
    listed.from = row.text(4);
    listed.subject = row.text(5);
    listed.conflict = (row.number(6) & flag_conflict) != 0;
    return listed;
}

Result<std::vector<ListedRecord>> HistoryStore::list(std::size_t limit,
                                                     std::optional<history::Key> before) const {
    const auto end = std::min(before.value_or(history::last_key()), history::last_key());
    auto rows = db_.query(
        "SELECT time_ms, id, account, kind, sender, subject, flags FROM record "
        "WHERE (time_ms, id) < (?, ?) AND flags & 1 ORDER BY time_ms DESC, id DESC LIMIT ?",
        end.time_ms, end.id, limit);
    return load_list(rows);
}

Result<bool> HistoryStore::has(const history::Key& key) const {
    auto rows = db_.query("SELECT 1 FROM record WHERE time_ms = ? AND id = ?", key.time_ms, key.id);
    return rows.next();
}

Result<ListedRecord> HistoryStore::listed(const history::Key& key) const {
    auto rows = db_.query(
        "SELECT time_ms, id, account, kind, sender, subject, flags FROM record "
        "WHERE time_ms = ? AND id = ?",
        key.time_ms, key.id);
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return fail(Fault::not_found, "no such record");
    return load_listed(rows);
}

Result<history::Key> HistoryStore::find(std::string_view hex_prefix) const {
    constexpr auto digits = RecordId::size * 2;
    auto low = std::string(hex_prefix), high = low;
    low.resize(std::max(digits, low.size()), '0');
    high.resize(std::max(digits, high.size()), 'f');
    auto from = RecordId::from_hex(low), to = RecordId::from_hex(high);
    if (hex_prefix.empty() || !from || !to)
        return fail(Fault::invalid, "that is not the id of a record", "give its first hexadecimal digits");
    // A whole id is one record's, and mostly a new one's: no need to read on.
    const bool whole = hex_prefix.size() == digits;
    auto rows = db_.query(
        "SELECT time_ms, id FROM record INDEXED BY record_key WHERE id BETWEEN ? AND ? "
        "ORDER BY time_ms DESC, id DESC LIMIT ?",
        *from, *to, whole ? 1 : 2);
    KITH_TRY_VALUE(one, rows.next());
    if (!one)
        return fail(Fault::not_found, "no record has an id that begins with " + std::string(hex_prefix),
                    "'kith history list' shows ids");
    auto key = load_key(rows, 0);
    KITH_TRY_VALUE(more, rows.next());
    if (more)
        return fail(Fault::refused, "several records have ids that begin with " + std::string(hex_prefix),
                    "give more digits");
    return key;
}

Result<std::vector<history::Key>> HistoryStore::find_message(const AccountId& account,
                                                             std::string_view msgid) const {
    auto rows = db_.query(
        "SELECT time_ms, id FROM message JOIN record USING (seq) "
        "WHERE message.account = ? AND msgid = ? ORDER BY time_ms, id",
        account, cut_text(msgid));
    std::vector<history::Key> list;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return list;
        list.push_back(load_key(rows, 0));
    }
}

Result<history::Record> HistoryStore::read(const history::Key& key) const {
    auto rows =
        db_.query("SELECT flags, size, body FROM record WHERE time_ms = ? AND id = ?", key.time_ms, key.id);
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return fail(Fault::not_found, "no such record");
    return load_record(rows);
}

namespace {

// Mails and messages are nearly all of history: they have no index by kind.
bool is_common(std::string_view kind) {
    return kind == history::kind::mail || kind == history::kind::message;
}

}  // namespace

Result<> HistoryStore::for_each_of_kind(std::string_view kind, const RecordFn& fn) const {
    auto rows =
        is_common(kind)
            ? db_.query(
                  "SELECT flags, size, body, time_ms, id FROM record WHERE kind = ? AND flags & 48 = 0 "
                  "ORDER BY time_ms, id",
                  kind)
            : db_.query(
                  "SELECT flags, size, body, time_ms, id FROM record WHERE kind = ? AND flags & 48 = 0 "
                  "AND kind NOT IN ('mail', 'message', '') ORDER BY time_ms, id",
                  kind);
    return for_each(rows, fn);
}

Result<> HistoryStore::for_each_of_kind(std::string_view kind, std::uint64_t from_ms, std::uint64_t to_ms,
                                        const RecordFn& fn) const {
    auto rows = db_.query(
        "SELECT flags, size, body, time_ms, id FROM record WHERE kind = ? AND time_ms BETWEEN ? AND ? "
        "AND flags & 48 = 0 AND kind NOT IN ('mail', 'message', '') ORDER BY time_ms, id",
        kind, from_ms, to_ms);
    return for_each(rows, fn);
}

Result<> HistoryStore::for_each(Statement& rows, const RecordFn& fn) const {
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return {};
        KITH_TRY_VALUE(record, load_record(rows));
        KITH_TRY(fn(load_key(rows, 3), record));
    }
}

Result<bool> HistoryStore::has_kind(std::string_view kind) const {
    auto rows = is_common(kind) ? db_.query("SELECT 1 FROM record WHERE kind = ? LIMIT 1", kind)
                                : db_.query(
                                      "SELECT 1 FROM record WHERE kind = ? "
                                      "AND kind NOT IN ('mail', 'message', '') LIMIT 1",
                                      kind);
    return rows.next();
}

Result<> HistoryStore::for_each_id(const std::function<void(const history::Key&)>& fn) const {
    auto rows = db_.query("SELECT time_ms, id FROM record ORDER BY time_ms, id");
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return {};
        fn(load_key(rows, 0));
    }
}

Result<> HistoryStore::for_each_complete_blob(
    const std::function<void(const BlobId&, std::uint64_t)>& fn) const {
    auto rows = db_.query("SELECT id, size FROM blob WHERE state = 2 AND refs > 0 ORDER BY id");
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return {};
        fn(rows.id<BlobId>(0), rows.count(1));
    }
}

Result<> HistoryStore::for_each_selected_blob(
    const history::Selection& selection,
    const std::function<void(const BlobId&, std::uint64_t size)>& fn) const {
    auto rows = db_.query(
        "SELECT flags, size, body, time_ms, account FROM record WHERE flags & 8 AND time_ms >= ? "
        "AND flags & 48 = 0 ORDER BY time_ms, id",
        std::min(selection.since_ms, limits::time_ms));
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return {};
        auto account = rows.is_null(4) ? AccountId{} : rows.id<AccountId>(4);
        if (!selection.takes(rows.count(3), account)) continue;
        KITH_TRY_VALUE(record, load_record(rows));
        for (const auto& part : record.parts)
            if (part.is_blob && selection.takes_blob(part.size)) fn(part.blob, part.size);
    }
}

namespace {

// SQLite's integers have a sign.
std::int64_t as_size(std::uint64_t size) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(size, INT64_MAX));
}

}  // namespace

Result<std::vector<MissingBlob>> HistoryStore::missing_blobs(std::uint64_t largest, std::size_t limit) const {
    auto rows = db_.query(
        "SELECT id, size FROM blob WHERE state < 2 AND refs > 0 AND size <= ? "
        "ORDER BY newest_ms DESC, id LIMIT ?",
        as_size(largest), limit);
    std::vector<MissingBlob> list;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return list;
        list.push_back({rows.id<BlobId>(0), rows.count(1)});
    }
}

Result<MissingTotal> HistoryStore::missing_above(std::uint64_t largest) const {
    auto rows = db_.query(
        "SELECT count(*), coalesce(sum(size), 0) FROM blob WHERE state < 2 AND refs > 0 AND size > ?",
        as_size(largest));
    KITH_TRY(rows.next());
    return MissingTotal{rows.count(0), rows.count(1)};
}

history::Key HistoryStore::load_key(Statement& row, int first_column) {
    return {row.count(first_column), row.id<RecordId>(first_column + 1)};
}

// Columns: flags, size, body.
Result<history::Record> HistoryStore::load_record(Statement& row) const {
    const auto flags = row.number(0);
    if (flags & flag_erased) return fail(Fault::unavailable, "this message was erased");
    if (flags & flag_absent)
        return fail(Fault::unavailable, "this message was left out on this device",
                    "to have it here too, choose more: kith history select");
    if (!(flags & flag_packed)) return history::decode(row.bytes(2));
    auto plain = packer_.unpack(row.bytes(2), static_cast<std::size_t>(row.count(1)));
    if (!plain) return fail(Fault::corrupt, "a record of the profile cannot be unpacked");
    return history::decode(*plain);
}

}  // namespace kith::store
