#include "invite/card.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>

#include "crypto/hash.h"
#include "invite/people.h"
#include "pairing/offer.h"
#include "roster/roster.h"
#include "wire/base32.h"

using namespace kith;
using namespace kith::invite;
using namespace kith::invite::test;

TEST_CASE("a card comes back from its text, pasted as it may be") {
    REQUIRE(crypto::start());
    Someone alice(1, "alice example");
    auto card = make_card(alice.identity,
                          {service_of(alice, "a club"), service_of(alice, "", "=other.example.org:1")},
                          "see you at the büro", 3, hour_ms, at(1'700'000'000'000), alice.random);
    const auto text = *encode_card(card, alice.key);
    std::string pasted;
    for (std::size_t i = 0; i < text.size(); ++i) {
        pasted.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(text[i]))));
        if (i % 60 == 0) pasted += "\r\n ";
    }
    for (const auto& form : {text, pasted}) {
        const auto read = decode_card(form);
        REQUIRE(read);
        CHECK(read->token == card.token);
        CHECK(read->id() == card.id());
        CHECK(read->identity == alice.identity);
        CHECK(read->expires_unix_s == 1'700'003'600);
        CHECK(read->uses == 3);
        CHECK(read->note == "see you at the büro");
        CHECK(read->services == card.services);
    }
    CHECK(card.identity.person() == roster::person_of(roster::make_genesis(alice.seed).id));
}

TEST_CASE("no changed bit of a card gets through, and no part of one") {
    Someone alice(2, "alice example");
    const auto text = card_of(alice);
    const std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    for (std::size_t i = 12; i < text.size(); ++i)
        for (std::size_t bit = 0; bit < 5; ++bit) {
            auto changed = text;
            changed[i] = letters[letters.find(text[i]) ^ (std::size_t{1} << bit)];
            CHECK_FALSE(decode_card(changed));
        }
    for (std::size_t size = 0; size < text.size(); ++size) CHECK_FALSE(decode_card(text.substr(0, size)));
}

TEST_CASE("an altered card with a right check is not signed by who it names") {
    Someone alice(3, "alice example");
    auto bytes = *wire::from_base32(std::string_view(card_of(alice)).substr(12));
    const auto body_size = bytes.size() - 4;
    for (std::size_t i = 1; i < body_size; ++i) {
        auto changed = bytes;
        changed[i] ^= 1;
        const std::uint8_t zero = 0;
        const auto sum = crypto::Hasher()
                             .add("kith.invite.check")
                             .add({&zero, 1})
                             .add(ByteView(changed).first(body_size))
                             .finish();
        std::copy_n(sum.begin(), 4, changed.begin() + static_cast<std::ptrdiff_t>(body_size));
        CHECK_FALSE(decode_card("KITH-INVITE:" + wire::to_base32(changed)));
    }
}

TEST_CASE("texts of other kinds are told apart, on both sides") {
    Someone alice(4, "alice example");
    const auto card = card_of(alice);
    CHECK(decode_card("KITH-RECOVERY-AAAAA").error().what.find("recovery sheet") != std::string::npos);
    CHECK(decode_card("KITH:AAAA").error().what.find("sets up a device") != std::string::npos);
    CHECK(decode_card("hello").error().what == "this is not an invitation");
    CHECK(decode_card(card.substr(0, 90)).error().what.find("cut off") != std::string::npos);
    const auto offer = pairing::decode_offer(card, pairing::OfferKind::device);
    CHECK(offer.error().what.find("an invitation") != std::string::npos);
}

TEST_CASE("what a card has no room for is refused with what it is") {
    Someone alice(5, "alice example");
    auto refused = [&](auto change) {
        auto card = make_card(alice.identity, {service_of(alice)}, "", 1, hour_ms, at(0), alice.random);
        change(card);
        auto text = encode_card(card, alice.key);
        return text ? std::string() : text.error().what;
    };
    CHECK(refused([](Card&) {}).empty());
    CHECK(refused([](Card& c) { c.note = std::string(141, 'n'); }).starts_with("the note"));
    CHECK(refused([](Card& c) { c.note = "two\nlines"; }).starts_with("the note"));
    CHECK(refused([](Card& c) { c.uses = 0; }).starts_with("the number of uses"));
    CHECK(refused([](Card& c) { c.services.clear(); }).starts_with("the number of services"));
    CHECK(
        refused([](Card& c) { c.services.push_back(c.services[0]); }).starts_with("a service that is named"));
    CHECK(refused([](Card& c) { c.services[0].alias = ""; }).starts_with("the alias"));
    CHECK(refused([](Card& c) { c.services[0].alias = "\xff"; }).starts_with("the alias"));
    CHECK(refused([](Card& c) { c.services[0].group = std::string(65, 'g'); }).starts_with("the group"));
    CHECK(refused([](Card& c) { c.services[0].pin.pop_back(); }).starts_with("the service's key"));
    CHECK(refused([](Card& c) {
              c.services[0].address = "chat.example.org:1";
          }).starts_with("the service's add"));
}
