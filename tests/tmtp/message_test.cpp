#include "tmtp/message.h"

#include <doctest/doctest.h>

#include "base/limits.h"
#include "memory_store.h"
#include "tmtp/backoff.h"

using namespace kith;
using namespace kith::tmtp;

namespace {

Message read(std::string_view head, std::string_view rest, std::uint64_t datalen = 0) {
    std::string data = std::string(head) + std::string(rest);
    return read_message(as_bytes(data), head.size(), datalen ? datalen : data.size());
}
std::string_view part(ByteView data, Span span) {
    return as_text(data.subspan(span.offset, span.size));
}

}  // namespace

TEST_CASE("a composed message is read back, part for part") {
    Bytes image(3000, 7);
    Draft draft;
    draft.alias = "Alice <a&b>";
    draft.subject = "Grüße";
    draft.body = "hello";
    draft.attachments = {{"a.png", image}, {"empty", {}}, {"n.txt", as_bytes("note")}};
    draft.cc = {{"Bob", "UB", "Alice", "UA", "2026-01-01T00:00:00Z", "fyi", true}};
    draft.recipients = {"UB", "UA", "UB"};
    auto post = compose(draft, "UA");
    REQUIRE(post);
    const auto& op = std::get<Post>(post->op);
    CHECK(op.recipients == std::vector<Recipient>{{"UA", 1}, {"UB", 1}});
    CHECK(op.datalen == post->data.size());

    auto message = read_message(post->data, op.datahead, post->data.size());
    CHECK(message.structured);
    draft.key = "0123";
    auto another = compose(draft, "UA");
    REQUIRE(another);
    CHECK(another->data != post->data);
    CHECK(read_message(another->data, std::get<Post>(another->op).datahead, another->data.size()).subject ==
          draft.subject);
    CHECK(message.threadid.empty());
    CHECK(message.alias == draft.alias);
    CHECK(message.subject == draft.subject);
    CHECK(part(post->data, message.body) == "hello");
    REQUIRE(message.attachments.size() == 3);
    CHECK(message.attachments[0].name == "u:a.png");
    CHECK(message.attachments[0].shown_name() == "a.png");
    CHECK(part(post->data, message.attachments[0].span) == as_text(image));
    CHECK(message.attachments[1].span.size == 0);
    CHECK(part(post->data, message.attachments[2].span) == "note");
    REQUIRE(message.cc.size() == 1);
    CHECK(message.cc[0].whouid == "UB");
    CHECK(message.cc[0].subscribe);
    CHECK(message.part_offsets() == std::vector<std::uint64_t>{message.body.offset,
                                                               message.attachments[0].span.offset,
                                                               message.attachments[2].span.offset});
}

TEST_CASE("either capitalisation of the inner head is read") {
    auto message =
        read(R"({"threadid":"t","alias":"x","subject":"s","attach":[{"name":"u:f","size":2}]})", "bodyAB");
    CHECK(message.threadid == "t");
    CHECK(message.body.size == 4);
    REQUIRE(message.attachments.size() == 1);
    auto sync = read(R"({"NodeSync":true})", "");
    CHECK(sync.nodesync);
}

TEST_CASE("what is not understood is body") {
    for (auto head : {"%%%", "[1]", "{\"subject\":", "{} {}"}) {
        auto message = read(head, "rest");
        CHECK_FALSE(message.structured);
        CHECK(message.body == Span{0, std::string_view(head).size() + 4});
    }
    Bytes data(10);
    CHECK(read_message(data, 11, 10).body == Span{0, 10});
    CHECK(read_message(data, 5, 4).body == Span{0, 4});
    CHECK(read_message({}, 0, 1000).body == Span{0, 1000});
    CHECK(read_message({}, limits::tmtp_datahead + 1, 1u << 30).body == Span{0, 1u << 30});
}

TEST_CASE("attachments whose sizes do not fit the data are left in the body") {
    for (auto sizes : {R"([{"name":"a","size":5}])", R"([{"name":"a","size":-1}])", R"([{"name":"a"}])",
                       R"([7])", R"([{"name":"a","size":2},{"name":"b","size":9007199254740991}])", R"("x")",
                       R"([{"name":3,"size":1}])"}) {
        CAPTURE(sizes);
        auto message = read(std::string(R"({"subject":"s","attach":)") + sizes + "}", "1234");
        CHECK(message.structured);
        CHECK(message.subject == "s");
        CHECK(message.attachments.empty());
        CHECK(message.body.size == 4);
    }
    std::string many = R"({"attach":[)";
    for (std::size_t i = 0; i <= limits::tmtp_attachments; ++i) many += R"({"name":"a","size":0},)";
    many.back() = ']';
    CHECK(read(many + "}", "").attachments.empty());
}

TEST_CASE("texts are cut between characters") {
    std::string subject;
    for (int i = 0; i < 3000; ++i) subject += "ü";
    auto message = read("{\"subject\":\"x" + subject + "\"}", "");
    CHECK(message.subject.size() == limits::tmtp_text - 1);
}

TEST_CASE("a message over the limits is refused with what to do") {
    Draft draft;
    draft.recipients.assign(limits::tmtp_recipients, "U");
    CHECK_FALSE(compose(draft, "ME"));
    draft.recipients.clear();
    draft.subject.assign(limits::tmtp_text + 1, 's');
    CHECK_FALSE(compose(draft, "ME"));
    draft.subject.clear();
    Bytes half(limits::tmtp_post_bytes / 2);
    draft.attachments = {{"a", half}, {"b", half}};
    auto refused = compose(draft, "ME");
    REQUIRE_FALSE(refused);
    CHECK_FALSE(refused.error().hint.empty());
}

TEST_CASE("waits double up to the longest, and are never the same for all") {
    SeededRandom random;
    Backoff backoff(1000, 60000);
    std::int64_t whole = 1000;
    for (int i = 0; i < 20; ++i) {
        auto wait = backoff.next(random);
        CHECK(wait >= whole / 2);
        CHECK(wait <= whole);
        whole = std::min<std::int64_t>(60000, whole * 2);
    }
    backoff.reset();
    CHECK(backoff.next(random) <= 1000);
}
