// What two devices of one person say to each other on the peer link, from this side, for one peer: who is
// there, the roster, shared secrets; the transfer of history both ways (history/transfer.h) and the setting
// up of a new device (onboarding.h) are parts of it. The frames are specified in src/app/README.md.
//
// It outlives the link: link_up and link_lost come as often as they like, and what was under way goes on by
// itself. No sockets here: `send` is given.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/handshake.h"
#include "app/onboarding.h"
#include "app/profile.h"
#include "app/selecting.h"
#include "app/services.h"
#include "app/vault.h"
#include "history/transfer.h"
#include "net/loop.h"
#include "net/worker.h"

namespace kith::app {

class PeerSession {
  public:
    struct Events {
        std::function<std::vector<std::string>()> endpoints;         // where this device is reached
        std::function<void(std::vector<std::string>)> on_endpoints;  // where the peer says that it is
        std::function<void()> on_peers;       // endpoints of other devices were learned
        std::function<void()> on_roster;      // entries were added
        std::function<void()> on_claims;      // devices have said which nodes are theirs
        std::function<void()> on_secrets;     // the secrets that all devices share are others now
        std::function<void()> on_membership;  // the person's secrets arrived: this device is set up
        std::function<void()> on_history;     // records were added
        std::function<void(std::span<const history::Key>)> on_erased;  // by another device
        std::function<void()> on_blobs;  // attachments are here in full that were not
        std::function<void(const history::Progress&)> on_progress;
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
    PeerSession(net::Loop& loop, net::Worker& worker, Profile& profile, Services& services, DeviceId peer,
                Events events);

    void link_up(Link link);
    void link_lost();
    bool linked() const { return link_.has_value(); }
    bool active() const;
    // `by`: which connection it came by. Numbers are never used twice.
    void received(wire::Frame frame, std::uint64_t by);
    void drained() { pump(); }

    // Something changed on this side.
    void history_changed();
    void services_changed();
    void roster_changed();
    // The shared secrets were changed here: the peer gets them, and all begins anew with them.
    void secrets_changed();
    // This device got them, from another peer.
    void membership_changed();
    void peers_changed();
    void selection_changed();
    // Somebody waits for these attachments: before all others.
    void prefer(const std::vector<history::BlobWant>& blobs);

    const DeviceId& peer() const { return peer_; }
    // Whether the peer has shown this entry on the present link, so that it knows of it.
    bool peer_knows(const EntryId& entry) const { return peer_entries_.contains(entry); }
    // Both this device and the peer are active. Otherwise entries of the roster are all that is exchanged.
    bool full() const;
    std::optional<store::Job> job(std::string_view role) const { return onboarding_.job(role); }
    const history::Progress& progress() const { return onboarding_.progress(); }
    const history::Transfer& transfer() const { return transfer_; }
    // What keeps this side from having all that it wants of the peer, when nothing moves; empty: nothing
    // does.
    std::string waiting(Now now) const;

  private:
    // A frame that waits for its turn, and for the worker to read it.
    struct Incoming {
        wire::Frame frame;
        std::uint64_t by = 0;
        wire::Fields head;
        std::string op;
        std::size_t size = 0;
        bool reading = false;
        std::optional<Result<history::Arrival>> arrival;
    };
    void begin_anew();
    void forget_exchange();
    void read_ahead();
    void take_incoming();
    Result<> dispatch(Incoming& incoming);
    Result<> on_hello(wire::Fields& head, std::uint64_t by);
    Result<> on_roster(wire::Fields& head, ByteView body);
    Result<> on_secrets(ByteView body);
    Result<> confirm();
    void look_for_copies(std::span<const roster::Entry> entries, const roster::State& before);
    Result<> on_peers(ByteView body);
    Result<> on_accounts(ByteView body);
    Result<> on_welcome(ByteView body);
    Result<> on_trouble(wire::Fields& head);

    void send(std::string head, Bytes body = {});
    bool is_account(const AccountId& id);
    void send_hello(const Handshake::Hello& hello);
    void send_roster();
    Result<> send_peers();
    Result<> send_accounts();
    Result<> send_secrets(std::string_view op);
    Result<> start_transfer();
    Result<> select();
    Result<> take(history::Transfer::Outcome outcome);
    void pump();

    void check(Result<> result);
    void broken(const Error& error);
    void notice(const Error& error);

    net::Loop& loop_;
    net::Worker& worker_;
    Profile& profile_;
    Services& services_;
    DeviceId peer_;
    Events events_;
    StoreVault vault_;
    history::Transfer transfer_;
    Onboarding onboarding_;

    std::optional<Link> link_;
    Handshake handshake_;
    bool awaits_secrets_ = false;  // the peer has newer ones, and sends them
    // In this exchange, to a peer that has other recovery keys than those that hold.
    bool list_told_ = false;
    std::set<EntryId> peer_entries_;                         // what the peer's roster holds
    std::optional<std::vector<AccountName>> peer_accounts_;  // what the peer says that there are
    std::deque<std::shared_ptr<Incoming>> incoming_;
    std::size_t incoming_bytes_ = 0;
    bool taking_ = false;
    std::shared_ptr<history::Packer> packer_ = std::make_shared<history::Packer>();  // the worker's
    bool pumping_ = false;
    std::string own_trouble_, peer_trouble_;
    std::size_t troubles_ = 0;  // that the peer told of
    std::string unselected_;    // why it is not known what is wanted here
    std::int64_t moved_ms_;     // when something last came of the transfer
    bool met_ = false;          // a link has stood
    net::Timer announce_timer_, retry_timer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace kith::app
