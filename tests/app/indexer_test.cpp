// The index of texts beside a real profile: what is indexed when, and what a search says meanwhile.
#include "app/indexer.h"

#include <doctest/doctest.h>

#include "app/inbox.h"
#include "base/limits.h"
#include "home.h"

using namespace kith;
using namespace kith::app;

namespace {

struct Person {
    Person() : home(make_home()), profile(home, random) {
        must(profile.found("device", {}, {}));
        wake();
    }
    ~Person() {
        indexer.reset();
        profile.lock();
        std::error_code ignored;
        std::filesystem::remove_all(home, ignored);
    }
    // A new indexer, as after a start of the daemon.
    void wake() {
        indexer.reset();
        indexer = std::make_unique<Indexer>(
            loop, profile, [this] { return busy; }, [this](const std::string& line) { log += line + "\n"; });
        indexer->wake();
    }
    store::NewRecord record_of(const std::string& mail) {
        history::ScannedMail whole{0, mail.size(), history::mail_boundaries(as_bytes(mail))};
        auto content = [&](std::uint64_t offset, std::span<std::uint8_t> into) -> Result<> {
            std::copy_n(mail.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
            return {};
        };
        return must(mail_record(as_bytes(mail), whole, content, profile.blobs()));
    }
    history::Key add(const std::string& mail) {
        auto record = record_of(mail);
        must(profile.history().add({&record, 1}));
        return record.stored.key;
    }
    static std::string mail(int number, const std::string& text) {
        return "From: ann@example.org\nSubject: number " + std::to_string(number) +
               "\nDate: Thu, 22 Aug 2002 12:" + std::to_string(10 + number / 60 % 50) + ":" +
               std::to_string(10 + number % 50) + " +0000\n\n" + text + "\n";
    }
    void add_many(int count, const std::string& text) {
        std::vector<store::NewRecord> records;
        for (int i = 0; i < count; ++i) records.push_back(record_of(mail(i, text + " " + std::to_string(i))));
        must(profile.history().add(records));
        indexer->wake();
    }
    bool complete() { return must(indexer->reach()).complete; }
    void complete_it() {
        indexer->wake();
        REQUIRE(loop.run_until([&] { return complete(); }, 60'000));
    }
    std::size_t found(std::string_view words) { return must(indexer->search(words, 1000)).size(); }
    store::Database& db() { return profile.db(); }

    crypto::SystemRandom random;
    net::Loop loop;
    std::filesystem::path home;
    Profile profile;
    bool busy = false;
    std::string log;
    std::unique_ptr<Indexer> indexer;
};

constexpr int many = static_cast<int>(limits::search_follow) + 500;

}  // namespace

TEST_CASE("nothing is indexed while a transfer runs, and a search says so") {
    Person person;
    person.busy = true;
    person.add_many(many, "heron");
    auto passed = person.loop.after(1000, [] {});
    REQUIRE(person.loop.run_until([&] { return !passed.armed(); }, 60'000));
    CHECK(person.found("heron") == 0);
    auto reach = must(person.indexer->reach());
    CHECK_FALSE(reach.complete);
    CHECK_FALSE(reach.back_to_ms);
    CHECK(reach.indexed == 0);
    CHECK(reach.of == static_cast<std::uint64_t>(many));
    person.busy = false;
    person.complete_it();
    CHECK(person.found("heron 7") == 1);
    CHECK(must(person.indexer->reach()).indexed == static_cast<std::uint64_t>(many));
}

TEST_CASE("the newest are found first, and what is said of the reach holds") {
    Person person;
    person.add_many(many, "heron");
    const auto all = must(person.profile.history().list(many));
    bool partial = false;
    REQUIRE(person.loop.run_until(
        [&] {
            auto reach = must(person.indexer->reach());
            auto hits = must(person.indexer->search("heron", many));
            if (reach.back_to_ms)
                for (std::size_t i = 0; i < all.size() && all[i].key.time_ms > *reach.back_to_ms; ++i)
                    REQUIRE(hits.at(i).key.time_ms == all[i].key.time_ms);
            partial = partial || (!reach.complete && reach.back_to_ms);
            return reach.complete;
        },
        60'000));
    CHECK(partial);
    CHECK(person.found("number 3") == 1);
}

TEST_CASE("a few that just arrived are found at once, even while others are busy") {
    Person person;
    person.add_many(many, "heron");
    person.complete_it();
    person.busy = true;
    person.add(person.mail(1, "an egret"));
    CHECK(person.found("egret") == 1);
    CHECK(person.complete());
    person.busy = false;
    person.add_many(many, "egret");
    CHECK_FALSE(person.complete());
    person.add(person.mail(2, "a bittern"));
    person.complete_it();
    CHECK(person.found("bittern") == 1);
    CHECK(person.found("egret 77") == 1);
}

TEST_CASE("a restart in the middle goes on from there") {
    Person person;
    person.add_many(many, "heron");
    REQUIRE(person.loop.run_until([&] { return must(person.indexer->reach()).indexed > 300; }, 60'000));
    CHECK_FALSE(person.complete());
    const auto before = must(person.indexer->reach()).indexed;
    person.wake();
    CHECK(must(person.indexer->reach()).indexed >= before);
    person.complete_it();
    CHECK(person.found("heron 9") == 1);
}

TEST_CASE("what is no longer shown is not found, and what is removed stays so") {
    Person person;
    auto erased = person.add(person.mail(1, "a grebe"));
    auto hidden = person.add(person.mail(2, "a hidden grebe"));
    person.add(person.mail(3, "another grebe"));
    person.complete_it();
    CHECK(person.found("grebe") == 3);
    must(person.db().run("UPDATE record SET flags = flags & ~1 WHERE time_ms = ?", hidden.time_ms));
    CHECK(person.found("grebe") == 2);
    must(must(person.profile.search())->remove(erased));
    must(person.db().run("UPDATE record SET flags = flags | 32 WHERE time_ms = ?", erased.time_ms));
    CHECK(person.found("grebe") == 1);
    person.wake();
    person.complete_it();
    CHECK(person.found("grebe") == 1);
}

TEST_CASE("a record whose bytes come later is found then") {
    Person person;
    auto late = person.add(person.mail(1, "a late avocet"));
    must(person.db().run("UPDATE record SET flags = flags | 16"));
    person.complete_it();
    CHECK(person.found("avocet") == 0);
    // As the store does it: the row is updated in place and arrives anew.
    must(person.db().run("UPDATE record SET flags = flags & ~16, seq = seq + 1 WHERE time_ms = ?",
                         late.time_ms));
    person.complete_it();
    CHECK(person.found("avocet") == 1);
}

TEST_CASE("a text whose blob comes later is found in part at first, and then as a whole") {
    Person person;
    std::string words;
    while (words.size() < 2 * limits::inline_part) words += "filler words\n";
    person.add(person.mail(1, words + "a ruddy turnstone"));
    must(person.db().run("UPDATE blob SET state = 0"));
    person.complete_it();
    CHECK(person.found("turnstone") == 0);
    CHECK(person.found("ann@example.org") == 1);
    must(person.db().run("UPDATE blob SET state = 2"));
    person.indexer->wake();
    REQUIRE(person.loop.run_until([&] { return person.found("turnstone") == 1; }, 60'000));
    CHECK(person.found("ann@example.org") == 1);
}

TEST_CASE("records that are no mails, and mails that nobody can read, do not hold it up") {
    Person person;
    person.add(person.mail(1, "before"));
    must(person.db().run("UPDATE record SET body = zeroblob(50), flags = 1"));
    history::Record odd{"odd-kind", {}, 5, {}};
    odd.parts.push_back({false, to_bytes(std::string_view("stilt")), {}, 5});
    auto record = new_record(std::move(odd));
    must(person.profile.history().add({&record, 1}));
    person.add(person.mail(2, "a stilt"));
    person.complete_it();
    CHECK(person.found("stilt") == 1);
    CHECK(person.found("before") == 0);
    CHECK(person.log.empty());
}

TEST_CASE("an index that is ahead of its history is made anew") {
    Person person;
    person.add_many(20, "heron");
    person.complete_it();
    must(person.db().run("DELETE FROM record WHERE seq > 5"));
    person.add(person.mail(900, "a smew"));
    person.complete_it();
    CHECK(person.found("smew") == 1);
    CHECK(person.found("heron") == 5);
}
