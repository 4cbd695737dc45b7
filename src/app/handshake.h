// How two devices agree that both begin anew, over connections that come and go: src/app/README.md, `hello`.
// A machine without I/O.
#pragma once

#include <cstdint>
#include <optional>

#include "base/env.h"
#include "base/id.h"

namespace kith::app {

using SessionId = Id<struct SessionTag, 8>;

class Handshake {
  public:
    // What a hello says of sessions: the sender's own, and the receiver's as the sender last heard of it.
    struct Hello {
        SessionId session;
        std::optional<SessionId> seen;
    };
    struct Outcome {
        bool ended = false;         // the exchange that had begun is over
        std::optional<Hello> send;  // to be sent before anything else
        bool begun = false;         // both sides know of each other: the exchange begins
    };

    // A connection carries our frames from now on; the hello goes first.
    Hello start(Random& random);
    // No connection does.
    void stop();
    // `by`: the number of the connection by which it came.
    Outcome received(const Hello& hello, std::uint64_t by, Random& random);

    bool begun() const { return begun_; }
    // Whether other frames of this connection count: what came by another belongs to an exchange that is
    // over.
    bool counts(std::uint64_t by) const { return begun_ && by == by_; }

  private:
    void renew(Random& random);

    SessionId own_;
    std::optional<SessionId> peer_;  // of the last hello
    std::uint64_t by_ = 0;           // the connection by which that came
    std::optional<SessionId> told_;  // the peer's session that the last hello of `own_` named
    bool begun_ = false;
};

}  // namespace kith::app
