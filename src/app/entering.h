// The joiner's machine of src/pairing over CurveZMQ, whatever it pairs for: `kith device join`, and people
// who meet. The other side is app/doors.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

// What is said when somebody typed another code than the one shown.
std::string another_code_text(int tries_left);

class Entering {
  public:
    struct Events {
        std::function<void(const std::string& code)> on_code;
        std::function<void(int left)> on_code_wrong;
        // The host's introduction: check it, and give the reply. Nothing was told to the host so far.
        // `address`: by which it was reached. An error ends it.
        std::function<Result<Bytes>(ByteView introduction, const std::string& address)> introduced;
        // The host took the reply: make durable what follows from its verdict.
        std::function<Result<>(ByteView verdict)> accepted;
        // Once, at the end. `undecided`: the host may have taken the reply.
        std::function<void(Result<>, bool undecided)> on_end;
    };
    // Fault::invalid when the text is no offer of this kind. Connecting begins at once.
    static Result<std::unique_ptr<Entering>> start(net::Loop& loop, net::Curve& curve, Random& random,
                                                   pairing::OfferKind kind, std::string_view text,
                                                   Events events);
    // The same with an offer that was found nearby, at these endpoints.
    static Result<std::unique_ptr<Entering>> start(net::Loop& loop, net::Curve& curve, Random& random,
                                                   pairing::OfferKind kind, const FoundOffer& found,
                                                   Events events);
    // The key of the door that is entered.
    const LinkPublic& server_key() const { return offer_.server_key; }
    void cancel();

  private:
    Entering(net::Loop& loop, net::Curve& curve, Random& random, pairing::Offer offer,
             std::vector<net::Endpoint> endpoints, Events events);
    void probe();
    void probed(std::size_t number, net::Reach reach);
    void begin();
    void carry_out(pairing::JoinerActions actions);
    void dial(const crypto::LinkKey& key);
    void tick();
    void end(Result<> result, bool undecided);

    net::Loop& loop_;
    net::Curve& curve_;
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
    net::Timer tick_timer_, end_timer_;
    bool begun_ = false, ended_ = false;
};

}  // namespace kith::app
