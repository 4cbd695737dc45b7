// What devices sign in an account's roster, so that it follows the person's.
#include "account/project.h"

#include <doctest/doctest.h>

#include "account/limits.h"
#include "account/rules.h"
#include "roster/people.h"

using namespace kith;
using namespace kith::account;
using roster::test::Person;
using roster::test::TestDevice;

namespace {

// A person's devices, and an account of theirs.
struct Owner {
    Person person{7};
    AccountId account = crypto::random_id<AccountId>(person.random);
    NewRoster begun = begin(person.random);
    std::vector<roster::Entry> log;
    std::map<DeviceId, SignPublic> claims;  // that all devices have heard of

    Owner() { REQUIRE(crypto::start()); }
    roster::SignedRequest request(const TestDevice& device) {
        return *make_request(begun.id, account, device.id(), device.act_key.seed(), device.device_key.seed(),
                             crypto::random_id<LinkPublic>(person.random));
    }
    void found(const TestDevice& device) {
        const auto asked = request(device);
        log = *account::found(begun, {&asked, 1}, roster::recovery_account_key(person.seed, 9).public_key());
    }
    SignPublic key(const TestDevice& device) const {
        return account::device_key(device.device_key.seed(), begun.id).public_key();
    }
    Source source(const TestDevice& device, const roster::State& view) const {
        Source made{account, view, device.id(), claims};
        made.claims[device.id()] = key(device);
        return made;
    }
    // With a program of his own: whatever `by` can sign.
    crypto::SignKey act(const TestDevice& by) const { return account::act_key(by.act_key.seed(), begun.id); }
    DeviceId node_by_key(const crypto::SignKey& act) const {
        for (const auto& node : state().devices)
            if (node.act_key == act.public_key()) return node.id;
        FAIL("no such node");
        return {};
    }
    // A node with keys of his own under the mark of another device; its act key.
    crypto::SignKey forge(const crypto::SignKey& by, const TestDevice& mark) {
        const auto made = person.device("forged");
        const auto request =
            *make_request(begun.id, account, mark.id(), made.act_key.seed(), made.device_key.seed(),
                          crypto::random_id<LinkPublic>(person.random));
        log.push_back(*roster::make_add(state(), node_by_key(by), by, request, 0));
        return account::act_key(made.act_key.seed(), begun.id);
    }
    void forge_bar(const crypto::SignKey& by, const TestDevice& target) {
        log.push_back(*roster::make_bar(state(), node_by_key(by), by, node_by_key(act(target)), false, 0));
    }
    roster::DeviceState state_of(const crypto::SignKey& act) const {
        return state().find(node_by_key(act))->state;
    }
    std::size_t recover(const TestDevice& on) {
        const auto view = person.view();
        auto made = account::recover(log, source(on, view), person.seed);
        REQUIRE(made);
        const auto before = roster::pack_entries(log);
        CHECK(Rules().judge(before, roster::pack_entries(*made)));
        log.insert(log.end(), made->begin(), made->end());
        return made->size();
    }
    // What the device signs now, kept; how many entries.
    std::size_t project(const TestDevice& device, Wishes wishes = {}) {
        const auto view = person.view();
        auto made = account::project(log, source(device, view),
                                     account::act_key(device.act_key.seed(), begun.id), wishes);
        REQUIRE(made);
        log.insert(log.end(), made->begin(), made->end());
        return made->size();
    }
    std::size_t add(const TestDevice& by, const TestDevice& added) {
        const Asked asked{added.id(), request(added)};
        Wishes wishes;
        wishes.asked = {&asked, 1};
        return project(by, wishes);
    }
    roster::State state() const { return *roster::fold(begun.id, log); }
    std::string node(const TestDevice& device) const {
        const auto now = state();
        const auto view = person.view();
        const auto* found = node_of(now, {account, view, device.id(), claims}, device.id());
        return found ? std::string(roster::device_state_name(found->state)) : "none";
    }
};

}  // namespace

