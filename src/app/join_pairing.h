// `kith device join`: the joiner's machine over CurveZMQ. Checks whom it is about to join, keeps what it
// needs to go on after a crash, and only then asks to be added.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/host_pairing.h"
#include "app/profile.h"
#include "net/curve.h"
#include "net/loop.h"
#include "net/reach.h"
#include "pairing/joiner.h"

namespace kith::app {

// An offer that was found nearby: without a secret.
struct FoundOffer {
    std::string words;  // by which people tell it from others
    LinkPublic server_key;
    std::vector<net::Endpoint> endpoints;
};

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
    // Fault::invalid when the text is no offer. Connecting begins at once.
    static Result<std::unique_ptr<JoinPairing>> start(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                      Random& random, std::string_view text, Events events);
    // The same with an offer that was found nearby, at these endpoints.
    static Result<std::unique_ptr<JoinPairing>> start(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                      Random& random, const FoundOffer& found, Events events);
    void cancel();

  private:
    JoinPairing(net::Loop& loop, net::Curve& curve, Profile& profile, Random& random, pairing::Offer offer,
                std::vector<net::Endpoint> endpoints, Events events);
    void probe();
    void probed(std::size_t number, net::Reach reach);
    void begin();
    void carry_out(pairing::JoinerActions actions);
    void dial(const crypto::LinkKey& key);
    void tick();
    Result<roster::SignedRequest> introduced(ByteView bytes);
    void end(Result<DeviceId> result, bool undecided);

    net::Loop& loop_;
    net::Curve& curve_;
    Profile& profile_;
    Random& random_;
    pairing::Offer offer_;
    Events events_;
    pairing::Joiner machine_;
    std::vector<net::Endpoint> endpoints_;
    std::string reached_;  // the address of the host that answered
    std::vector<net::Probe> probes_;
    std::vector<net::Reach> outcomes_;  // of each endpoint, once all are there
    std::size_t outcomes_missing_ = 0;
    std::unique_ptr<net::CurveDialer> dialer_, leaving_;
    std::uint64_t dials_ = 0;
    DeviceId host_;
    net::Timer tick_timer_, end_timer_;
    bool begun_ = false, ended_ = false;
};

}  // namespace kith::app
