#include "invite/greeting.h"

#include <doctest/doctest.h>

#include "invite/people.h"

using namespace kith;
using namespace kith::invite;
using namespace kith::invite::test;

TEST_CASE("a greeting tells who is there, for one pairing and one direction") {
    REQUIRE(crypto::start());
    Someone alice(1, "alice example"), bob(2, "bob the guest");
    LinkPublic door, other;
    door.bytes[0] = 1;
    const auto card = card_of(alice);
    const auto bytes = write_greeting({alice.identity, card}, GreetingFrom::host, door, nullptr, alice.key);
    const auto read = read_greeting(bytes, GreetingFrom::host, door, nullptr);
    REQUIRE(read);
    CHECK(read->identity == alice.identity);
    CHECK(read->card == card);
    CHECK_FALSE(read_greeting(bytes, GreetingFrom::host, other, nullptr));
    CHECK_FALSE(read_greeting(bytes, GreetingFrom::joiner, door, nullptr));
    CHECK_FALSE(read_greeting(bytes, GreetingFrom::host, door, &bob.identity));

    const auto reply =
        write_greeting({bob.identity, {}}, GreetingFrom::joiner, door, &alice.identity, bob.key);
    CHECK(read_greeting(reply, GreetingFrom::joiner, door, &alice.identity)->card.empty());
    CHECK_FALSE(read_greeting(reply, GreetingFrom::joiner, door, &bob.identity));
    CHECK_FALSE(read_greeting(reply, GreetingFrom::joiner, door, nullptr));
}

TEST_CASE("a greeting holds answers, and the verdict replies") {
    Someone alice(1, "alice example"), bob(2, "bob the guest");
    const LinkPublic door;
    Greeting greeting{bob.identity, {}, {}};
    auto write = [&] {
        return write_greeting(greeting, GreetingFrom::joiner, door, &alice.identity, bob.key);
    };
    auto read = [&](ByteView bytes) {
        return read_greeting(bytes, GreetingFrom::joiner, door, &alice.identity);
    };
    for (std::size_t i = 0; i < 4; ++i) greeting.answers.push_back({i, bob.account, "kith:letter"});
    const auto told = read(write());
    REQUIRE(told);
    REQUIRE(told->answers.size() == 4);
    CHECK(told->answers[3].service == 3);
    CHECK(told->answers[3].guest == bob.account);
    CHECK(told->answers[3].letter == "kith:letter");
    greeting.answers.push_back({4, bob.account, {}});
    CHECK_FALSE(read(write()));
    greeting.answers = {{0, {std::string(257, 'u'), "alias"}, {}}};
    CHECK_FALSE(read(write()));

    const std::vector<ToldReply> replies{{0, "kith:one"}, {3, "kith:two"}};
    const auto verdict = write_replies(replies);
    REQUIRE(read_replies(verdict).size() == 2);
    CHECK(read_replies(verdict)[1].service == 3);
    CHECK(read_replies(verdict)[1].letter == "kith:two");
    CHECK(write_replies({}).empty());
    CHECK(read_replies({}).empty());
    for (std::size_t size = 0; size < verdict.size(); ++size)
        CHECK(read_replies(ByteView(verdict).first(size)).empty());
}

TEST_CASE("no changed bit of a greeting gets through, and no card of another person") {
    Someone alice(1, "alice example"), mallory(3, "mallory");
    const LinkPublic door;
    const auto bytes = write_greeting({alice.identity, {}}, GreetingFrom::host, door, nullptr, alice.key);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto changed = bytes;
        changed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        CHECK_FALSE(read_greeting(changed, GreetingFrom::host, door, nullptr));
    }
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK_FALSE(read_greeting(ByteView(bytes).first(size), GreetingFrom::host, door, nullptr));
    // Under the identity of somebody whose key is not there.
    const auto claimed = write_greeting({alice.identity, {}}, GreetingFrom::host, door, nullptr, mallory.key);
    CHECK_FALSE(read_greeting(claimed, GreetingFrom::host, door, nullptr));
    const auto passed_on =
        write_greeting({mallory.identity, card_of(alice)}, GreetingFrom::host, door, nullptr, mallory.key);
    CHECK(read_greeting(passed_on, GreetingFrom::host, door, nullptr).error().what.find("somebody else's") !=
          std::string::npos);
}
