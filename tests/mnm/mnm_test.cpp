// The reference client's files, taken apart. The forms are those of a store that it left; values are made up.
#include <doctest/doctest.h>

#include "base/limits.h"
#include "mnm/account.h"
#include "mnm/form.h"
#include "mnm/names.h"
#include "mnm/thread.h"
#include "tmtp/frame.h"

using namespace kith;
using namespace kith::mnm;

namespace {

const std::string head =
    R"({"Id":"18ea2656be0f5ab4","Size":5,"Posted":"2026-11-21T19:36:00.828Z",)"
    R"("From":"R33Z1%M6S7QMWTFNGLNPMRP8ZTS8H2Y%","SubHead":{"Alias":"Gold friend",)"
    R"("ThreadId":"18ea2656be0f5aaf","Subject":"a \u003c b","Attach":[{"Name":"u:x","Size":2},)"
    R"({"Name":"r:form","Size":3,"Ffn":"forms/one"}]}})";

std::string index_of(const std::string& entries) {
    return "[" + entries + "]";
}
std::string entry(const std::string& id, long offset, long size, const std::string& more = "") {
    return R"({"Id":")" + id + R"(","From":"x","Alias":"y","Date":"z","Subject":"","Seen":"")" + more +
           ",\"Offset\":" + std::to_string(offset) + ",\"Size\":" + std::to_string(size) + ",\"Checksum\":7}";
}

}  // namespace

TEST_CASE("the end of a thread names the sizes of its two lists") {
    auto tail = read_tail("000001960000ffce");
    REQUIRE(tail);
    CHECK(tail->index == 0x196);
    CHECK(tail->cc == 0xffce);
    for (const char* bad : {"", "00000196000001c", "00000196000001cex", "0000019600000g00"})
        CHECK_FALSE(read_tail(bad));
}

TEST_CASE("an index covers its thread's messages without a gap, or is damaged") {
    auto good = read_index(index_of(entry("a", 0, 10, R"(,"Tags":["Todo","t"],"ForwardBy":"u")") + "," +
                                    entry("b", 10, 20) + "," + entry("a_01a1ff9bb810", -1, 99)),
                           30);
    REQUIRE(good);
    CHECK(good->size() == 3);
    CHECK((*good)[0].tags == std::vector<std::string>{"Todo", "t"});
    CHECK((*good)[0].forward_by == "u");
    CHECK((*good)[1].offset == 10);
    CHECK((*good)[2].is_draft);
    CHECK(read_index("[]", 0));
    for (const auto& bad :
         {index_of(entry("a", 0, 10)), index_of(entry("a", 0, 10) + "," + entry("b", 9, 20)),
          index_of(entry("a", 0, 10) + "," + entry("b", 11, 19)), index_of(entry("a", 0, 31)),
          index_of(entry("a", -2, 30)), index_of(entry("", 0, 30)), index_of(entry("a", 0, -30)),
          index_of(entry("a", 0, 5) + "," + entry("b", 5, 25)), std::string("[1]"), std::string("{}"),
          std::string(""), index_of(entry("a", 0, 30)) + "}", std::string("[]")})
        CHECK_MESSAGE(!read_index(bad, 30), bad);
}

TEST_CASE("an answer becomes the delivery that it was, byte for byte") {
    auto read = read_message_head(head);
    REQUIRE(read);
    auto delivery = delivery_of(*read, {{"Blue", "u", "Blue", "u", read->posted, "", true}});
    CHECK(delivery.inner ==
          R"({"Alias":"Gold friend","ThreadId":"18ea2656be0f5aaf","Subject":"a \u003c b","Attach":)"
          R"([{"Name":"u:x","Size":2},{"Name":"r:form","Size":3,"Ffn":"forms/one"}]})");
    const auto raw = std::string(as_text(delivery.message.raw));
    CHECK(raw.substr(4).starts_with(
        R"({"datahead":156,"datalen":166,"from":"R33Z1%M6S7QMWTFNGLNPMRP8ZTS8H2Y%","headsum":)"));
    CHECK(raw.ends_with(R"("id":"18ea2656be0f5ab4","op":"delivery","posted":"2026-11-21T19:36:00.828Z"})"));
    CHECK(tmtp::headsum_agrees(raw));
    CHECK(delivery.message.posted_ms == 1795289760828);
}

