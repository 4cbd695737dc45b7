// Bringing two histories together: range-based set reconciliation (A. Meyer, "Range-Based Set
// Reconciliation", 2022) over ordered keys. The first transfer, the resume after a cut and the later catch-up
// are this one mechanism; both sides run it, each pulling what it lacks.
//
// Pure machines: frames in, frames and records out; the store is read through RecordSet and BlobSet. What is
// received is handed out to be stored, and only `stored()` gives the peer leave to send more, so memory stays
// flat and whatever was acknowledged is durable. The frames are specified in src/history/README.md.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <variant>
#include <vector>

#include "history/arrival.h"
#include "history/range.h"
#include "wire/frame.h"

namespace kith::wire {
class Fields;
}

namespace kith::history {

// Pulls the records that the peer has and this side lacks, newest first. One pass at a time.
class RecordPuller {
  public:
    explicit RecordPuller(const RecordSet& mine) : mine_(mine) {}

    struct Send {
        wire::Frame frame;
    };
    // Store these in one transaction, then call `stored`.
    struct Store {
        std::vector<Arrived> records;
    };
    // Whatever the peer had when it was asked is here now.
    struct Finished {
        std::uint64_t pulled = 0;
    };
    using Action = std::variant<Send, Store, Finished>;
    using Actions = Result<std::vector<Action>>;

    // Begins a pass; allowed only when idle. What the selection leaves out comes as absent records.
    // `claimed`: how many records the peer says it has.
    Actions start(const Selection& selection, std::uint64_t claimed);
    bool idle() const { return !running_; }
    // Forgets the pass: the link was lost.
    void stop() { reset(); }
    // `sync.parts` and `sync.batch`. An error is the peer's breach of protocol or the store's.
    Actions on_parts(wire::Fields& head, ByteView body);
    Actions on_batch(BatchArrival batch);
    // The records of the last Store are durable.
    Actions stored();

  private:
    // What is asked of the peer in one stream: a whole range of which nothing is here, or single keys.
    struct Fetch {
        Range range;
        std::vector<Key> keys;                 // newest last
        std::optional<std::uint64_t> claimed;  // how many records the peer said there are in the range
        std::uint64_t received = 0;
    };
    void reset();
    void miss(Key key);
    Result<> advance(std::vector<Action>& out);
    Result<> fetch_wanted();
    void send_compare(std::vector<Action>& out);
    void send_fetch(std::vector<Action>& out);

    const RecordSet& mine_;
    Selection selection_;
    bool running_ = false;
    std::optional<Key> wanted_below_;  // absent records are asked for down from here, once all else is done
    std::uint64_t pulled_ = 0;
    std::uint64_t next_id_ = 1;
    std::vector<std::pair<Range, Fingerprint>> to_compare_;  // newest last
    std::vector<Range> comparing_;
    std::uint64_t compare_id_ = 0;
    std::vector<Fetch> to_fetch_;  // newest last
    std::optional<Fetch> fetching_;
    std::uint64_t stream_ = 0;
    bool stream_ended_ = false;
    std::size_t unstored_ = 0;
};

// The blobs of a store, as the machines need them.
struct BlobWant {
    BlobId id;
    std::uint64_t size = 0;
};
class BlobSet {
  public:
    virtual ~BlobSet() = default;
    // Blobs that records here name, that are not here in full and are at most `largest` bytes, those of the
    // newest records first.
    virtual Result<std::vector<BlobWant>> missing(std::uint64_t largest, std::size_t max) const = 0;
    // Of a blob that is here in full. Fault::not_found otherwise.
    virtual Result<Bytes> piece_hashes(const BlobId& id) const = 0;
    virtual Result<Bytes> piece(const BlobId& id, std::uint64_t index) const = 0;
    // Receiving: `begin` takes the verified list of hashes; `begun` gives the pieces that are still missing
    // (all, or fewer when an earlier try was cut), or nothing when `begin` was never called for it.
    virtual Result<std::optional<std::vector<std::uint64_t>>> begun(const BlobId& id) const = 0;
    virtual Result<> begin(const BlobId& id, std::uint64_t size, ByteView hashes) = 0;
    // Verifies against the list; Fault::protocol when the bytes are not the ones.
    virtual Result<> put_piece(const BlobId& id, std::uint64_t index, const Piece& piece) = 0;
    // All pieces of these are here: makes the blobs durable and complete, together.
    virtual Result<> finish(std::span<const BlobId> ids) = 0;
};

// Pulls missing blobs, several at a time, piece by piece.
class BlobPuller {
  public:
    explicit BlobPuller(BlobSet& mine) : mine_(mine) {}

