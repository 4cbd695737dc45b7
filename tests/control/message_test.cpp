#include "control/message.h"

#include <doctest/doctest.h>

#include "base/limits.h"
#include "control/base64.h"
#include "control/time_text.h"

using namespace kith;
using namespace kith::control;

TEST_CASE("a request is read with its secrets apart from its arguments") {
    auto line = parse_from_client(
        R"({"v":1,"method":"init","args":{"name":"old"},"secrets":{"passphrase":"pw"},"later":1})");
    REQUIRE(line);
    auto* start = std::get_if<Start>(&*line);
    REQUIRE(start);
    CHECK(start->method == "init");
    CHECK(start->args == Json{{"name", "old"}});
    CHECK(as_text(start->secrets.get("passphrase").view()) == "pw");
    CHECK(start->secrets.get("other").empty());
    CHECK(start->args.dump().find("pw") == std::string::npos);
}

TEST_CASE("arguments and secrets may be missing") {
    auto line = parse_from_client(R"({"v":1,"method":"status"})");
    REQUIRE(line);
    CHECK(std::get<Start>(*line).args.is_object());
}

TEST_CASE("answers and cancels are read") {
    auto answer = parse_from_client(R"({"answer":"code","value":"123456"})");
    REQUIRE(answer);
    CHECK(std::get<Answer>(*answer).value == "123456");
    auto cancel = parse_from_client(R"({"cancel":true})");
    REQUIRE(cancel);
    CHECK(std::holds_alternative<Cancel>(*cancel));
}

TEST_CASE("a client's line that is not of the protocol is refused, whatever it is") {
    std::string long_secret(limits::passphrase_bytes + 1, 'x');
    for (const std::string& line : {
             std::string(),
             std::string("null"),
             std::string("[]"),
             std::string("{}"),
             std::string("{\"v\":1"),
             std::string(R"({"v":1,"method":7})"),
             std::string(R"({"v":2,"method":"status"})"),
             std::string(R"({"v":"1","method":"status"})"),
             std::string(R"({"method":"status"})"),
             std::string(R"({"v":1,"method":"a","args":[]})"),
             std::string(R"({"v":1,"method":"a","args":null})"),
             std::string(R"({"v":1,"method":"a","secrets":"pw"})"),
             std::string(R"({"v":1,"method":"a","secrets":{"passphrase":7}})"),
             R"({"v":1,"method":"a","secrets":{"passphrase":")" + long_secret + R"("}})",
             std::string(R"({"v":1,"method":"a","method":"b"})"),
             std::string(R"({"v":1,"method":"a","args":{"x":1,"x":2}})"),
             std::string(R"({"v":1,"method":"a","args":[{"x":1,"x":2}]})"),
             std::string(R"({"answer":"code"})"),
             std::string(R"({"answer":"code","value":123456})"),
             std::string(R"({"cancel":false})"),
             std::string("{\"v\":1,\"method\":\"\xff\"}"),
             std::string("{\"v\":1,\"method\":\"a\"}{}"),
         }) {
        CAPTURE(line);
        auto message = parse_from_client(line);
        REQUIRE_FALSE(message);
        CHECK(message.error().kind == Fault::protocol);
    }
}

TEST_CASE("nesting has a limit, and a hostile depth does no harm") {
    auto nested = [](std::size_t levels) {
        return R"({"v":1,"method":"a","args":{"x":)" + std::string(levels, '[') + std::string(levels, ']') +
               "}}";
    };
    CHECK(parse_from_client(nested(limits::json_depth - 2)));
    CHECK_FALSE(parse_from_client(nested(limits::json_depth - 1)));
    CHECK_FALSE(parse_from_client(nested(200000)));
    CHECK_FALSE(parse_from_client(std::string(1000000, '[')));
}

TEST_CASE("the same key in two objects is no duplicate") {
    CHECK(parse_from_client(R"({"v":1,"method":"a","args":{"v":1,"x":[{"v":1},{"v":1}]}})"));
}