TEST_CASE("a thread's first message has no thread yet, and names who was in it from its start") {
    auto read = read_message_head(head);
    REQUIRE(read);
    read->threadid = read->id;
    read->attached.clear();
    auto delivery = delivery_of(*read, {{"Blue", "u", "Gold", "v", read->posted, "<note>", true},
                                        {"Later", "w", "Gold", "v", "2027-01-01T00:00:00.000Z", "", true}});
    CHECK(
        delivery.inner ==
        R"({"Alias":"Gold friend","ThreadId":"","Subject":"a \u003c b","Cc":[{"Who":"Blue","By":"Gold",)"
        R"("WhoUid":"u","ByUid":"v","Date":"2026-11-21T19:36:00.828Z","Note":"\u003cnote\u003e","Subscribe":true}]})");
}

TEST_CASE("a header that says too little, or too much, is damaged") {
    auto with = [](std::string from, const std::string& to) {
        auto text = head;
        const auto at = text.find(from);
        REQUIRE(at != std::string::npos);
        return text.replace(at, from.size(), to);
    };
    CHECK(read_message_head(head));
    for (const auto& bad :
         {with("\"Id\":\"18ea2656be0f5ab4\"", "\"Id\":\"\""), with("\"Size\":5", "\"Size\":-1"),
          with("2026-11-21T19:36:00.828Z", "draft"), with("\"From\":", "\"Form\":"),
          with("SubHead", "Subhead2"), with("\"Size\":2", "\"Size\":-2"),
          with("\"Size\":2", "\"Size\":9007199254740992"), with("\"Name\":\"u:x\"", "\"Name\":7"),
          with("Gold friend", std::string(5000, 'x')), std::string()})
        CHECK_MESSAGE(!read_message_head(bad), bad);
}

TEST_CASE("a configuration gives the account, and an address as people write it") {
    const std::string text =
        R"({"Name":"Blue","Addr":"example.org:443","Verify":false,"Alias":"Blue owner","Uid":"U","Node":"N"})";
    auto config = read_config(text);
    REQUIRE(config);
    CHECK(config->address == "=example.org:443");
    CHECK(as_text(config->node.view()) == "N");
    auto verified = text;
    verified.replace(verified.find("false"), 5, "true");
    CHECK(read_config(verified)->address == "+example.org:443");
    auto marked = text;
    marked.replace(marked.find("example"), 0, "+");
    CHECK(read_config(marked)->address == "+example.org:443");
    for (const char* bad : {"", "[]", "{}", R"({"Addr":"a:1","Uid":""})", R"({"Addr":7,"Uid":"U"})",
                            R"({"Addr":"","Uid":"U"})"})
        CHECK_FALSE(read_config(bad));
}

