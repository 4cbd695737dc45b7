// `kith device add`: the host's machine on a one-use CurveZMQ endpoint, and what follows when the owner has
// typed the right code: the new device is added to the roster.
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
        // The reply is a good request: add it, durably. Then the new device is told.
        std::function<Result<>(const roster::Entry& add, const roster::Request& request,
                               const DeviceId& device)>
            admit;
        // Once, at the end; after it nothing is called.
        std::function<void(Result<DeviceId>)> on_end;
    };
    // `endpoints`: where this device's peer link is reached.
    static Result<std::unique_ptr<HostPairing>> open(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                     Random& random, crypto::SignKey act_key,
                                                     std::vector<std::string> endpoints,
                                                     std::int64_t valid_ms, Events events);
    const std::string& text() const { return text_; }
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
    void carry_out(pairing::HostActions actions);
    void replied(ByteView reply);
    Result<Bytes> admit(ByteView reply);
    void tick();
    void end(Result<DeviceId> result);

    net::Loop& loop_;
    Profile& profile_;
    Random& random_;
    crypto::SignKey act_key_;
    Events events_;
    std::unique_ptr<net::CurveListener> listener_;
    std::optional<pairing::Host> machine_;
    std::map<LinkPublic, net::Connection> connections_;
    std::string text_;
    std::int64_t expires_unix_ms_ = 0;
    std::optional<DeviceId> admitted_;
    net::Timer tick_timer_, end_timer_;
    std::vector<net::Timer> drop_timers_;
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
Bytes encode_introduction(const Introduction& introduction);
Result<Introduction> decode_introduction(ByteView bytes);

}  // namespace kith::app
