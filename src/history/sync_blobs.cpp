#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "history/batch.h"
#include "history/sync.h"
#include "wire/fields.h"

namespace kith::history {

using Json = nlohmann::json;

BlobPuller::Step BlobPuller::start() {
    stop();
    running_ = true;
    Pulled out;
    KITH_TRY(advance(out));
    return out;
}

void BlobPuller::stop() {
    running_ = false;
    jobs_.clear();
    absent_.clear();
}

BlobPuller::Step BlobPuller::on_hashes(wire::Fields& head, ByteView body) {
    auto id = head.id<BlobId>("blob");
    bool here = head.flag("here");
    KITH_TRY(head.finish("sync.hashes"));
    Pulled out;
    auto at = jobs_.find(id);
    if (!running_ || at == jobs_.end() || at->second.begun) return out;
    if (!here) {
        absent_.insert(id);
        jobs_.erase(at);
    } else {
        KITH_TRY_VALUE(named, blob_id(at->second.size, body));
        if (named != id) return fail(Fault::protocol, "sync.hashes that do not belong to the blob");
        KITH_TRY(mine_.begin(id, at->second.size, body));
        at->second.begun = true;
        for (auto i = piece_count(at->second.size); i-- > 0;) at->second.todo.push_back(i);
    }
    KITH_TRY(advance(out));
    return out;
}

BlobPuller::Step BlobPuller::on_piece(wire::Fields& head, ByteView body) {
    auto id = head.id<BlobId>("blob");
    auto index = head.u64("index");
    bool here = head.flag("here");
    KITH_TRY(head.finish("sync.piece"));
    Pulled out;
    auto at = jobs_.find(id);
    if (!running_ || at == jobs_.end() || at->second.asked.erase(index) == 0) return out;
    auto& job = at->second;
    if (!here) {
        absent_.insert(id);
        jobs_.erase(at);
    } else {
        KITH_TRY_VALUE(bytes, decompress(body, static_cast<std::size_t>(piece_size(job.size, index))));
        KITH_TRY(mine_.put_piece(id, index, bytes));
        out.bytes += bytes.size();
        if (job.todo.empty() && job.asked.empty()) {
            KITH_TRY(mine_.finish(id));
            jobs_.erase(at);
        }
    }
    KITH_TRY(advance(out));
    return out;
}

// Opens jobs and asks for pieces while there is room on the way.
Result<> BlobPuller::advance(Pulled& out) {
    for (bool opened = true; opened && jobs_.size() < limits::blobs_in_flight;) {
        opened = false;
        KITH_TRY_VALUE(wanted, mine_.missing(limits::blobs_in_flight + absent_.size()));
        for (const auto& want : wanted) {
            if (jobs_.size() >= limits::blobs_in_flight) break;
            if (jobs_.contains(want.id) || absent_.contains(want.id)) continue;
            KITH_TRY(open_job(want, out));
            opened = true;
        }
    }
    std::size_t asked = 0;
    for (const auto& [id, job] : jobs_) asked += job.asked.size();
    for (auto& [id, job] : jobs_) {
        while (asked < limits::pieces_in_flight && !job.todo.empty()) {
            auto index = job.todo.back();
            job.todo.pop_back();
            job.asked.insert(index);
            ++asked;
            Json head{{"op", "sync.pieces"}, {"blob", id.hex()}, {"first", index}, {"count", 1}};
            out.send.push_back({head.dump(), {}});
        }
    }
    if (jobs_.empty()) {
        running_ = false;
        out.finished = true;
        out.absent = absent_.size();
    }
    return {};
}

Result<> BlobPuller::open_job(const BlobWant& want, Pulled& out) {
    Job job;
    job.size = want.size;
    KITH_TRY_VALUE(begun, mine_.begun(want.id));
    if (begun && begun->empty()) return mine_.finish(want.id);  // cut between the last piece and the end
    if (begun) {
        job.begun = true;
        job.todo.assign(begun->rbegin(), begun->rend());
    } else {
        out.send.push_back({Json{{"op", "sync.want"}, {"blob", want.id.hex()}}.dump(), {}});
    }
    jobs_.emplace(want.id, std::move(job));
    return {};
}

}  // namespace kith::history