TEST_CASE("an account's roster follows the person's: devices come and go") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), two = person.device("two");
    owner.found(one);
    CHECK(owner.add(one, two) == 0);  // not a device of the person yet
    person.add(one, two);
    CHECK(owner.add(one, two) == 1);
    CHECK(owner.add(one, two) == 0);  // it has a node
    CHECK(owner.project(one) == 0);
    person.bar(one, two);
    CHECK(owner.project(two) == 0);
    CHECK(owner.project(one) == 1);
    CHECK(owner.node(two) == "barred");
    CHECK(owner.project(one) == 0);
    // What it signs now changes nothing at the service.
    const auto three = person.device("three");
    const Asked asked{three.id(), owner.request(three)};
    Wishes wishes;
    wishes.asked = {&asked, 1};
    CHECK(owner.project(two, wishes) == 0);
    CHECK(owner.node(three) == "none");
}

TEST_CASE("a request under another device's mark is not signed for") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), two = person.device("two"), three = person.device("three");
    person.add(one, two);
    person.add(one, three);
    owner.found(one);
    const Asked asked{two.id(), owner.request(three)};
    Wishes wishes;
    wishes.asked = {&asked, 1};
    CHECK(owner.project(one, wishes) == 0);
}

TEST_CASE("nodes that a thief's device added for nobody fall with it; those of devices unheard of do not") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), lost = person.device("lost"), evil = person.device("evil"),
               fresh = person.device("fresh");
    person.add(one, lost);
    owner.found(one);
    REQUIRE(owner.add(one, lost) == 1);
    // With his own program: of no device on the person's roster.
    const auto lost_act = account::act_key(lost.act_key.seed(), owner.begun.id);
    const auto lost_node = owner.node_by_key(lost_act);
    owner.log.push_back(*roster::make_add(owner.state(), lost_node, lost_act, owner.request(evil), 0));
    // Another honest one that this device has not heard of.
    const auto one_node = owner.node_by_key(owner.act(one));
    owner.log.push_back(*roster::make_add(owner.state(), one_node,
                                          account::act_key(one.act_key.seed(), owner.begun.id),
                                          owner.request(fresh), 0));
    CHECK(owner.project(one) == 0);
    person.bar(one, lost);
    CHECK(owner.project(one) == 2);
    CHECK(owner.node(lost) == "barred");
    CHECK(owner.node(evil) == "barred");
    CHECK(owner.node(fresh) == "active");
}

TEST_CASE("a thief's bar at the service is contested, and the recovery key restores the owner") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), lost = person.device("lost");
    person.add(one, lost);
    owner.found(one);
    REQUIRE(owner.add(one, lost) == 1);
    person.bar(lost, one);
    CHECK(owner.project(lost) == 1);
    CHECK(owner.node(one) == "barred");
    // On the person's roster too: a contest, and a bar of the thief's device.
    person.log.push_back(person.contest(one, person.newest(), person.log));
    person.log.push_back(person.bar(one, lost, person.log));
    Wishes wishes;
    wishes.contests = true;
    CHECK(owner.project(one, wishes) == 2);
    CHECK(owner.node(one) == "suspended");
    CHECK(owner.node(lost) != "active");
    person.log.push_back(person.recover({std::nullopt, {}, {lost.id()}}, person.log));
    for (const auto& bar : person.view().bars)
        if (bar.device == one.id())
            person.log.push_back(
                *roster::make_lift(person.view(), std::nullopt, person.recovery, bar.entry, 0));
    REQUIRE(person.state_of(one) == roster::DeviceState::active);
    const auto view = person.view();
    owner.recover(one);
    CHECK(owner.node(one) == "active");
    CHECK(owner.node(lost) == "barred");
    // For good: nothing of it waits for 30 days.
    const auto ruling = *Rules().judge(roster::pack_entries(owner.log), {});
    CHECK(std::count_if(ruling.nodes.begin(), ruling.nodes.end(),
                        [](const auto& node) { return node.standing == tmtp::RuledNode::out; }) == 1);
    CHECK_FALSE(recover(owner.log, owner.source(one, view), crypto::random_secret(person.random)));
}

