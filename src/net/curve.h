// Links: frames over CurveZMQ (RFC 26/CURVE over ZMTP 3.0, RFC 23), both sides authenticated by Curve25519
// keys.
//
// A CurveListener knows each client by the key it proved in the handshake, as the ZAP handler saw it: a key
// that `allow` does not want never gets a byte across. A CurveDialer talks to one server key only. On the
// wire a frame is one message of two parts, head and body (src/net/README.md). What is not that (a part
// missing, one too many, a head that is not text) is dropped.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/limits.h"
#include "base/result.h"
#include "crypto/keys.h"
#include "net/loop.h"
#include "wire/frame.h"

namespace kith::net {

// What all links of a process share: libzmq's context, and the ZAP handler, which must stand before any
// socket does (without it libzmq lets in whoever knows the server's key). Outlives its listeners and dialers.
class Curve {
  public:
    explicit Curve(Loop& loop);
    Curve(const Curve&) = delete;
    Curve& operator=(const Curve&) = delete;
    ~Curve();
    struct Inner;  // for this layer's own sources
    Inner& inner() { return *inner_; }

  private:
    std::shared_ptr<Inner> inner_;
};

// What became of a frame that was to be sent.
enum class Sent {
    queued,  // it goes out unless the link is lost
    full,    // limits::link_queue_bytes are waiting: try again after on_drained
    gone,    // no such connection
};

// One client's connection to a CurveListener. Numbers are never used twice; a client that reconnects gets
// another.
enum class Connection : std::uint64_t {};

class CurveListener {
  public:
    struct Options {
        // Addresses to listen on, without brackets; none: all, IPv4 and IPv6.
        std::vector<std::string> addresses;
        // Tried first; if it is taken, or 0, any free port.
        std::uint16_t port = 0;
        // A larger part ends the connection before it is held in memory.
        std::size_t part_bytes = limits::frame_bytes;
        // A connection of which more than this is held, sent and not handled, is ended (Linux).
        std::uint64_t unread_bytes = limits::link_unread_bytes;
        // Connections from elsewhere than a directly attached network, or by a VPN, are ended at once.
        bool attached_only = false;
    };
    struct Events {
        // Asked in each handshake; false ends it and the client learns that it was denied.
        std::function<bool(const LinkPublic& client)> allow;
        // A connection shows itself with its first frame.
        std::function<void(const LinkPublic& client, Connection, wire::Frame)> on_frame;
        // No frame comes or goes any more. Once for each connection that showed itself.
        std::function<void(Connection)> on_lost;
        // After `full`: there is room again.
        std::function<void(Connection)> on_drained;
    };
    static Result<std::unique_ptr<CurveListener>> listen(Curve& curve, const crypto::LinkKey& key,
                                                         Options options, Events events);
    // Closes all connections and calls nothing back.
    ~CurveListener();

    std::uint16_t port() const;
    Sent send(Connection to, wire::Frame frame);
    // Bytes waiting that libzmq has not yet taken.
    std::size_t queued(Connection to) const;
    // Ends the connection at once: frames not yet delivered or sent are lost. No on_lost is called for it.
    // The client dials again, and `allow` decides.
    void disconnect(Connection connection);
    // The same for all connections of a key: for a device that was barred.
    void disconnect(const LinkPublic& client);
    // This machine has other addresses than before: connections at one that is gone end now, as lost.
    void addresses_changed();

  private:
    struct State;
    explicit CurveListener(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

struct Endpoint {
    std::string address;  // IPv4 or IPv6 in numbers, without brackets: names are not looked up
    std::uint16_t port = 0;
    auto operator<=>(const Endpoint&) const = default;
};
// "192.0.2.1:4567", "[2001:db8::1]:4567"
std::string to_text(const Endpoint& endpoint);

// Why an endpoint that took the TCP connection is no link.
enum class DialTrouble {
    denied,            // the server does not allow our key
    handshake_failed,  // whoever answers there does not have the server's key, or does not speak CurveZMQ
};

// A link to the server that holds one key, by whichever endpoint answers first. It dials until it is
// destroyed: lost links are set up anew, endpoints that refuse are tried again and again.
class CurveDialer {
  public:
    struct Events {
        std::function<void(const Endpoint& by)> on_up;
        std::function<void(wire::Frame)> on_frame;
        // The link is down; what was queued is lost. Follows each on_up once; dialing goes on.
        std::function<void()> on_lost;
        // After `full`: there is room again.
        std::function<void()> on_drained;
        // Reported for each failed attempt; dialing goes on (denied: after limits::denied_retry_ms).
        std::function<void(const Endpoint& at, DialTrouble)> on_trouble;
    };
    // At most limits::link_endpoints; Fault::invalid for more, for none, or for an address that is a name.
    static Result<std::unique_ptr<CurveDialer>> dial(Curve& curve, const crypto::LinkKey& own,
                                                     const LinkPublic& server,
                                                     std::vector<Endpoint> endpoints, Events events);
    // Closes and calls nothing back.
    ~CurveDialer();

    bool up() const;
    // This machine has other addresses than before: a link at one that is gone ends now, and endpoints that
    // could not be reached are dialed without waiting.
    void addresses_changed();
    Sent send(wire::Frame frame);  // gone: the link is not up
    std::size_t queued() const;

  private:
    struct State;
    explicit CurveDialer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace kith::net
