// Accounts that moved to others, and the groups that an account is in.
#include <doctest/doctest.h>

#include "app/acquaintances.h"
#include "app/groups.h"
#include "app/inbox.h"
#include "app/labels.h"
#include "app/own_records.h"
#include "home.h"
#include "tmtp/replies.h"

using namespace kith;
using namespace kith::app;

namespace {

struct Person : FirstDevice {
    store::Account account(std::uint8_t number, const std::string& service = "=here:1") {
        store::Account made;
        made.id.bytes[0] = number;
        made.address = made.identity = service;
        made.alias = "alias-" + std::to_string(number);
        made.uid = "UID" + std::to_string(number);
        must(keep_account_record(profile, made, {0, ++now}));
        return made;
    }
    void move(const store::Account& from, const store::Account& to) {
        must(keep_account_moved(profile, from, to.id, {0, ++now}));
    }
    // A message of the service about a group, stored as it comes in.
    void hears(const store::Account& account, const std::string& act, const std::string& from,
               const std::string& alias, const std::string& group, const std::string& newalias = {}) {
        tmtp::Queued queued;
        queued.kind = tmtp::Kind::member;
        queued.op = "member";
        queued.id = std::to_string(++now);
        queued.from = from;
        queued.posted = tmtp::format_posted(1'700'000'000'000 + now);
        queued.act = act;
        queued.alias = alias;
        queued.newalias = newalias;
        queued.gid = group;
        auto raw = to_bytes(tmtp::encode(queued));
        auto message = tmtp::to_delivered(std::move(queued));
        message.posted_ms = 1'700'000'000'000 + now;
        message.head_size = raw.size();
        message.raw = std::move(raw);
        auto record = must(message_record(message, account.id, profile.blobs()));
        must(profile.history().add({&record, 1}));
    }
    std::vector<std::string> groups(const store::Account& account) {
        std::vector<std::string> names;
        for (const auto& one : must(groups_of(profile, account)))
            names.push_back(one.group + " as " + one.alias);
        return names;
    }
    std::int64_t now = 0;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("an account moves to another one at its service, and never in a ring") {
    Person person;
    auto a = person.account(1), b = person.account(2), c = person.account(3),
         far = person.account(4, "=far:1");
    person.move(a, b);
    using Moves = std::map<AccountId, AccountMove>;
    CHECK(must(account_moves(person.profile)) == Moves{{a.id, {b.id, true}}});
    person.move(b, c);
    person.move(c, a);
    person.move(c, c);
    person.move(c, far);
    store::Account unknown;
    unknown.id.bytes[0] = 9;
    person.move(c, unknown);
    CHECK(must(account_moves(person.profile)) == Moves{{a.id, {b.id, true}}, {b.id, {c.id, true}}});
    person.move(a, c);
    CHECK(must(account_moves(person.profile)) == Moves{{a.id, {c.id, true}}, {b.id, {c.id, true}}});
    // What is said of the account later does not bring it back.
    must(keep_account_record(person.profile, a, {0, ++person.now}));
    CHECK(must(account_moves(person.profile)).size() == 2);
}

TEST_CASE("an account is in the groups that it joined or made, until it is dropped by the name that it has") {
    Person person;
    auto own = person.account(1), other = person.account(2);
    CHECK(person.groups(own).empty());
    person.hears(own, "join", "UID1", "alias-1", "hikers");
    person.hears(own, "invite", "UID1", "Bobby", "made by me");
    person.hears(own, "invite", "BOBBY", "alias-1", "only invited");
    person.hears(own, "join", "BOBBY", "Bobby", "only invited");
    CHECK(person.groups(own) == Names{"hikers as alias-1", "made by me as alias-1"});
    CHECK(person.groups(other).empty());
    person.hears(own, "alias", "UID1", "alias-1", "hikers", "another");
    person.hears(own, "drop", "BOBBY", "alias-1", "hikers");
    person.hears(own, "drop", "UID1", "Bobby", "made by me");
    CHECK(person.groups(own) == Names{"hikers as another", "made by me as alias-1"});
    person.hears(own, "drop", "BOBBY", "another", "hikers");
    CHECK(person.groups(own) == Names{"made by me as alias-1"});
    person.hears(own, "join", "UID1", "alias-1", "hikers");
    CHECK(person.groups(own).size() == 2);
    // What another client's address book told.
    auto noted = contact_record(person.profile, own.id, "noted", "", 1);
    must(person.profile.history().add({&noted, 1}));
    CHECK(person.groups(own).back() == "noted as alias-1");
}

TEST_CASE("what one account knows of people another one inherits, as far as it knows nothing itself") {
    Person person;
    auto& profile = person.profile;
    auto from = person.account(1), to = person.account(2);
    roster::Identity bobby, carol, mallory;
    bobby.recovery.bytes[0] = 1;
    carol.recovery.bytes[0] = 2;
    mallory.recovery.bytes[0] = 3;
    const auto say = [&](const store::Account& at, const char* uid, const roster::Identity& who,
                         Trust trust) {
        must(befriend(profile, at.id, {uid, std::string("alias of ") + uid}, who, trust, {0, ++person.now}));
    };
    say(from, "BOBBY", bobby, Trust::verified);
    say(from, "CAROL", carol, Trust::introduced);
    say(from, "CAROL", mallory, Trust::introduced);
    say(from, "DORA", bobby, Trust::verified);
    must(remove_acquaintance(profile, from.id, {"DORA", "alias of DORA"}, {0, ++person.now}));
    say(from, "ERIN", bobby, Trust::verified);
    say(to, "ERIN", carol, Trust::introduced);
    must(inherit_acquaintances(profile, from.id, to.id, {0, ++person.now}));
    auto known = must(acquaintances(profile, to.id));
    REQUIRE(known.size() == 4);
    CHECK((known["BOBBY"].trust == Trust::verified && known["BOBBY"].identity == bobby));
    CHECK((known["CAROL"].trust == Trust::changed && known["CAROL"].offered == mallory));
    CHECK(known["DORA"].trust == Trust::removed);
    CHECK((known["ERIN"].trust == Trust::introduced && known["ERIN"].identity == carol));
}
