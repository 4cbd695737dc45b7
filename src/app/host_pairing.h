// `kith device add`: what follows when the owner has typed the right code, at the doors of app/doors.h: the
// new device is added to the roster.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/doors.h"
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
    // `endpoints`: where this device's peer link is reached. `nearby`: whether to open that door too.
    static Result<std::unique_ptr<HostPairing>> open(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                     Random& random, crypto::SignKey act_key,
                                                     std::vector<std::string> endpoints,
                                                     std::int64_t valid_ms, bool nearby, Events events);
    const std::string& text() const { return doors_->text(); }
    std::optional<Doors::Nearby> nearby() const { return doors_->nearby(); }
    std::int64_t expires_unix_ms() const { return doors_->expires_unix_ms(); }

    void code_typed(std::string_view code) { doors_->code_typed(code); }
    void cancel() { doors_->cancel(); }
    // The new device was let in: what is left is to tell it.
    bool admitted() const { return admitted_.has_value(); }

  private:
    HostPairing(net::Loop& loop, Profile& profile, crypto::SignKey act_key, Events events)
        : loop_(loop), profile_(profile), act_key_(std::move(act_key)), events_(std::move(events)) {}
    Result<Bytes> admit(ByteView bytes);

    net::Loop& loop_;
    Profile& profile_;
    crypto::SignKey act_key_;
    Events events_;
    std::optional<DeviceId> admitted_;
    std::unique_ptr<Doors> doors_;
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
