// The bell of src/pairing on its connections: the new device hangs one, the old device rings it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "net/curve.h"
#include "net/loop.h"
#include "net/reach.h"
#include "pairing/bell.h"

namespace kith::app {

// `kith device join --show`. Nothing is called from within a call; after on_ended nothing is called.
class HungBell {
  public:
    struct Events {
        std::function<void(const std::string& offer)> on_rung;  // once
        // Whatever was begun with the offer is to end.
        std::function<void(const Error&)> on_ended;
    };
    static Result<std::unique_ptr<HungBell>> hang(net::Loop& loop, net::Curve& curve, Random& random,
                                                  Events events);
    const std::string& text() const { return text_; }
    std::int64_t expires_unix_ms() const { return expires_unix_ms_; }
    // Nobody else has a say from now on.
    void code_was_right();

  private:
    HungBell(net::Loop& loop, Events events)
        : loop_(loop), events_(std::move(events)), machine_(limits::offer_valid_ms, loop.now()) {}
    void carry_out(pairing::PorterActions actions);
    void tick();

    net::Loop& loop_;
    Events events_;
    pairing::Porter machine_;
    std::unique_ptr<net::CurveListener> listener_;
    std::map<LinkPublic, net::Connection> connections_;
    std::string text_;
    std::int64_t expires_unix_ms_ = 0;
    net::Timer tick_timer_, call_timer_, close_timer_;
};

// `kith device add` with the text of a bell.
class RungBell {
  public:
    struct Events {
        std::function<void()> on_handed;
        // The offer is to be withdrawn. Once; nothing is called after it.
        std::function<void(const Error&)> on_failed;
    };
    static Result<std::unique_ptr<RungBell>> ring(net::Loop& loop, net::Curve& curve, Random& random,
                                                  const pairing::Bell& bell, const std::string& offer,
                                                  Events events);

  private:
    RungBell(net::Loop& loop, const std::string& offer, Events events)
        : loop_(loop), events_(std::move(events)), machine_(offer, loop.now()) {}
    void carry_out(pairing::RingerActions actions);
    void tick();

    net::Loop& loop_;
    Events events_;
    pairing::Ringer machine_;
    std::unique_ptr<net::CurveDialer> dialer_;
    net::Timer tick_timer_, call_timer_;
};

}  // namespace kith::app