TEST_CASE("a node under a stolen mark falls with the device that added it") {
    for (const bool heard_of : {false, true}) {
        CAPTURE(heard_of);
        Owner owner;
        auto& person = owner.person;
        const auto one = person.first("one"), two = person.device("two"), lost = person.device("lost");
        person.add(one, two);
        person.add(one, lost);
        owner.found(one);
        REQUIRE(owner.add(one, two) == 1);
        REQUIRE(owner.add(one, lost) == 1);
        if (heard_of) owner.claims = {{one.id(), owner.key(one)}, {two.id(), owner.key(two)}};
        // Under the mark of the one device, and by that under the mark of the other.
        const auto evil = owner.forge(owner.act(lost), one), more = owner.forge(evil, two);
        person.bar(one, lost);
        // Who signs has not heard of the other's claim, perhaps.
        owner.project(two);
        CHECK(owner.node(lost) == "barred");
        CHECK(owner.state_of(evil) == roster::DeviceState::barred);
        CHECK(owner.state_of(more) == roster::DeviceState::barred);
        CHECK(owner.state_of(owner.act(one)) == roster::DeviceState::active);
        CHECK(owner.state_of(owner.act(two)) == roster::DeviceState::active);
        CHECK(owner.project(one) == 0);
    }
}

TEST_CASE(
    "a node under this device's own mark, or one that its device has claimed, is barred when it is seen") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), two = person.device("two"), lost = person.device("lost");
    person.add(one, two);
    person.add(one, lost);
    owner.found(one);
    REQUIRE(owner.add(one, lost) == 1);
    const auto own = owner.forge(owner.act(lost), one), other = owner.forge(owner.act(lost), two);
    CHECK(owner.project(one) == 1);
    CHECK(owner.state_of(own) == roster::DeviceState::barred);
    CHECK(owner.state_of(other) == roster::DeviceState::active);
    owner.claims[two.id()] = owner.key(two);
    CHECK(owner.project(one) == 1);
    CHECK(owner.state_of(other) == roster::DeviceState::barred);
    CHECK(owner.state_of(owner.act(lost)) == roster::DeviceState::active);
}

TEST_CASE("a stolen mark does not keep out the device that it belongs to") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), two = person.device("two"), lost = person.device("lost");
    person.add(one, two);
    person.add(one, lost);
    owner.found(one);
    REQUIRE(owner.add(one, lost) == 1);
    const auto evil = owner.forge(owner.act(lost), two);
    CHECK(owner.add(one, two) == 2);
    CHECK(owner.state_of(evil) == roster::DeviceState::barred);
    CHECK(owner.state_of(owner.act(two)) == roster::DeviceState::active);
}

TEST_CASE("what a barred device added stays when its own device claims it, and falls when nobody does") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), lost = person.device("lost"), two = person.device("two"),
               three = person.device("three");
    person.add(one, lost);
    owner.found(one);
    REQUIRE(owner.add(one, lost) == 1);
    person.add(lost, two);
    person.add(lost, three);
    REQUIRE(owner.add(lost, two) == 1);
    REQUIRE(owner.add(lost, three) == 1);
    owner.claims[two.id()] = owner.key(two);
    person.bar(one, lost);
    CHECK(owner.project(one) == 2);
    CHECK(owner.node(two) == "active");
    CHECK(owner.node(three) == "barred");
}

TEST_CASE("a node that fell with who had added it comes back when its own device has claimed it") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), lost = person.device("lost"), two = person.device("two");
    person.add(one, lost);
    person.add(one, two);
    owner.found(one);
    REQUIRE(owner.add(one, lost) == 1);
    // The thief's device was handed the request first; who bars it has not seen that.
    const auto unseen = owner.log;
    REQUIRE(owner.add(lost, two) == 1);
    const auto added = owner.log.back();
    const auto evil = owner.forge(owner.act(lost), two);
    const auto forged = owner.log.back();
    owner.log = unseen;
    person.bar(one, lost);
    REQUIRE(owner.project(one) == 1);
    owner.log.push_back(added);
    owner.log.push_back(forged);
    CHECK(owner.node(two) == "barred");
    CHECK(owner.project(one) == 0);  // whose it is nobody has said
    owner.claims[two.id()] = owner.key(two);
    SUBCASE("then it is there as if it had never been away") {
        const auto before = roster::pack_entries(owner.log);
        CHECK(owner.project(one) == 1);
        CHECK(owner.node(two) == "active");
        CHECK(owner.state_of(evil) == roster::DeviceState::barred);
        CHECK(owner.project(one) == 0);
        CHECK(owner.project(two) == 0);
        const auto ruling = Rules().judge(before, roster::pack_entries({&owner.log.back(), 1}));
        REQUIRE(ruling);
        CHECK(std::count_if(ruling->nodes.begin(), ruling->nodes.end(),
                            [](const auto& node) { return node.standing == tmtp::RuledNode::active; }) == 2);
    }
    SUBCASE("not when the person has barred the device") {
        person.bar(one, two);
        CHECK(owner.project(one) == 0);
        CHECK(owner.node(two) == "barred");
    }
}

