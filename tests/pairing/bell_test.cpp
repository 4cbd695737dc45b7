#include "pairing/bell.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "pairing/harness.h"

using namespace kith;
using namespace kith::pairing;
using kith::pairing::test::find;

namespace {

const LinkPublic owners = *LinkPublic::from(Bytes(32, 1)), strangers = *LinkPublic::from(Bytes(32, 2));

std::string offer_text(std::uint64_t seed = 1, OfferKind kind = OfferKind::device) {
    SeededRandom random(seed);
    return *encode_offer(
        make_offer(kind, {*Address::parse("192.0.2.1")}, 4000, limits::offer_valid_ms, Now{}, random).offer);
}

wire::Frame ring_with(const std::string& text) {
    Ringer ringer(text, Now{});
    return find<ringer::Send>(ringer.connected())->frame;
}

std::vector<std::string> sent_to(const LinkPublic& client, const PorterActions& actions) {
    std::vector<std::string> heads;
    for (const auto& action : actions)
        if (const auto* send = std::get_if<porter::Send>(&action); send && send->client == client)
            heads.push_back(send->frame.head);
    return heads;
}

const std::vector<std::string> taken{R"({"op":"taken"})"}, over{R"({"op":"over"})"};

}  // namespace

TEST_CASE("the texts of the bells' vectors are read, or refused with the expected error") {
    std::ifstream file(std::string(KITH_VECTORS) + "/pairing/bells.json");
    auto vectors = nlohmann::json::parse(file);
    for (const auto& v : vectors.at("good")) {
        const auto text = v.at("text").get<std::string>();
        auto bell = decode_bell(text);
        REQUIRE(bell);
        CHECK(bell->server_key.hex() == v.at("server_key"));
        CHECK(bell->expires_unix_s == v.at("expires"));
        CHECK(bell->port == v.at("port"));
        REQUIRE(bell->addresses.size() == v.at("addresses").size());
        for (std::size_t i = 0; i < bell->addresses.size(); ++i)
            CHECK(bell->addresses[i].text() == v.at("addresses")[i]);
        CHECK(*encode_bell(*bell) == text);
        CHECK_FALSE(decode_offer(text, OfferKind::device));
        CHECK_FALSE(decode_offer(text, OfferKind::invitation));
    }
    for (const auto& v : vectors.at("bad")) {
        auto bell = decode_bell(v.at("text").get<std::string>());
        REQUIRE_FALSE(bell);
        CHECK(bell.error().what.find(v.at("error").get<std::string>()) != std::string::npos);
        CHECK_FALSE(bell.error().hint.empty());
    }
}

TEST_CASE("a bell that lost or changed any one character is refused") {
    Bell bell;
    bell.server_key = owners;
    bell.port = 4711;
    bell.addresses = {*Address::parse("192.0.2.7")};
    const auto text = *encode_bell(bell);
    for (std::size_t i = 10; i < text.size(); ++i) {
        auto shorter = text, changed = text;
        shorter.erase(i, 1);
        changed[i] = text[i] == 'Q' ? 'R' : 'Q';
        CHECK_FALSE(decode_bell(shorter));
        CHECK_FALSE(decode_bell(changed));
    }
}

TEST_CASE("a bell fits the QR code however many addresses there are") {
    Bell bell;
    bell.port = 4711;
    bell.addresses = {*Address::parse("127.0.0.1")};
    for (int i = 1; i < 40; ++i) bell.addresses.push_back({{192, 0, 2, static_cast<std::uint8_t>(i)}});
    const auto text = encode_bell(bell);
    REQUIRE(text);
    CHECK(text->size() <= limits::offer_text_qr);
    CHECK(decode_bell(*text)->addresses.size() >= 8);
    bell.addresses.clear();
    CHECK_FALSE(encode_bell(bell));
    bell.addresses = {*Address::parse("192.0.2.7")};
    bell.port = 0;
    CHECK_FALSE(encode_bell(bell));
}

TEST_CASE("who rings hands over its offer, and hears that it was taken") {
    Porter porter(limits::offer_valid_ms, Now{});
    Ringer ringer(offer_text(), Now{});
    auto rings = ringer.connected();
    auto answer = porter.received(owners, find<ringer::Send>(rings)->frame);
    REQUIRE(find<porter::Rung>(answer));
    CHECK(find<porter::Rung>(answer)->offer == offer_text());
    CHECK(sent_to(owners, answer) == taken);
    CHECK(find<ringer::Handed>(ringer.received(find<porter::Send>(answer)->frame)));
    CHECK(ringer.state() == Ringer::State::handed);
    // Nothing more is to come, and no time runs.
    CHECK(ringer.tick(Now{limits::offer_valid_ms, 0}).empty());
    CHECK(porter.tick(Now{limits::offer_valid_ms * 2, 0}).empty());
    CHECK(ringer.connected().empty());
}

TEST_CASE("a ring whose answer was lost is answered again, and is not a second one") {
    Porter porter(limits::offer_valid_ms, Now{});
    Ringer ringer(offer_text(), Now{});
    (void)porter.received(owners, find<ringer::Send>(ringer.connected())->frame);
    auto again = porter.received(owners, find<ringer::Send>(ringer.connected())->frame);
    CHECK(sent_to(owners, again) == taken);
    CHECK_FALSE(find<porter::Rung>(again));
    CHECK_FALSE(find<porter::Ended>(again));
}