TEST_CASE("an address book tells what was received, and whom one knows") {
    std::size_t skipped = 0;
    auto book = read_address_book(
        R"([{"Type":2,"Date":"2026-11-21T19:35:57Z","Uid":"me","MyAlias":"Blue owner"},
            {"Type":3,"Date":"2026-11-21T19:35:58Z","Alias":"Nobody yet","MyAlias":"Blue owner"},
            {"Type":4,"Date":"2026-11-21T19:35:58.325Z","Text":"hi & ho","Alias":"Gold friend","Uid":"G","MyAlias":"Blue owner","MsgId":"1a"},
            {"Type":8,"Date":"2026-11-21T19:35:59.000Z","Alias":"Red friend","Uid":"R","MyAlias":"Blue owner","MsgId":"1b","Gid":"group-one","Qid":"q"},
            {"Type":9,"Date":"2026-11-21T19:36:00.000Z","Gid":"group-one"},
            {"Type":6,"Date":"2026-11-21T19:36:01.000Z","Alias":"Gold friend","Uid":"G2"},
            {"Type":4,"Date":"never","Alias":"x","Uid":"y","MyAlias":"z","MsgId":"1c"}])",
        skipped);
    REQUIRE(book);
    CHECK(skipped == 1);
    REQUIRE(book->received.size() == 2);
    const auto ping = std::string(as_text(book->received[0].raw));
    CHECK(ping.find(R"({"alias":"Gold friend","datalen":7,"from":"G","headsum":)") == 4);
    CHECK(ping.ends_with(
        R"("id":"1a","op":"ping","posted":"2026-11-21T19:35:58.325Z","to":"Blue owner"}hi & ho)"));
    CHECK(as_text(book->received[1].raw).find("\"gid\":\"group-one\"") != std::string_view::npos);
    REQUIRE(book->contacts.size() == 3);
    CHECK(book->contacts[0].alias == "Gold friend");
    CHECK(book->contacts[0].uid == "G2");
    CHECK(book->contacts[2].alias == "group-one");
    CHECK(book->contacts[2].uid.empty());
    CHECK_FALSE(read_address_book("{}", skipped));
    CHECK_FALSE(read_address_book("[7]", skipped));
}

TEST_CASE("tags keep their case") {
    auto tags = read_tags(R"({"Flag":"2026-11-21T19:36:01Z","on draft":"2"})");
    REQUIRE(tags);
    CHECK(tags->at("2026-11-21T19:36:01Z") == "Flag");
    CHECK(tags->at("2") == "on draft");
    for (const char* bad : {"", "[]", R"({"a":1})", R"({"a":{"b":"c"}})", R"({"a":["b"]})", R"("a")"})
        CHECK_FALSE(read_tags(bad));
}

TEST_CASE("a filled form is what was sent, when its checksum says so") {
    auto row = [](const std::string& start, const std::string& name, std::size_t size) {
        auto text = start + R"(,"$threadid":"t","$msgid":"m","$name":")" + name +
                    R"(","$offset":3,"$size":)" + std::to_string(size);
        return text + ",\"$checksum\":" + std::to_string(tmtp::crc32c(as_bytes(text + "}"))) + "}";
    };
    const std::string form = R"({"a":"}{\"$msgid\":\"m\"","b":{"$msgid":"m","$name":"r:two"}})";
    auto text = "[\n\n" + row(form.substr(0, form.size() - 1), "r:one", form.size()) + ",\n\n" +
                row(R"({"$text":"not {json\n")", "r:text", 10) + ",\n\n" +
                row(R"({"$empty":true)", "r:none", 2) + ",\n\n" + row(R"({"a":1)", "r:size", 8) + "]";
    const FormTable table{std::string(text)};
    CHECK(table.filled("m", "r:one") == form);
    CHECK(table.filled("m", "r:text") == "not {json\n");
    CHECK(table.filled("m", "r:none") == "{}");
    CHECK_FALSE(table.filled("m", "r:size"));
    CHECK_FALSE(table.filled("m", "r:two"));
    CHECK_FALSE(table.filled("n", "r:one"));
    text.replace(text.find("\"a\":1"), 5, "\"a\":2");
    CHECK_FALSE(FormTable{std::string(text)}.filled("m", "r:size"));
    CHECK_FALSE(FormTable{text.substr(0, 60)}.filled("m", "r:one"));
}

TEST_CASE("names of files stay in their folder") {
    CHECK(escape("u:a b/c.txt") == "u%3Aa+b%2Fc.txt");
    CHECK(escape("..") == "%2E.");
    CHECK(escape("\xc3\xbc~_-") == "%C3%BC~_-");
    CHECK(is_thread_name("18ea2656be0f5aaf"));
    CHECK_FALSE(is_thread_name("18ea2656be0f5aaF"));
    CHECK_FALSE(is_thread_name("18ea2656be0f5aaf_01a1ff9bb810"));
    CHECK(is_draft_name("18ea2656be0f5aaf_01a1ff9bb810"));
    CHECK(is_draft_name("_01a1ff9bb811"));
    CHECK_FALSE(is_draft_name("18ea2656be0f5aaf_forward"));
}
