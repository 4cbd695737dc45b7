// Checks one whole session against tests/vectors/pairing/session.json, which src/pairing/README.md explains.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pairing/harness.h"
#include "pairing/session.h"

using namespace kith;
using namespace kith::pairing;

namespace {

struct FixedRandom : Random {
    explicit FixedRandom(Bytes from) : bytes(std::move(from)) {}
    void fill(std::span<std::uint8_t> out) override {
        REQUIRE(out.size() == bytes.size());
        std::copy(bytes.begin(), bytes.end(), out.begin());
    }
    Bytes bytes;
};

}  // namespace

TEST_CASE("a session with known keys, nonces and code gives the messages of the vectors") {
    std::ifstream file(std::string(KITH_VECTORS) + "/pairing/session.json");
    const auto v = nlohmann::json::parse(file);
    auto text = [&](const char* name) { return v.at(name).get<std::string>(); };
    auto bytes = [&](const char* name) { return *from_hex(text(name)); };

    Offer offer;
    offer.kind = OfferKind::device;
    offer.server_key = *LinkPublic::from(bytes("server_key"));
    const Bytes secret = bytes("secret");
    offer.secret = Secret<16>(std::span<const std::uint8_t, 16>(secret));
    const auto client = *LinkPublic::from(bytes("client_key"));
    const Key key = offer_key(offer);
    CHECK(to_hex(offer.id()) == text("offer_id"));
    CHECK(to_hex(key.view()) == text("offer_key"));

    FixedRandom ya(bytes("ya")), yb(bytes("yb"));
    const auto nonce = *Nonce::from(bytes("joiner_nonce"));
    auto a = start_cpace(text("code"), offer, offer.id(), client, nonce, ya);
    auto b = start_cpace(text("code"), offer, offer.id(), client, nonce, yb);

    Hello hello{nonce, a.share(), *Tag32::from(bytes("self")), {}};
    const auto hello_frame = make_hello(hello, key, client);
    CHECK(hello_frame.head == text("hello"));
    REQUIRE(read_hello(hello_frame));
    CHECK(hello_proven(*read_hello(hello_frame), key, client));

    Ready ready{*Nonce::from(bytes("host_nonce")), {}};
    const auto ready_frame = make_ready(ready, key, client, hello_frame);
    CHECK(ready_frame.head == text("ready"));
    CHECK(ready_proven(*read_ready(ready_frame), key, client, hello_frame));

    auto isk = a.finish_initiator(b.share(), as_bytes(hello_frame.head), as_bytes(ready_frame.head));
    REQUIRE(isk);
    CHECK(to_hex(isk->view()) == text("isk"));
    const auto keys = session_keys(*isk);
    CHECK(make_share({b.share(), keys.host_tag}).head == text("share"));
    CHECK(make_tag(keys.joiner_tag).head == text("tag"));
    CHECK(to_hex(seal_message(keys, op_introduction, as_bytes("introduction")).body) == text("introduction"));
    CHECK(to_hex(seal_message(keys, op_reply, as_bytes("reply")).body) == text("reply"));
    CHECK(to_hex(seal_message(keys, op_verdict, as_bytes("\x01verdict")).body) == text("verdict"));
    CHECK(to_hex(seal_message(keys, op_done, {}).body) == text("done"));
}
