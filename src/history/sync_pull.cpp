#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "history/batch.h"
#include "history/sync.h"
#include "wire/fields.h"

namespace kith::history {

using Json = nlohmann::json;

RecordPuller::Actions RecordPuller::start(const Selection& selection, std::uint64_t claimed) {
    reset();
    running_ = true;
    selection_ = selection;
    wanted_below_ = last_key();
    std::vector<Action> out;
    KITH_TRY_VALUE(ours, mine_.fingerprint(Range::all()));
    if (ours.count == 0)
        to_fetch_.push_back({Range::all(), {}, claimed});
    else
        to_compare_.emplace_back(Range::all(), ours);
    KITH_TRY(advance(out));
    return out;
}

RecordPuller::Actions RecordPuller::on_parts(wire::Fields& head, ByteView body) {
    auto id = head.u64("id");
    KITH_TRY(head.finish("sync.parts"));
    if (!running_ || id != compare_id_ || comparing_.empty())
        return std::vector<Action>{};  // of a pass that was stopped
    KITH_TRY_VALUE(answers, decode_parts(body, comparing_));
    comparing_.clear();
    for (auto& answer : answers) {
        if (answer.same) continue;
        if (answer.parts.empty()) {
            KITH_TRY_VALUE(lacking, mine_.lacking(answer.keys));
            for (const auto& key : lacking) miss(key);
            continue;
        }
        for (const auto& [range, theirs] : answer.parts) {
            if (theirs.count == 0) continue;
            KITH_TRY_VALUE(ours, mine_.fingerprint(range));
            if (ours == theirs) continue;
            if (ours.count == 0)
                to_fetch_.push_back({range, {}, theirs.count});
            else
                to_compare_.emplace_back(range, ours);
        }
    }
    // Two sets that differ everywhere come to a few thousand: more is a peer that invents differences for
    // ever.
    if (to_compare_.size() > limits::ranges_pending || to_fetch_.size() > limits::ranges_pending)
        return fail(Fault::protocol, "sync.parts without end");
    auto newest_last = [](const auto& a, const auto& b) { return a.first.from < b.first.from; };
    std::sort(to_compare_.begin(), to_compare_.end(), newest_last);
    std::sort(to_fetch_.begin(), to_fetch_.end(),
              [](const Fetch& a, const Fetch& b) { return a.range.from < b.range.from; });
    std::vector<Action> out;
    KITH_TRY(advance(out));
    return out;
}

RecordPuller::Actions RecordPuller::on_batch(BatchArrival batch) {
    auto& [stream, records, end] = batch;
    std::vector<Action> out;
    if (!fetching_ || stream != stream_) return out;  // of a pass that was stopped
    if (stream_ended_) return fail(Fault::protocol, "sync.batch after the end of its stream");
    if (records.empty() && !end) return fail(Fault::protocol, "sync.batch without records");
    // Every record must be one that was asked for, and newer ones first: otherwise a pass might never end.
    for (const auto& arrived : records) {
        const auto& key = arrived.stored.key;
        if (!fetching_->keys.empty()) {
            auto& keys = fetching_->keys;
            while (!keys.empty() && keys.back() != key) keys.pop_back();
            if (keys.empty()) return fail(Fault::protocol, "sync.batch with a record that was not asked for");
        } else {
            if (!fetching_->range.contains(key)) return fail(Fault::protocol, "sync.batch outside its range");
            fetching_->range.to = key;
            // More than it said there are, but for what may have arrived there meanwhile.
            if (fetching_->claimed && ++fetching_->received > *fetching_->claimed * 2 + limits::batch_records)
                return fail(Fault::protocol, "sync.batch with more records than the peer said there are");
        }
    }
    stream_ended_ = end;
    if (records.empty()) {
        if (unstored_ == 0) {
            fetching_.reset();
            KITH_TRY(advance(out));
        }
        return out;
    }
    ++unstored_;
    pulled_ += records.size();
    out.push_back(Store{std::move(records)});
    return out;
}

RecordPuller::Actions RecordPuller::stored() {
    std::vector<Action> out;
    if (!fetching_ || unstored_ == 0) return out;
    --unstored_;
    if (!stream_ended_) {
        out.push_back(Send{{Json{{"op", "sync.more"}, {"stream", stream_}, {"credit", 1}}.dump(), {}}});
    } else if (unstored_ == 0) {
        fetching_.reset();
        KITH_TRY(advance(out));
    }
    return out;
}

void RecordPuller::reset() {
    running_ = false;
    wanted_below_.reset();
    pulled_ = 0;
    to_compare_.clear();
    comparing_.clear();
    to_fetch_.clear();
    fetching_.reset();
    stream_ended_ = false;
    unstored_ = 0;
}

// Notes a key to be fetched. Keys arrive oldest first within a range, so a group is newest last.
void RecordPuller::miss(Key key) {
    if (to_fetch_.empty() || to_fetch_.back().keys.empty() ||
        to_fetch_.back().keys.size() >= limits::fetched_keys || to_fetch_.back().keys.back() > key)
        to_fetch_.push_back({{key, key}, {}, {}});
    to_fetch_.back().keys.push_back(key);
}

Result<> RecordPuller::advance(std::vector<Action>& out) {
    if (!running_) return {};
    if (comparing_.empty() && !to_compare_.empty()) send_compare(out);
    bool compares_open = !comparing_.empty();
    if (!compares_open && !fetching_ && to_fetch_.empty()) KITH_TRY(fetch_wanted());
    if (!fetching_ && !to_fetch_.empty()) {
        // Newest first: what is still being compared may hold something newer.
        bool newest = !compares_open || comparing_.back().from < to_fetch_.back().range.from;
        if (newest) send_fetch(out);
    }
    if (!compares_open && !fetching_ && to_fetch_.empty()) {
        running_ = false;
        out.push_back(Finished{pulled_});
    }
    return {};
}

// What an earlier selection left out, or a peer did not have either.
Result<> RecordPuller::fetch_wanted() {
    if (!wanted_below_) return {};
    KITH_TRY_VALUE(keys, mine_.wanted(selection_, *wanted_below_, limits::fetched_keys));
    wanted_below_.reset();
    if (keys.empty()) return {};
    wanted_below_ = keys.back();
    std::reverse(keys.begin(), keys.end());
    to_fetch_.push_back({{keys.front(), keys.front()}, std::move(keys), {}});
    return {};
}

void RecordPuller::send_compare(std::vector<Action>& out) {
    Bytes body;
    auto count = std::min(to_compare_.size(), limits::compare_ranges);
    std::vector<std::pair<Range, Fingerprint>> asked(to_compare_.end() - static_cast<std::ptrdiff_t>(count),
                                                     to_compare_.end());
    to_compare_.resize(to_compare_.size() - count);
    for (const auto& [range, fingerprint] : asked) {
        append_compare(body, range, fingerprint);
        comparing_.push_back(range);
    }
    compare_id_ = next_id_++;
    out.push_back(Send{{Json{{"op", "sync.compare"}, {"id", compare_id_}}.dump(), std::move(body)}});
}

void RecordPuller::send_fetch(std::vector<Action>& out) {
    fetching_ = std::move(to_fetch_.back());
    to_fetch_.pop_back();
    stream_ = next_id_++;
    stream_ended_ = false;
    unstored_ = 0;
    Bytes body;
    if (fetching_->keys.empty()) {
        append_key(body, fetching_->range.from);
        append_key(body, fetching_->range.to);
    } else {
        for (auto key = fetching_->keys.rbegin(); key != fetching_->keys.rend(); ++key)
            append_key(body, *key);
    }
    Json head{{"op", fetching_->keys.empty() ? "sync.fetch" : "sync.get"},
              {"stream", stream_},
              {"credit", limits::sync_credit}};
    append_selection(head, selection_);
    out.push_back(Send{{head.dump(), std::move(body)}});
}

}  // namespace kith::history
