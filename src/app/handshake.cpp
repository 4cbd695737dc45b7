#include "app/handshake.h"

#include "crypto/keys.h"

namespace kith::app {

Handshake::Hello Handshake::start(Random& random) {
    stop();
    renew(random);
    return {own_, {}};
}

void Handshake::stop() {
    begun_ = false;
    peer_.reset();
    told_.reset();
}

void Handshake::renew(Random& random) {
    own_ = crypto::random_id<SessionId>(random);
    told_.reset();
}

Handshake::Outcome Handshake::received(const Hello& hello, std::uint64_t by, Random& random) {
    Outcome outcome;
    if (begun_ && (peer_ != hello.session || by_ != by)) {
        // The peer began anew; or this hello is an old one, that a dying connection still brought. Either way
        // the two sides may hold different halves of what was said: under a new session both begin.
        begun_ = false;
        outcome.ended = true;
        renew(random);
    }
    peer_ = hello.session;
    by_ = by;
    const bool heard = hello.seen == own_;
    if (!heard || told_ != hello.session) {
        told_ = hello.session;
        outcome.send = Hello{own_, hello.session};
    }
    if (heard && !begun_) outcome.begun = begun_ = true;
    return outcome;
}

}  // namespace kith::app
