// The joiner's side of pairing: of the new device, which took the offer. Protocol and attacks:
// src/pairing/README.md.
//
// A machine without I/O: each event returns the actions to carry out, in order. The owner of a Joiner opens a
// CurveZMQ connection for each Connect, pinned to the offer's server key and with the client key that Connect
// holds, trying the offer's addresses as it sees fit; it calls `connected` when the connection stands (or at
// once, when it cannot tell), and closes it after Finished or Failed, when the last Send has left.
// `received` and `link_lost` are for the newest connection alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/env.h"
#include "base/id.h"
#include "base/result.h"
#include "crypto/cpace.h"
#include "pairing/offer.h"
#include "pairing/session.h"
#include "wire/frame.h"

namespace kith::pairing {

namespace joiner {
struct Connect {  // anew with this key; a former connection is to be closed, after what was sent has left
    crypto::LinkKey client_key;
};
struct Send {
    wire::Frame frame;
};
struct ShowCode {  // to be typed at the host
    std::string code;
};
struct CodeWrong {  // what was typed was another code; a Connect follows, and then another ShowCode (0 left:
                    // Failed)
    int left;
};
struct Established {  // the host knows the code
};
struct Introduced {  // check it, then call reply or cancel
    Bytes introduction;
};
struct Finished {  // persist the verdict; then the session is over
    Bytes verdict;
};
struct Failed {
    Error error;
    // The reply was sent and no verdict came: the host may have accepted. Keep the keys that were offered in
    // the reply and ask on the peer link before they are given up.
    bool undecided = false;
};
}  // namespace joiner

using JoinerAction = std::variant<joiner::Connect, joiner::Send, joiner::ShowCode, joiner::CodeWrong,
                                  joiner::Established, joiner::Introduced, joiner::Finished, joiner::Failed>;
using JoinerActions = std::vector<JoinerAction>;

class Joiner {
  public:
    enum class State {
        idle,
        connecting,
        awaiting_ready,         // hello sent
        awaiting_share,         // the code is shown
        awaiting_introduction,  // the host knows the code, and knows that we do
        deciding,               // the application is to call reply
        awaiting_verdict,
        finished,
        failed,
    };

    explicit Joiner(const Offer& offer);

    JoinerActions start(Now now, Random& random);  // once
    JoinerActions connected(Now now, Random& random);
    JoinerActions received(const wire::Frame& frame, Now now, Random& random);
    // Until the reply is sent: tries again, with another key and code. After: fails, undecided.
    JoinerActions link_lost(Now now, Random& random);
    // In `deciding` only (nothing happens otherwise). At most limits::pairing_payload bytes.
    JoinerActions reply(Bytes bytes, Now now);
    JoinerActions cancel();
    JoinerActions tick(Now now, Random& random);

    State state() const { return state_; }
    bool over() const { return state_ == State::finished || state_ == State::failed; }
    std::optional<std::int64_t> deadline() const;

  private:
    JoinerActions connect(Now now, Random& random);
    JoinerActions on_ready(const wire::Frame& frame, Now now);
    JoinerActions on_share(const wire::Frame& frame, Now now, Random& random);
    JoinerActions on_introduction(const wire::Frame& frame, Now now);
    JoinerActions on_verdict(const wire::Frame& frame);
    JoinerActions wrong_code(Now now, Random& random);
    JoinerActions end(Error error, bool undecided = false);
    void wait(State state, std::int64_t until_ms);

    Offer offer_;
    crypto::Hash offer_id_;
    Key offer_key_;
    State state_ = State::idle;
    std::int64_t wait_until_ms_ = 0;
    int tries_left_;
    int connects_left_;
    Tag32 self_;  // tells the host that a new connection is ours, and not another's who knows the offer

    // Of the present attempt.
    LinkPublic client_;
    std::string code_;
    std::optional<crypto::Cpace> cpace_;
    wire::Frame hello_frame_;
    wire::Frame ready_frame_;
    std::optional<SessionKeys> keys_;
};

}  // namespace kith::pairing
