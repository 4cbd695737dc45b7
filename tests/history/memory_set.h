// A set of records and blobs in memory, for tests of the machines.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "base/env.h"
#include "base/limits.h"
#include "crypto/hash.h"
#include "history/sync.h"

namespace kith::history {

inline Record text_record(std::string_view kind, std::uint64_t time, std::string_view text) {
    Record record{std::string(kind), {}, time, {}};
    if (!text.empty()) record.parts.push_back({false, to_bytes(text), {}, text.size()});
    return record;
}

class MemorySet : public RecordSet, public BlobSet {
  public:
    kith::Key term_key;
    struct Stub {
        AccountId account;
        std::uint64_t size = 0;
    };
    std::map<Key, Bytes> rows;  // the set; empty bytes where there is only a stub
    std::map<Key, Stub> stubs;
    std::map<BlobId, Bytes> blobs;
    std::map<BlobId, std::uint64_t> missing_blobs;
    std::map<BlobId, std::pair<Bytes, std::map<std::uint64_t, Bytes>>> partial;
    mutable std::size_t reads = 0;

    void add(const Record& record) {
        auto canonical = encode(record);
        auto key = key_of(record, canonical);
        stubs.erase(key);
        rows[key] = canonical;
        for (const auto& part : record.parts)
            if (part.is_blob && !blobs.contains(part.blob)) missing_blobs[part.blob] = part.size;
    }
    // As it came from a peer. True: it was not here.
    bool take(const Arrived& arrived) {
        const auto& key = arrived.stored.key;
        if (arrived.stored.here()) {
            bool fresh = !rows.contains(key) || stubs.contains(key);
            add(arrived.record);
            return fresh;
        }
        if (!rows.try_emplace(key).second) return false;
        stubs[key] = {arrived.stored.account, arrived.stored.size};
        return true;
    }
    BlobId add_blob(Bytes bytes) {
        BlobHasher hasher;
        hasher.add(bytes);
        return add_blob(hasher.finish(), std::move(bytes));
    }
    BlobId add_blob(const BlobHasher::Named& named, Bytes bytes) {
        blobs[named.id] = std::move(bytes);
        hashes_[named.id] = named.piece_hashes;
        missing_blobs.erase(named.id);
        return named.id;
    }

    Result<Fingerprint> fingerprint(const Range& range) const override {
        ++reads;
        Fingerprint total;
        for (auto at = rows.lower_bound(range.from); at != rows.end() && at->first < range.to; ++at)
            total += {1, term_of(at->first.id)};
        return total;
    }
    Result<std::vector<Range>> split(const Range& range) const override {
        std::vector<Key> inside;
        for (auto at = rows.lower_bound(range.from); at != rows.end() && at->first < range.to; ++at)
            inside.push_back(at->first);
        std::vector<Range> parts;
        Key from = range.from;
        std::size_t step = std::max<std::size_t>(1, inside.size() / 8);
        for (std::size_t i = step; i < inside.size() && parts.size() < 16; i += step) {
            parts.push_back({from, inside[i]});
            from = inside[i];
        }
        parts.push_back({from, range.to});
        return parts;
    }
    Result<std::vector<Key>> keys(const Range& range, std::size_t max) const override {
        std::vector<Key> list;
        for (auto at = rows.lower_bound(range.from);
             at != rows.end() && at->first < range.to && list.size() < max; ++at)
            list.push_back(at->first);
        return list;
    }
    Result<std::vector<Key>> lacking(std::span<const Key> keys) const override {
        std::vector<Key> list;
        for (const auto& key : keys)
            if (!rows.contains(key)) list.push_back(key);
        return list;
    }
    StoredRecord stored(const Key& key, const Selection& selection) const {
        if (auto stub = stubs.find(key); stub != stubs.end())
            return {key, stub->second.account, Form::absent, stub->second.size, {}};
        const auto& canonical = rows.at(key);
        auto record = *decode(canonical);
        if (!selection.takes(record.kind, record.time_ms, record.account))
            return {key, record.account, Form::absent, canonical.size(), {}};
        return plain_record(key, record.account, canonical);
    }
    Result<Page> newest(const Range& range, const Selection& selection, Budget budget) const override {
        Page page{{}, {range.from, range.from}};
        auto at = rows.lower_bound(range.to);
        while (at != rows.begin()) {
            --at;
            if (at->first < range.from) return page;
            auto record = stored(at->first, selection);
            if (!budget.take(record.bytes.size(), record.size)) {
                page.rest = {range.from, page.records.back().key};
                return page;
            }
            page.records.push_back(std::move(record));
        }
        return page;
    }
    Result<Got> get(std::span<const Key> keys, const Selection& selection, Budget budget) const override {
        Got got;
        for (const auto& key : keys) {
            if (rows.contains(key)) {
                auto record = stored(key, selection);
                if (!budget.take(record.bytes.size(), record.size)) return got;
                got.records.push_back(std::move(record));
            }
            ++got.done;
        }
        return got;
    }
    Result<std::vector<Key>> wanted(const Selection& selection, const Key& before,
                                    std::size_t max) const override {
        std::vector<Key> list;
        for (auto at = stubs.rbegin(); at != stubs.rend() && list.size() < max; ++at)
            if (at->first < before && selection.takes(at->first.time_ms, at->second.account))
                list.push_back(at->first);
        return list;
    }

