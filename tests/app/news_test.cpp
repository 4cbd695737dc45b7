// News of the roster by a Post: who can read it, and what a service could do with it.
#include <doctest/doctest.h>

#include "app/roster_news.h"
#include "app/trust_limits.h"
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
    auto made = make_roster_news(person.log, readers, "UID", person.random);
    REQUIRE(made);
    REQUIRE(made->size() == 1);
    auto* const news = &made->front();
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

TEST_CASE("news of a roster that a thief has made long comes in parts, of which none is too long") {
    REQUIRE(crypto::start());
    roster::test::Person person(12);
    const auto one = person.first("one"), two = person.device("two"), lost = person.device("lost");
    person.add(one, two);
    person.add(one, lost);
    // Whatever he signs: nobody is asked here whether it is placed.
    const auto begun = person.log.size();
    std::uint64_t counter = 1;
    for (std::size_t bytes = 0; bytes < 2 * limits::news_bytes; bytes += person.log.back().bytes.size()) {
        std::vector<EntryId> heads;
        for (std::size_t i = 0; i < limits::roster_heads; ++i)
            heads.push_back(crypto::random_id<EntryId>(person.random));
        std::sort(heads.begin(), heads.end());
        person.log.push_back(*roster::sign_entry(
            {person.id, lost.id(), counter++, heads, 0, roster::Rename{one.id(), "x"}}, lost.act_key));
    }
    const auto known =
        std::vector(person.log.begin(), person.log.begin() + static_cast<std::ptrdiff_t>(begun));
    person.log.push_back(person.bar(one, lost, known));
    const std::vector readers{two.link_key.public_key};
    const auto news = make_roster_news(person.log, readers, "UID", person.random);
    REQUIRE(news);
    CHECK(news->size() == 3);
    std::vector<roster::Entry> heard;
    for (const auto& part : *news) {
        CHECK(part.data.size() < limits::news_bytes + limits::news_head + 81 * limits::news_readers);
        const auto datahead = std::get<tmtp::Post>(part.op).datahead;
        CHECK_FALSE(open_roster_news(part.data, datahead, lost.link_key));
        const auto entries = open_roster_news(part.data, datahead, two.link_key);
        REQUIRE(entries);
        heard.insert(heard.end(), entries->begin(), entries->end());
    }
    CHECK(roster::pack_entries(heard) == roster::pack_entries(person.log));
    // The last of them says that he is out, to who has what it follows.
    const auto last =
        open_roster_news(news->back().data, std::get<tmtp::Post>(news->back().op).datahead, two.link_key);
    roster::Memory memory;
    const auto taken = roster::take(*roster::fold(person.id, known), known, *last, memory);
    REQUIRE(taken);
    CHECK(taken->state.find(lost.id())->state == roster::DeviceState::barred);
}
