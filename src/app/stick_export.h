// Writes a payload to a stick (src/stick/README.md): what the peer link would carry to a new device, from the
// same machine that answers there (history/sync.h), one frame at a time, so that memory does not grow with
// the history (but for 40 bytes an attachment). Sealing and writing are done on a thread of their own, for
// sticks are slow.
//
// It is there whole or not at all. What arrives at this device meanwhile may be in it or not.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "app/profile.h"
#include "app/vault.h"
#include "history/sync.h"
#include "history/transfer.h"
#include "net/loop.h"
#include "net/worker.h"
#include "stick/request.h"

namespace kith::app {

struct StickCounts {
    std::uint64_t records = 0, blobs = 0, bytes = 0;
    std::uint64_t lacking = 0;  // blobs that are wanted, and are not on the device that wrote
};

class StickExport {
  public:
    struct Events {
        std::function<void(const history::Progress&, bool attachments)> on_progress;
        std::function<void(Result<StickCounts>)> on_end;  // once, as the last thing
    };
    // `request`: its exact bytes. `introduction`: of this device, with a roster that holds the new one.
    static Result<std::unique_ptr<StickExport>> start(net::Loop& loop, Profile& profile, Random& random,
                                                      const std::filesystem::path& folder, ByteView request,
                                                      const Bytes& introduction,
                                                      const history::Selection& selection, Events events);
    ~StickExport();
    void cancel();

  private:
    struct Out;  // what the other thread works with
    enum class Stage { facts, records, blobs, end, written };
    StickExport(net::Loop& loop, Profile& profile, const history::Selection& selection,
                std::unique_ptr<Out> out, Events events);
    Result<> gather(ByteView request, const Bytes& introduction);
    Result<> list_blobs();
    void pump();
    Result<std::optional<wire::Frame>> next();
    Result<std::optional<wire::Frame>> next_batch();
    Result<std::optional<wire::Frame>> next_of_blob();
    Result<std::optional<wire::Frame>> answer(std::string head, Bytes body);
    void write(wire::Frame frame, bool last);
    void tell();
    void end(Result<StickCounts> result);

    net::Loop& loop_;
    Profile& profile_;
    history::Selection selection_;
    Events events_;
    StoreVault vault_;
    history::SyncServer server_;
    Stage stage_ = Stage::facts;
    std::deque<wire::Frame> facts_;
    bool asked_ = false;
    std::vector<std::pair<BlobId, std::uint64_t>> blobs_;
    std::size_t next_blob_ = 0;
    std::uint64_t next_piece_ = 0;  // of the blob before next_blob_
    StickCounts counts_;
    history::Progress progress_;
    std::int64_t told_ms_ = 0;
    bool ended_ = false;
    std::size_t in_flight_ = 0;
    net::Timer timer_;
    std::unique_ptr<Out> out_;
    net::Worker worker_;  // last: it ends before what it works with
};

}  // namespace kith::app
