#include <doctest/doctest.h>

#include "pairing/harness.h"

using namespace kith;
using namespace kith::pairing;
using namespace kith::pairing::test;

namespace {

const wire::Frame junk_frames[] = {
    {"", {}},
    {"{}", {}},
    {"not json", {}},
    {"{\"op\":\"hello\"}", {}},
    {"{\"op\":\"launch\"}", {}},
    {"{\"op\":\"tag\",\"tag\":\"00\"}", {}},
    {"{\"op\":\"reply\"}", Bytes(100)},
    {"{\"op\":\"done\"}", Bytes(16)},
    {"{\"op\":\"share\",\"share\":\"\",\"tag\":\"\"}", {}},
    {"{\"op\":\"introduction\"}", Bytes(64)},
    {"{\"op\":\"verdict\"}", {}},
    {"{\"op\":\"ready\",\"op\":\"ready\"}", {}},
    {std::string(100'000, '['), {}},
    {"{\"op\":\"reply\"}", Bytes(limits::pairing_payload + 100)},
};

// A world where the joiner shows its code and the host waits for it.
std::unique_ptr<World> at_code_stage(std::uint64_t seed = 1) {
    auto world = std::make_unique<World>(seed);
    world->add_joiner();
    world->settle();
    REQUIRE(world->code_wanted);
    REQUIRE(world->host.state() == Host::State::awaiting_code);
    return world;
}

}  // namespace

TEST_CASE("with the right code, introduction, reply and verdict cross and both sides finish") {
    auto w = at_code_stage();
    auto& joiner = *w->joiners[0];
    CHECK(joiner.code.size() == 6);
    w->type(joiner.code);
    w->settle();
    CHECK(w->host_established);
    CHECK(joiner.established);
    REQUIRE(w->replies.size() == 1);
    CHECK(as_text(w->replies[0]) == "reply");
    CHECK_FALSE(joiner.verdict);
    w->accept();
    w->settle();
    CHECK(as_text(*joiner.verdict) == "verdict");
    REQUIRE(w->host_finished);
    CHECK(w->host_finished->confirmed);
}

TEST_CASE("a code is taken with spaces and dashes; what is no code costs no try") {
    auto w = at_code_stage();
    const auto code = w->joiners[0]->code;
    for (const char* text : {"", "12345", "1234567", "12 34 5x", "123456789012345678901234567890"}) {
        auto actions = w->host.code_typed(text, w->now, w->random);
        CHECK(find<host::CodeUnusable>(actions));
        CHECK(w->host.state() == Host::State::awaiting_code);
    }
    w->type(" " + code.substr(0, 3) + "-" + code.substr(3) + "\n");
    w->settle();
    CHECK(w->host_established);
    CHECK(w->host_wrong.empty());
}

TEST_CASE(
    "after a wrong code the joiner comes again with another key and code, and the right one then works") {
    auto w = at_code_stage();
    auto& joiner = *w->joiners[0];
    const auto first = joiner.code;
    const auto client = joiner.client;
    w->type(other_code(first));
    w->settle();
    CHECK(w->host_wrong == std::vector<int>{4});
    CHECK(joiner.wrong == std::vector<int>{4});
    CHECK(joiner.client != client);
    CHECK(joiner.code != first);
    CHECK(w->code_wanted);
    CHECK_FALSE(joiner.established);
    w->type(joiner.code);
    w->settle();
    w->accept();
    w->settle();
    CHECK(joiner.verdict);
    CHECK(w->warnings.empty());
}

TEST_CASE("the fifth wrong code ends the offer on both sides") {
    auto w = at_code_stage();
    auto& joiner = *w->joiners[0];
    for (int i = 0; i < 5; ++i) {
        REQUIRE(w->code_wanted);
        w->type(other_code(joiner.code));
        w->settle();
    }
    CHECK(w->host_wrong == std::vector<int>{4, 3, 2, 1, 0});
    REQUIRE(w->host_failed);
    CHECK(w->host_failed->kind == Fault::refused);
    REQUIRE(joiner.failed);
    CHECK_FALSE(w->host_established);
    // Nothing comes after.
    CHECK(w->host.code_typed("123456", w->now, w->random).empty());
    CHECK(w->host.accept({}, w->now).empty());
    auto late = std::make_unique<JoinerEnd>(w->made.offer);
    w->add_joiner();
    w->settle();
    CHECK(w->host.state() == Host::State::failed);
}

TEST_CASE("a second client that proves the secret at the code stage voids the offer, with a warning") {
    auto w = at_code_stage();
    auto& second = w->add_joiner();
    w->settle();
    CHECK(w->warnings.size() == 1);
    REQUIRE(w->host_failed);
    CHECK(w->host_failed->what.find("void") != std::string::npos);
    CHECK(w->joiners[0]->failed);
    CHECK(second.failed);
}

TEST_CASE("once established, a second client is sent away, with a warning, and the pairing goes on") {
    auto w = at_code_stage();
    w->type(w->joiners[0]->code);
    w->settle();
    auto& second = w->add_joiner();
    auto& third = w->add_joiner();
    w->settle();
    CHECK(w->warnings.size() == 1);
    CHECK(second.failed);
    CHECK(third.failed);
    w->accept();
    w->settle();
    CHECK(w->joiners[0]->verdict);
}

TEST_CASE("an offer that was used is refused to the next joiner") {
    auto w = at_code_stage();
    w->type(w->joiners[0]->code);
    w->settle();
    w->accept();
    w->settle();
    REQUIRE(w->host_finished);
    auto& late = w->add_joiner();
    w->settle();
    CHECK(w->host.state() == Host::State::finished);
    w->now.mono_ms += limits::pairing_connect_ms;
    w->carry_out(late, late.machine.tick(w->now, w->random));
    REQUIRE(late.failed);
    CHECK(late.failed->error.what.find("used") != std::string::npos);
}

TEST_CASE("who does not know the secret is dropped and counts for nothing") {
    auto w = at_code_stage();
    auto stranger = w->made.offer.copy();
    stranger.secret = crypto::random_secret<16>(w->random);
    for (int i = 0; i < 100; ++i) w->add_joiner(stranger);
    w->settle();
    CHECK(w->dropped.size() == 100);
    CHECK(w->warnings.empty());
    CHECK(w->host.state() == Host::State::awaiting_code);
    w->type(w->joiners[0]->code);
    w->settle();
    CHECK(w->host_established);
}

TEST_CASE("a hello is worth nothing from another key, in another kind of offer, or a second time") {
    World w(7);
    auto& end = w.add_joiner();
    REQUIRE(w.wire.size() == 1);
    const auto hello = w.wire[0].frame;
    auto thief = crypto::random_id<LinkPublic>(w.random);
    CHECK(find<host::Drop>(w.host.received(thief, hello, w.now, w.random)));
    CHECK(w.host.state() == Host::State::awaiting_hello);

    auto invitation = w.made.offer.copy();
    invitation.kind = OfferKind::invitation;
    Host other(invitation, {}, limits::offer_valid_ms, w.now);
    CHECK(find<host::Drop>(other.received(end.client, hello, w.now, w.random)));

    w.settle();
    CHECK(w.host.state() == Host::State::awaiting_code);
    auto again = w.host.received(end.client, hello, w.now, w.random);
    CHECK(find<host::Lost>(again));
    CHECK(w.host.state() == Host::State::awaiting_hello);
    CHECK(find<host::Drop>(w.host.received(end.client, hello, w.now, w.random)));
    CHECK(w.host.state() == Host::State::awaiting_hello);
}

TEST_CASE("a joiner whose link was lost before the host noticed comes again and voids nothing") {
    auto w = at_code_stage();
    auto& joiner = *w->joiners[0];
    w->cut(joiner, false, true);
    w->settle();
    CHECK_FALSE(w->host_failed);
    CHECK(w->warnings.empty());
    CHECK(w->host_wrong.empty());
    CHECK(w->host.state() == Host::State::awaiting_code);
    w->type(joiner.code);
    w->settle();
    CHECK(w->host_established);
}

TEST_CASE("a link lost before the tag costs nothing, and a lost one after it costs a try") {
    auto w = at_code_stage();
    w->cut(*w->joiners[0], true, true);
    CHECK(w->host_wrong.empty());
    w->settle();
    w->type(w->joiners[0]->code);
    REQUIRE(w->host.state() == Host::State::awaiting_tag);
    w->cut(*w->joiners[0], true, true);
    CHECK(w->host_wrong == std::vector<int>{4});
    CHECK_FALSE(w->host_established);
    w->settle();
    w->type(w->joiners[0]->code);
    w->settle();
    CHECK(w->host_established);
}

TEST_CASE("a link lost after the verdict leaves the joiner undecided, and the host done") {
    auto w = at_code_stage();
    w->type(w->joiners[0]->code);
    w->settle();
    REQUIRE(w->host.state() == Host::State::deciding);
    w->cut(*w->joiners[0], true, true);
    REQUIRE(w->joiners[0]->failed);
    CHECK(w->joiners[0]->failed->undecided);
    w->accept();
    REQUIRE(w->host_finished);
    CHECK_FALSE(w->host_finished->confirmed);
}

TEST_CASE("a joiner that is declined is told why, and sees no control characters") {
    auto w = at_code_stage();
    w->type(w->joiners[0]->code);
    w->settle();
    w->carry_out(w->host.decline("not\x1b[31m today" + std::string(1000, 'x')));
    w->settle();
    REQUIRE(w->joiners[0]->failed);
    const auto what = w->joiners[0]->failed->error.what;
    CHECK(what.find("not?[31m today") != std::string::npos);
    CHECK(what.size() < 400);
    CHECK_FALSE(w->joiners[0]->failed->undecided);
    CHECK(w->host_failed);
}

TEST_CASE("either side can cancel, and the other one learns of it") {
    auto w = at_code_stage();
    w->carry_out(w->host.cancel());
    w->settle();
    CHECK(w->host_failed->kind == Fault::cancelled);
    CHECK(w->joiners[0]->failed);
    CHECK(w->host.cancel().empty());

    w = at_code_stage();
    w->carry_out(*w->joiners[0], w->joiners[0]->machine.cancel());
    w->settle();
    CHECK(w->joiners[0]->failed->error.kind == Fault::cancelled);
    CHECK(w->host.state() == Host::State::awaiting_hello);
    CHECK(w->host_wrong.empty());
}

TEST_CASE("an offer ends when its time is up, by the monotonic clock alone") {
    World w(3);
    w.now.unix_ms = 1'000'000'000'000'000;
    CHECK(w.host.tick(w.now).empty());
    w.now = {limits::offer_valid_ms - 1, 0};
    CHECK(w.host.tick(w.now).empty());
    w.now.mono_ms += 1;
    w.carry_out(w.host.tick(w.now));
    REQUIRE(w.host_failed);
    CHECK(w.host_failed->kind == Fault::timed_out);
    CHECK_FALSE(w.host.deadline());
}

TEST_CASE("an offer that expired while nobody ticked takes no hello") {
    World w(4);
    w.now.mono_ms = limits::offer_valid_ms;
    auto& joiner = w.add_joiner();
    w.settle();
    CHECK(w.host_failed->what.find("expired") != std::string::npos);
    CHECK(joiner.failed);
    CHECK_FALSE(w.code_wanted);
}

TEST_CASE("every wait ends on either side") {
    // Each case stops the world at one step and lets the time run.
    for (int step = 0; step < 6; ++step) {
        CAPTURE(step);
        World w(5);
        if (step > 0) w.add_joiner();
        if (step > 1) w.settle();
        if (step == 4) w.answer_introductions = false;
        if (step > 2) w.type(w.joiners[0]->code);
        if (step > 3) w.settle();
        if (step == 5) w.accept();
        w.wire.clear();
        for (int i = 0; i < 50 && !(w.host.over() && (w.joiners.empty() || w.joiners[0]->machine.over()));
             ++i) {
            std::int64_t next = INT64_MAX;
            if (auto due = w.host.deadline()) next = std::min(next, *due);
            if (!w.joiners.empty())
                if (auto due = w.joiners[0]->machine.deadline()) next = std::min(next, *due);
            REQUIRE(next != INT64_MAX);
            w.now.mono_ms = std::max(w.now.mono_ms, next);
            w.carry_out(w.host.tick(w.now));
            if (!w.joiners.empty()) w.carry_out(*w.joiners[0], w.joiners[0]->machine.tick(w.now, w.random));
            w.wire.clear();
        }
        CHECK(w.host.over());
        if (!w.joiners.empty()) CHECK(w.joiners[0]->machine.over());
    }
}

TEST_CASE("junk in any state ends a session, never the program, and never lets anybody in") {
    for (std::size_t kind = 0; kind < std::size(junk_frames); ++kind) {
        for (int step = 0; step < 6; ++step) {
            CAPTURE(kind);
            CAPTURE(step);
            World w(9);
            w.add_joiner();
            if (step > 0) w.settle();
            if (step == 3) w.answer_introductions = false;
            if (step > 1) w.type(w.joiners[0]->code);
            if (step > 2) w.settle();
            if (step > 4) w.accept();
            const bool established = w.host_established;
            const auto replies = w.replies.size();
            auto& joiner = *w.joiners[0];
            const bool verdict = joiner.verdict.has_value();
            w.carry_out(w.host.received(joiner.client, junk_frames[kind], w.now, w.random));
            w.carry_out(
                w.host.received(crypto::random_id<LinkPublic>(w.random), junk_frames[kind], w.now, w.random));
            w.carry_out(joiner, joiner.machine.received(junk_frames[kind], w.now, w.random));
            CHECK(w.host_established == established);
            CHECK(w.replies.size() == replies);
            CHECK(joiner.verdict.has_value() == verdict);
            if (step < 5) CHECK(joiner.failed);
        }
    }
}

TEST_CASE("a frame of another session, or sent twice, is not taken for this one") {
    auto first = at_code_stage(11), second = at_code_stage(12);
    first->type(first->joiners[0]->code);
    REQUIRE(first->wire.size() == 1);
    const auto foreign_share = first->wire[0].frame;
    auto& joiner = *second->joiners[0];
    second->carry_out(joiner, joiner.machine.received(foreign_share, second->now, second->random));
    CHECK_FALSE(joiner.established);
    CHECK(joiner.wrong == std::vector<int>{4});

    REQUIRE(first->deliver());  // the share: the joiner answers with its tag
    REQUIRE(first->wire.size() == 1);
    const auto tag = first->wire[0];
    first->deliver();
    CHECK(first->host_established);
    first->answer_introductions = false;
    CHECK(find<host::Lost>(first->host.received(tag.client, tag.frame, first->now, first->random)));
}

TEST_CASE("an offer found nearby has no secret and takes eight digits") {
    SeededRandom random(21);
    auto made = test_offer(random);
    made.offer.secret.reset();
    Now now;
    Host host(made.offer, {}, limits::offer_valid_ms, now);
    Joiner joiner(made.offer);
    auto connect = joiner.start(now, random);
    auto client = find<joiner::Connect>(connect)->client_key.public_key;
    auto hello = joiner.connected(now, random);
    auto ready = host.received(client, find<joiner::Send>(hello)->frame, now, random);
    CHECK(find<host::CodeWanted>(ready)->digits == 8);
    auto shown = joiner.received(find<host::Send>(ready)->frame, now, random);
    const auto code = find<joiner::ShowCode>(shown)->code;
    CHECK(code.size() == 8);
    auto share = host.code_typed(code, now, random);
    auto tag = joiner.received(find<host::Send>(share)->frame, now, random);
    CHECK(find<joiner::Established>(tag));
}
