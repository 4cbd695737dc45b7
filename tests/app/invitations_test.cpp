// Contacts whose identity is known, and what devices know of each other's cards: records that add up.
#include <doctest/doctest.h>

#include "app/acquaintances.h"
#include "app/card_records.h"
#include "app/contacts.h"
#include "app/inbox.h"
#include "app/labels.h"
#include "home.h"

using namespace kith;
using namespace kith::app;

namespace {

struct Person {
    Person() : home(make_home()), profile(home, random) {
        must(profile.found("device", {}, {}));
        account.id.bytes[0] = 1;
        account.address = account.identity = "=a:1";
        account.alias = "the owner";
        account.uid = "1";
        must(profile.store().put_account(account));
    }
    ~Person() {
        profile.lock();
        std::error_code ignored;
        std::filesystem::remove_all(home, ignored);
    }
    void meet(const std::string& uid, std::uint8_t who, std::int64_t when = 1000) {
        must(befriend(profile, account.id, {uid, "alias of " + uid}, identity(who), Trust::introduced,
                      {when, when}));
    }
    Acquaintance known(const std::string& uid) { return must(acquaintances(profile, account.id)).at(uid); }
    static roster::Identity identity(std::uint8_t who) {
        roster::Identity made;
        made.key.bytes[0] = made.recovery.bytes[0] = who;
        return made;
    }
    std::filesystem::path home;
    crypto::SystemRandom random;
    Profile profile;
    store::Account account;
};

}  // namespace

TEST_CASE("the identity of a person is one that its genesis holds, and is there again after opening") {
    Person person;
    const auto identity = person.profile.identity();
    REQUIRE(identity);
    CHECK(identity->person() == person.profile.person());
    CHECK(person.profile.identity_key().public_key() == identity->key);
    crypto::SystemRandom random;
    CHECK(person.profile.put_identity(crypto::random_secret(random)).error().kind == Fault::protocol);
    person.profile.lock();
    CHECK_FALSE(person.profile.identity());
    must(person.profile.load());
    CHECK(person.profile.identity() == identity);
}

TEST_CASE("a contact with another identity is changed, and keeps who was known") {
    Person person;
    person.meet("7", 1);
    CHECK(person.known("7").trust == Trust::introduced);
    person.meet("7", 1, 2000);
    CHECK(person.known("7").time_ms == 1000);
    // A clock that was set back in between does not bring back what was before.
    person.meet("7", 2, 500);
    CHECK(person.known("7").trust == Trust::changed);
    CHECK(person.known("7").identity == Person::identity(1));
    CHECK(person.known("7").offered == Person::identity(2));
    person.meet("7", 1, 3000);
    CHECK(person.known("7").trust == Trust::changed);
    CHECK(must(known_identity(person.profile, person.account.id, "7")) == Person::identity(1));
    const auto list = must(contacts(person.profile));
    REQUIRE(list.size() == 1);
    CHECK(list[0].trust == Trust::changed);

    // The owner decides: removed, the account may become a contact as whoever it is now.
    must(remove_acquaintance(person.profile, person.account.id, {"7", "alias of 7"}, {}));
    CHECK(must(contacts(person.profile)).empty());
    CHECK_FALSE(must(known_identity(person.profile, person.account.id, "7")));
    person.meet("7", 2, 100);
    CHECK(person.known("7").trust == Trust::introduced);
    CHECK(person.known("7").identity == Person::identity(2));
    CHECK_FALSE(person.known("7").offered);
}

TEST_CASE("a live code verifies who is known under that identity, and nobody else") {
    Person person;
    person.meet("7", 1);
    person.meet("8", 2);
    auto verified = must(verify(person.profile, Person::identity(1), {}, {}));
    REQUIRE(verified.size() == 1);
    CHECK(verified[0].second.uid == "7");
    CHECK(person.known("7").trust == Trust::verified);
    CHECK(person.known("8").trust == Trust::introduced);
    // Another invitation of the same person takes nothing from it.
    person.meet("7", 1, 5000);
    CHECK(person.known("7").trust == Trust::verified);
    const NamedContact seven{person.account.id, "7"};
    CHECK(verify(person.profile, Person::identity(2), seven, {}).error().kind == Fault::refused);
    // Somebody comes in its place, and it is he whom the owner meets, and means.
    person.meet("7", 3);
    CHECK(must(verify(person.profile, Person::identity(3), {}, {})).empty());
    CHECK(person.known("7").trust == Trust::changed);
    CHECK(must(verify(person.profile, Person::identity(3), seven, {})).size() == 1);
    CHECK(person.known("7").identity == Person::identity(3));
    CHECK(person.known("7").trust == Trust::verified);
}

TEST_CASE("who was met at the service alone can be removed too") {
    Person person;
    const auto noted = contact_record(person.profile, person.account.id, "some name", "9", 5);
    must(person.profile.history().add({&noted, 1}));
    CHECK(must(contacts(person.profile)).size() == 1);
    CHECK_FALSE(must(contacts(person.profile))[0].trust);
    must(remove_acquaintance(person.profile, person.account.id, {"9", "some name"}, {}));
    CHECK(must(contacts(person.profile)).empty());
}

TEST_CASE("records of a card add up, in whatever order they come") {
    Person person;
    CardRecord card;
    card.card.bytes[0] = 5;
    card.services = {"=a:1", "+b:2"};
    card.expires_ms = 9000;
    card.uses = 3;
    card.note = "a note";
    auto put = [&](std::string_view state, std::uint64_t used, std::int64_t when) {
        card.state = state;
        card.used = used;
        must(keep_card_record(person.profile, card, {when, when}));
    };
    // Newer by a wrong clock.
    put(card_state::open, 0, 5000);
    put(card_state::open, 2, 100);
    auto list = must(card_records(person.profile));
    REQUIRE(list.size() == 1);
    CHECK(list[0].state == card_state::open);
    CHECK(list[0].used == 2);
    CHECK(list[0].services == card.services);
    CHECK(list[0].device == person.profile.device());
    put(card_state::used_up, 3, 200);
    CHECK(must(card_records(person.profile))[0].state == card_state::used_up);
    must(keep_withdrawal(person.profile, card.card, {1, 1}));
    list = must(card_records(person.profile, &card.card));
    REQUIRE(list.size() == 1);
    CHECK(list[0].state == card_state::withdrawn);
    CHECK(list[0].note == "a note");
    CHECK(list[0].used == 3);
    const invite::CardId other{};
    CHECK(must(card_records(person.profile, &other)).empty());
}
