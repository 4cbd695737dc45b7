// Takes a payload in from a stick (src/stick/README.md), frame by frame: read, opened and unpacked on a
// thread of its own, kept here. What came is durable as it comes, so an import that was broken off is
// repeated, and finds most of it known.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "app/host_pairing.h"
#include "app/profile.h"
#include "app/stick_export.h"
#include "app/vault.h"
#include "history/arrival.h"
#include "net/loop.h"
#include "net/worker.h"
#include "stick/payload.h"
#include "wire/fields.h"

namespace kith::app {

class StickImport {
  public:
    struct Events {
        // Who made the payload is known, and that it is for this device: to be one of the person's from now
        // on, durably.
        std::function<Result<>(const Introduction& host, const roster::State& state)> on_introduction;
        // The person's secrets; durable, and everything runs, when it returns.
        std::function<Result<>(ByteView secrets)> on_welcome;
        std::function<Result<>(const store::Account&)> on_account;
        std::function<void(std::span<const history::Key>)> on_erased;
        std::function<void(const history::Progress&, bool attachments)> on_progress;
        std::function<void()> on_history;
        std::function<void(Result<StickCounts>)> on_end;  // once, as the last thing
    };
    // Fault::not_found: there is no payload. Fault::refused: it is not for `key`.
    static Result<std::unique_ptr<StickImport>> start(net::Loop& loop, Profile& profile,
                                                      const std::filesystem::path& folder,
                                                      const crypto::LinkKey& key, Bytes request,
                                                      Events events);
    ~StickImport();
    void cancel();

  private:
    struct In;    // what the other thread works with
    struct Item;  // a frame that it has read
    StickImport(net::Loop& loop, Profile& profile, std::unique_ptr<In> in, crypto::Hash start, Bytes request,
                Events events);
    void read_ahead();
    void take_next();
    Result<> take(Item& item);
    Result<> on_payload(ByteView body);
    Result<> on_batch(history::BatchArrival batch);
    Result<> on_hashes(wire::Fields& head, ByteView body);
    Result<> on_piece(const history::PieceArrival& arrival);
    Result<> on_last(wire::Fields& head);
    Result<> settle();
    Result<> check_room();
    void tell();
    void end(Result<StickCounts> result);

    net::Loop& loop_;
    Profile& profile_;
    crypto::Hash start_;
    Bytes request_;
    Events events_;
    StoreVault vault_;
    std::vector<AccountId> accounts_;
    std::size_t taken_ = 0;  // frames
    bool all_records_ = false;
    struct Blob {
        BlobId id;
        std::uint64_t size = 0, pieces = 0;  // how many came
    };
    std::optional<Blob> blob_;  // that pieces come of, and are kept
    std::vector<BlobId> arrived_;
    std::uint64_t arrived_bytes_ = 0;
    StickCounts counts_;
    history::Progress progress_;
    std::int64_t told_ms_ = 0;
    std::uint64_t room_checks_ = 0;
    bool ended_ = false, taking_ = false;
    std::deque<std::shared_ptr<Item>> items_;
    net::Timer timer_;
    std::unique_ptr<In> in_;
    net::Worker worker_;  // last: it ends before what it works with
};

}  // namespace kith::app
