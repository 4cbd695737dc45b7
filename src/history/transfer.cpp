#include "history/transfer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "wire/fields.h"

namespace kith::history {

using Json = nlohmann::json;

Transfer::Outcome Transfer::select(const Selection& selection) {
    Step step;
    if (selection_ == selection) return step;
    selection_ = selection;
    news_ = true;
    absent_ = 0;
    // A pass under way goes by what was wanted when it began.
    records_.stop();
    blobs_.stop();
    KITH_TRY(advance(step));
    return step;
}

Transfer::Outcome Transfer::start() {
    stop();
    running_ = true;
    Step step;
    KITH_TRY(send_state(step));
    return step;
}

void Transfer::stop() {
    running_ = false;
    peer_.reset();
    news_ = true;
    absent_ = 0;
    records_.stop();
    blobs_.stop();
    server_.stop();
}

Transfer::Outcome Transfer::on_frame(std::string_view op, wire::Fields& head, ByteView body) {
    if (is_arrival(op)) {
        if (!running_) return Step{};
        KITH_TRY_VALUE(arrival, read_arrival(op, head, to_bytes(body), packer_));
        return on_arrival(std::move(arrival));
    }
    Step step;
    if (!running_) return step;
    if (op == "state") {
        KITH_TRY(on_state(head, step));
    } else if (op == "sync.parts") {
        KITH_TRY(take(records_.on_parts(head, body), step));
    } else if (op == "sync.hashes") {
        KITH_TRY(take(blobs_.on_hashes(head, body), step));
    } else {
        KITH_TRY(server_.on_frame(op, head, body));
    }
    return step;
}

Transfer::Outcome Transfer::on_arrival(Arrival arrival) {
    Step step;
    if (!running_) return step;
    if (auto* batch = std::get_if<BatchArrival>(&arrival))
        KITH_TRY(take(records_.on_batch(std::move(*batch)), step));
    else
        KITH_TRY(take(blobs_.on_piece(std::get<PieceArrival>(arrival)), step));
    return step;
}

Transfer::Outcome Transfer::changed() {
    Step step;
    if (!running_) return step;
    KITH_TRY(send_state(step));
    KITH_TRY(advance(step));
    return step;
}

Transfer::Outcome Transfer::prefer(const BlobWant& blob) {
    Step step;
    if (!running_) return step;
    KITH_TRY(take(blobs_.prefer(blob), step));
    return step;
}

std::string state_head(const Fingerprint& all, const Totals& totals) {
    return Json{{"op", "state"},
                {"count", all.count},
                {"sum", to_hex(all.sum.bytes)},
                {"record_bytes", totals.record_bytes},
                {"blobs", totals.blobs},
                {"blob_bytes", totals.blob_bytes},
                {"blobs_missing", totals.blobs_missing},
                {"absent", totals.absent}}
        .dump();
}

Result<PeerState> read_state(wire::Fields& head) {
    PeerState state;
    state.all.count = state.totals.records = head.u64("count");
    auto sum = head.hex("sum", 32);
    state.totals.record_bytes = head.u64("record_bytes");
    state.totals.blobs = head.u64("blobs");
    state.totals.blob_bytes = head.u64("blob_bytes");
    state.totals.blobs_missing = head.u64("blobs_missing");
    state.totals.absent = head.u64("absent");
    KITH_TRY(head.finish("state"));
    if (sum.size() != 32) return fail(Fault::protocol, "state: sum has the wrong length");
    std::copy(sum.begin(), sum.end(), state.all.sum.bytes.begin());
    return state;
}

Result<> Transfer::send_state(Step& step) {
    KITH_TRY_VALUE(all, vault_.fingerprint(Range::all()));
    KITH_TRY_VALUE(totals, vault_.totals());
    step.send.push_back({state_head(all, totals), {}});
    return {};
}

Result<> Transfer::on_state(wire::Fields& head, Step& step) {
    KITH_TRY_VALUE(state, read_state(head));
    // Only news counts: two devices that both lack a blob would otherwise tell each other so for ever.
    news_ = news_ || peer_ != state;
    peer_ = state;
    step.moved = true;
    return advance(step);
}

Result<> Transfer::advance(Step& step) {
    if (!running_ || !selection_ || !peer_ || !records_.idle()) return {};
    KITH_TRY_VALUE(ours, vault_.fingerprint(Range::all()));
    KITH_TRY_VALUE(wanted, vault_.wanted(*selection_, last_key(), 1));
    bool lacks_records = (ours != peer_->all && peer_->all.count > 0) || !wanted.empty();
    if (news_ && lacks_records) {
        news_ = false;
        absent_ = 0;
        KITH_TRY(check_space());
        return take(records_.start(*selection_, peer_->all.count), step);
    }
    if (!blobs_.idle()) return {};
    KITH_TRY_VALUE(lacking, vault_.missing(selection_->blob_bytes, absent_ + 1));
    bool start = lacking.size() > absent_ || (!lacking.empty() && news_);
    news_ = false;
    if (!start) return {};
    return take(blobs_.start(selection_->blob_bytes), step);
}

// Before anything is pulled: whether all of it will fit.
Result<> Transfer::check_space() const {
    KITH_TRY_VALUE(totals, vault_.totals());
    auto here = totals.record_bytes + totals.blob_bytes - totals.bytes_missing;
    auto there = peer_->totals.record_bytes + peer_->totals.blob_bytes;
    // What a selection comes to is not known beforehand: then a full disk is met when it is full.
    bool known = selection_->all() && there > here;
    auto needed = (known ? there - here : 0) + limits::spare_bytes;
    KITH_TRY_VALUE(free, vault_.free_space());
    if (free >= needed) return {};
    auto mib = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
    return fail(Fault::disk_full,
                "not enough space: about " + mib(needed) + " are needed and " + mib(free) + " are free",
                "free some space; the transfer goes on by itself");
}

// While it arrives: whatever the peer said, the last of the space is left to others.
Result<> Transfer::check_room() {
    if (room_checks_++ % 16 != 0) return {};
    KITH_TRY_VALUE(free, vault_.free_space());
    if (free >= limits::spare_bytes / 4) return {};
    return fail(Fault::disk_full, "the disk is full", "free some space; the transfer goes on by itself");
}

Result<> Transfer::take(RecordPuller::Actions actions, Step& step) {
    if (!actions) return fail(actions.error());
    for (auto& action : *actions) {
        if (auto* frame = std::get_if<RecordPuller::Send>(&action)) {
            step.send.push_back(std::move(frame->frame));
        } else if (auto* arrived = std::get_if<RecordPuller::Store>(&action)) {
            KITH_TRY(check_room());
            KITH_TRY_VALUE(added, vault_.add(std::move(arrived->records)));
            step.added = step.added || added > 0;
            step.moved = true;
            KITH_TRY(take(records_.stored(), step));
        } else if (std::get_if<RecordPuller::Finished>(&action)) {
            KITH_TRY(send_state(step));
            KITH_TRY(advance(step));
        }
    }
    return {};
}

Result<> Transfer::take(BlobPuller::Step pulled, Step& step) {
    if (!pulled) return fail(pulled.error());
    if (pulled->bytes > 0) KITH_TRY(check_room());
    for (auto& frame : pulled->send) step.send.push_back(std::move(frame));
    step.moved = step.moved || pulled->bytes > 0;
    step.blobs = step.blobs || pulled->completed;
    if (!pulled->finished) return {};
    if (pulled->absent > 0 && absent_ != pulled->absent)
        step.notice =
            Error{Fault::unavailable,
                  "the other device lacks " + std::to_string(pulled->absent) + " attachments itself",
                  "they arrive when it has them"};
    absent_ = pulled->absent;
    KITH_TRY(send_state(step));
    return advance(step);
}

Progress Transfer::progress() const {
    Progress progress;
    auto totals = vault_.totals();
    if (!totals || !peer_) return progress;
    progress.records = totals->records - totals->absent;
    progress.bytes = totals->record_bytes - totals->absent_bytes + totals->blob_bytes - totals->bytes_missing;
    bool all = !selection_ || selection_->all();
    if (!all) {
        progress.records = totals->records;
        progress.bytes += totals->absent_bytes;
    }
    progress.records_total = std::max(peer_->all.count, progress.records);
    auto blob_bytes = all ? peer_->totals.blob_bytes : totals->blob_bytes;
    progress.bytes_total = std::max(peer_->totals.record_bytes + blob_bytes, progress.bytes);
    return progress;
}

Result<bool> Transfer::complete() const {
    if (!running_ || !selection_ || !peer_ || !idle()) return false;
    KITH_TRY_VALUE(ours, vault_.fingerprint(Range::all()));
    if (ours != peer_->all) return false;
    KITH_TRY_VALUE(wanted, vault_.wanted(*selection_, last_key(), 1));
    if (!wanted.empty()) return false;
    KITH_TRY_VALUE(missing, vault_.missing(selection_->blob_bytes, 1));
    return missing.empty();
}

}  // namespace kith::history
