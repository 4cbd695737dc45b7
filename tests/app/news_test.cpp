// News of the roster by a Post: who can read it, and what a service could do with it.
#include <doctest/doctest.h>

#include "app/roster_news.h"
#include "roster/people.h"

using namespace kith;
using namespace kith::app;

TEST_CASE("news of the roster is for the devices that it names, and keeps to what was signed") {
    REQUIRE(crypto::start());
    roster::test::Person person(11);
    const auto one = person.first("one"), two = person.device("two"), lost = person.device("lost");
    person.add(one, two);
    person.add(one, lost);
    person.bar(one, lost);
    const std::vector readers{one.link_key.public_key, two.link_key.public_key};
    auto news = make_roster_news(person.log, readers, "UID", person.random);
    REQUIRE(news);
    const auto& post = std::get<tmtp::Post>(news->op);
    CHECK(post.recipients == std::vector<tmtp::Recipient>{{"UID", tmtp::Recipient::uid}});
    CHECK(is_roster_news(news->data, post.datahead));
    // Other clients can show it as a message.
    const auto message = tmtp::read_message(news->data, post.datahead, news->data.size());
    CHECK(message.structured);
    CHECK(message.subject.find("your own devices") != std::string::npos);
    for (const auto* reader : {&one, &two}) {
        auto entries = open_roster_news(news->data, post.datahead, reader->link_key);
        REQUIRE(entries);
        CHECK(roster::pack_entries(*entries) == roster::pack_entries(person.log));
    }
    CHECK_FALSE(open_roster_news(news->data, post.datahead, lost.link_key));
    for (const auto& entry : person.log) {
        const auto text = as_text(entry.bytes);
        CHECK(as_text(news->data).find(text.substr(0, 60)) == std::string_view::npos);
    }
    SUBCASE("every change of a byte that matters is noticed") {
        for (std::size_t at = post.datahead; at < news->data.size(); at += 7) {
            auto changed = news->data;
            changed[at] ^= 4;
            auto entries = open_roster_news(changed, post.datahead, two.link_key);
            // One of the first reader's box is nothing to the second.
            const bool others_box = at >= post.datahead + 2 && at < post.datahead + 2 + 80;
            CHECK(entries.has_value() == others_box);
        }
    }
    SUBCASE("whatever is cut off") {
        for (std::size_t size = 0; size < news->data.size(); size += 11)
            CHECK_FALSE(open_roster_news(ByteView(news->data).first(size), post.datahead, two.link_key));
    }
    SUBCASE("a post of somebody's own is no news") {
        CHECK_FALSE(is_roster_news(as_bytes("hello"), 0));
        CHECK_FALSE(is_roster_news(as_bytes("{\"Subject\":\"KithRoster\"}hello"), 24));
        CHECK_FALSE(is_roster_news(news->data, news->data.size() + 1));
    }
}
