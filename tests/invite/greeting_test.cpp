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