    Result<std::vector<BlobWant>> missing(std::uint64_t largest, std::size_t max) const override {
        std::vector<BlobWant> list;
        for (const auto& [id, size] : missing_blobs)
            if (list.size() < max && size <= largest) list.push_back({id, size});
        return list;
    }
    Result<Bytes> piece_hashes(const BlobId& id) const override {
        auto at = hashes_.find(id);
        if (at == hashes_.end()) return fail(Fault::not_found, "no such blob");
        return at->second;
    }
    Result<Bytes> piece(const BlobId& id, std::uint64_t index) const override {
        auto at = blobs.find(id);
        auto size = at == blobs.end() ? 0 : piece_size(at->second.size(), index);
        if (size == 0) return fail(Fault::not_found, "no such piece");
        return to_bytes(ByteView(at->second).subspan(index * limits::blob_piece, size));
    }
    Result<std::optional<std::vector<std::uint64_t>>> begun(const BlobId& id) const override {
        auto at = partial.find(id);
        if (at == partial.end()) return std::nullopt;
        std::vector<std::uint64_t> todo;
        for (std::uint64_t i = 0; i < at->second.first.size() / 32; ++i)
            if (!at->second.second.contains(i)) todo.push_back(i);
        return todo;
    }
    Result<> begin(const BlobId& id, std::uint64_t, ByteView hashes) override {
        partial[id].first = to_bytes(hashes);
        return {};
    }
    Result<> put_piece(const BlobId& id, std::uint64_t index, const Piece& piece) override {
        auto& [hashes, pieces] = partial[id];
        auto expected = ByteView(hashes).subspan(index * 32, 32);
        if (!std::ranges::equal(piece.hash(), expected)) return fail(Fault::protocol, "not the piece");
        pieces[index] = to_bytes(piece.view());
        return {};
    }
    Result<> finish(std::span<const BlobId> ids) override {
        for (const auto& id : ids) {
            auto [hashes, pieces] = std::move(partial.extract(id).mapped());
            Bytes all;
            for (auto& [index, bytes] : pieces) append(all, bytes);
            if (blob_id(all.size(), hashes) != id) return fail(Fault::corrupt, "not the blob");
            add_blob({id, all.size(), std::move(hashes)}, std::move(all));
        }
        return {};
    }

  private:
    // Hashing is most of what a simulation does, so nothing is hashed twice.
    const Sum& term_of(const RecordId& id) const {
        auto [at, fresh] = terms_.try_emplace(id);
        if (fresh) at->second = term(term_key, id);
        return at->second;
    }
    std::map<BlobId, Bytes> hashes_;  // of the pieces of those in `blobs`
    mutable std::map<RecordId, Sum> terms_;
};

}  // namespace kith::history
