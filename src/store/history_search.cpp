#include "store/history_search.h"

#include "history/range.h"
#include "store/record_flags.h"

namespace kith::store {
namespace {

// Columns: seq, time, id.
Result<std::vector<Arrival>> read_arrivals(Statement rows) {
    std::vector<Arrival> list;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return list;
        list.push_back({rows.number(0), {rows.count(1), rows.id<RecordId>(2)}});
    }
}

}  // namespace

Result<std::int64_t> last_arrival(Database& db) {
    auto rows = db.query("SELECT max(seq) FROM record");
    KITH_TRY_VALUE(row, rows.next());
    return row ? rows.number(0) : 0;
}

Result<std::vector<Arrival>> arrivals_after(Database& db, std::int64_t seq, std::size_t limit) {
    return read_arrivals(
        db.query("SELECT seq, time_ms, id FROM record WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit));
}

Result<std::vector<Arrival>> arrivals_below(Database& db, const history::Key& key, std::size_t limit) {
    const auto end = std::min(key, history::last_key());
    return read_arrivals(
        db.query("SELECT seq, time_ms, id FROM record INDEXED BY record_key WHERE (time_ms, id) < (?, ?) "
                 "ORDER BY time_ms DESC, id DESC LIMIT ?",
                 end.time_ms, end.id, limit));
}

Result<Standing> standing(Database& db, const history::Key& key) {
    auto rows = db.query("SELECT flags FROM record WHERE time_ms = ? AND id = ?", key.time_ms, key.id);
    KITH_TRY_VALUE(row, rows.next());
    if (!row || (rows.number(0) & (flag_absent | flag_erased)) != 0) return Standing{};
    return Standing{true, (rows.number(0) & flag_shown) != 0};
}

}  // namespace kith::store
