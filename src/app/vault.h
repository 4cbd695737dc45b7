// The profile's store as transfers see it, and what records mean to the profile as they arrive: accounts are
// learned, erasures take effect.
#pragma once

#include <functional>

#include "app/profile.h"
#include "history/digest.h"
#include "history/transfer.h"

namespace kith::app {

class StoreVault : public history::Vault {
  public:
    // `on_account`: a record tells of an account; called after the record is durable.
    // `on_erased`: these were erased by another device.
    using OnErased = std::function<void(std::span<const history::Key>)>;
    StoreVault(Profile& profile, std::function<Result<>(const store::Account&)> on_account,
               OnErased on_erased)
        : profile_(profile), on_account_(std::move(on_account)), on_erased_(std::move(on_erased)) {}

    Result<history::Totals> totals() const override { return profile_.history().totals(); }
    Result<std::uint64_t> free_space() const override { return store::free_bytes(profile_.home()); }
    Result<std::uint64_t> add(std::vector<history::Arrived> records) override;

    Result<history::Fingerprint> fingerprint(const history::Range& range) const override;
    Result<std::vector<history::Range>> split(const history::Range& range) const override;
    Result<std::vector<history::Key>> keys(const history::Range& range, std::size_t max) const override;
    Result<std::vector<history::Key>> lacking(std::span<const history::Key> keys) const override;
    Result<history::Page> newest(const history::Range& range, const history::Selection& selection,
                                 history::Budget budget) const override;
    Result<Got> get(std::span<const history::Key> keys, const history::Selection& selection,
                    history::Budget budget) const override;
    Result<std::vector<history::Key>> wanted(const history::Selection& selection, const history::Key& before,
                                             std::size_t max) const override;

    Result<std::vector<history::BlobWant>> missing(std::uint64_t largest, std::size_t max) const override;
    Result<Bytes> piece_hashes(const BlobId& id) const override;
    Result<Bytes> piece(const BlobId& id, std::uint64_t index) const override;
    Result<std::optional<std::vector<std::uint64_t>>> begun(const BlobId& id) const override;
    Result<> begin(const BlobId& id, std::uint64_t size, ByteView hashes) override;
    Result<> put_piece(const BlobId& id, std::uint64_t index, ByteView bytes) override;
    Result<> finish(std::span<const BlobId> ids) override;

  private:
    Profile& profile_;
    std::function<Result<>(const store::Account&)> on_account_;
    OnErased on_erased_;
};

// The digest of all records, and of the blobs that the selection takes. Reads the index of all keys.
Result<history::Digest> compute_digest(const Profile& profile, const history::Selection& selection);

}  // namespace kith::app
