#include "tmtp/frame.h"

#include <doctest/doctest.h>

#include <fstream>

#include "base/limits.h"
#include "tmtp/ops.h"
#include "tmtp/replies.h"

using namespace kith;
using namespace kith::tmtp;
using Got = FrameReader::Got;

namespace {

std::vector<std::string> lines_of(const std::string& file) {
    std::ifstream in(std::string(KITH_VECTORS "/tmtp/") + file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

// What a reader makes of bytes that come in runs of `run`: heads, and all data of each.
std::vector<std::string> read_all(std::string_view bytes, std::size_t run) {
    FrameReader reader;
    std::vector<std::string> seen;
    for (std::size_t at = 0; at < bytes.size(); at += run) {
        auto part = bytes.substr(at, run);
        ByteView in = as_bytes(part);
        for (bool more = false; !more;) switch (reader.next(in)) {
                case Got::more:
                    more = true;
                    break;
                case Got::head:
                    seen.push_back(reader.raw());
                    break;
                case Got::data:
                    seen.back() += as_text(reader.data());
                    break;
                case Got::end:
                    seen.push_back("end");
                    break;
                case Got::bad_length:
                    seen.push_back("bad length");
                    break;
                case Got::bad_header:
                    seen.push_back("bad header");
                    break;
            }
        CHECK(in.empty());
    }
    return seen;
}

}  // namespace

TEST_CASE("a stream reads the same however it is cut") {
    std::string stream = with_length(R"({"op":7,"datalen":5})") + "12345" + with_length(R"({"op":11})") +
                         with_length(R"({"DATALEN":1,"op":7})") + "x" + with_length("{\"op\":11}  ");
    auto whole = read_all(stream, stream.size());
    CHECK(whole.size() == 8);
    CHECK(whole[0] == with_length(R"({"op":7,"datalen":5})") + "12345");
    for (std::size_t run = 1; run < 40; ++run) CHECK(read_all(stream, run) == whole);
}

TEST_CASE("after a header that cannot be read nothing comes out any more") {
    CHECK(read_all("0007{\"op\":1}0009{\"op\":11}", 100) == std::vector<std::string>{"bad length"});
    CHECK(read_all("-008{\"op\":1}", 3) == std::vector<std::string>{"bad length"});
    CHECK(read_all("0009[\"op\",1]0009{\"op\":11}", 1) == std::vector<std::string>{"bad header"});
    CHECK(read_all(with_length(R"({"op":7,"datalen":-1})"), 100) == std::vector<std::string>{"bad header"});
    CHECK(read_all(with_length(R"({"op":7,"datalen":1.5})"), 100) == std::vector<std::string>{"bad header"});
    CHECK(read_all(with_length(R"({"op":7,"datalen":9007199254740993})"), 100) ==
          std::vector<std::string>{"bad header"});
}

TEST_CASE("data of any announced size is read without being kept") {
    FrameReader reader;
    std::string head = with_length(R"({"datalen":9007199254740991,"op":7})");
    ByteView in = as_bytes(head);
    CHECK(reader.next(in) == Got::head);
    CHECK(reader.datalen() == 9007199254740991u);
    Bytes block(1 << 20);
    for (int i = 0; i < 64; ++i) {
        ByteView more = block;
        CHECK(reader.next(more) == Got::data);
        CHECK(reader.next(more) == Got::more);
    }
}

TEST_CASE("the largest header is read, and nesting has a limit") {
    std::string json = R"({"op":11,"x":")";
    json += std::string(max_header - json.size() - 2, 'a') + "\"}";
    CHECK(read_all(with_length(json), 1000).size() == 2);
    CHECK_FALSE(Head::parse(std::string(30000, '[')));
    std::string deep;
    for (std::size_t i = 0; i < limits::json_depth; ++i) deep += "{\"a\":";
    CHECK(Head::parse(deep + "1" + std::string(limits::json_depth, '}')));
    CHECK_FALSE(Head::parse("{\"a\":" + deep + "1" + std::string(limits::json_depth + 1, '}')));
}

TEST_CASE("keys count without regard to case and the last of duplicates wins") {
    auto head = Head::parse(R"({"Op":12,"OP":11,"For":[{"ID":"a"}],"n":null})");
    REQUIRE(head);
    CHECK(head->number("op") == 11);
    CHECK(head->objects("for", 9)->at(0).text("id") == "a");
    CHECK_FALSE(head->has("n"));
    CHECK(head->ok());
    CHECK_FALSE(head->text("op"));
    CHECK_FALSE(head->ok());
}

TEST_CASE("CRC-32C is the one of RFC 3720") {
    Bytes zeros(32), rising(32);
    for (std::size_t i = 0; i < 32; ++i) rising[i] = static_cast<std::uint8_t>(i);
    CHECK(crc32c(zeros) == 0x8a9136aau);
    CHECK(crc32c(rising) == 0x46dd794eu);
    CHECK(crc32c(as_bytes("123456789")) == 0xe3069283u);
    CHECK(crc32c(as_bytes("56789"), crc32c(as_bytes("1234"))) == 0xe3069283u);
}

TEST_CASE("recorded messages agree with their sums and are written again byte for byte") {
    auto lines = lines_of("server-heads.txt");
    CHECK(lines.size() == 35);
    for (const auto& line : lines) {
        CAPTURE(line);
        FrameReader reader;
        ByteView in = as_bytes(line);
        REQUIRE(reader.next(in) == Got::head);
        CHECK(reader.raw() == line);
        CHECK(headsum_agrees(line));
        auto reply = parse_reply(reader.head());
        REQUIRE(reply);
        CHECK(encode(*reply) == line);
        if (auto at = line.find("posted\":\""); at != std::string::npos) {
            auto posted = line.substr(at + 9, 24);
            CHECK(format_posted(parse_posted(posted).value()) == posted);
        }
    }
}

TEST_CASE("a damaged header is told from a sound one") {
    std::string line;
    for (const auto& one : lines_of("server-heads.txt"))
        if (one.find("headsum") != std::string::npos) line = one;
    REQUIRE(headsum_agrees(line));
    std::size_t agreeing = 0;
    for (std::size_t i = 4; i < line.size(); ++i) {
        auto damaged = line;
        damaged[i] = static_cast<char>(damaged[i] ^ 1);
        agreeing += headsum_agrees(damaged);
    }
    CHECK(agreeing <= 10);  // only damage to the key's own name, which then is not there, goes unnoticed
    CHECK_FALSE(headsum_agrees(R"(0010{"headsum":})"));
    CHECK_FALSE(headsum_agrees(R"(0010{"headsum":-1,"op":1})"));
    CHECK_FALSE(headsum_agrees(R"(0010{"headsum":99999999999,"op":1})"));
}

TEST_CASE("what a client sends is read back as it was") {
    auto back = [](const Op& op) {
        auto text = encode(op);
        REQUIRE(text);
        auto head = Head::parse(std::string_view(*text).substr(4));
        REQUIRE(head);
        auto again = parse_op(*head);
        REQUIRE(again);
        CHECK(again->index() == op.index());
        CHECK(encode(*again) == *text);
        return *text;
    };
    CHECK(back(TmtpRev{}) == R"(0011{"id":"1","op":0})");
    back(Register{"phone", "_", "token"});
    CHECK(back(Login{"U", SecretBytes(as_bytes("N"))}) == R"(001d{"node":"N","op":2,"uid":"U"})");
    back(UserEdit{"i", "tablet", ""});
    back(OhiEdit{"i", "add", {{"U", Recipient::none}}});
    back(GroupInvite{"i", "g", "a", "b", 3});
    back(GroupEdit{"i", "drop", "g", "", "b"});
    back(Post{"i", {{"U", Recipient::uid}, {"G", Recipient::group}}, 5, 2, 77});
    back(PostNotify{Post{"i", {}, 5, 2, 77}, true, {{"U", Recipient::uid}}, 3, 1, 9});
    back(Ping{"i", "a<b>", "b", 0});
    back(Ack{"m", "ok"});
    back(Pulse{});
    back(Quit{});
    CHECK_FALSE(encode(Post{"i", std::vector<Recipient>(3000, {std::string(32, 'U'), 1}), 5, 0, {}}));
}

TEST_CASE("times are written with three decimals and read with fewer or more") {
    CHECK(format_posted(0) == "1970-01-01T00:00:00.000Z");
    CHECK(parse_posted("2026-11-21T19:25:05.920Z") == 1795289105920);
    CHECK(format_posted(1795289105920) == "2026-11-21T19:25:05.920Z");
    CHECK(parse_posted("2024-02-29T00:00:00Z") == 1709164800000);
    CHECK(parse_posted("2024-02-29T00:00:00.5Z") == 1709164800500);
    CHECK(parse_posted("2024-02-29T00:00:00.123456789Z") == 1709164800123);
    for (auto bad : {"", "Z", "2024-02-29", "2024-13-01T00:00:00Z", "2024-01-01T24:00:00Z",
                     "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+01:00", "2024-01-01T00:00:00.x0Z"})
        CHECK_FALSE(parse_posted(bad));
}
