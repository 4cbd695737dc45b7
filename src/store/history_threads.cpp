// Messages by thread, and who sent them: what a list of messages and a list of contacts is made from.
#include <algorithm>

#include "store/history_store.h"

namespace kith::store {

Result<> HistoryStore::index_thread(const AccountId& account, const history::Key& key,
                                    const Listing& listing) {
    if (listing.shown && !listing.thread.empty())
        KITH_TRY(db_.run(
            "INSERT INTO thread (account, thread, time_ms, id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            account, listing.thread, key.time_ms, key.id));
    if (listing.group)
        KITH_TRY(
            db_.run("INSERT INTO group_event (account, time_ms, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    account, key.time_ms, key.id));
    if (listing.uid.empty() || listing.from.empty() || listing.met == 0) return {};
    // Most come from somebody who has written before: then nothing is written.
    KITH_TRY(
        db_.run("INSERT INTO correspondent (account, uid, alias, met) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (account, uid, alias) DO UPDATE SET met = met | excluded.met "
                "WHERE met & excluded.met <> excluded.met",
                account, listing.uid, listing.from, listing.met));
    return {};
}

Result<std::vector<ListedRecord>> HistoryStore::list_messages(const Messages& of, std::size_t limit,
                                                              std::optional<history::Key> before) const {
    const auto end = std::min(before.value_or(history::last_key()), history::last_key());
    if (!of.thread.empty() && of.account) {
        auto rows = db_.query(
            "SELECT time_ms, id, record.account, kind, sender, subject, flags FROM thread JOIN record USING "
            "(time_ms, id) "
            "WHERE thread.account = ? AND thread = ? AND (time_ms, id) < (?, ?) AND flags & 1 "
            "ORDER BY time_ms DESC, id DESC LIMIT ?",
            *of.account, of.thread, end.time_ms, end.id, limit);
        return load_list(rows);
    }
    auto rows = db_.query(
        "SELECT time_ms, id, account, kind, sender, subject, flags FROM record INDEXED BY record_message "
        "WHERE kind = 'message' AND (time_ms, id) < (?1, ?2) AND flags & 1 AND (?4 IS NULL OR account = ?4) "
        "ORDER BY time_ms DESC, id DESC LIMIT ?3",
        end.time_ms, end.id, limit, of.account);
    return load_list(rows);
}

Result<std::vector<Correspondent>> HistoryStore::correspondents() const {
    auto rows = db_.query("SELECT account, uid, alias, met FROM correspondent ORDER BY alias, account, uid");
    std::vector<Correspondent> list;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return list;
        list.push_back({rows.id<AccountId>(0), rows.text(1), rows.text(2), static_cast<int>(rows.number(3))});
    }
}

Result<std::vector<history::Key>> HistoryStore::group_events(const AccountId& account) const {
    auto rows =
        db_.query("SELECT time_ms, id FROM group_event WHERE account = ? ORDER BY time_ms, id", account);
    std::vector<history::Key> keys;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return keys;
        keys.push_back(load_key(rows, 0));
    }
}

Result<> HistoryStore::list_again(const std::function<Listing(const history::Record&)>& listing_of) {
    {
        auto state = db_.query("SELECT threads FROM history_state");
        KITH_TRY_VALUE(row, state.next());
        if (row && state.number(0) != 0) return {};
    }
    KITH_TRY_VALUE(tx, Transaction::begin(db_));
    history::Key after;
    while (true) {
        std::vector<history::Key> page;
        {
            auto rows = db_.query(
                "SELECT time_ms, id FROM record INDEXED BY record_message "
                "WHERE kind = 'message' AND (time_ms, id) > (?, ?) ORDER BY time_ms, id LIMIT 1000",
                after.time_ms, after.id);
            while (true) {
                KITH_TRY_VALUE(more, rows.next());
                if (!more) break;
                page.push_back(load_key(rows, 0));
            }
        }
        if (page.empty()) break;
        after = page.back();
        for (const auto& key : page)
            if (auto record = read(key)) KITH_TRY(index_thread(record->account, key, listing_of(*record)));
    }
    KITH_TRY(db_.run("UPDATE history_state SET threads = 1"));
    return tx.commit();
}

}  // namespace kith::store
