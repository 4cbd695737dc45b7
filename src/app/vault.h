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
    // `on_erased`: these were erased by another device. `is_account`: one of the person's, as far as the peer
    // and this device know.
    struct Events {
        std::function<Result<>(const store::Account&)> on_account;
        std::function<void(std::span<const history::Key>)> on_erased;
        std::function<bool(const AccountId&)> is_account;
    };
    StoreVault(Profile& profile, Events events) : profile_(profile), events_(std::move(events)) {}

    Result<history::Totals> totals() const override { return profile_.history().totals(); }
    Result<std::uint64_t> free_space() const override { return store::free_bytes(profile_.home()); }
    // Does ahead what `add` would do for each record, on any thread.
    static void prepare(history::Arrival& arrival);
    // Fault::protocol names a record that no device of the person has made or taken in: a forged one, or a
    // message of an account that is not the person's. Then none is kept.
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
    Result<> put_piece(const BlobId& id, std::uint64_t index, const history::Piece& piece) override;
    Result<> finish(std::span<const BlobId> ids) override;

  private:
    Result<> check(const history::Record& record) const;

    Profile& profile_;
    Events events_;
};

// The digest of all records, and of the blobs that the selection takes. Reads the index of all keys.
Result<history::Digest> compute_digest(const Profile& profile, const history::Selection& selection);

}  // namespace kith::app