TEST_CASE("a second one who rings ends it for both, whoever was first") {
    for (const bool same_client : {false, true}) {
        Porter porter(limits::offer_valid_ms, Now{});
        (void)porter.received(strangers, ring_with(offer_text(2)));
        const auto& second = same_client ? strangers : owners;
        auto actions = porter.received(second, ring_with(offer_text(1)));
        REQUIRE(find<porter::Ended>(actions));
        CHECK(find<porter::Ended>(actions)->error.what.find("not yours") != std::string::npos);
        CHECK(sent_to(strangers, actions) == over);
        CHECK(sent_to(second, actions) == over);
        CHECK(porter.state() == Porter::State::ended);
        // From then on everybody hears that it is over, and nothing else happens.
        auto late = porter.received(owners, ring_with(offer_text(1)));
        CHECK(late.size() == 1);
        CHECK(sent_to(owners, late) == over);
    }
    Ringer ringer(offer_text(), Now{});
    (void)ringer.connected();
    (void)ringer.received({taken.front(), {}});
    auto ends = ringer.received({over.front(), {}});
    REQUIRE(find<ringer::Failed>(ends));
    CHECK(find<ringer::Failed>(ends)->error.what.find("second device") != std::string::npos);
}

TEST_CASE("once the code was right nobody ends it by ringing") {
    Porter porter(limits::offer_valid_ms, Now{});
    porter.code_was_right();
    CHECK(porter.state() == Porter::State::waiting);
    (void)porter.received(owners, ring_with(offer_text()));
    porter.code_was_right();
    CHECK(porter.received(strangers, ring_with(offer_text(2))).empty());
    CHECK(porter.state() == Porter::State::answered);
}

TEST_CASE("what is no ring is passed over, and what is no offer for a device is not taken") {
    Porter porter(limits::offer_valid_ms, Now{});
    const auto good = ring_with(offer_text());
    for (const auto* head :
         {"", "{}", "[]", R"({"op":"ring"})", R"({"op":"ring","v":-1})", R"({"op":"rings","v":1})",
          R"({"op":"ring","op":"ring","v":1})", R"({"op":"over"})"})
        CHECK(porter.received(strangers, {head, good.body}).empty());
    auto other = good;
    for (const auto& body : {std::string(), std::string("KITH:"), offer_text(1, OfferKind::invitation),
                             offer_text().substr(1), std::string(10'000, 'A')}) {
        other.body = to_bytes(body);
        auto actions = porter.received(strangers, other);
        CHECK(actions.size() == 1);
        CHECK(sent_to(strangers, actions) == over);
    }
    auto newer = good;
    newer.head = R"({"more":1,"op":"ring","v":2})";
    CHECK(sent_to(strangers, porter.received(strangers, newer)) == over);
    CHECK(porter.state() == Porter::State::waiting);
    CHECK(find<porter::Rung>(porter.received(owners, good)));
}

TEST_CASE("every changed bit of a ring is passed over, refused, or not the owner's offer") {
    const auto good = ring_with(offer_text());
    for (std::size_t bit = 0; bit < 8 * good.body.size(); ++bit) {
        Porter porter(limits::offer_valid_ms, Now{});
        auto changed = good;
        changed.body[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        auto actions = porter.received(owners, changed);
        // Lower case is the same text.
        if (const auto* rung = find<porter::Rung>(actions))
            CHECK(decode_offer(rung->offer, OfferKind::device)->id() ==
                  decode_offer(offer_text(), OfferKind::device)->id());
        else
            CHECK(sent_to(owners, actions) == over);
    }
}

TEST_CASE("a bell that nobody rings ends, and a ring that nobody answers") {
    Porter porter(1000, Now{500, 0});
    CHECK(porter.tick(Now{1499, 0}).empty());
    auto ends = porter.tick(Now{1500, 0});
    REQUIRE(find<porter::Ended>(ends));
    CHECK(find<porter::Ended>(ends)->error.kind == Fault::timed_out);
    CHECK(porter.tick(Now{2000, 0}).empty());
    for (const bool connected : {false, true}) {
        Ringer ringer(offer_text(), Now{});
        if (connected) (void)ringer.connected();
        CHECK(ringer.tick(Now{limits::pairing_connect_ms - 1, 0}).empty());
        auto fails = ringer.tick(Now{limits::pairing_connect_ms, 0});
        REQUIRE(find<ringer::Failed>(fails));
        CHECK(find<ringer::Failed>(fails)->error.kind == Fault::unreachable);
        CHECK(ringer.connected().empty());
        CHECK(ringer.received({taken.front(), {}}).empty());
    }
}

TEST_CASE("a new device that says no is not waited for") {
    Ringer ringer(offer_text(), Now{});
    CHECK(ringer.received({over.front(), {}}).empty());  // not from anybody who was rung
    (void)ringer.connected();
    CHECK(ringer.received({R"({"op":"hello"})", {}}).empty());
    CHECK(find<ringer::Failed>(ringer.received({over.front(), {}})));
    CHECK(ringer.received({taken.front(), {}}).empty());
}
