// The other devices of the person: a listener for them, a dialer to each whose address is known, and a
// session with each. Both sides dial; the first connection that stands carries this side's frames.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "app/peer_session.h"
#include "net/curve.h"
#include "net/interfaces.h"
#include "net/worker.h"

namespace kith::app {

class Peers {
  public:
    // As PeerSession::Events, for all peers.
    struct Events {
        std::function<void()> on_roster, on_claims, on_secrets, on_membership, on_history;
        std::function<void()> on_blobs;
        std::function<void(std::span<const history::Key>)> on_erased;
        std::function<void(const DeviceId&, const history::Progress&)> on_progress;
        std::function<void(const DeviceId&, const std::string& address, const std::string& state)> on_service;
        std::function<void(const DeviceId&, const history::Digest&, double seconds)> on_done;
        std::function<void(const DeviceId&, const Error&)> on_trouble;
        std::function<void(const DeviceId&)> on_link;    // up or lost
        std::function<void(const DeviceId&)> on_denied;  // the peer does not let this device in
    };
    Peers(net::Loop& loop, net::Worker& worker, net::Curve& curve, Profile& profile, Services& services,
          Events events);
    ~Peers();

    // Listens and dials, at this port: Fault::unavailable when it is in use. With 0 at the port of the last
    // time, and at another one when that is in use. It is remembered.
    Result<> start(std::uint16_t wanted);
    std::uint16_t port() const { return listener_ ? listener_->port() : 0; }
    // Where this device is reached, as endpoints in text.
    std::vector<std::string> endpoints() const;
    // The same before there is a listener: of the port that `start` will take, chosen and remembered if it
    // must be.
    static std::vector<std::string> future_endpoints(Profile& profile, std::uint16_t wanted);

    // The roster or the known endpoints changed: sessions and dialers are made and dropped.
    void refresh();

    // The device was found here just now: dialed before where it was before. Not kept.
    void found(const DeviceId& device, std::vector<net::Endpoint> endpoints);
    // The shared secrets were changed by this device.
    void secrets_changed();

    void history_changed();
    void services_changed();
    void selection_changed();
    // Somebody waits for these attachments. False: no device is in reach that could have them.
    bool prefer(const std::vector<history::BlobWant>& blobs);

    PeerSession* find(const DeviceId& device);
    bool linked(const DeviceId& device) const;
    // A transfer is under way, or was a moment ago: what can wait does.
    bool active() const;
    const std::map<DeviceId, std::unique_ptr<PeerSession>>& sessions() const { return sessions_; }

  private:
    struct Lines {  // the connections to one peer
        std::vector<net::Connection> inbound;
        std::unique_ptr<net::CurveDialer> dialer;
        std::vector<net::Endpoint> endpoints, found;
        // What carries our frames: a connection, or the dialer.
        std::optional<net::Connection> by_connection;
        bool by_dialer = false;
        std::uint64_t dialed = 0;  // the number of the dialer's connection
        bool carried() const { return by_dialer || by_connection; }
    };
    const roster::Device* allowed(const LinkPublic& key) const;
    bool is_active(const DeviceId& device) const;
    void leave_soon(const DeviceId& device, const LinkPublic& key, std::int64_t after_ms);
    void visit_outsiders();
    bool has_been_told(const DeviceId& device) const;
    std::unique_ptr<PeerSession> make_session(const DeviceId& device);
    void dial(const DeviceId& device, Lines& lines);
    void redial(const DeviceId& device);
    void later(std::function<void()> fn);
    void addresses_changed();
    void cut_off(const DeviceId& device, const LinkPublic& key);
    void on_inbound(const LinkPublic& client, net::Connection connection, wire::Frame frame);
    void line_lost(const DeviceId& device);
    void choose(const DeviceId& device);
    void drop(const DeviceId& device);

    net::Loop& loop_;
    net::Worker& worker_;
    net::Curve& curve_;
    Profile& profile_;
    Services& services_;
    Events events_;
    std::map<DeviceId, std::unique_ptr<PeerSession>> sessions_;
    std::map<DeviceId, Lines> lines_;
    std::map<net::Connection, DeviceId> owners_;
    std::uint64_t dialed_ = 0;
    std::unique_ptr<net::CurveListener> listener_;
    net::InterfaceWatch interface_watch_;
    std::map<DeviceId, net::Timer> leaving_;  // devices that are out are told so before they are cut off
    std::map<DeviceId, std::int64_t> refused_until_ms_;  // of these, when each may ask again
    std::set<DeviceId> told_;                            // of these, who knows all that concerns it
    net::Timer visit_timer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace kith::app
