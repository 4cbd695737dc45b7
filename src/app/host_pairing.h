// `kith device add`: the host's machine on a one-use CurveZMQ endpoint, and what follows when the owner has
// typed the right code: the new device is added to the roster.
//
// There are two doors, each with a key, an endpoint and a machine of its own: one for who saw the offer's
// text, one for who found it nearby. What strangers on the network do at the second does nothing to the
// first.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "app/profile.h"
#include "net/curve.h"
#include "net/loop.h"
#include "pairing/host.h"

namespace kith::app {

class HostPairing {
  public:
    struct Events {
        std::function<void(int digits)> on_code_wanted;
        std::function<void(int left)> on_code_wrong;
        std::function<void(const std::string&)> on_warning;
        // Nobody can come in any more who found the offer nearby; who has its text can.
        std::function<void()> on_nearby_over;
        // The reply is a good request: add it, durably. Then the new device is told.
        std::function<Result<>(const roster::Entry& add, const roster::Request& request,
                               const DeviceId& device)>
            admit;
        // Once, at the end; after it nothing is called.
        std::function<void(Result<DeviceId>)> on_end;
    };
    // Where the offer that is found nearby is reached, and by which words people tell it from others.
    struct Nearby {
        LinkPublic server_key;
        std::uint16_t port = 0;
    };
    // `endpoints`: where this device's peer link is reached. `nearby`: whether to open that door too.
    static Result<std::unique_ptr<HostPairing>> open(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                     Random& random, crypto::SignKey act_key,
                                                     std::vector<std::string> endpoints,
                                                     std::int64_t valid_ms, bool nearby, Events events);
    const std::string& text() const { return text_; }
    std::optional<Nearby> nearby() const;
    std::int64_t expires_unix_ms() const { return expires_unix_ms_; }

    void code_typed(std::string_view code);
    void cancel();
    // The new device was let in: what is left is to tell it.
    bool admitted() const { return admitted_.has_value(); }

  private:
    HostPairing(net::Loop& loop, Profile& profile, Random& random, crypto::SignKey act_key, Events events)
        : loop_(loop),
          profile_(profile),
          random_(random),
          act_key_(std::move(act_key)),
          events_(std::move(events)) {}
    struct Door {
        bool nearby = false;
        LinkPublic server_key;
        std::unique_ptr<net::CurveListener> listener;
        std::optional<pairing::Host> machine;
        std::map<LinkPublic, net::Connection> connections;
        std::vector<net::Timer> drop_timers;
        net::Timer close_timer;
        bool shut = false;
    };
    Result<std::unique_ptr<Door>> open_door(net::Curve& curve, const pairing::NewOffer& made);
    void carry_out(Door& door, pairing::HostActions actions);
    void replied(Door& door, ByteView reply);
    Result<Bytes> admit(ByteView bytes);
    void shut(Door& door);
    void shut_nearby(const Error& why);
    void tick();
    void end(Result<DeviceId> result);

    net::Loop& loop_;
    Profile& profile_;
    Random& random_;
    crypto::SignKey act_key_;
    Events events_;
    std::unique_ptr<Door> shown_, nearby_;
    const Door* entered_ = nullptr;  // by the right code: the other one is shut
    std::string text_;
    std::int64_t expires_unix_ms_ = 0;
    std::optional<DeviceId> admitted_;
    net::Timer tick_timer_, end_timer_;
    bool ended_ = false;
};

// What a host introduces itself with, sealed by the pairing machine (src/app/README.md "Introduction").
struct Introduction {
    DeviceId device;
    LinkPublic link_key;
    SignPublic act_key;
    std::vector<std::string> endpoints;
    std::vector<roster::Entry> entries;
};
// What a joiner asks with, sealed too: its request, and where its peer link will be. If nobody gets in here,
// this device can still call there.
struct Reply {
    std::vector<std::string> endpoints;
    roster::SignedRequest request;
};
Bytes encode_reply(const Reply& reply);
Result<Reply> decode_reply(ByteView bytes);

Bytes encode_introduction(const Introduction& introduction);
Result<Introduction> decode_introduction(ByteView bytes);

}  // namespace kith::app
