#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "history/batch.h"
#include "history/sync.h"
#include "wire/fields.h"

namespace kith::history {

using Json = nlohmann::json;

Result<> SyncServer::on_frame(std::string_view op, wire::Fields& head, ByteView body) {
    auto too_many = [] { return fail(Fault::protocol, "the peer asks for more than it may at once"); };
    if (op == "sync.compare") {
        auto id = head.u64("id");
        KITH_TRY(head.finish(op));
        KITH_TRY_VALUE(asked, decode_compare(body));
        if (compares_.size() >= limits::sync_streams) return too_many();
        compares_.push_back({id, std::move(asked), 0, {}});
        return {};
    }
    if (op == "sync.fetch" || op == "sync.get") {
        auto id = head.u64("stream");
        Stream stream;
        stream.credit = head.u64("credit");
        stream.by_keys = op == "sync.get";
        stream.selection = read_selection(head);
        KITH_TRY(head.finish(op));
        if (stream.credit > limits::sync_credit || streams_.size() >= limits::sync_streams ||
            streams_.contains(id))
            return too_many();
        bool sized = stream.by_keys
                         ? !body.empty() && body.size() % 40 == 0 && body.size() / 40 <= limits::fetched_keys
                         : body.size() == 80;
        if (!sized) return fail(Fault::protocol, std::string(op) + " of wrong size");
        if (stream.by_keys)
            for (; !body.empty(); body = body.subspan(40)) stream.keys.push_back(load_key(body));
        else
            stream.range = {load_key(body), load_key(body.subspan(40))};
        streams_.emplace(id, std::move(stream));
        return {};
    }
    if (op == "sync.more") {
        auto id = head.u64("stream"), credit = head.u64("credit");
        KITH_TRY(head.finish(op));
        auto at = streams_.find(id);
        if (at == streams_.end()) return {};  // it ended meanwhile
        if (credit > limits::sync_credit || at->second.credit + credit > limits::sync_credit)
            return too_many();
        at->second.credit += credit;
        return {};
    }
    if (op == "sync.want") {
        auto blob = head.id<BlobId>("blob");
        KITH_TRY(head.finish(op));
        if (wants_.size() >= 2 * limits::blobs_in_flight) return too_many();
        wants_.push_back(blob);
        return {};
    }
    if (op == "sync.pieces") {
        auto blob = head.id<BlobId>("blob");
        auto first = head.u64("first"), count = head.u64("count");
        KITH_TRY(head.finish(op));
        if (count == 0 || pieces_.size() + count > limits::pieces_in_flight) return too_many();
        for (std::uint64_t i = 0; i < count; ++i) pieces_.push_back({blob, first + i});
        return {};
    }
    return fail(Fault::protocol, "unknown frame " + std::string(op));
}

bool SyncServer::has_work() const {
    if (!compares_.empty() || !wants_.empty() || !pieces_.empty()) return true;
    for (const auto& [id, stream] : streams_)
        if (stream.credit > 0) return true;
    return false;
}

Result<std::optional<wire::Frame>> SyncServer::work() {
    if (!compares_.empty()) {
        auto& comparison = compares_.front();
        KITH_TRY(answer_range(comparison));
        if (comparison.next < comparison.asked.size()) return std::nullopt;
        wire::Frame frame{Json{{"op", "sync.parts"}, {"id", comparison.id}}.dump(),
                          std::move(comparison.answer)};
        compares_.pop_front();
        return frame;
    }
    for (auto& [id, stream] : streams_) {
        if (stream.credit == 0) continue;
        bool ended = false;
        KITH_TRY_VALUE(frame, next_batch(id, stream, ended));
        --stream.credit;
        if (ended) streams_.erase(id);
        return frame;
    }
    if (!wants_.empty()) {
        auto blob = wants_.front();
        wants_.pop_front();
        KITH_TRY_VALUE(frame, answer_want(blob));
        return frame;
    }
    if (!pieces_.empty()) {
        auto request = pieces_.front();
        pieces_.pop_front();
        KITH_TRY_VALUE(frame, answer_piece(request));
        return frame;
    }
    return std::nullopt;
}

void SyncServer::stop() {
    compares_.clear();
    streams_.clear();
    wants_.clear();
    pieces_.clear();
}

// One range a call: what 64 of them cost together would hold the loop.
Result<> SyncServer::answer_range(Comparison& comparison) const {
    const auto& [range, theirs] = comparison.asked[comparison.next++];
    PartsAnswer answer{range, false, {}, {}};
    KITH_TRY_VALUE(ours, records_.fingerprint(range));
    answer.same = ours == theirs;
    if (!answer.same && ours.count > limits::listed_keys) {
        KITH_TRY_VALUE(parts, records_.split(range));
        for (const auto& part : parts) {
            KITH_TRY_VALUE(fingerprint, records_.fingerprint(part));
            answer.parts.emplace_back(part, fingerprint);
        }
    } else if (!answer.same) {
        KITH_TRY_VALUE(keys, records_.keys(range, limits::listed_keys));
        answer.keys = std::move(keys);
    }
    append_parts(comparison.answer, answer);
    return {};
}

Result<wire::Frame> SyncServer::next_batch(std::uint64_t id, Stream& stream, bool& ended) {
    std::vector<StoredRecord> records;
    if (stream.by_keys) {
        auto rest = std::span<const Key>(stream.keys).subspan(stream.next_key);
        KITH_TRY_VALUE(got, records_.get(rest, stream.selection, Budget()));
        records = std::move(got.records);
        stream.next_key += got.done;
        ended = stream.next_key >= stream.keys.size();
    } else {
        KITH_TRY_VALUE(page, records_.newest(stream.range, stream.selection, Budget()));
        records = std::move(page.records);
        stream.range = page.rest;
        ended = stream.range.empty();
    }
    auto batch = encode_batch(records, packer_);
    Json head{{"op", "sync.batch"}, {"stream", id},           {"count", batch.count},
              {"raw", batch.raw},   {"packed", batch.packed}, {"end", ended}};
    return wire::Frame{head.dump(), std::move(batch.body)};
}

Result<wire::Frame> SyncServer::answer_want(const BlobId& blob) {
    auto hashes = blobs_.piece_hashes(blob);
    // Damaged here is not here, to the peer: no answer would leave it waiting.
    Json head{{"op", "sync.hashes"}, {"blob", blob.hex()}, {"here", hashes.has_value()}};
    return wire::Frame{head.dump(), hashes ? std::move(*hashes) : Bytes()};
}

Result<wire::Frame> SyncServer::answer_piece(const PieceRequest& request) {
    auto bytes = blobs_.piece(request.blob, request.index);
    std::optional<ByteView> packed;
    if (bytes) packed = packer_.pack(*bytes);
    Json head{{"op", "sync.piece"},
              {"blob", request.blob.hex()},
              {"index", request.index},
              {"here", bytes.has_value()},
              {"packed", packed.has_value()}};
    if (packed) {
        head["raw"] = bytes->size();
        return wire::Frame{head.dump(), to_bytes(*packed)};
    }
    return wire::Frame{head.dump(), bytes ? std::move(*bytes) : Bytes()};
}

}  // namespace kith::history
