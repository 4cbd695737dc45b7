// The host's machine of src/pairing on one-use CurveZMQ endpoints, whatever it pairs for: `kith device add`,
// and people who meet.
//
// There are two doors, each with a key, an endpoint and a machine of its own: one for who saw the offer's
// text, one for who found it nearby. What strangers on the network do at the second does nothing to the
// first.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/curve.h"
#include "net/loop.h"
#include "pairing/host.h"

namespace kith::app {

class Doors {
  public:
    struct Events {
        std::function<void(int digits)> on_code_wanted;
        std::function<void(int left)> on_code_wrong;
        std::function<void(const std::string&)> on_warning;
        // Nobody can come in any more who found the offer nearby; who has its text can.
        std::function<void()> on_nearby_over;
        // What is told to who comes in by the door of this key, once the code was right.
        std::function<Bytes(const LinkPublic& server_key)> introduction;
        // The reply: make durable what follows from it; the verdict, or an error that declines.
        std::function<Result<Bytes>(ByteView reply, const LinkPublic& server_key)> replied;
        // Once, at the end; after it nothing is called. The reply was taken, unless it is an error.
        std::function<void(Result<>)> on_end;
    };
    // Where the offer that is found nearby is reached, and by which words people tell it from others.
    struct Nearby {
        LinkPublic server_key;
        std::uint16_t port = 0;
    };
    // `nearby`: whether to open that door too.
    static Result<std::unique_ptr<Doors>> open(net::Loop& loop, net::Curve& curve, Random& random,
                                               pairing::OfferKind kind, std::int64_t valid_ms, bool nearby,
                                               Events events);
    const std::string& text() const { return text_; }
    std::optional<Nearby> nearby() const;
    std::int64_t expires_unix_ms() const { return expires_unix_ms_; }

    void code_typed(std::string_view code);
    void cancel();

  private:
    Doors(net::Loop& loop, Random& random, Events events)
        : loop_(loop), random_(random), events_(std::move(events)) {}
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
    void shut(Door& door);
    void shut_nearby(const Error& why);
    void tick();
    void end(Result<> result);

    net::Loop& loop_;
    Random& random_;
    Events events_;
    std::unique_ptr<Door> shown_, nearby_;
    const Door* entered_ = nullptr;  // by the right code: the other one is shut
    std::string text_;
    std::int64_t expires_unix_ms_ = 0;
    net::Timer tick_timer_, end_timer_;
    bool ended_ = false;
};

}  // namespace kith::app