TEST_CASE("the recovery key restores the owner whatever a thief's nodes have signed") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), two = person.device("two"), lost = person.device("lost");
    person.add(one, two);
    person.add(one, lost);
    owner.found(one);
    REQUIRE(owner.add(one, two) == 1);
    REQUIRE(owner.add(one, lost) == 1);
    owner.claims = {{one.id(), owner.key(one)}, {two.id(), owner.key(two)}};
    // As many as the roster takes, each barring all of the owner's.
    std::vector<crypto::SignKey> evil;
    evil.push_back(owner.act(lost));
    for (int i = 0; i < 50; ++i) {
        evil.push_back(owner.forge(evil[static_cast<std::size_t>(i) / 10], i % 2 ? one : two));
        if (i % 3 == 0) {
            owner.forge_bar(evil.back(), one);
            owner.forge_bar(evil.back(), two);
        }
    }
    CHECK(owner.node(one) == "barred");
    person.bar(one, lost);
    CHECK(owner.recover(one) == 1);
    for (const auto& node : evil) CHECK(owner.state_of(node) == roster::DeviceState::barred);
    CHECK(owner.node(one) == "active");
    CHECK(owner.node(two) == "active");
    const auto ruling = *Rules().judge(roster::pack_entries(owner.log), {});
    CHECK(std::count_if(ruling.nodes.begin(), ruling.nodes.end(), [](const auto& node) {
              return node.standing == tmtp::RuledNode::out;
          }) == static_cast<int>(evil.size()));
    // And again, as often as it takes: what they sign now changes nothing.
    CHECK(owner.recover(one) == 1);
    CHECK(owner.node(one) == "active");
}

TEST_CASE(
    "a thief who uses up shares and places leaves the others theirs, and the recovery key room for more") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), two = person.device("two"), lost = person.device("lost"),
               late = person.device("late"), nobody = person.device("nobody");
    for (const auto* device : {&two, &lost, &late}) person.add(one, *device);
    owner.found(one);
    REQUIRE(owner.add(one, two) == 1);
    REQUIRE(owner.add(one, lost) == 1);
    owner.claims = {{one.id(), owner.key(one)}, {two.id(), owner.key(two)}};
    const Rules rules;
    const auto taken = [&](std::span<const roster::Entry> kept, std::span<const roster::Entry> fresh) {
        return rules.judge(roster::pack_entries(kept), roster::pack_entries(fresh)).has_value();
    };
    // His device's share, then that of the first node that it made, and so on until there is no place left.
    std::vector<crypto::SignKey> evil;
    evil.push_back(owner.act(lost));
    std::size_t signer = 0;
    while (owner.state().devices.size() < limits::roster_devices) {
        const auto before = owner.log;
        auto made = owner.forge(evil[signer], nobody);
        if (taken(before, {&owner.log.back(), 1})) {
            evil.push_back(std::move(made));
            continue;
        }
        owner.log = before;
        REQUIRE(++signer < evil.size());
    }
    CHECK(signer > 2);
    CHECK(owner.add(one, late) == 0);
    // One bar for each node: of several devices, as long as each has a share.
    person.bar(one, lost);
    std::vector<std::size_t> bars;
    for (const auto* device : {&one, &two}) {
        const auto view = person.view();
        auto made = *account::project(owner.log, owner.source(*device, view), owner.act(*device), {});
        while (!made.empty() && !taken(owner.log, made)) made.pop_back();
        owner.log.insert(owner.log.end(), made.begin(), made.end());
        bars.push_back(made.size());
    }
    CHECK(bars[0] == limits::account_signer_entries - 2);  // it has added two
    CHECK(bars[0] + bars[1] == limits::roster_devices - 2);
    for (const auto& node : evil) CHECK(owner.state_of(node) == roster::DeviceState::barred);
    CHECK(owner.node(one) == "active");
    CHECK(owner.node(two) == "active");
    // Places stay used up. The recovery key has some of its own.
    CHECK(owner.add(two, late) == 0);
    const Asked asked{late.id(), owner.request(late)};
    const auto view = person.view();
    const auto word = account::recover(owner.log, owner.source(one, view), person.seed, {&asked, 1});
    REQUIRE(word);
    CHECK(taken(owner.log, *word));
    owner.log.insert(owner.log.end(), word->begin(), word->end());
    CHECK(owner.node(late) == "active");
    CHECK(owner.node(lost) == "barred");
}

