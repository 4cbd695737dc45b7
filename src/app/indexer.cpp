#include "app/indexer.h"

#include <algorithm>

#include "app/shown.h"
#include "base/limits.h"
#include "history/range.h"

namespace kith::app {
namespace {

// Keys that are asked of history at once.
constexpr std::size_t asked_keys = 256;
// While something else is busy, it is asked this often whether it still is.
constexpr std::int64_t busy_wait_ms = 250;

}  // namespace

Indexer::Indexer(net::Loop& loop, Profile& profile, std::function<bool()> busy,
                 std::function<void(const std::string&)> log)
    : loop_(loop), profile_(profile), busy_(std::move(busy)), log_(std::move(log)) {}

Indexer::~Indexer() {
    if (auto index = profile_.search()) (void)(*index)->keep();
}

void Indexer::wake() {
    if (!timer_.armed()) later(0);
}

void Indexer::later(std::int64_t delay_ms) {
    timer_ = loop_.after(delay_ms, [this] { step(); });
}

void Indexer::step() {
    if (busy_()) {
        // What is not kept would hold memory, and be lost, for as long as that takes.
        if (auto index = profile_.search()) (void)(*index)->keep();
        return later(busy_wait_ms);
    }
    auto more = work(loop_.now().mono_ms + limits::search_slice_ms);
    if (!more) return give_up_step(more.error());
    last_trouble_.clear();
    if (*more) later(limits::search_rest_ms);
}

// Something is wrong with the index or the disk: it is tried again later.
void Indexer::give_up_step(const Error& error) {
    forget_queue();
    if (repaired()) return later(0);
    if (error.what != last_trouble_) log_("indexing waits: " + error.what);
    last_trouble_ = error.what;
    later(limits::trouble_retry_ms);
}

// Begins a damaged index from the beginning. False: it is not damaged, or that fails too.
bool Indexer::repaired() {
    auto index = profile_.search();
    if (!index || !(*index)->damaged()) return false;
    forget_queue();
    auto anew = (*index)->start_anew();
    log_(anew ? "the index of texts was damaged and is made anew"
              : "the index of texts: " + anew.error().what);
    return anew.has_value();
}

void Indexer::forget_queue() {
    queue_.clear();
    queue_end_.reset();
}

// Works for a slice; false: everything is indexed and kept.
Result<bool> Indexer::work(std::int64_t until_ms) {
    KITH_TRY_VALUE(index, profile_.search());
    while (true) {
        if (queue_.empty()) {
            if (queue_end_) KITH_TRY(index->move_to(*queue_end_));
            queue_end_.reset();
            KITH_TRY_VALUE(more, refill(*index));
            if (!more) break;
        }
        if (!queue_.empty()) {
            KITH_TRY(take(*index, queue_.front()));
            queue_.pop_front();
        }
        const auto now = loop_.now().mono_ms;
        if (now < until_ms) continue;
        if (now - kept_ms_ >= limits::search_keep_ms) {
            KITH_TRY(index->keep());
            kept_ms_ = now;
        }
        return true;
    }
    KITH_TRY(index->keep());
    return false;
}

// Finds what is to be taken next; false: there is nothing.
Result<bool> Indexer::refill(store::SearchIndex& index) {
    auto& db = profile_.db();
    KITH_TRY_VALUE(last, store::last_arrival(db));
    auto place = index.place();
    // A history with less in it than was followed is another one, from a backup say.
    if (last < place.followed) {
        KITH_TRY(index.start_anew());
        place = index.place();
    }
    if (last > place.followed) {
        KITH_TRY_VALUE(free, store::free_bytes(profile_.home()));
        if (free < limits::spare_bytes)
            return fail(Fault::disk_full, "there is not enough space to index texts", "free some");
    }
    KITH_TRY_VALUE(arrived, store::arrivals_after(db, place.followed, limits::search_follow + 1));
    if (arrived.size() > limits::search_follow) {
        place.sweep = place.followed = last;
        place.floor = history::last_key();
        KITH_TRY(index.move_to(place));
    } else if (!arrived.empty()) {
        place.followed = arrived.back().seq;
        if (!place.walking()) place.done = place.sweep = place.followed;
        // Rising rows are quickest to add.
        std::sort(arrived.begin(), arrived.end(), [](const auto& a, const auto& b) { return a.key > b.key; });
        for (const auto& one : arrived) queue_.push_back(one.key);
        queue_end_ = place;
        return true;
    }
    if (place.walking()) {
        KITH_TRY_VALUE(below, store::arrivals_below(db, place.floor, asked_keys));
        for (const auto& one : below)
            if (one.seq > place.done && one.seq <= place.sweep) queue_.push_back(one.key);
        if (below.size() < asked_keys) {
            place.done = place.sweep = place.followed;
            place.floor = {};
        } else {
            place.floor = below.back().key;
        }
        queue_end_ = place;
        return true;
    }
    // Texts that had not arrived with their records.
    KITH_TRY_VALUE(totals, profile_.history().totals());
    if (partly_missing_ != totals.blobs_missing) {
        partly_missing_ = totals.blobs_missing;
        partly_row_ = -1;
    }
    if (!partly_row_) return false;
    KITH_TRY_VALUE(partly, index.partly(*partly_row_, asked_keys));
    for (const auto& one : partly) queue_.push_back(one.key);
    partly_row_ = partly.empty() ? std::nullopt : std::optional(partly.back().row);
    return !partly.empty();
}

Result<> Indexer::take(store::SearchIndex& index, const history::Key& key) {
    using store::Indexed;
    KITH_TRY_VALUE(known, index.entry(key));
    if (known == Indexed::whole) return {};
    std::optional<Searched> found;
    KITH_TRY_VALUE(standing, store::standing(profile_.db(), key));
    if (standing.here) {
        auto record = profile_.history().read(key);
        // A record that cannot be read has no text; it must not keep the others from being indexed.
        if (!record && record.error().kind == Fault::io) return fail(record.error());
        if (record) found = searched(*record, profile_.blobs());
    }
    const auto indexed = !found ? Indexed::nothing : found->whole ? Indexed::whole : Indexed::partly;
    if (known == indexed) return {};
    return index.add(key, indexed, found ? found->text : store::SearchText{});
}

// Takes the few that arrived last at once, so that a search knows them.
Result<> Indexer::follow(store::SearchIndex& index, std::size_t most) {
    auto place = index.place();
    KITH_TRY_VALUE(arrived, store::arrivals_after(profile_.db(), place.followed, most + 1));
    if (arrived.empty() || arrived.size() > most) return {};
    for (const auto& one : arrived) KITH_TRY(take(index, one.key));
    place.followed = arrived.back().seq;
    if (!place.walking()) place.done = place.sweep = place.followed;
    // The queue was made with another place in mind.
    forget_queue();
    return index.move_to(place);
}

void Indexer::forget(std::span<const history::Key> keys) {
    auto index = profile_.search();
    if (!index) return;
    // What fails here is found out by a search, which looks at each hit again.
    for (const auto& key : keys) (void)(*index)->remove(key);
    (void)(*index)->keep();
}

Result<std::vector<store::ListedRecord>> Indexer::search(std::string_view words, std::size_t limit) {
    KITH_TRY_VALUE(expression, store::search_expression(words));
    KITH_TRY_VALUE(index, profile_.search());
    wake();
    (void)follow(*index, limits::search_at_once);
    std::vector<store::ListedRecord> list;
    std::int64_t row = -1;
    while (list.size() < limit) {
        auto found = index->find(expression, row, limit);
        // Then there is nothing to find yet.
        if (!found && repaired()) return std::vector<store::ListedRecord>{};
        if (!found) return fail(found.error());
        const auto& hits = *found;
        for (const auto& hit : hits) {
            row = hit.row;
            KITH_TRY_VALUE(standing, store::standing(profile_.db(), hit.key));
            if (!standing.shown || list.size() >= limit) continue;
            KITH_TRY_VALUE(listed, profile_.history().listed(hit.key));
            list.push_back(std::move(listed));
        }
        if (hits.size() < limit) break;
    }
    return list;
}

Result<Indexer::Reach> Indexer::reach() {
    KITH_TRY_VALUE(index, profile_.search());
    KITH_TRY_VALUE(last, store::last_arrival(profile_.db()));
    KITH_TRY_VALUE(totals, profile_.history().totals());
    const auto& place = index->place();
    Reach reach;
    reach.of = totals.records;
    reach.complete = place.done == last;
    reach.indexed = reach.complete ? reach.of : std::min(index->entries(), reach.of);
    if (reach.complete)
        reach.back_to_ms = 0;
    else if (place.followed == last && place.floor < history::last_key())
        reach.back_to_ms = place.floor.time_ms;
    return reach;
}

}  // namespace kith::app