TEST_CASE("what the daemon says comes back as it was sent") {
    for (const FromDaemon& message : {
             FromDaemon(Event{"progress", {{"records", 7}, {"list", {1, 2}}}}),
             FromDaemon(Ask{"code", {{"digits", 6}}}),
             FromDaemon(Finished{Json::array({1, "two"})}),
             FromDaemon(Finished{nullptr}),
             FromDaemon(Failed{{Fault::locked, "what", "hint"}}),
         }) {
        auto line = to_line(message);
        CAPTURE(line);
        auto again = parse_from_daemon(line);
        REQUIRE(again);
        CHECK(again->index() == message.index());
        CHECK(to_line(*again) == line);
    }
}

TEST_CASE("an event may have fields named as an end is") {
    auto event = parse_from_daemon(R"({"event":"failed","error":{"kind":"io"},"result":1})");
    REQUIRE(event);
    REQUIRE(std::holds_alternative<Event>(*event));
    CHECK(std::get<Event>(*event).fields["result"] == 1);
}

TEST_CASE("what the daemon cannot have said is refused") {
    for (const char* line :
         {"", "{}", "[]", R"({"event":1})", R"({"ask":null})", R"({"error":"x"})", "{\"event\":\"a\""}) {
        CAPTURE(line);
        CHECK_FALSE(parse_from_daemon(line));
    }
}

TEST_CASE("every kind of error keeps its kind, and an unknown one is a broken protocol") {
    for (int i = 0; i <= static_cast<int>(Fault::forbidden); ++i) {
        Error error{static_cast<Fault>(i), "what", "hint"};
        auto again = error_from_json(to_json(error));
        CHECK(again.kind == error.kind);
        CHECK(again.what == "what");
        CHECK(again.hint == "hint");
    }
    CHECK(error_from_json({{"kind", "novel"}, {"message", 7}}).kind == Fault::protocol);
    CHECK(error_from_json("text").what.empty());
}

TEST_CASE("a line never holds a line end or bytes that are not UTF-8") {
    auto line = to_line(FromDaemon(Event{"skipped", {{"path", "a\nb\xff"}}}));
    CHECK(line.find('\n') == std::string::npos);
    CHECK(parse_from_daemon(line));
}

TEST_CASE("base64 has one text for each byte string") {
    CHECK(to_base64(as_bytes("")) == "");
    CHECK(to_base64(as_bytes("f")) == "Zg==");
    CHECK(to_base64(as_bytes("fo")) == "Zm8=");
    CHECK(to_base64(as_bytes("foobar")) == "Zm9vYmFy");
    CHECK(from_base64("Zm8=") == to_bytes("fo"));
    for (const char* bad :
         {"Z", "Zg", "Zg=", "Zg===", "====", "=", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm 8", "Zm-_", "Z\n=="}) {
        CAPTURE(bad);
        CHECK_FALSE(from_base64(bad));
    }
    Bytes all(256);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
    CHECK(from_base64(to_base64(all)) == all);
}

TEST_CASE("times are written in UTC with milliseconds and read back") {
    CHECK(to_time_text(0) == "1970-01-01T00:00:00.000Z");
    CHECK(to_time_text(1030015585123) == "2002-08-22T11:26:25.123Z");
    CHECK(from_time_text("2002-08-22T11:26:25.123Z") == 1030015585123);
    CHECK(from_time_text("2002-08-22T11:26:25Z") == 1030015585000);
    CHECK(from_time_text(to_time_text(-1)) == -1);
    CHECK(to_time_text(std::int64_t{1} << 62) == "9999-12-31T23:59:59.999Z");
    CHECK(to_time_text(-(std::int64_t{1} << 62)) == "0000-01-01T00:00:00.000Z");
    for (const char* bad :
         {"", "2002-08-22", "2002-02-30T00:00:00Z", "2002-08-22T24:00:00Z", "2002-08-22 11:26:25Z",
          "2002-08-22T11:26:25+", "2002-08-22T11:26:2xZ", "-002-08-22T11:26:25Z"}) {
        CAPTURE(bad);
        CHECK_FALSE(from_time_text(bad));
    }
}
