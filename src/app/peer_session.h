// What two devices of one person say to each other on the peer link, from this side, for one peer: roster,
// shared secrets, history both ways, nodes for services, and the proof at the end of an onboarding. The
// frames are specified in src/app/README.md.
//
// It outlives the link: link_up and link_lost come as often as they like, and what was under way goes on by
// itself. No sockets here: `send` is given.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "app/profile.h"
#include "app/services.h"
#include "app/store_sets.h"
#include "history/digest.h"
#include "history/sync.h"
#include "net/loop.h"

namespace kith::app {

struct Progress {
    std::uint64_t records = 0, records_total = 0;
    std::uint64_t bytes = 0, bytes_total = 0;
};

// The digest of what is here now. Reads the index of all keys.
Result<history::Digest> compute_digest(const Profile& profile);

class PeerSession {
  public:
    struct Events {
        std::function<std::vector<std::string>()> endpoints;         // where this device is reached
        std::function<void(std::vector<std::string>)> on_endpoints;  // where the peer says that it is
        std::function<void()> on_peers;       // endpoints of other devices were learned
        std::function<void()> on_roster;      // entries were added
        std::function<void()> on_membership;  // the person's secrets arrived: this device is set up
        std::function<void()> on_history;     // records were added
        std::function<void(const Progress&)> on_progress;
        std::function<void(const std::string& address, const std::string& state)> on_service;
        std::function<void(const history::Digest&, double seconds)> on_done;
        std::function<void(const Error&)>
            on_trouble;                   // a condition that stops progress, or a breach of protocol
        std::function<void()> drop_link;  // after a breach of protocol
    };
    // `queued` tells how many bytes wait on the link.
    struct Link {
        std::function<bool(wire::Frame)> send;  // false: not taken
        std::function<std::size_t()> queued;
    };
    PeerSession(net::Loop& loop, Profile& profile, Services& services, Random& random, DeviceId peer,
                Events events);

    void link_up(Link link);
    void link_lost();
    bool linked() const { return link_.has_value(); }
    void received(const wire::Frame& frame);
    void drained() { pump(); }

    // Something changed on this side.
    void history_changed();
    void services_changed();
    void roster_changed();
    void peers_changed();

    const DeviceId& peer() const { return peer_; }
    const Progress& progress() const { return progress_; }
    // The onboarding that this peer and this device are in, if any.
    std::optional<store::Job> job(std::string_view role) const;

  private:
    struct PeerState {
        history::Fingerprint all;
        std::uint64_t record_bytes = 0, blob_bytes = 0, blobs_missing = 0;
        bool operator==(const PeerState&) const = default;
    };
    Result<> dispatch(std::string_view op, wire::Fields& head, ByteView body);
    Result<> on_hello(wire::Fields& head);
    Result<> on_roster(ByteView body);
    Result<> on_peers(wire::Fields& head);
    Result<> send_peers();
    Result<> on_welcome(ByteView body);
    Result<> on_state(wire::Fields& head);
    Result<> on_node(wire::Fields& head, ByteView body);
    Result<> on_node_ok(wire::Fields& head);
    Result<> on_services(wire::Fields& head);
    Result<> on_prove(wire::Fields& head);
    Result<> on_receipt(wire::Fields& head, ByteView body);
    Result<> on_receipt_ok(wire::Fields& head, ByteView body);

    void send(std::string head, Bytes body = {});
    void send_hello();
    void send_roster();
    Result<> send_welcome();
    Result<> send_state();
    Result<> send_nodes();
    Result<> send_services();
    void send_progress();
    void pump();

    void check(Result<> result);
    void broken(const Error& error);
    Result<> advance();  // starts whatever can be started now
    Result<> take(history::RecordPuller::Actions actions);
    Result<> take(history::BlobPuller::Step step);
    Result<> store(std::vector<history::Arrived> records);
    Result<> check_space() const;
    Result<> prove();
    Result<bool> services_settled();
    Result<> end_job(std::string_view role, const history::Digest& digest, std::int64_t now_ms);
    void count_progress();

    net::Loop& loop_;
    Profile& profile_;
    Services& services_;
    Random& random_;
    DeviceId peer_;
    Events events_;
    StoreBlobs blob_set_;
    history::RecordPuller records_;
    history::BlobPuller blobs_;
    history::SyncServer server_;

    std::optional<Link> link_;
    bool greeted_ = false;  // the peer's hello is here
    bool peer_member_ = false;
    std::optional<PeerState> peer_state_;
    bool state_changed_ = false;   // the peer's state changed since the last pass began
    bool announce_ = false;        // our state is to be sent
    std::uint64_t absent_ = 0;     // blobs that the peer lacks too
    std::optional<Bytes> proved_;  // the digest that was sent last, until something changes
    std::optional<std::map<AccountId, std::pair<std::string, std::string>>> peer_services_;
    std::map<AccountId, std::string> told_services_;
    Progress progress_;
    std::int64_t progress_sent_ms_ = 0;
    bool pumping_ = false;
    net::Timer announce_timer_, retry_timer_, settle_timer_;
    std::int64_t link_up_ms_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace kith::app
