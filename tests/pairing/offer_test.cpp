#include "pairing/offer.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/limits.h"
#include "pairing/harness.h"
#include "wire/base32.h"

using namespace kith;
using namespace kith::pairing;

namespace {

std::vector<Address> addresses(std::initializer_list<const char*> texts) {
    std::vector<Address> list;
    for (auto* text : texts) list.push_back(*Address::parse(text));
    return list;
}

NewOffer offer_with(std::initializer_list<const char*> texts, OfferKind kind = OfferKind::device) {
    SeededRandom random(1);
    return make_offer(kind, addresses(texts), 4711, limits::offer_valid_ms, Now{0, 1'700'000'000'000},
                      random);
}

std::string error_of(std::string_view text, OfferKind expected = OfferKind::device) {
    auto offer = decode_offer(text, expected);
    REQUIRE_FALSE(offer);
    CHECK_FALSE(offer.error().hint.empty());
    return offer.error().what;
}

// The text of any bytes, with a check that fits.
std::string text_of(Bytes bytes) {
    const std::uint8_t zero = 0;
    auto check = crypto::Hasher().add("kith.offer.check").add({&zero, 1}).add(bytes).finish();
    append(bytes, ByteView(check).first(4));
    return "KITH:" + wire::to_base32(bytes);
}
Bytes bytes_of(const std::string& text) {
    auto bytes = *wire::from_base32(text.substr(5));
    bytes.resize(bytes.size() - 4);
    return bytes;
}

}  // namespace

