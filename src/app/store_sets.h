// The blob store as the transfer machines see it.
#pragma once

#include "history/sync.h"
#include "store/blob_store.h"
#include "store/history_store.h"

namespace kith::app {

class StoreBlobs : public history::BlobSet {
  public:
    StoreBlobs(store::HistoryStore& history, store::BlobStore& blobs) : history_(history), blobs_(blobs) {}

    Result<std::vector<history::BlobWant>> missing(std::size_t max) const override {
        KITH_TRY_VALUE(missing, history_.missing_blobs(max));
        std::vector<history::BlobWant> wanted;
        for (const auto& blob : missing) wanted.push_back({blob.id, blob.size});
        return wanted;
    }
    Result<Bytes> piece_hashes(const BlobId& id) const override {
        KITH_TRY(complete(id));
        return blobs_.piece_hashes(id);
    }
    Result<Bytes> piece(const BlobId& id, std::uint64_t index) const override {
        KITH_TRY_VALUE(info, blobs_.info(id));
        if (info.state != store::BlobState::complete || index >= history::piece_count(info.size))
            return fail(Fault::not_found, "no such piece");
        return blobs_.read_piece(id, index);
    }
    Result<std::optional<std::vector<std::uint64_t>>> begun(const BlobId& id) const override {
        KITH_TRY_VALUE(info, blobs_.info(id));
        if (info.state != store::BlobState::partial) return std::nullopt;
        KITH_TRY_VALUE(missing, blobs_.missing_pieces(id, SIZE_MAX));
        return missing;
    }
    Result<> begin(const BlobId& id, std::uint64_t size, ByteView hashes) override {
        return blobs_.begin(id, size, hashes);
    }
    Result<> put_piece(const BlobId& id, std::uint64_t index, ByteView bytes) override {
        return blobs_.put_piece(id, index, bytes);
    }
    Result<> finish(const BlobId& id) override { return blobs_.finish(id); }

  private:
    Result<> complete(const BlobId& id) const {
        KITH_TRY_VALUE(info, blobs_.info(id));
        if (info.state != store::BlobState::complete) return fail(Fault::not_found, "the blob is not here");
        return {};
    }
    store::HistoryStore& history_;
    store::BlobStore& blobs_;
};

}  // namespace kith::app
