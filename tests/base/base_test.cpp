#include <doctest/doctest.h>

#include "base/bytes.h"
#include "base/id.h"
#include "base/secret.h"

using namespace kith;

TEST_CASE("hexadecimal goes both ways and refuses what it is not") {
    Bytes bytes{0x00, 0x7f, 0xff};
    CHECK(to_hex(bytes) == "007fff");
    CHECK(from_hex("007FfF") == bytes);
    CHECK_FALSE(from_hex("0"));
    CHECK_FALSE(from_hex("0g"));
}

TEST_CASE("integers are big-endian") {
    Bytes bytes;
    append_u32(bytes, 0x01020304);
    append_u64(bytes, 0x05060708090a0b0cull);
    CHECK(to_hex(bytes) == "0102030405060708090a0b0c");
    CHECK(load_u32(bytes.data()) == 0x01020304);
    CHECK(load_u64(bytes.data() + 4) == 0x05060708090a0b0cull);
}

TEST_CASE("an id has exactly its size") {
    CHECK(AccountId::from_hex("000102030405060708090a0b0c0d0e0f"));
    CHECK_FALSE(AccountId::from_hex("000102030405060708090a0b0c0d0e"));
    CHECK_FALSE(AccountId::from_hex("000102030405060708090a0b0c0d0e0f10"));
}

TEST_CASE("a secret that was moved away is wiped") {
    Key key;
    key.fill()[0] = 7;
    Key moved = std::move(key);
    CHECK(moved.view()[0] == 7);
    CHECK(key.view()[0] == 0);
    CHECK_FALSE(moved == key);
    CHECK(moved == moved.copy());
}
