// Two devices on connections that come, go, and deliver late: in the end both have begun, with each other.
#include "app/handshake.h"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <random>
#include <vector>

#include "base/seeded_random.h"

using namespace kith;
using app::Handshake;

namespace {

// A frame is a hello, or one of the exchange: the sender's count of its exchanges.
struct Frame {
    std::optional<Handshake::Hello> hello;
    std::uint64_t exchange = 0;
};

struct Side {
    Handshake handshake;
    std::map<std::uint64_t, std::deque<Frame>> in;  // by connection: in order, and late
    std::vector<std::uint64_t> up;                  // as this side sees it
    std::optional<std::uint64_t> carrier;
    std::uint64_t exchange = 0, of_peer = 0;
    bool taken_whole = false;  // all that the peer said in its present exchange came, from its first frame
};

struct World {
    SeededRandom random;
    std::uint64_t connections = 0;
    Side sides[2];
    explicit World(std::uint64_t seed) : random(seed) {}

    void send(int from, Frame frame) {
        auto& side = sides[from];
        // What is sent into a connection that the peer has lost goes nowhere.
        auto at = sides[1 - from].in.find(*side.carrier);
        if (at != sides[1 - from].in.end()) at->second.push_back(std::move(frame));
    }
    void choose(int who) {
        auto& side = sides[who];
        if (side.carrier || side.up.empty()) return;
        side.carrier = side.up[random.below(side.up.size())];
        side.taken_whole = false;
        send(who, {side.handshake.start(random), 0});
    }
    void connect() {
        const auto number = ++connections;
        for (auto& side : sides) {
            side.in[number];
            side.up.push_back(number);
        }
        for (int who : {0, 1}) choose(who);
    }
    // One side notices the end of a connection, and the other some time later.
    void lose(int who, std::uint64_t number) {
        auto& side = sides[who];
        if (std::erase(side.up, number) == 0) return;
        // What had come in may still be handed over first.
        while (random.below(2) && !side.in[number].empty()) deliver(who, number);
        side.in.erase(number);
        if (side.carrier != number) return;
        side.carrier.reset();
        side.handshake.stop();
        choose(who);
    }
    void deliver(int who, std::uint64_t number) {
        auto& side = sides[who];
        auto& queue = side.in[number];
        if (queue.empty()) return;
        auto frame = std::move(queue.front());
        queue.pop_front();
        if (!side.carrier) return;
        if (!frame.hello) {
            if (!side.handshake.counts(number)) return;
            side.of_peer = frame.exchange;
            side.taken_whole = true;
            return;
        }
        auto outcome = side.handshake.received(*frame.hello, number, random);
        if (outcome.ended) side.taken_whole = false;
        if (outcome.send) send(who, {*outcome.send, 0});
        if (outcome.begun) {
            side.taken_whole = false;
            send(who, {{}, ++side.exchange});  // said once: it must not be missed
        }
    }
    bool deliver_any() {
        std::vector<std::pair<int, std::uint64_t>> full;
        for (int who : {0, 1})
            for (auto& [number, queue] : sides[who].in)
                if (!queue.empty()) full.emplace_back(who, number);
        if (full.empty()) return false;
        const auto [who, number] = full[random.below(full.size())];
        deliver(who, number);
        return true;
    }
};

}  // namespace

TEST_CASE("whatever connections do, both sides begin with each other and miss nothing") {
    std::size_t longest = 0;
    for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
        CAPTURE(seed);
        World world(seed);
        world.connect();
        for (auto steps = 5 + world.random.below(40); steps > 0; --steps) {
            const auto what = world.random.below(10);
            auto& side = world.sides[world.random.below(2)];
            if (what == 0)
                world.connect();
            else if (what == 1 && !side.up.empty())
                world.lose(&side == &world.sides[1], side.up[world.random.below(side.up.size())]);
            else
                (void)world.deliver_any();
        }
        // From here on nothing breaks. What one side has lost the other notices too, at any time among the
        // rest.
        if (world.sides[0].up.empty() || world.sides[1].up.empty()) world.connect();
        std::size_t steps = 0;
        for (bool more = true; more; ++steps) {
            REQUIRE(steps < 1000);  // they come to an end
            more = world.deliver_any();
            for (int who : {0, 1}) {
                if (more && world.random.below(3)) continue;
                for (auto number : std::vector(world.sides[who].up))
                    if (std::ranges::find(world.sides[1 - who].up, number) == world.sides[1 - who].up.end()) {
                        world.lose(who, number);
                        more = true;
                    }
            }
            if (!more && (world.sides[0].up.empty() || world.sides[1].up.empty())) {
                world.connect();
                more = true;
            }
        }
        longest = std::max(longest, steps);
        for (int who : {0, 1}) {
            auto& side = world.sides[who];
            REQUIRE(side.handshake.begun());
            REQUIRE(side.taken_whole);
            REQUIRE(side.of_peer == world.sides[1 - who].exchange);
        }
    }
    CHECK(longest > 10);  // the runs do something
}
