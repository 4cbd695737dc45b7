// Marks, tags and contacts: records that add up, whoever of the person's devices made them.
#include "app/labels.h"

#include <doctest/doctest.h>

#include "app/contacts.h"
#include "app/inbox.h"
#include "app/limits.h"
#include "history/signed_record.h"
#include "home.h"

using namespace kith;
using namespace kith::app;

namespace {

struct Person {
    Person() : home(make_home()), profile(home, random) {
        must(profile.found("device", {}, {}));
        account.bytes[0] = 1;
    }
    ~Person() {
        profile.lock();
        std::error_code ignored;
        std::filesystem::remove_all(home, ignored);
    }
    std::uint64_t add(const std::vector<store::NewRecord>& records) {
        return must(profile.history().add(records)).added;
    }
    std::filesystem::path home;
    crypto::SystemRandom random;
    Profile profile;
    AccountId account, other;
};

}  // namespace

TEST_CASE("a message was read when it was read first, and has the tags that any device gave it") {
    Person person;
    auto& profile = person.profile;
    const std::vector<Seen> late{{"1a", 5000}, {"1b", 7000}}, early{{"1a", 3000}};
    person.add(mark_records(profile, person.account, late));
    person.add(mark_records(profile, person.account, early));
    person.add(mark_records(profile, person.other, std::vector<Seen>{{"1a", 1}}));
    person.add(tag_records(profile, person.account, std::vector<Tagged>{{"1a", {"todo", "x"}, 1}}));
    person.add(
        tag_records(profile, person.account, std::vector<Tagged>{{"1a", {"x", "y"}, 2}, {"1b", {"z"}, 2}}));
    auto labels = must(labels_of(profile, person.account, "1a"));
    CHECK(labels.seen_ms == 3000);
    CHECK(labels.tags == std::set<std::string>{"todo", "x", "y"});
    CHECK(must(labels_of(profile, person.account, "1b")).seen_ms == 7000);
    CHECK_FALSE(must(labels_of(profile, person.account, "1")).seen_ms);
}

TEST_CASE("the same labels make the same records, as many as fit one each") {
    Person person;
    std::vector<Seen> seen;
    for (std::uint64_t i = 0; i < 2 * limits::labels + 1; ++i) seen.push_back({std::to_string(i), i + 1});
    CHECK(person.add(mark_records(person.profile, person.account, seen)) == 3);
    CHECK(person.add(mark_records(person.profile, person.account, seen)) == 0);
    CHECK(must(labels_of(person.profile, person.account, std::to_string(2 * limits::labels))).seen_ms ==
          2 * limits::labels + 1);
    std::vector<Tagged> tagged(
        4, {"m", std::vector<std::string>(limits::tags, std::string(limits::tag_bytes, 't')), 1});
    for (std::size_t i = 0; i < tagged.size(); ++i) tagged[i].msgid = std::to_string(i);
    CHECK(tag_records(person.profile, person.account, tagged).size() == 2);
}

TEST_CASE("what no device of the person has signed says nothing") {
    Person person;
    const crypto::SignKey stranger(crypto::random_secret(person.random));
    for (const char* kind : {"mark", "tag", "contact"}) {
        auto record = history::make_signed(
            kind, person.account, 1, person.profile.device(), stranger,
            R"("seen":[{"msgid":"1a","time":1}],"tagged":[{"msgid":"1a","names":["x"]}],"alias":"Gold","uid":"G")");
        CHECK(person.add({new_record(std::move(record))}) == 1);
    }
    auto labels = must(labels_of(person.profile, person.account, "1a"));
    CHECK_FALSE(labels.seen_ms);
    CHECK(labels.tags.empty());
    CHECK(must(noted_contacts(person.profile, person.account)).empty());
}

TEST_CASE("a contact from an address book can be written to, and an alias of two people names nobody") {
    Person person;
    store::Account account;
    account.id = person.account;
    account.address = account.identity = "=host:1";
    account.uid = "OWN";
    account.alias = "the-owner";
    must(person.profile.store().put_account(account));
    person.add({contact_record(person.profile, person.account, "Gold", "G", 5),
                contact_record(person.profile, person.account, "a-group", "", 5),
                contact_record(person.profile, person.account, "the-owner", "OWN", 5)});
    CHECK(must(find_uid(person.profile, account, "Gold")) == "G");
    CHECK(find_uid(person.profile, account, "a-group").error().kind == Fault::not_found);
    auto listed = must(contacts(person.profile));
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].uid == "G");
    person.add({contact_record(person.profile, person.account, "Gold", "G2", 6)});
    CHECK(find_uid(person.profile, account, "Gold").error().kind == Fault::refused);
}
