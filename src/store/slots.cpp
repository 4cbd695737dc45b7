#include "store/slots.h"

#include <algorithm>

namespace kith::store {
namespace {

Result<> put_slot(Database& db, std::size_t level, std::uint64_t slot,
                  const history::Fingerprint& fingerprint) {
    KITH_TRY(db.run("INSERT OR REPLACE INTO slot (level, slot, count, sum) VALUES (?, ?, ?, ?)", level, slot,
                    fingerprint.count, ByteView(fingerprint.sum.bytes)));
    return {};
}

// Count and sum in columns 0 and 1.
Result<history::Fingerprint> load_fingerprint(const Statement& row) {
    history::Fingerprint fingerprint{row.count(0), {}};
    auto sum = row.bytes(1);
    if (sum.size() != fingerprint.sum.bytes.size())
        return fail(Fault::corrupt, "a fingerprint in the profile's database has the wrong size");
    std::copy(sum.begin(), sum.end(), fingerprint.sum.bytes.begin());
    return fingerprint;
}

// Adds the slots [first, end) of one level.
Result<> add_slots(Database& db, std::size_t level, std::uint64_t first, std::uint64_t end,
                   history::Fingerprint& to) {
    if (first >= end) return {};
    auto rows =
        db.query("SELECT count, sum FROM slot WHERE level = ? AND slot >= ? AND slot < ?", level, first, end);
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return {};
        KITH_TRY_VALUE(fingerprint, load_fingerprint(rows));
        to += fingerprint;
    }
}

}  // namespace

void SlotDeltas::add(std::uint64_t time_ms, const history::Sum& term) {
    for (std::size_t level = 0; level < slot_shifts.size(); ++level)
        deltas_[{level, slot_of(time_ms, level)}] += {1, term};
}

Result<> SlotDeltas::write(Database& db) const {
    for (const auto& [place, delta] : deltas_) {
        auto [level, slot] = place;
        auto sum = delta;
        {
            auto rows = db.query("SELECT count, sum FROM slot WHERE level = ? AND slot = ?", level, slot);
            KITH_TRY_VALUE(row, rows.next());
            if (row) {
                KITH_TRY_VALUE(before, load_fingerprint(rows));
                sum += before;
            }
        }
        KITH_TRY(put_slot(db, level, slot, sum));
    }
    return {};
}

Result<> SlotRebuild::clear(Database& db) {
    KITH_TRY(db.run("DELETE FROM slot"));
    return {};
}

Result<> SlotRebuild::add(Database& db, std::uint64_t time_ms, const history::Sum& term) {
    for (std::size_t level = 0; level < open_.size(); ++level) {
        auto& open = open_[level];
        const auto slot = slot_of(time_ms, level);
        if (open.fingerprint.count > 0 && open.slot != slot) {
            KITH_TRY(put_slot(db, level, open.slot, open.fingerprint));
            open.fingerprint = {};
        }
        open.slot = slot;
        open.fingerprint += {1, term};
    }
    return {};
}

Result<> SlotRebuild::finish(Database& db) {
    for (std::size_t level = 0; level < open_.size(); ++level)
        if (open_[level].fingerprint.count > 0)
            KITH_TRY(put_slot(db, level, open_[level].slot, open_[level].fingerprint));
    open_ = {};
    return {};
}

Result<history::Fingerprint> slots_fingerprint(Database& db, std::uint64_t first, std::uint64_t end) {
    history::Fingerprint total;
    for (std::size_t level = finest_level; first < end; --level) {
        if (level == 0) {
            KITH_TRY(add_slots(db, level, first, end, total));
            break;
        }
        // What does not fill a slot of the coarser level is taken on this one: at most 63 rows at either end.
        const auto whole_first = std::min(end, (first + slots_within - 1) / slots_within * slots_within);
        const auto whole_end = std::max(whole_first, end / slots_within * slots_within);
        KITH_TRY(add_slots(db, level, first, whole_first, total));
        KITH_TRY(add_slots(db, level, whole_end, end, total));
        first = whole_first / slots_within;
        end = whole_end / slots_within;
    }
    return total;
}

Result<std::vector<SlotCount>> slot_counts(Database& db, std::size_t level, std::uint64_t first,
                                           std::uint64_t last) {
    std::vector<SlotCount> list;
    auto rows =
        db.query("SELECT slot, count FROM slot WHERE level = ? AND slot BETWEEN ? AND ? ORDER BY slot", level,
                 first, last);
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return list;
        list.push_back({level, rows.count(0), rows.count(1)});
    }
}

}  // namespace kith::store
