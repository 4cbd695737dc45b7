// The part of HistoryStore that answers reconciliation: ranges, their fingerprints and their records.
#include <algorithm>

#include "base/limits.h"
#include "store/history_store.h"
#include "store/slots.h"

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
    // The finest slots that lie within the range as a whole; what sticks out at either end is scanned.
    auto first = slot_of(range.from.time_ms, finest_level);
    if (slot_start(finest_level, first) < range.from) ++first;
    const auto end = slot_of(range.to.time_ms, finest_level);
    if (first >= end) return scan(range);
    KITH_TRY_VALUE(total, slots_fingerprint(db_, first, end));
    KITH_TRY_VALUE(below, scan({range.from, slot_start(finest_level, first)}));
    KITH_TRY_VALUE(above, scan({slot_start(finest_level, end), range.to}));
    total += below;
    total += above;
    return total;
}

Result<history::Fingerprint> HistoryStore::scan(const Range& range) const {
    history::Fingerprint total;
    if (range.empty()) return total;
    auto rows = db_.query("SELECT id FROM record WHERE (time_ms, id) >= (?, ?) AND (time_ms, id) < (?, ?)",
                          range.from.time_ms, range.from.id, range.to.time_ms, range.to.id);
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return total;
        total += {1, history::term(*term_key_, rows.id<RecordId>(0))};
    }
}

Result<std::vector<Range>> HistoryStore::split(const Range& asked) const {
    const auto range = within_history(asked);
    KITH_TRY_VALUE(first, edge(range, true));
    KITH_TRY_VALUE(last, edge(range, false));
    if (!first || !last || *first == *last) return std::vector<Range>{asked};
    const bool one_slot = slot_of(first->time_ms, finest_level) == slot_of(last->time_ms, finest_level);
    auto parts = one_slot ? split_by_keys(range) : split_by_slots(range, *first, *last);
    if (parts && !parts->empty()) parts->back().to = asked.to;
    return parts;
}

Result<std::optional<Key>> HistoryStore::edge(const Range& range, bool lowest) const {
    auto rows = lowest ? db_.query(
                             "SELECT time_ms, id FROM record WHERE (time_ms, id) >= (?, ?) "
                             "ORDER BY time_ms, id LIMIT 1",
                             range.from.time_ms, range.from.id)
                       : db_.query(
                             "SELECT time_ms, id FROM record WHERE (time_ms, id) < (?, ?) "
                             "ORDER BY time_ms DESC, id DESC LIMIT 1",
                             range.to.time_ms, range.to.id);
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return std::optional<Key>();
    auto key = load_key(rows, 0);
    return range.contains(key) ? std::optional(key) : std::nullopt;
}

namespace {

constexpr std::uint64_t uneven =
    16;  // a slot with more than this share of the range's records is taken apart

// Puts neighbours together until at most `most` parts are left: none takes more than its share unless it is
// one slot. Two neighbours always exceed a share, so there are fewer parts than twice the shares; and a share
// is less than all, so there are at least two.
std::vector<SlotCount> merge(const std::vector<SlotCount>& slots, std::size_t most) {
    std::uint64_t total = 0;
    for (const auto& slot : slots) total += slot.count;
    const auto share = total / (most / 2 - 1) + 1;
    std::vector<SlotCount> merged;
    for (const auto& slot : slots) {
        if (!merged.empty() && merged.back().count + slot.count <= share)
            merged.back().count += slot.count;
        else
            merged.push_back(slot);
    }
    return merged;
}

}  // namespace

Result<std::vector<Range>> HistoryStore::split_by_slots(const Range& range, Key first, Key last) const {
    std::size_t level = 0;
    while (slot_of(first.time_ms, level) == slot_of(last.time_ms, level)) ++level;
    // Counts at the two ends may include records outside the range: they only steer where to cut.
    auto counts = [&](std::size_t on, std::uint64_t from, std::uint64_t to) {
        return slot_counts(db_, on, std::max(from, slot_of(first.time_ms, on)),
                           std::min(to, slot_of(last.time_ms, on)));
    };
    KITH_TRY_VALUE(slots, counts(level, slot_of(first.time_ms, level), slot_of(last.time_ms, level)));
    std::uint64_t total = 0;
    for (const auto& slot : slots) total += slot.count;
    // Ends soon: on each level fewer than `uneven` slots are that large.
    while (true) {
        auto largest = std::max_element(slots.begin(), slots.end(),
                                        [](const auto& a, const auto& b) { return a.count < b.count; });
        if (largest == slots.end() || largest->level == finest_level || largest->count <= total / uneven)
            break;
        const auto from = largest->slot * slots_within;
        KITH_TRY_VALUE(finer, counts(largest->level + 1, from, from + slots_within - 1));
        // Nothing finer where there is a coarser count: the index is not what it should be.
        if (finer.empty()) return fail(Fault::corrupt, "the index of fingerprints is damaged");
        auto at = slots.erase(largest);
        slots.insert(at, finer.begin(), finer.end());
    }
    if (slots.size() > limits::split_parts) slots = merge(slots, limits::split_parts);
    std::vector<Range> parts;
    for (const auto& slot : slots) {
        const auto start = parts.empty() ? range.from : slot_start(slot.level, slot.slot);
        if (!parts.empty()) parts.back().to = start;
        parts.push_back({start, range.to});
    }
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

Result<history::Page> HistoryStore::newest(const Range& asked, std::size_t max_records,
                                           std::size_t max_bytes) const {
    const auto range = within_history(asked);
    auto rows = db_.query(
        "SELECT time_ms, id, flags, size, body FROM record "
        "WHERE (time_ms, id) >= (?, ?) AND (time_ms, id) < (?, ?) ORDER BY time_ms DESC, id DESC",
        range.from.time_ms, range.from.id, range.to.time_ms, range.to.id);
    history::Page page;
    std::size_t bytes = 0;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) break;
        const auto size = static_cast<std::size_t>(rows.count(3));
        if (!page.records.empty() && (page.records.size() >= max_records || bytes + size > max_bytes)) {
            page.rest = {asked.from, page.records.back().key};
            return page;
        }
        KITH_TRY_VALUE(record, load(rows, 0));
        page.records.push_back(std::move(record));
        bytes += size;
    }
    page.rest = {asked.from, asked.from};
    return page;
}

Result<std::vector<history::StoredRecord>> HistoryStore::get(const std::vector<Key>& wanted) const {
    std::vector<history::StoredRecord> list;
    for (const auto& key : wanted) {
        auto rows =
            db_.query("SELECT time_ms, id, flags, size, body FROM record WHERE time_ms = ? AND id = ?",
                      key.time_ms, key.id);
        KITH_TRY_VALUE(row, rows.next());
        if (!row) continue;
        KITH_TRY_VALUE(record, load(rows, 0));
        list.push_back(std::move(record));
    }
    return list;
}

}  // namespace kith::store
