// Whole pairings with losses at random moments, impatient owners, strangers and thieves, each from a seed
// that is printed when something does not hold.
#include <doctest/doctest.h>

#include "pairing/harness.h"

using namespace kith;
using namespace kith::pairing;
using namespace kith::pairing::test;

namespace {

struct Odds {  // percent, at each step
    unsigned loss = 0;
    unsigned wrong_code = 0;
    unsigned stranger = 0;
    unsigned thief = 0;  // knows the offer; arrives once
};

// Runs one offer until both ends are over, and checks what must hold whatever happens.
void simulate(std::uint64_t seed, Odds odds) {
    CAPTURE(seed);
    World w(seed);
    SeededRandom fate(seed ^ 0x9e3779b97f4a7c15u);
    auto& joiner = w.add_joiner();
    bool right_code_typed = false, accepted = false;
    JoinerEnd* thief = nullptr;

    for (int step = 0; step < 3000 && !(w.host.over() && joiner.machine.over()); ++step) {
        if (fate.chance(odds.loss)) w.cut(joiner, fate.chance(60), true);
        if (fate.chance(odds.stranger)) {
            wire::Frame frame{"{\"op\":\"hello\"}", {}};
            if (!w.wire.empty()) frame = w.wire[fate.below(w.wire.size())].frame;
            w.carry_out(w.host.received(crypto::random_id<LinkPublic>(w.random), frame, w.now, w.random));
        }
        if (!thief && fate.chance(odds.thief)) thief = &w.add_joiner();
        if (w.deliver()) continue;
        if (w.code_wanted && !joiner.code.empty() && !joiner.machine.over()) {
            const bool wrong = fate.chance(odds.wrong_code);
            if (!wrong) right_code_typed = true;
            w.type(wrong ? other_code(joiner.code) : joiner.code);
            continue;
        }
        if (w.host.state() == Host::State::deciding) {
            accepted = true;
            w.accept();
            continue;
        }
        // Nothing to do: the time runs to the next thing that is due.
        std::int64_t next = INT64_MAX;
        if (auto due = w.host.deadline()) next = std::min(next, *due);
        for (auto& end : w.joiners)
            if (auto due = end->machine.deadline()) next = std::min(next, *due);
        if (next == INT64_MAX) break;
        w.now.mono_ms = std::max(w.now.mono_ms, next);
        w.carry_out(w.host.tick(w.now));
        for (auto& end : w.joiners) w.carry_out(*end, end->machine.tick(w.now, w.random));
    }

    CHECK(w.host.over());
    CHECK(joiner.machine.over());
    if (w.host_established) CHECK(right_code_typed);
    if (joiner.established) CHECK(right_code_typed);
    CHECK(w.replies.size() <= 1);
    if (joiner.verdict) CHECK(accepted);
    if (w.host_finished && w.host_finished->confirmed) CHECK(joiner.verdict);
    if (accepted && !joiner.verdict) CHECK(joiner.failed->undecided);
    CHECK(static_cast<int>(w.host_wrong.size()) <= limits::pairing_tries);
    if (thief) {
        CHECK_FALSE(thief->established);
        CHECK_FALSE(thief->verdict);
    } else {
        CHECK(w.warnings.empty());
    }
    if (odds.loss == 0 && odds.thief == 0 && odds.wrong_code == 0) CHECK(joiner.verdict);
}

}  // namespace

TEST_CASE("a pairing among strangers succeeds") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) simulate(seed, {.stranger = 50});
}

TEST_CASE("whatever is lost and mistyped, nobody gets in without the code, and both ends come to an end") {
    for (std::uint64_t seed = 1; seed <= 400; ++seed)
        simulate(seed, {.loss = 8, .wrong_code = 30, .stranger = 10});
}

TEST_CASE("a thief of the offer gets nothing but its end") {
    for (std::uint64_t seed = 1; seed <= 400; ++seed)
        simulate(seed, {.loss = 3, .wrong_code = 20, .stranger = 5, .thief = 10});
}

TEST_CASE("a link that is cut at any one step delays the pairing at most") {
    for (int at = 0; at < 12; ++at) {
        for (bool tell_host : {false, true}) {
            CAPTURE(at);
            CAPTURE(tell_host);
            World w(77);
            auto& joiner = w.add_joiner();
            bool accepted = false, cut = false;
            for (int step = 0; step < 200 && !joiner.machine.over(); ++step) {
                if (step == at && !std::exchange(cut, true)) w.cut(joiner, tell_host, true);
                if (w.deliver()) continue;
                if (w.code_wanted && !joiner.code.empty())
                    w.type(joiner.code);
                else if (w.host.state() == Host::State::deciding)
                    accepted = true, w.accept();
                else
                    break;
            }
            CHECK_FALSE(w.host_failed);
            if (!joiner.failed) {
                CHECK(accepted);
                CHECK(joiner.verdict);
                continue;
            }
            // Cut between the reply and the verdict: the host has it, or waits until the offer expires.
            CHECK(joiner.failed->undecided);
            while (!w.host.over()) {
                if (w.host.state() == Host::State::deciding) w.accept();
                w.now.mono_ms = *w.host.deadline();
                w.carry_out(w.host.tick(w.now));
            }
            CHECK(w.host_finished.has_value() == !w.replies.empty());
        }
    }
}

// The thief shows the new device an offer of its own (its key, the stolen secret), and comes to the real host
// itself.
TEST_CASE("a machine in the middle with another key learns no code and opens nothing") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        World real(seed), fake(seed + 1000);
        auto forged = fake.made.offer.copy();
        forged.secret = real.made.offer.secret->copy();
        Host fake_host(forged, {}, limits::offer_valid_ms, fake.now);
        Joiner victim(forged);
        Now now;
        auto& random = real.random;

        auto connect = victim.start(now, random);
        auto victim_client = find<joiner::Connect>(connect)->client_key.public_key;
        auto hello_actions = victim.connected(now, random);
        auto hello = find<joiner::Send>(hello_actions)->frame;
        // Passing the hello on as it is: it names another server key and another client.
        CHECK(
            find<host::Drop>(real.host.received(crypto::random_id<LinkPublic>(random), hello, now, random)));
        CHECK(find<host::Drop>(real.host.received(victim_client, hello, now, random)));

        // Two sessions, one to each side.
        auto& relay = real.add_joiner();
        real.settle();
        auto ready = fake_host.received(victim_client, hello, now, random);
        auto shown = victim.received(find<host::Send>(ready)->frame, now, random);
        const auto code = find<joiner::ShowCode>(shown)->code;

        real.type(code);  // the owner types what the new device shows
        const auto share = real.wire.back().frame;
        auto passed_on = victim.received(share, now, random);
        CHECK_FALSE(find<joiner::Established>(passed_on));
        CHECK(find<joiner::CodeWrong>(passed_on));
        real.settle();
        CHECK_FALSE(relay.established);
        CHECK_FALSE(real.host_established);
        CHECK(real.host_wrong.size() == 1);
    }
}
