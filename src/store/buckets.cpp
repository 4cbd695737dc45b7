#include "store/buckets.h"

#include <algorithm>
#include <optional>

#include "base/limits.h"

namespace kith::store {
namespace {

using history::Fingerprint;
using history::Key;
using history::Range;

constexpr std::uint64_t fan_out = 32;
// Buckets of the next finer level, roughly, that a cut may look at.
constexpr std::size_t cuts_wanted = 32;

// Above this a bucket is taken apart, into ones of half the size.
std::uint64_t most_records(std::size_t level) {
    auto most = limits::bucket_records;
    for (std::size_t i = 0; i < level; ++i) most *= fan_out;
    return most;
}

Key load_key(Statement& row, int column) {
    return {row.count(column), row.id<RecordId>(column + 1)};
}

// Columns: time, id, count, sum.
Result<Bucket> load_bucket(Statement& row) {
    Bucket bucket{load_key(row, 0), {row.count(2), {}}};
    auto sum = row.bytes(3);
    auto& bytes = bucket.fingerprint.sum.bytes;
    if (sum.size() != bytes.size())
        return fail(Fault::corrupt, "a fingerprint in the profile's database has the wrong size");
    std::copy(sum.begin(), sum.end(), bytes.begin());
    return bucket;
}

Result<> put(Database& db, std::size_t level, const Bucket& bucket) {
    KITH_TRY(db.run("INSERT OR REPLACE INTO bucket (level, time_ms, id, count, sum) VALUES (?, ?, ?, ?, ?)",
                    level, bucket.from.time_ms, bucket.from.id, bucket.fingerprint.count,
                    ByteView(bucket.fingerprint.sum.bytes)));
    return {};
}

// The bucket that a key falls into. An index without any is empty: its one bucket is made when written.
Result<Bucket> bucket_of(Database& db, std::size_t level, const Key& key) {
    auto rows = db.query(
        "SELECT time_ms, id, count, sum FROM bucket WHERE level = ? AND (time_ms, id) <= (?, ?) "
        "ORDER BY time_ms DESC, id DESC LIMIT 1",
        level, key.time_ms, key.id);
    KITH_TRY_VALUE(found, rows.next());
    if (!found) return Bucket{};
    return load_bucket(rows);
}

// Where the bucket that starts at `from` ends.
Result<Key> end_of(Database& db, std::size_t level, const Key& from) {
    auto rows = db.query(
        "SELECT time_ms, id FROM bucket WHERE level = ? AND (time_ms, id) > (?, ?) "
        "ORDER BY time_ms, id LIMIT 1",
        level, from.time_ms, from.id);
    KITH_TRY_VALUE(found, rows.next());
    return found ? load_key(rows, 0) : history::last_key();
}

// The buckets that start within the range.
Result<std::vector<Bucket>> buckets_in(Database& db, std::size_t level, const Range& range) {
    auto rows = db.query(
        "SELECT time_ms, id, count, sum FROM bucket WHERE level = ? AND (time_ms, id) >= (?, ?) "
        "AND (time_ms, id) < (?, ?) ORDER BY time_ms, id",
        level, range.from.time_ms, range.from.id, range.to.time_ms, range.to.id);
    std::vector<Bucket> list;
    while (true) {
        KITH_TRY_VALUE(more, rows.next());
        if (!more) return list;
        KITH_TRY_VALUE(bucket, load_bucket(rows));
        list.push_back(bucket);
    }
}

// Collects items in the order of their keys into buckets of at most `most` records.
class Filler {
  public:
    Filler(Database& db, std::size_t level, const Key& from)
        : db_(db), level_(level), most_(most_records(level) / 2), open_{from, {}} {}
    Result<> add(const Key& from, const Fingerprint& fingerprint) {
        if (open_.fingerprint.count > 0 && open_.fingerprint.count + fingerprint.count > most_) {
            KITH_TRY(put(db_, level_, open_));
            open_ = {from, {}};
        }
        open_.fingerprint += fingerprint;
        return {};
    }
    Result<> finish() { return put(db_, level_, open_); }

