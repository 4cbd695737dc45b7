#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "history/batch.h"
#include "history/sync.h"
#include "wire/fields.h"

namespace kith::history {

using Json = nlohmann::json;

BlobPuller::Step BlobPuller::start(std::uint64_t largest) {
    running_ = passing_ = true;
    largest_ = largest;
    Pulled out;
    KITH_TRY(advance(out));
    return out;
}

BlobPuller::Step BlobPuller::prefer(const BlobWant& blob) {
    running_ = true;
    Pulled out;
    std::erase_if(queue_, [&](const auto& want) { return want.id == blob.id; });
    absent_.erase(blob.id);
    preferred_ = blob.id;
    // Beyond the usual number: whoever waits for it shall not wait for others' megabytes.
    if (jobs_.size() >= 2 * limits::blobs_in_flight)
        queue_.push_front(blob);
    else if (!jobs_.contains(blob.id))
        KITH_TRY(open_job(blob, out));
    KITH_TRY(advance(out));
    return out;
}

// Blobs in progress are kept: their pieces that are here are not asked for again.
void BlobPuller::stop() {
    running_ = passing_ = false;
    queue_.clear();
    jobs_.clear();
    arrived_.clear();
    arrived_bytes_ = 0;
    absent_.clear();
}

BlobPuller::Step BlobPuller::on_hashes(wire::Fields& head, ByteView body) {
    auto id = head.id<BlobId>("blob");
    bool here = head.flag("here");
    KITH_TRY(head.finish("sync.hashes"));
    Pulled out;
    auto at = jobs_.find(id);
    if (at == jobs_.end() || at->second.begun) return out;
    auto& job = at->second;
    auto named = blob_id(job.size, body);
    // Hashes that do not belong to the blob: the peer lies, or the record that named it told a wrong size.
    // Neither may hold up the others.
    if (!here || !named || *named != id) {
        absent_.insert(id);
        jobs_.erase(at);
    } else {
        KITH_TRY(mine_.begin(id, job.size, body));
        job.begun = true;
        for (auto i = piece_count(job.size); i-- > 0;) job.todo.push_back(i);
    }
    KITH_TRY(advance(out));
    return out;
}

BlobPuller::Step BlobPuller::on_piece(const PieceArrival& arrival) {
    const auto& [id, index, here, piece] = arrival;
    Pulled out;
    auto at = jobs_.find(id);
    if (at == jobs_.end() || at->second.asked.erase(index) == 0) return out;
    auto& job = at->second;
    if (!here) {
        absent_.insert(id);
        jobs_.erase(at);
    } else {
        KITH_TRY(mine_.put_piece(id, index, piece));
        out.bytes += piece.size();
        if (job.todo.empty() && job.asked.empty()) {
            arrived_.push_back(id);
            arrived_bytes_ += job.size;
            jobs_.erase(at);
        }
    }
    KITH_TRY(advance(out));
    return out;
}

// Opens jobs and asks for pieces while there is room on the way.
Result<> BlobPuller::advance(Pulled& out) {
    while (jobs_.size() < limits::blobs_in_flight) {
        if (queue_.empty()) KITH_TRY(refill());
        if (queue_.empty()) break;
        auto want = queue_.front();
        queue_.pop_front();
        if (!jobs_.contains(want.id)) KITH_TRY(open_job(want, out));
    }
    ask_pieces(out);
    bool full = arrived_.size() >= limits::blobs_settled || arrived_bytes_ >= limits::blob_bytes_settled;
    if (!arrived_.empty() && (full || jobs_.empty())) KITH_TRY(settle(out));
    if (!running_ || !jobs_.empty()) return {};
    out.finished = passing_;
    out.absent = absent_.size();
    running_ = passing_ = false;
    return {};
}

Result<> BlobPuller::refill() {
    if (!passing_) return {};
    auto known = absent_.size() + jobs_.size() + arrived_.size();
    KITH_TRY_VALUE(wanted, mine_.missing(largest_, limits::blobs_listed + known));
    for (const auto& want : wanted) {
        bool open = jobs_.contains(want.id) || absent_.contains(want.id) ||
                    std::find(arrived_.begin(), arrived_.end(), want.id) != arrived_.end();
        if (!open) queue_.push_back(want);
    }
    return {};
}

Result<> BlobPuller::open_job(const BlobWant& want, Pulled& out) {
    Job job;
    job.size = want.size;
    KITH_TRY_VALUE(begun, mine_.begun(want.id));
    if (begun && begun->empty()) {  // cut between the last piece and the end
        arrived_.push_back(want.id);
        arrived_bytes_ += want.size;
        return {};
    }
    if (begun) {
        job.begun = true;
        job.todo.assign(begun->rbegin(), begun->rend());
    } else {
        out.send.push_back({Json{{"op", "sync.want"}, {"blob", want.id.hex()}}.dump(), {}});
    }
    jobs_.emplace(want.id, std::move(job));
    return {};
}

Result<> BlobPuller::settle(Pulled& out) {
    KITH_TRY(mine_.finish(arrived_));
    arrived_.clear();
    arrived_bytes_ = 0;
    out.completed = true;
    return {};
}

void BlobPuller::ask_pieces(Pulled& out) {
    std::size_t asked = 0;
    for (const auto& [id, job] : jobs_) asked += job.asked.size();
    auto ask = [&](const BlobId& id, Job& job) {
        while (asked < limits::pieces_in_flight && job.asked.size() < limits::pieces_of_one_blob &&
               !job.todo.empty()) {
            auto index = job.todo.back();
            job.todo.pop_back();
            job.asked.insert(index);
            ++asked;
            Json head{{"op", "sync.pieces"}, {"blob", id.hex()}, {"first", index}, {"count", 1}};
            out.send.push_back({head.dump(), {}});
        }
    };
    if (auto first = jobs_.find(preferred_); first != jobs_.end()) ask(first->first, first->second);
    for (auto& [id, job] : jobs_) ask(id, job);
}

}  // namespace kith::history
