// What a session with another device says of it. All that goes over a link is tested by whole devices.
#include "app/peer_session.h"

#include <filesystem>

#include "home.h"

using namespace kith;
using namespace kith::app;

namespace {

// A session with a device that is not there.
struct Alone {
    Alone() : home(make_home()), profile(home, random) { must(profile.found("device", {}, {})); }
    ~Alone() {
        profile.lock();
        std::error_code ignored;
        std::filesystem::remove_all(home, ignored);
    }
    static PeerSession::Events no_events() {
        PeerSession::Events events;
        events.endpoints = [] { return std::vector<std::string>{}; };
        return events;
    }
    std::string waiting(std::int64_t since_ms) const {
        auto now = begun;
        now.mono_ms += since_ms;
        return session.waiting(now);
    }
    std::filesystem::path home;
    crypto::SystemRandom random;
    Profile profile;
    net::Loop loop;
    net::Worker worker{loop};
    Services services{loop, profile, random, {}};
    PeerSession session{loop, worker, profile, services, DeviceId{}, no_events()};
    Now begun = loop.now();
};

}  // namespace

TEST_CASE("a device that was let in just now is not out of reach before its first link") {
    Alone alone;
    CHECK(alone.waiting(0) == "");
    CHECK(alone.waiting(3000) == "");
    CHECK(alone.waiting(4000).starts_with("the other device is out of reach"));
}

TEST_CASE("a device whose link is lost is out of reach at once") {
    Alone alone;
    alone.session.link_up({[](const wire::Frame&) { return true; }, [] { return std::size_t{0}; }});
    CHECK(alone.waiting(0) == "");
    alone.session.link_lost();
    CHECK(alone.waiting(0).starts_with("the other device is out of reach"));
}