  private:
    Database& db_;
    std::size_t level_;
    std::uint64_t most_;
    Bucket open_;
};

// Takes one bucket apart: the finest from its records, a larger one from the buckets within.
Result<> take_apart(Database& db, const kith::Key& term_key, std::size_t level, const Key& from) {
    KITH_TRY_VALUE(to, end_of(db, level, from));
    Filler filler(db, level, from);
    if (level > 0) {
        KITH_TRY_VALUE(within, buckets_in(db, level - 1, {from, to}));
        for (const auto& bucket : within) KITH_TRY(filler.add(bucket.from, bucket.fingerprint));
        return filler.finish();
    }
    auto rows = db.query(
        "SELECT time_ms, id FROM record WHERE (time_ms, id) >= (?, ?) AND (time_ms, id) < (?, ?) "
        "ORDER BY time_ms, id",
        from.time_ms, from.id, to.time_ms, to.id);
    while (true) {
        KITH_TRY_VALUE(more, rows.next());
        if (!more) return filler.finish();
        auto key = load_key(rows, 0);
        KITH_TRY(filler.add(key, {1, history::term(term_key, key.id)}));
    }
}

// The records of a range, one by one.
Result<Fingerprint> scan(Database& db, const kith::Key& term_key, const Range& range) {
    Fingerprint total;
    if (range.empty()) return total;
    auto rows = db.query("SELECT id FROM record WHERE (time_ms, id) >= (?, ?) AND (time_ms, id) < (?, ?)",
                         range.from.time_ms, range.from.id, range.to.time_ms, range.to.id);
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return total;
        total += {1, history::term(term_key, rows.id<RecordId>(0))};
    }
}

// The first start of a bucket from `key` on, or the last one up to it.
Result<std::optional<Key>> start_next_to(Database& db, std::size_t level, const Key& key, bool upwards) {
    auto rows = upwards ? db.query(
                              "SELECT time_ms, id FROM bucket WHERE level = ? AND (time_ms, id) >= (?, ?) "
                              "ORDER BY time_ms, id LIMIT 1",
                              level, key.time_ms, key.id)
                        : db.query(
                              "SELECT time_ms, id FROM bucket WHERE level = ? AND (time_ms, id) <= (?, ?) "
                              "ORDER BY time_ms DESC, id DESC LIMIT 1",
                              level, key.time_ms, key.id);
    KITH_TRY_VALUE(found, rows.next());
    return found ? std::optional(load_key(rows, 0)) : std::nullopt;
}

Result<> sum_level(Database& db, std::size_t level, const Range& range, Fingerprint& total) {
    KITH_TRY_VALUE(buckets, buckets_in(db, level, range));
    for (const auto& bucket : buckets) total += bucket.fingerprint;
    return {};
}

// Whole buckets from one start up to another (or to the end), by the largest there are.
Result<> sum_whole(Database& db, std::size_t level, const Range& range, Fingerprint& total) {
    if (range.empty()) return {};
    if (level + 1 == bucket_levels) return sum_level(db, level, range, total);
    const bool to_end = range.to == history::last_key();
    KITH_TRY_VALUE(first, start_next_to(db, level + 1, range.from, true));
    KITH_TRY_VALUE(last, start_next_to(db, level + 1, range.to, false));
    if (to_end) last = range.to;
    if (!first || !last || !(*first < *last)) return sum_level(db, level, range, total);
    KITH_TRY(sum_level(db, level, {range.from, *first}, total));
    KITH_TRY(sum_whole(db, level + 1, {*first, *last}, total));
    return sum_level(db, level, {*last, range.to}, total);
}

}  // namespace

Result<> BucketIndex::add(Database& db, const kith::Key& term_key, Terms terms) {
    std::sort(terms.begin(), terms.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t level = 0; level < bucket_levels; ++level) {
        for (std::size_t i = 0; i < terms.size();) {
            KITH_TRY_VALUE(bucket, bucket_of(db, level, terms[i].first));
            KITH_TRY_VALUE(end, end_of(db, level, bucket.from));
            for (; i < terms.size() && terms[i].first < end; ++i) bucket.fingerprint += {1, terms[i].second};
            if (bucket.fingerprint.count > most_records(level) && level + 1 < bucket_levels)
                KITH_TRY(take_apart(db, term_key, level, bucket.from));
            else
                KITH_TRY(put(db, level, bucket));
        }
    }
    return {};
}

Result<> BucketIndex::rebuild(Database& db, const kith::Key& term_key) {
    KITH_TRY(db.run("DELETE FROM bucket"));
    for (std::size_t level = 0; level < bucket_levels; ++level) KITH_TRY(take_apart(db, term_key, level, {}));
    return {};
}

Result<Fingerprint> BucketIndex::fingerprint(Database& db, const kith::Key& term_key, const Range& range) {
    Fingerprint total;
    if (range.empty()) return total;
    // The starts of buckets next to both ends, within the range.
    Range whole{range.from, range.to};
    KITH_TRY_VALUE(first, bucket_of(db, 0, range.from));
    if (first.from != range.from) {
        KITH_TRY_VALUE(next, end_of(db, 0, first.from));
        whole.from = next;
    }
    if (!(whole.from < range.to)) return scan(db, term_key, range);
    if (range.to < history::last_key()) {
        KITH_TRY_VALUE(last, bucket_of(db, 0, range.to));
        whole.to = last.from;
    }
    KITH_TRY(sum_whole(db, 0, whole, total));
    KITH_TRY_VALUE(below, scan(db, term_key, {range.from, whole.from}));
    KITH_TRY_VALUE(above, scan(db, term_key, {whole.to, range.to}));
    total += below;
    total += above;
    return total;
}

Result<std::vector<Key>> BucketIndex::cuts(Database& db, const Range& range) {
    std::vector<Bucket> buckets;
    for (std::size_t level = bucket_levels; level-- > 0 && buckets.size() < cuts_wanted;) {
        KITH_TRY_VALUE(finer, buckets_in(db, level, range));
        buckets = std::move(finer);
    }
    if (!buckets.empty() && buckets.front().from == range.from) buckets.erase(buckets.begin());
    std::uint64_t total = 0;
    for (const auto& bucket : buckets) total += bucket.fingerprint.count;
    // A cut where a share is full; what lies before the first bucket is less than one bucket.
    std::vector<Key> cuts;
    const auto share = total / (limits::split_parts - 2) + 1;
    std::uint64_t open = 0;
    for (const auto& bucket : buckets) {
        if (open >= share && cuts.size() + 1 < limits::split_parts) {
            cuts.push_back(bucket.from);
            open = 0;
        }
        open += bucket.fingerprint.count;
    }
    return cuts;
}

}  // namespace kith::store
