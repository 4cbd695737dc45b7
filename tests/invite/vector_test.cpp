// tests/vectors/invite/cards.json, made by another implementation (invite.py there).
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "invite/letter.h"

using namespace kith;
using namespace kith::invite;
using nlohmann::json;

namespace {

json vectors() {
    std::ifstream file(std::string(KITH_VECTORS) + "/invite/cards.json");
    return json::parse(file);
}

Bytes bytes(const json& hex) {
    return *from_hex(hex.get<std::string>());
}

crypto::SignKey key_of(const json& seed) {
    const Bytes raw = bytes(seed);
    return crypto::SignKey(Key(std::span<const std::uint8_t, 32>(raw)));
}

roster::Identity identity_of(const json& hex) {
    const Bytes both = bytes(hex);
    return {*SignPublic::from(ByteView(both).first(32)), *SignPublic::from(ByteView(both).subspan(32))};
}

struct Fixed : Random {
    explicit Fixed(Bytes from) : bytes(std::move(from)) {}
    void fill(std::span<std::uint8_t> out) override {
        REQUIRE(out.size() == bytes.size());
        std::copy(bytes.begin(), bytes.end(), out.begin());
    }
    Bytes bytes;
};

}  // namespace

TEST_CASE("the cards of the vectors are read, and written the same") {
    REQUIRE(crypto::start());
    const auto v = vectors();
    for (const auto& item : v.at("good")) {
        const auto text = item.at("text").get<std::string>();
        const auto card = decode_card(text);
        REQUIRE(card);
        const auto& expected = item.at("card");
        CHECK(card->id().hex() == item.at("id"));
        CHECK(to_hex(card->token.view()) == expected.at("token"));
        CHECK(card->identity == identity_of(expected.at("identity")));
        CHECK(card->identity.person().hex() == v.at("person"));
        CHECK(card->expires_unix_s == expected.at("expires"));
        CHECK(card->uses == expected.at("uses"));
        CHECK(card->note == expected.at("note"));
        REQUIRE(card->services.size() == expected.at("services").size());
        for (std::size_t i = 0; i < card->services.size(); ++i) {
            const auto& service = card->services[i];
            const auto& other = expected.at("services")[i];
            CHECK(service.address == other.at("address"));
            CHECK(to_hex(service.pin) == other.at("pin"));
            CHECK(service.site == other.at("site"));
            CHECK(service.alias == other.at("alias"));
            CHECK(service.group == other.at("group"));
            CHECK(service.uid == other.at("uid"));
        }
        CHECK(*encode_card(*card, key_of(v.at("issuer_seed"))) == text);
    }
}

TEST_CASE("what is no card is refused for the reason that is given") {
    const std::map<std::string, std::string> words{
        {"mistyped", "cut off or mistyped"}, {"no card", "not an invitation"},
        {"offer", "sets up a device"},       {"sheet", "a recovery sheet"},
        {"newer", "newer version"},          {"not signed", "not from the person"}};
    const auto all = vectors();
    for (const auto& item : all.at("bad")) {
        const auto text = item[1].get<std::string>();
        CAPTURE(text);
        const auto card = decode_card(text);
        REQUIRE_FALSE(card);
        CHECK(card.error().what.find(words.at(item[0])) != std::string::npos);
    }
}

TEST_CASE("the letters of the vectors open, and are written the same") {
    const auto v = vectors();
    const Guest guest{v.at("guest").at("uid"), v.at("guest").at("alias")};
    const auto identity = identity_of(v.at("guest_identity"));
    for (const auto& item : v.at("letters")) {
        const auto card =
            *decode_card(v.at("good")[item.at("card").get<std::size_t>()].at("text").get<std::string>());
        const auto& service = card.services[item.at("service").get<std::size_t>()];
        auto letter = [&](const char* name) { return *read_letter(item.at(name).get<std::string>()); };
        const auto verdict = static_cast<Verdict>(item.at("verdict").get<int>());
        CHECK(open_answer(letter("answer"), card, service, guest) == identity);
        CHECK(open_reply(letter("reply"), card, service, guest, identity) == verdict);
        CHECK(open_refusal(letter("refusal"), card, service, guest).has_value());

        Fixed answer_nonce(bytes(item.at("answer_nonce"))), reply_nonce(bytes(item.at("reply_nonce")));
        const auto issuer_key = key_of(v.at("issuer_seed"));
        CHECK(write_answer(card, service, guest, identity, key_of(v.at("guest_seed")), answer_nonce) ==
              item.at("answer"));
        CHECK(write_reply(card, service, guest, identity, verdict, issuer_key, reply_nonce) ==
              item.at("reply"));
        CHECK(write_refusal(card.id(), service.uid, guest.uid,
                            *open_refusal(letter("refusal"), card, service, guest),
                            issuer_key) == item.at("refusal"));
    }
}
