// The part of HistoryStore that answers reconciliation: ranges, their fingerprints and their records.
#include <algorithm>

#include "base/limits.h"
#include "store/buckets.h"
#include "store/history_store.h"
#include "store/record_flags.h"

namespace kith::store {
namespace {

using history::Key;
using history::Range;

// Ranges come from the other side: no time in them may leave what SQLite can hold.
Range within_history(const Range& range) {
    const auto last = history::last_key();
    return {std::min(range.from, last), std::min(range.to, last)};
}

}  // namespace

Result<history::Fingerprint> HistoryStore::fingerprint(const Range& asked) const {
    if (!term_key_) return fail(Fault::unavailable, "the secret for fingerprints is not there yet");
    const auto range = within_history(asked);
    if (range.empty()) return history::Fingerprint{};
    return BucketIndex::fingerprint(db_, *term_key_, range);
}

Result<std::vector<Range>> HistoryStore::split(const Range& asked) const {
    // With fewer cuts than this the range holds so little that each key can be looked at.
    constexpr std::size_t few_cuts = 16;
    const auto range = within_history(asked);
    std::vector<Range> parts;
    KITH_TRY_VALUE(cuts, BucketIndex::cuts(db_, range));
    if (cuts.size() < few_cuts) {
        KITH_TRY_VALUE(by_keys, split_by_keys(range));
        parts = std::move(by_keys);
    } else {
        parts.push_back(range);
        for (const auto& cut : cuts) {
            parts.back().to = cut;
            parts.push_back({cut, range.to});
        }
    }
    parts.back().to = asked.to;
    return parts;
}

Result<std::vector<Range>> HistoryStore::split_by_keys(const Range& range) const {
    constexpr std::uint64_t records_a_part = 16;
    constexpr std::string_view within =
        "FROM record WHERE (time_ms, id) >= (?, ?) AND (time_ms, id) < (?, ?)";
    auto counted = db_.query("SELECT count(*) " + std::string(within), range.from.time_ms, range.from.id,
                             range.to.time_ms, range.to.id);
    KITH_TRY_VALUE(has_count, counted.next());
    const std::uint64_t count = has_count ? counted.count(0) : 0;
    if (count < 2) return std::vector<Range>{range};
    const auto parts_wanted = std::clamp<std::uint64_t>(count / records_a_part, 2, limits::split_parts);
    auto rows = db_.query("SELECT time_ms, id " + std::string(within) + " ORDER BY time_ms, id",
                          range.from.time_ms, range.from.id, range.to.time_ms, range.to.id);
    std::vector<Range> parts{{range.from, range.to}};
    for (std::uint64_t i = 0; parts.size() < parts_wanted; ++i) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) break;
        if (i < count * parts.size() / parts_wanted) continue;
        auto cut = load_key(rows, 0);
        parts.back().to = cut;
        parts.push_back({cut, range.to});
    }
    return parts;
}

Result<std::vector<Key>> HistoryStore::keys(const Range& asked, std::size_t max) const {
    const auto range = within_history(asked);
    auto rows = db_.query(
        "SELECT time_ms, id FROM record WHERE (time_ms, id) >= (?, ?) AND (time_ms, id) < (?, ?) "
        "ORDER BY time_ms, id LIMIT ?",
        range.from.time_ms, range.from.id, range.to.time_ms, range.to.id, max);
    std::vector<Key> list;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return list;
        list.push_back(load_key(rows, 0));
    }
}

Result<std::vector<Key>> HistoryStore::lacking(std::span<const Key> keys) const {
    std::vector<Key> list;
    for (const auto& key : keys) {
        KITH_TRY_VALUE(here, has(key));
        if (!here) list.push_back(key);
    }
    return list;
}

Result<history::Page> HistoryStore::newest(const Range& asked, const history::Selection& selection,
                                           history::Budget budget) const {
    const auto range = within_history(asked);
    auto rows = db_.query(
        "SELECT time_ms, id, flags, size, account, kind, body FROM record "
        "WHERE (time_ms, id) >= (?, ?) AND (time_ms, id) < (?, ?) ORDER BY time_ms DESC, id DESC",
        range.from.time_ms, range.from.id, range.to.time_ms, range.to.id);
    history::Page page;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) break;
        auto record = load(rows, selection);
        if (!budget.take(record.bytes.size(), record.here() ? record.size : 0)) {
            page.rest = {asked.from, page.records.back().key};
            return page;
        }
        page.records.push_back(std::move(record));
    }
    page.rest = {asked.from, asked.from};
    return page;
}

Result<history::RecordSet::Got> HistoryStore::get(std::span<const Key> wanted,
                                                  const history::Selection& selection,
                                                  history::Budget budget) const {
    Got got;
    for (const auto& key : wanted) {
        auto rows = db_.query(
            "SELECT time_ms, id, flags, size, account, kind, body FROM record WHERE time_ms = ? AND id = ?",
            key.time_ms, key.id);
        KITH_TRY_VALUE(row, rows.next());
        if (row) {
            auto record = load(rows, selection);
            if (!budget.take(record.bytes.size(), record.here() ? record.size : 0)) return got;
            got.records.push_back(std::move(record));
        }
        ++got.done;
    }
    return got;
}

Result<std::vector<Key>> HistoryStore::wanted(const history::Selection& selection, const Key& before,
                                              std::size_t max) const {
    auto rows = db_.query(
        "SELECT time_ms, id, account FROM record WHERE flags & 16 AND flags & 32 = 0 "
        "AND (time_ms, id) < (?, ?) AND time_ms >= ? ORDER BY time_ms DESC, id DESC",
        std::min(before.time_ms, history::last_key().time_ms), before.id,
        std::min(selection.since_ms, limits::time_ms));
    std::vector<Key> list;
    while (list.size() < max) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) break;
        auto account = rows.is_null(2) ? AccountId{} : rows.id<AccountId>(2);
        if (selection.takes(rows.count(0), account)) list.push_back(load_key(rows, 0));
    }
    return list;
}

history::StoredRecord HistoryStore::load(Statement& row, const history::Selection& selection) const {
    const auto flags = row.number(2);
    history::StoredRecord record{load_key(row, 0), {}, history::Form::absent, row.count(3), {}};
    if (!row.is_null(4)) record.account = row.id<AccountId>(4);
    const bool wanted = selection.all() || selection.takes(row.text(5), record.key.time_ms, record.account);
    if ((flags & (flag_absent | flag_erased)) || !wanted) return record;
    record.form = flags & flag_packed ? history::Form::packed : history::Form::plain;
    record.bytes = to_bytes(row.bytes(6));
    return record;
}

}  // namespace kith::store
