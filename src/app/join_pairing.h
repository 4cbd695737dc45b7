// `kith device join`: checks whom it is about to join, keeps what it needs to go on after a crash, and only
// then asks to be added. How it gets there is app/entering.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/entering.h"
#include "app/host_pairing.h"
#include "app/profile.h"
#include "net/curve.h"
#include "net/loop.h"
#include "net/reach.h"
#include "pairing/joiner.h"

namespace kith::app {

class JoinPairing {
  public:
    struct Events {
        std::function<void(const std::string& code)> on_code;
        std::function<void(int left)> on_code_wrong;
        // The host is known: make the request, durably. Nothing was told to the host so far.
        std::function<Result<roster::SignedRequest>(const Introduction&, const roster::State&)> ask;
        // Where this device's peer link will be reached; asked for after `ask`.
        std::function<std::vector<std::string>()> endpoints;
        // Once, at the end: the host that let us in. `undecided`: it may have, and the peer link will tell.
        std::function<void(Result<DeviceId>, bool undecided)> on_end;
    };
    // `offer`: a text (Fault::invalid when it is none), or one that was found nearby. Connecting begins at
    // once.
    template <class Offer>
    static Result<std::unique_ptr<JoinPairing>> start(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                      Random& random, const Offer& offer, Events events) {
        std::unique_ptr<JoinPairing> self(new JoinPairing(loop, profile, std::move(events)));
        KITH_TRY_VALUE(entering, Entering::start(loop, curve, random, pairing::OfferKind::device, offer,
                                                 self->entering_events()));
        self->entering_ = std::move(entering);
        return self;
    }
    void cancel() { entering_->cancel(); }

  private:
    JoinPairing(net::Loop& loop, Profile& profile, Events events)
        : loop_(loop), profile_(profile), events_(std::move(events)) {}
    Entering::Events entering_events();
    Result<Bytes> introduced(ByteView bytes, const std::string& address);

    net::Loop& loop_;
    Profile& profile_;
    Events events_;
    DeviceId host_;
    std::unique_ptr<Entering> entering_;
};

}  // namespace kith::app
