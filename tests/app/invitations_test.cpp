// Contacts whose identity is known, and what devices know of each other's cards: records that add up.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "app/acquaintances.h"
#include "app/card_records.h"
#include "app/contacts.h"
#include "app/inbox.h"
#include "app/labels.h"
#include "history/signed_record.h"
#include "home.h"
#include "roster/roster.h"

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

// Another device of the person: what it signs comes over the peer link.
struct Phone {
    explicit Phone(Person& whose)
        : person(whose),
          device_key(crypto::random_secret(whose.random)),
          act_key(crypto::random_secret(whose.random)),
          request(
              must(roster::make_request(whose.profile.person(), "phone", device_key, act_key,
                                        crypto::LinkKey::generate(whose.random).public_key, whose.random))) {
        auto& profile = person.profile;
        const auto act = must(profile.act_key({}));
        must(profile.add_own_entry(
            must(roster::make_add(profile.roster(), profile.device(), act, request, 1000)), 1000));
    }
    void bar() {
        auto& profile = person.profile;
        const auto act = must(profile.act_key({}));
        must(profile.add_own_entry(
            must(roster::make_bar(profile.roster(), profile.device(), act, request.id(), false, 2000)),
            2000));
    }
    void says(std::string_view kind, const AccountId& account, std::uint64_t time, nlohmann::json fields) {
        const auto text = fields.dump();
        const auto record = new_record(history::make_signed(kind, account, time, request.id(), device_key,
                                                            text.substr(1, text.size() - 2)));
        must(person.profile.history().add({&record, 1}).map([](const auto&) {}));
    }
    void knows(const std::string& uid, std::uint8_t who, Trust trust, std::uint64_t time,
               std::optional<std::uint8_t> offered = {}) {
        const auto identity = Person::identity(who);
        nlohmann::json fields{{"alias", "alias of " + uid},
                              {"uid", uid},
                              {"recovery", identity.recovery.hex()},
                              {"identity", identity.key.hex()},
                              {"trust", trust_name(trust)}};
        if (offered) {
            fields["offered_recovery"] = Person::identity(*offered).recovery.hex();
            fields["offered_identity"] = Person::identity(*offered).key.hex();
        }
        says(history::kind::contact, person.account.id, time, std::move(fields));
    }
    Person& person;
    crypto::SignKey device_key, act_key;
    roster::SignedRequest request;
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

TEST_CASE("a live code leaves what is changed as it is, but for the contact that is named") {
    Person person;
    const NamedContact seven{person.account.id, "7"};
    person.meet("7", 1);
    person.meet("7", 3);
    REQUIRE(person.known("7").trust == Trust::changed);
    // The one who was known before is here; somebody else has the account all the same.
    CHECK(must(verify(person.profile, Person::identity(1), {}, {})).empty());
    CHECK(person.known("7").trust == Trust::changed);
    CHECK(person.known("7").offered == Person::identity(3));
    // Nor does an answer by who was known, given face to face.
    must(befriend(person.profile, person.account.id, {"7", "alias of 7"}, Person::identity(1),
                  Trust::verified, {}));
    CHECK(person.known("7").trust == Trust::changed);
    CHECK(must(verify(person.profile, Person::identity(1), seven, {})).size() == 1);
    CHECK(person.known("7").trust == Trust::verified);
    CHECK_FALSE(person.known("7").offered);
    // What is settled does not come back by itself, but with the next letter.
    person.meet("7", 3);
    CHECK(person.known("7").trust == Trust::changed);
}

TEST_CASE("what one device found changed stays so, whatever another one wrote that had not heard of it") {
    Person person;
    Phone phone(person);
    person.meet("7", 1, 1000);
    phone.knows("7", 1, Trust::changed, 2000, 3);
    // Written without it, and newer.
    phone.knows("7", 1, Trust::verified, 9000);
    CHECK(person.known("7").trust == Trust::changed);
    CHECK(person.known("7").offered == Person::identity(3));
    const NamedContact seven{person.account.id, "7"};
    must(verify(person.profile, Person::identity(3), seven, {}));
    CHECK(person.known("7").trust == Trust::verified);
    CHECK(person.known("7").identity == Person::identity(3));
    SUBCASE("removed, it is settled too") {
        person.meet("7", 4);
        must(remove_acquaintance(person.profile, person.account.id, {"7", "alias of 7"}, {}));
        person.meet("7", 3);
        CHECK(person.known("7").trust == Trust::introduced);
    }
}

TEST_CASE("what a device wrote before it was barred is neither lost nor trusted") {
    Person person;
    Phone phone(person);
    phone.knows("7", 1, Trust::verified, 1000);
    phone.knows("8", 1, Trust::introduced, 1000);
    phone.knows("8", 1, Trust::changed, 2000, 2);
    person.meet("9", 1, 1000);
    phone.knows("9", 1, Trust::changed, 2000, 2);
    person.meet("10", 1, 1000);
    phone.knows("10", 5, Trust::verified, 2000);
    person.meet("11", 1, 1000);
    phone.knows("11", 1, Trust::removed, 2000);
    CHECK(person.known("7").trust == Trust::verified);
    CHECK(person.known("10").identity == Person::identity(5));
    phone.bar();
    CHECK(person.known("7").trust == Trust::introduced);
    CHECK(person.known("8").trust == Trust::changed);
    CHECK(person.known("9").trust == Trust::changed);
    // It replaces nothing that a device which is active has said.
    CHECK(person.known("10").identity == Person::identity(1));
    CHECK(person.known("10").trust == Trust::introduced);
    CHECK(person.known("11").trust == Trust::removed);
    CHECK(must(contacts(person.profile)).size() == 4);
    // Another identity is never silently accepted.
    for (const auto* uid : {"7", "11"}) {
        CHECK(must(known_identity(person.profile, person.account.id, uid)) == Person::identity(1));
        person.meet(uid, 6, 3000);
        CHECK(person.known(uid).trust == Trust::changed);
        CHECK(person.known(uid).identity == Person::identity(1));
    }
}

TEST_CASE("with the next letter a contact is the word of a device that is active") {
    Person person;
    Phone phone(person);
    phone.knows("7", 1, Trust::introduced, 1000);
    phone.bar();
    CHECK(person.known("7").doubtful);
    person.meet("7", 1, 500);
    CHECK_FALSE(person.known("7").doubtful);
    CHECK(person.known("7").trust == Trust::introduced);
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

TEST_CASE("a withdrawal counts whoever of the person's devices made it, and whenever that was barred") {
    Person person;
    Phone phone(person);
    CardRecord card;
    card.card.bytes[0] = 5;
    card.services = {"=a:1"};
    card.state = card_state::open;
    must(keep_card_record(person.profile, card, {1000, 1000}));
    phone.says(history::kind::card, {}, 2000,
               {{"card", card.card.hex()}, {"way", "given"}, {"state", card_state::withdrawn}});
    phone.bar();
    const auto list = must(card_records(person.profile));
    REQUIRE(list.size() == 1);
    CHECK(list[0].state == card_state::withdrawn);
    CHECK(list[0].ended);
    CHECK(list[0].device == person.profile.device());
}

TEST_CASE("a device that is out owns no card that one which is active has made, and says no more of it") {
    Person person;
    Phone phone(person);
    CardRecord card;
    card.card.bytes[0] = 5;
    card.services = {"=a:1"};
    card.state = card_state::open;
    must(keep_card_record(person.profile, card, {1000, 1000}));
    // Before it is barred: as if it were its own, and older; and as if it were used up.
    nlohmann::json fields{{"card", card.card.hex()},
                          {"way", "given"},
                          {"state", card_state::used_up},
                          {"services", {"=a:1"}},
                          {"expires", 1},
                          {"uses", 1},
                          {"used", 1},
                          {"group", ""},
                          {"note", ""}};
    phone.says(history::kind::card, {}, 0, fields);
    fields["card"] = std::string(32, 'a');
    phone.says(history::kind::card, {}, 0, fields);
    phone.bar();
    const auto list = must(card_records(person.profile));
    REQUIRE(list.size() == 2);
    const auto& own = list[0].card == card.card ? list[0] : list[1];
    const auto& other = list[0].card == card.card ? list[1] : list[0];
    CHECK(own.state == card_state::open);
    CHECK_FALSE(own.out);
    CHECK(own.device == person.profile.device());
    // Its own card is out with it; nobody has withdrawn it, so that can still be said.
    CHECK(other.state == card_state::withdrawn);
    CHECK(other.out);
    CHECK_FALSE(other.ended);
}
