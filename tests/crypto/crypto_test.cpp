#include <doctest/doctest.h>

#include "crypto/hash.h"
#include "crypto/keys.h"

using namespace kith;
using namespace kith::crypto;

TEST_CASE("BLAKE2b-256 gives the published value") {
    // RFC 7693 gives BLAKE2b-512 of "abc"; this is the 256-bit digest of the empty string, as b2sum -l 256
    // prints.
    CHECK(to_hex(hash({})) == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    CHECK(Hasher().add("ab").add("c").finish() == hash(as_bytes("abc")));
}

TEST_CASE("a seal opens with its key and purpose only") {
    REQUIRE(start());
    SystemRandom random;
    Key key = random_secret(random), other = random_secret(random);
    Bytes sealed = seal(key, "test", as_bytes("plain"), random);
    CHECK(as_text(open(key, "test", sealed)->view()) == "plain");
    CHECK_FALSE(open(other, "test", sealed));
    CHECK_FALSE(open(key, "other", sealed));
    sealed.back() ^= 1;
    CHECK_FALSE(open(key, "test", sealed));
    CHECK_FALSE(open(key, "test", Bytes(10)));
}

TEST_CASE("a numbered seal opens under its number only") {
    REQUIRE(start());
    SystemRandom random;
    Key key = random_secret(random);
    Bytes sealed = seal_numbered(key, 7, as_bytes("piece"));
    CHECK(as_text(*open_numbered(key, 7, sealed)) == "piece");
    CHECK_FALSE(open_numbered(key, 8, sealed));
}

TEST_CASE("a signature holds for its bytes and key only") {
    REQUIRE(start());
    SystemRandom random;
    SignKey key(random_secret(random)), other(random_secret(random));
    auto signature = key.sign(as_bytes("text"));
    CHECK(verify(key.public_key(), as_bytes("text"), signature));
    CHECK_FALSE(verify(key.public_key(), as_bytes("texT"), signature));
    CHECK_FALSE(verify(other.public_key(), as_bytes("text"), signature));
}

TEST_CASE("a passphrase with absurd parameters is refused rather than computed") {
    REQUIRE(start());
    std::array<std::uint8_t, 16> salt{};
    SecretBytes passphrase(as_bytes("p"));
    CHECK_FALSE(stretch(passphrase, salt, {3, std::uint64_t{1} << 40}));
    CHECK_FALSE(stretch(passphrase, salt, {1000, 64 << 20}));
    CHECK(stretch(passphrase, salt, {1, 8192}));
}
