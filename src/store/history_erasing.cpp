// The part of HistoryStore that erases: records stay in the set, but are shown no more, and their bytes go.
#include <set>

#include "store/history_store.h"
#include "store/record_flags.h"

namespace kith::store {

Result<bool> HistoryStore::is_erased(const history::Key& key) const {
    auto rows = db_.query("SELECT 1 FROM erased WHERE time_ms = ? AND id = ?", key.time_ms, key.id);
    return rows.next();
}

Result<> HistoryStore::add_erased(std::span<const Erased> erased) {
    KITH_TRY_VALUE(tx, Transaction::begin(db_));
    for (const auto& [key, erased_ms] : erased) {
        KITH_TRY_VALUE(added,
                       db_.run("INSERT OR IGNORE INTO erased (time_ms, id, erased_ms) VALUES (?, ?, ?)",
                               key.time_ms, key.id, erased_ms));
        if (added > 0) KITH_TRY(hide(key));
    }
    return tx.commit();
}

Result<> HistoryStore::set_erased(const std::vector<Erased>& erased) {
    std::set<history::Key> keep;
    for (const auto& item : erased) keep.insert(item.key);
    std::vector<history::Key> undone;
    {
        auto rows = db_.query("SELECT time_ms, id FROM erased");
        while (true) {
            KITH_TRY_VALUE(row, rows.next());
            if (!row) break;
            if (auto key = load_key(rows, 0); !keep.contains(key)) undone.push_back(key);
        }
    }
    KITH_TRY_VALUE(tx, Transaction::begin(db_));
    for (const auto& key : undone) {
        KITH_TRY(db_.run("DELETE FROM erased WHERE time_ms = ? AND id = ?", key.time_ms, key.id));
        KITH_TRY(show_again(key));
    }
    KITH_TRY(add_erased(erased));
    return tx.commit();
}

Result<> HistoryStore::hide(const history::Key& key) {
    std::optional<history::Record> with_blobs;
    {
        auto rows = db_.query("SELECT flags, size, body FROM record WHERE time_ms = ? AND id = ?",
                              key.time_ms, key.id);
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return {};  // it is erased when it comes
        if (rows.number(0) & flag_absent)
            KITH_TRY(db_.run("UPDATE history_state SET absent = absent - 1, absent_bytes = absent_bytes - ?",
                             rows.number(1)));
        if ((rows.number(0) & (flag_blobs | flag_absent)) == flag_blobs) {
            KITH_TRY_VALUE(record, load_record(rows));
            with_blobs = std::move(record);
        }
    }
    if (with_blobs) KITH_TRY(unname_blobs(*with_blobs));
    KITH_TRY(
        db_.run("UPDATE record SET flags = (flags & ~?3) | ?4 | iif(flags & ?3, ?5, 0) "
                "WHERE time_ms = ?1 AND id = ?2",
                key.time_ms, key.id, flag_shown, flag_erased, flag_was_shown));
    return {};
}

Result<> HistoryStore::show_again(const history::Key& key) {
    KITH_TRY(db_.run(
        "UPDATE record SET flags = (flags & ~?3) | iif(flags & ?4, ?5, 0) WHERE time_ms = ?1 AND id = ?2",
        key.time_ms, key.id, flag_erased | flag_was_shown, flag_was_shown, flag_shown));
    std::optional<history::Record> with_blobs;
    {
        auto rows = db_.query("SELECT flags, size, body FROM record WHERE time_ms = ? AND id = ?",
                              key.time_ms, key.id);
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return {};
        if (rows.number(0) & flag_absent)
            KITH_TRY(db_.run("UPDATE history_state SET absent = absent + 1, absent_bytes = absent_bytes + ?",
                             rows.number(1)));
        if ((rows.number(0) & (flag_blobs | flag_absent)) == flag_blobs) {
            KITH_TRY_VALUE(record, load_record(rows));
            with_blobs = std::move(record);
        }
    }
    return with_blobs ? name_blobs(key, *with_blobs) : Result<>();
}

Result<std::size_t> HistoryStore::purge_erased(std::uint64_t before_ms, std::size_t max) {
    KITH_TRY_VALUE(tx, Transaction::begin(db_));
    KITH_TRY_VALUE(
        purged, db_.run("UPDATE record SET flags = (flags & ~?3) | ?4, kind = '', sender = '', subject = '', "
                        "body = x'' WHERE seq IN (SELECT seq FROM erased JOIN record USING (time_ms, id) "
                        "WHERE erased_ms < ?1 AND flags & ?4 = 0 LIMIT ?2)",
                        before_ms, max, flag_packed | flag_blobs | flag_was_shown, flag_absent));
    KITH_TRY(tx.commit());
    return static_cast<std::size_t>(purged);
}

}  // namespace kith::store