    struct Pulled {
        std::vector<wire::Frame> send;
        std::uint64_t bytes = 0;   // of pieces that were new
        bool completed = false;    // some blob is here in full now
        bool finished = false;     // nothing is missing any more, but what the peer lacks too
        std::uint64_t absent = 0;  // of these, at the end
    };
    using Step = Result<Pulled>;

    // Begins a pass over all blobs of at most `largest` bytes; allowed only when idle.
    Step start(std::uint64_t largest);
    // This one next, whatever its size: somebody waits for it. Whether a pass is running or not.
    Step prefer(const BlobWant& blob);
    bool idle() const { return !running_; }
    void stop();
    Step on_hashes(wire::Fields& head, ByteView body);  // sync.hashes
    Step on_piece(const PieceArrival& arrival);         // sync.piece

  private:
    struct Job {
        std::uint64_t size = 0;
        std::vector<std::uint64_t> todo;  // next piece last
        std::set<std::uint64_t> asked;
        bool begun = false;
    };
    Result<> advance(Pulled& out);
    Result<> refill();
    Result<> open_job(const BlobWant& want, Pulled& out);
    Result<> settle(Pulled& out);
    void ask_pieces(Pulled& out);

    BlobSet& mine_;
    bool running_ = false;
    bool passing_ = false;  // a pass over all, not only what was preferred
    std::uint64_t largest_ = 0;
    BlobId preferred_;
    std::deque<BlobWant> queue_;
    std::map<BlobId, Job> jobs_;
    std::vector<BlobId> arrived_;  // in full, not yet durable
    std::uint64_t arrived_bytes_ = 0;
    std::set<BlobId> absent_;
};

// Answers a peer's pullers. Work is queued by `on_frame` and done by `work`, at most one frame at a time,
// whenever the link takes more: so a peer that asks without reading costs nothing.
class SyncServer {
  public:
    SyncServer(const RecordSet& records, const BlobSet& blobs) : records_(records), blobs_(blobs) {}

    // `sync.compare`, `sync.fetch`, `sync.get`, `sync.more`, `sync.want`, `sync.pieces`.
    Result<> on_frame(std::string_view op, wire::Fields& head, ByteView body);
    bool has_work() const;
    // Nothing: a step of a longer answer was done.
    Result<std::optional<wire::Frame>> work();
    void stop();

  private:
    struct Stream {
        Range range;
        std::vector<Key> keys;
        std::size_t next_key = 0;
        bool by_keys = false;
        Selection selection;
        std::uint64_t credit = 0;
    };
    struct PieceRequest {
        BlobId blob;
        std::uint64_t index = 0;
    };
    struct Comparison {
        std::uint64_t id = 0;
        std::vector<std::pair<Range, Fingerprint>> asked;
        std::size_t next = 0;
        Bytes answer;
    };
    Result<> answer_range(Comparison& comparison) const;
    Result<wire::Frame> next_batch(std::uint64_t id, Stream& stream, bool& ended);
    Result<wire::Frame> answer_want(const BlobId& blob);
    Result<wire::Frame> answer_piece(const PieceRequest& request);

    const RecordSet& records_;
    const BlobSet& blobs_;
    Packer packer_;
    std::deque<Comparison> compares_;
    std::map<std::uint64_t, Stream> streams_;
    std::deque<BlobId> wants_;
    std::deque<PieceRequest> pieces_;
};

}  // namespace kith::history
