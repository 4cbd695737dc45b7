// The host's side of pairing: of the device that made the offer. One Host serves one offer, to one joiner at
// a time, until it is used, void or over. Protocol and attacks: src/pairing/README.md.
//
// A machine without I/O: each event returns the actions to carry out, in order. The owner of a Host
//   - listens with the offer's server key (CurveZMQ) and takes `client` from the connection's authenticated
//     key (ZAP), never from a message;
//   - calls `tick` at `deadline()` or, more simply, a few times a second;
//   - closes the listening socket after Finished or Failed, when its last Send has left.
// Payloads (introduction, reply, verdict) are opaque here; they travel sealed, after both sides confirmed the
// code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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

namespace host {
struct Send {  // to this client
    LinkPublic client;
    wire::Frame frame;
};
struct Drop {  // forget this client, close its connection if the transport can; tell it nothing
    LinkPublic client;
};
struct CodeWanted {  // ask the owner for the digits that the new device shows, and call code_typed
    int digits;
};
struct CodeUnusable {  // what was typed cannot be a code; no try is lost, ask again
    int digits;
};
struct CodeWrong {  // the new device comes again with another code; `left` tries remain (0: Failed follows)
    int left;
};
struct Lost {  // the session ended without a try being lost; take the question for a code off the screen
};
struct Warning {  // to be shown to the owner
    std::string text;
};
struct Established {  // the code was right, on both sides
};
struct Replied {  // persist what follows from it, then call accept or decline
    Bytes reply;
};
struct Finished {  // `confirmed`: the joiner said that it has the verdict. Otherwise it may learn it on the
                   // peer link.
    bool confirmed;
};
struct Failed {  // the offer is over
    Error error;
};
}  // namespace host

using HostAction =
    std::variant<host::Send, host::Drop, host::CodeWanted, host::CodeUnusable, host::CodeWrong, host::Lost,
                 host::Warning, host::Established, host::Replied, host::Finished, host::Failed>;
using HostActions = std::vector<HostAction>;

class Host {
  public:
    enum class State {
        awaiting_hello,  // nobody is here
        awaiting_code,   // a client proved the secret; the owner is to type its code
        awaiting_tag,    // our share and tag are out: from here on a lost link is a lost try
        awaiting_reply,  // established, introduction sent
        deciding,        // the application is to call accept or decline
        awaiting_done,   // verdict sent
        finished,
        failed,
    };

    // `introduction`: what the joiner gets once established, at most limits::pairing_payload bytes.
    // The offer is good for `valid_ms` from `now` on the monotonic clock, whatever its text says.
    Host(const Offer& offer, Bytes introduction, std::int64_t valid_ms, Now now);

    HostActions received(const LinkPublic& client, const wire::Frame& frame, Now now, Random& random);
    HostActions link_lost(const LinkPublic& client, Now now);
    // Spaces and dashes in `typed` do no harm. Nothing happens when no code is wanted.
    HostActions code_typed(std::string_view typed, Now now, Random& random);
    // In `deciding` only (nothing happens otherwise). The verdict is at most limits::pairing_payload - 1
    // bytes. Call accept after what it promises is durable: it may be the last that is heard of this joiner.
    HostActions accept(Bytes verdict, Now now);
    // `reason` is shown by the joiner, at most limits::pairing_reason bytes of it.
    HostActions decline(std::string_view reason);
    HostActions cancel();
    HostActions tick(Now now);

    State state() const { return state_; }
    bool over() const { return state_ == State::finished || state_ == State::failed; }
    // When tick has something to do, on the monotonic clock; nothing when over.
    std::optional<std::int64_t> deadline() const;

  private:
    struct Session {
        LinkPublic client;
        Hello hello;
        std::string hello_head;  // exact bytes, which CPace binds
        std::string ready_head;
        std::optional<SessionKeys> keys;
        bool lost = false;
    };

    HostActions on_hello(const LinkPublic& client, const wire::Frame& frame, Now now, Random& random);
    HostActions on_second_client(const LinkPublic& client);
    HostActions on_tag(const wire::Frame& frame, Now now);
    HostActions on_reply(const wire::Frame& frame, Now now);
    HostActions session_lost(Now now);
    HostActions end_offer(Error error);
    void start_session(HostActions& actions, const LinkPublic& client, Hello hello, const wire::Frame& frame,
                       Now now, Random& random);
    void wait(State state, std::int64_t until_ms);

    Offer offer_;
    crypto::Hash offer_id_;
    Key offer_key_;
    Bytes introduction_;
    std::int64_t expires_ms_;
    State state_ = State::awaiting_hello;
    std::int64_t wait_until_ms_ = 0;
    int tries_left_;
    std::vector<LinkPublic> seen_;  // clients that had a session: a client key is good once
    bool warned_ = false;           // who knows the secret must not fill the screen
    std::optional<Session> session_;
};

}  // namespace kith::pairing
