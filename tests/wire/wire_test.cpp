#include <doctest/doctest.h>

#include "base/limits.h"
#include "wire/base32.h"
#include "wire/fields.h"

using namespace kith;
using wire::Fields;

TEST_CASE("typed base32 is read as it was meant, and not without end") {
    CHECK(wire::typed_base32(" ab-c0\t1\n8\r2", 100) == "ABCOIB2");
    CHECK(wire::typed_base32(std::string(1000, 'a'), 10) == std::string(10, 'A'));
    CHECK(wire::typed_base32("9_", 10) == "9_");
}

TEST_CASE("base32 has one text for each byte string") {
    CHECK(wire::to_base32(as_bytes("foobar")) == "MZXW6YTBOI");
    CHECK(wire::from_base32("mzxw6ytboi") == to_bytes("foobar"));
    CHECK_FALSE(wire::from_base32("MZXW6YTBOJ"));  // unused bits set
    CHECK_FALSE(wire::from_base32("MZX1"));
    CHECK_FALSE(wire::from_base32("A"));
}

TEST_CASE("a key that occurs twice is refused at any depth") {
    CHECK_FALSE(Fields::parse(R"({"a":1,"a":2})").ok());
    CHECK_FALSE(Fields::parse(R"({"a":{"b":1,"b":2}})").ok());
    CHECK(Fields::parse(R"({"a":{"a":1}})").ok());
}

TEST_CASE("nesting has a limit") {
    std::string deep = "{\"a\":", close = "}";
    for (std::size_t i = 1; i < limits::json_depth; ++i) deep += "[", close = "]" + close;
    CHECK(Fields::parse(deep + "1" + close).ok());
    CHECK_FALSE(Fields::parse(deep + "[1]" + close).ok());
    CHECK_FALSE(Fields::parse(std::string(100000, '[')).ok());
}

TEST_CASE("the first thing that does not fit is what is reported") {
    auto head = Fields::parse(R"({"n":-1,"t":"abc","h":"0g","id":"00","x":1e3,"big":9007199254740993})");
    CHECK(head.text("t", 3) == "abc");
    CHECK(head.ok());
    CHECK(head.u64("n") == 0);
    head.text("t", 2);
    CHECK(head.finish("head").error().what == "head: \"n\" is negative");
    CHECK_FALSE(Fields::parse(R"({"x":1.5})").u64("x"));
    auto big = Fields::parse(R"({"big":9007199254740993})");
    big.u64("big");
    CHECK_FALSE(big.ok());
    auto id = Fields::parse(R"({"id":"00"})");
    id.id<RecordId>("id");
    CHECK_FALSE(id.ok());
}

TEST_CASE("a signed head may hold nothing that was not read") {
    auto head = Fields::parse(R"({"a":1,"b":2})");
    head.u64("a");
    CHECK(head.finish("head"));
    CHECK_FALSE(head.finish_exact("head"));
    head.u64("b");
    CHECK(head.finish_exact("head"));
}

TEST_CASE("what is not an object or not UTF-8 is refused") {
    CHECK_FALSE(Fields::parse("[]").ok());
    CHECK_FALSE(Fields::parse("").ok());
    CHECK_FALSE(Fields::parse("{\"a\":\"\xff\"}").ok());
    CHECK_FALSE(Fields::parse("{} x").ok());
}
