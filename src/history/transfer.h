// Two devices of one person come to hold the same history: what one of them does, for one peer. Each tells
// the other what it has (`state`), pulls what it lacks, records before blobs and the newest first, and serves
// what the other asks for. The first transfer, the resume after a cut and the later catch-up are all this.
//
// A pure machine: frames in, frames out. What it takes in goes to the Vault, which makes it durable before it
// returns; only then the peer is given leave to send more. Frames: src/history/README.md.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "history/sync.h"

namespace kith::history {

// A device's store, as a transfer needs it.
class Vault : public RecordSet, public BlobSet {
  public:
    virtual Result<Totals> totals() const = 0;
    // Bytes that can still be written.
    virtual Result<std::uint64_t> free_space() const = 0;
    // All or none, durable when it returns. How many were new.
    virtual Result<std::uint64_t> add(std::vector<Arrived> records) = 0;
};

// How far a device is that takes in a history. What a selection leaves out counts as done.
struct Progress {
    std::uint64_t records = 0, records_total = 0;
    std::uint64_t bytes = 0, bytes_total = 0;
};

// What a device says that it has: the frame `state`.
struct PeerState {
    Fingerprint all;
    Totals totals;
    bool operator==(const PeerState&) const = default;
};
std::string state_head(const Fingerprint& all, const Totals& totals);
Result<PeerState> read_state(wire::Fields& head);

class Transfer {
  public:
    explicit Transfer(Vault& vault) : vault_(vault), records_(vault), blobs_(vault), server_(vault, vault) {}

    // What a call leads to, besides what it stored.
    struct Step {
        std::vector<wire::Frame> send;  // in this order
        bool added = false;             // there are new records here
        bool blobs = false;             // a blob is here in full that was not
        bool moved = false;             // the progress is another
        std::optional<Error> notice;    // for the owner; nothing ends by it
    };
    // Fault::protocol: the peer broke the protocol, and the link must go. Any other error is of this side's
    // store: stop, and start again when it may have passed.
    using Outcome = Result<Step>;

    // What is wanted here; nothing is pulled before it is known.
    Outcome select(const Selection& selection);
    const std::optional<Selection>& selection() const { return selection_; }

    // A link to the peer stands: tells it what is here.
    Outcome start();
    // The link is lost.
    void stop();
    // `state` and `sync.*`.
    Outcome on_frame(std::string_view op, wire::Fields& head, ByteView body);
    // Instead, what such a frame was read to already (is_arrival).
    Outcome on_arrival(Arrival arrival);
    // Records or blobs came from elsewhere: tells the peer.
    Outcome changed();
    // This blob before others, whatever its size.
    Outcome prefer(const BlobWant& blob);

    // Answers to the peer, one frame a call, whenever the link takes more.
    bool has_work() const { return running_ && server_.has_work(); }
    Result<std::optional<wire::Frame>> work() { return server_.work(); }

    // What the peer said that it has.
    const std::optional<PeerState>& peer() const { return peer_; }
    Progress progress() const;
    // Nothing is under way here.
    bool idle() const { return records_.idle() && blobs_.idle(); }
    bool pulling_blobs() const { return !blobs_.idle(); }
    // Whether all that the peer has and this side wants is here.
    Result<bool> complete() const;

  private:
    Result<> on_state(wire::Fields& head, Step& step);
    Result<> send_state(Step& step);
    Result<> advance(Step& step);
    Result<> check_space() const;
    Result<> check_room();
    Result<> take(RecordPuller::Actions actions, Step& step);
    Result<> take(BlobPuller::Step pulled, Step& step);

    Vault& vault_;
    Packer packer_;
    RecordPuller records_;
    BlobPuller blobs_;
    SyncServer server_;
    std::optional<Selection> selection_;
    bool running_ = false;
    std::optional<PeerState> peer_;
    bool news_ = false;         // since the last pass began the peer's state or the selection became another
    std::uint64_t absent_ = 0;  // blobs that the peer lacks too
    std::uint64_t room_checks_ = 0;
};

}  // namespace kith::history