TEST_CASE("a device's word about its key holds for this account, roster, device and key alone") {
    Owner owner;
    const auto one = owner.person.first("one"), two = owner.person.device("two");
    const auto claim = make_claim(owner.account, owner.begun.id, one.id(), one.device_key);
    CHECK(claim.key == owner.key(one));
    CHECK(claim_holds(claim, one.device_key.public_key()));
    CHECK_FALSE(claim_holds(claim, two.device_key.public_key()));
    auto& random = owner.person.random;
    auto other = claim;
    other.account = crypto::random_id<AccountId>(random);
    CHECK_FALSE(claim_holds(other, one.device_key.public_key()));
    other = claim;
    other.roster = crypto::random_id<PersonId>(random);
    CHECK_FALSE(claim_holds(other, one.device_key.public_key()));
    other = claim;
    other.device = two.id();
    CHECK_FALSE(claim_holds(other, one.device_key.public_key()));
    other = claim;
    other.key = owner.key(two);
    CHECK_FALSE(claim_holds(other, one.device_key.public_key()));
}

TEST_CASE("a bar that is contested is not said again, however often the rosters are looked at") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), lost = person.device("lost");
    person.add(one, lost);
    owner.found(one);
    REQUIRE(owner.add(one, lost) == 1);
    person.bar(one, lost);
    CHECK(owner.project(one) == 1);
    Wishes wishes;
    wishes.contests = true;
    CHECK(owner.project(lost, wishes) == 1);
    CHECK(owner.node(lost) == "suspended");
    CHECK(owner.project(one) == 0);
}

TEST_CASE("a renewed recovery key takes the place of the former one in every account") {
    Owner owner;
    auto& person = owner.person;
    const auto one = person.first("one"), two = person.device("two");
    person.add(one, two);
    owner.found(one);
    REQUIRE(owner.add(one, two) == 1);
    const Key fresh = crypto::random_secret(person.random);
    auto made = renew(owner.log, person.seed, fresh);
    REQUIRE(made);
    owner.log.insert(owner.log.end(), made->begin(), made->end());
    CHECK(owner.state().recovery == roster::recovery_account_key(fresh, 9).public_key());
    person.bar(one, two);
    const auto view = person.view();
    CHECK_FALSE(recover(owner.log, owner.source(one, view), person.seed));
    CHECK(recover(owner.log, owner.source(one, view), fresh)->size() == 1);
}

TEST_CASE("two accounts of a person have nothing in common that a service could see") {
    Owner a;
    const auto one = a.person.first("one");
    a.found(one);
    const AccountId other = crypto::random_id<AccountId>(a.person.random);
    const auto begun = begin(a.person.random);
    const auto request = *make_request(begun.id, other, one.id(), one.act_key.seed(), one.device_key.seed(),
                                       crypto::random_id<LinkPublic>(a.person.random));
    const auto log =
        *account::found(begun, {&request, 1}, roster::recovery_account_key(a.person.seed, 10).public_key());
    // Every run of 16 bytes of the one, in hex. (The request stands in its entry in hex: here, plain.)
    auto text_of = [](const std::vector<roster::Entry>& entries) {
        std::string text;
        for (const auto& entry : entries) {
            std::string line(as_text(entry.bytes));
            if (const auto* add = std::get_if<roster::Add>(&entry.body.act)) {
                const auto hex = to_hex(add->request.bytes);
                line.replace(line.find(hex), hex.size(), as_text(add->request.bytes));
            }
            text += line;
        }
        return text;
    };
    const auto first = text_of(a.log), second = text_of(log);
    std::size_t keys = 0;
    for (std::size_t at = 0; at + 32 <= first.size(); ++at) {
        const auto part = first.substr(at, 32);
        if (part.find_first_not_of("0123456789abcdef") != std::string::npos) continue;
        ++keys;
        CHECK(second.find(part) == std::string::npos);
    }
    CHECK(keys > 500);
    for (const auto& entry : a.log) CHECK(entry.body.time_ms == 0);
}
