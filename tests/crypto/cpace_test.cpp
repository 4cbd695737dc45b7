#include "crypto/cpace.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "crypto/keys.h"

using namespace kith;
using namespace kith::crypto;

namespace {

// Gives out the bytes it was made of.
struct FixedRandom : Random {
    explicit FixedRandom(Bytes from) : bytes(std::move(from)) {}
    void fill(std::span<std::uint8_t> out) override {
        REQUIRE(at + out.size() <= bytes.size());
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), out.size(), out.begin());
        at += out.size();
    }
    Bytes bytes;
    std::size_t at = 0;
};

nlohmann::json vectors() {
    std::ifstream file(std::string(KITH_VECTORS) + "/cpace/ristr255-sha512.json");
    return nlohmann::json::parse(file);
}
Bytes field(const nlohmann::json& from, const char* name) {
    return *from_hex(from.at(name).get<std::string>());
}

}  // namespace

TEST_CASE("CPace gives the shares and the key of the draft's vectors") {
    REQUIRE(start());
    const auto v = vectors();
    const Bytes prs = field(v, "prs"), ci = field(v, "ci"), sid = field(v, "sid"), ad_a = field(v, "ad_a"),
                ad_b = field(v, "ad_b");
    CHECK(cpace_generator(prs, ci, sid).hex() == v.at("generator"));
    FixedRandom random_a(field(v, "ya")), random_b(field(v, "yb"));
    Cpace a(prs, ci, sid, random_a), b(prs, ci, sid, random_b);
    CHECK(a.share().hex() == v.at("share_a"));
    CHECK(b.share().hex() == v.at("share_b"));
    auto key_a = a.finish_initiator(b.share(), ad_a, ad_b);
    auto key_b = b.finish_responder(a.share(), ad_b, ad_a);
    REQUIRE(key_a);
    REQUIRE(key_b);
    CHECK(to_hex(key_a->view()) == v.at("isk"));
    CHECK(*key_a == *key_b);
}

TEST_CASE("CPace gives up a run with a share that is no element, or the neutral one") {
    REQUIRE(start());
    const auto v = vectors();
    SystemRandom random;
    Cpace run(as_bytes("secret"), {}, {}, random);
    CHECK(cpace_share_valid(run.share()));
    for (const auto& text : v.at("invalid")) {
        auto share = *CpaceShare::from_hex(text.get<std::string>());
        CHECK_FALSE(cpace_share_valid(share));
        CHECK_FALSE(run.finish_initiator(share, {}, {}));
        CHECK_FALSE(run.finish_responder(share, {}, {}));
    }
}

TEST_CASE(
    "CPace gives different keys when the secret, the channel, the session or the associated data differ") {
    REQUIRE(start());
    SystemRandom random;
    auto agree = [&](const char* prs, const char* ci, const char* sid, const char* ad) {
        Cpace a(as_bytes("123456"), as_bytes("ci"), as_bytes("sid"), random);
        Cpace b(as_bytes(prs), as_bytes(ci), as_bytes(sid), random);
        return *a.finish_initiator(b.share(), as_bytes("a"), as_bytes("b")) ==
               *b.finish_responder(a.share(), as_bytes("b"), as_bytes(ad));
    };
    CHECK(agree("123456", "ci", "sid", "a"));
    CHECK_FALSE(agree("123457", "ci", "sid", "a"));
    CHECK_FALSE(agree("123456", "cj", "sid", "a"));
    CHECK_FALSE(agree("123456", "ci", "sie", "a"));
    CHECK_FALSE(agree("123456", "ci", "sid", "c"));
}

TEST_CASE("lengths above 127 take two bytes") {
    const Bytes part(128, 7);
    const Bytes joined = lv_cat({part, {}});
    CHECK(joined.size() == 131);
    CHECK(joined[0] == 0x80);
    CHECK(joined[1] == 0x01);
    CHECK(joined[130] == 0);
}