TEST_CASE("an offer comes back from its text as it was") {
    auto made = offer_with({"192.0.2.7", "2001:db8::1", "127.0.0.1"});
    auto text = encode_offer(made.offer);
    REQUIRE(text);
    auto offer = decode_offer(*text, OfferKind::device);
    REQUIRE(offer);
    CHECK(offer->kind == OfferKind::device);
    CHECK(offer->server_key == made.server_key.public_key);
    CHECK(*offer->secret == *made.offer.secret);
    CHECK(offer->port == 4711);
    CHECK(offer->expires_unix_s == 1'700'000'600);
    CHECK(offer->addresses == made.offer.addresses);
    CHECK(offer->id() == made.offer.id());
    CHECK(offer->code_digits() == 6);
}

TEST_CASE("an offer is read however it was pasted") {
    auto text = *encode_offer(offer_with({"192.0.2.7"}).offer);
    std::string broken = "  \n";
    for (std::size_t i = 0; i < text.size(); ++i) {
        broken.push_back(static_cast<char>(std::tolower(text[i])));
        if (i % 20 == 19) broken += "\r\n ";
    }
    CHECK(decode_offer(broken + "\n", OfferKind::device));
}

TEST_CASE("an offer fits the QR code however many addresses there are, and loopback is the first to go") {
    std::vector<Address> many = addresses({"127.0.0.1", "::1"});
    for (int i = 1; i < 40; ++i) many.push_back({{192, 0, 2, static_cast<std::uint8_t>(i)}});
    auto made = offer_with({});
    made.offer.addresses = many;
    auto text = encode_offer(made.offer);
    REQUIRE(text);
    CHECK(text->size() <= limits::offer_text_qr);
    auto offer = decode_offer(*text, OfferKind::device);
    REQUIRE(offer);
    CHECK(offer->addresses.size() >= 8);
    for (const auto& address : offer->addresses) CHECK_FALSE(address.is_loopback());
}

TEST_CASE("loopback addresses come last in an offer, and alone will do") {
    CHECK(offer_with({"127.0.0.1", "192.0.2.7"}).offer.addresses.back().text() == "127.0.0.1");
    CHECK(encode_offer(offer_with({"127.0.0.1"}).offer));
}

TEST_CASE("an offer without an address, a port or a secret has no text") {
    auto made = offer_with({});
    CHECK_FALSE(encode_offer(made.offer));
    made = offer_with({"192.0.2.7"});
    made.offer.port = 0;
    CHECK_FALSE(encode_offer(made.offer));
    made.offer.port = 1;
    made.offer.secret.reset();
    CHECK_FALSE(encode_offer(made.offer));
    CHECK(made.offer.code_digits() == 8);
}

TEST_CASE("each way in which a text is no offer has a sentence of its own") {
    auto text = *encode_offer(offer_with({"192.0.2.7"}).offer);
    const auto mistyped = error_of(text.substr(0, text.size() - 1));
    CHECK(mistyped.find("cut off or mistyped") != std::string::npos);
    const auto foreign = error_of("https://example.org/");
    const auto sheet = error_of("KITH-RECOVERY-AAAAA");
    const auto invitation = error_of(*encode_offer(offer_with({"192.0.2.7"}, OfferKind::invitation).offer));
    const auto device = error_of(text, OfferKind::invitation);
    auto bytes = bytes_of(text);
    bytes[0] = 2;
    const auto newer = error_of(text_of(bytes));
    const std::vector<std::string> all{mistyped, foreign, sheet, invitation, device, newer};
    CHECK(std::set<std::string>(all.begin(), all.end()).size() == all.size());
}

TEST_CASE("a text that lost or changed any one character is refused as mistyped") {
    auto text = *encode_offer(offer_with({"192.0.2.7", "2001:db8::1"}).offer);
    for (std::size_t i = 5; i < text.size(); ++i) {
        auto shorter = text, changed = text;
        shorter.erase(i, 1);
        changed[i] = text[i] == 'Q' ? 'R' : 'Q';
        CHECK(error_of(shorter).find("mistyped") != std::string::npos);
        CHECK(error_of(changed).find("mistyped") != std::string::npos);
        CHECK_FALSE(decode_offer(text.substr(0, i), OfferKind::device));
    }
}

TEST_CASE("hostile texts with a fitting check are refused") {
    auto good = bytes_of(*encode_offer(offer_with({"192.0.2.7"}).offer));
    auto without_address = good;
    without_address.resize(56);
    auto half_address = good;
    half_address.pop_back();
    auto odd_address = good;
    odd_address[56] = 5;
    auto no_port = good;
    no_port[54] = no_port[55] = 0;
    auto kind_nine = good;
    kind_nine[1] = 9;
    for (const auto& bytes :
         {without_address, half_address, odd_address, no_port, kind_nine, Bytes{1, 1}, Bytes{}})
        CHECK_FALSE(decode_offer(text_of(bytes), OfferKind::device));
    CHECK_FALSE(decode_offer("KITH:", OfferKind::device));
    CHECK_FALSE(
        decode_offer(std::string(1'000'000, ' ') + "KITH:" + std::string(1'000'000, 'A'), OfferKind::device));
}

TEST_CASE("the texts of the vectors are read, or refused with the expected error") {
    std::ifstream file(std::string(KITH_VECTORS) + "/pairing/offers.json");
    auto vectors = nlohmann::json::parse(file);
    for (const auto& v : vectors.at("good")) {
        auto kind = v.at("kind") == "device" ? OfferKind::device : OfferKind::invitation;
        auto offer = decode_offer(v.at("text").get<std::string>(), kind);
        REQUIRE(offer);
        CHECK(offer->server_key.hex() == v.at("server_key"));
        CHECK(to_hex(offer->secret->view()) == v.at("secret"));
        CHECK(offer->expires_unix_s == v.at("expires"));
        CHECK(offer->port == v.at("port"));
        CHECK(to_hex(offer->id()) == v.at("id"));
        CHECK(offer->addresses.size() == v.at("addresses").size());
        for (std::size_t i = 0; i < offer->addresses.size(); ++i)
            CHECK(offer->addresses[i].text() == v.at("addresses")[i]);
        CHECK(*encode_offer(*offer) == v.at("text"));
    }
    for (const auto& v : vectors.at("bad"))
        CHECK(error_of(v.at("text").get<std::string>()).find(v.at("error").get<std::string>()) !=
              std::string::npos);
}
