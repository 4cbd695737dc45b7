// What devices sign in an account's roster, so that it follows the person's.
#include "account/project.h"

#include <doctest/doctest.h>

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

    Owner() { REQUIRE(crypto::start()); }
    roster::SignedRequest request(const TestDevice& device) {
        return *make_request(begun.id, account, device.id(), device.act_key.seed(), device.device_key.seed(),
                             crypto::random_id<LinkPublic>(person.random));
    }
    void found(const TestDevice& device) {
        const auto asked = request(device);
        log = *account::found(begun, {&asked, 1}, roster::recovery_account_key(person.seed, 9).public_key());
    }
    // What the device signs now, kept; how many entries.
    std::size_t project(const TestDevice& device, Wishes wishes = {}) {
        const auto view = person.view();
        auto made = account::project(log, {account, view, device.id()},
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
        const auto* found = node_of(now, account, device.id());
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
    const auto lost_node = node_of(owner.state(), owner.account, lost.id())->id;
    owner.log.push_back(*roster::make_add(owner.state(), lost_node, lost_act, owner.request(evil), 0));
    // Another honest one that this device has not heard of.
    const auto one_node = node_of(owner.state(), owner.account, one.id())->id;
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
    auto made = recover(owner.log, {owner.account, view, one.id()}, person.seed);
    REQUIRE(made);
    owner.log.insert(owner.log.end(), made->begin(), made->end());
    CHECK(owner.node(one) == "active");
    CHECK(owner.node(lost) == "barred");
    // For good: nothing of it waits for 30 days.
    const auto ruling = *Rules().judge(roster::pack_entries(owner.log), {});
    CHECK(std::count_if(ruling.nodes.begin(), ruling.nodes.end(),
                        [](const auto& node) { return node.standing == tmtp::RuledNode::out; }) == 1);
    CHECK_FALSE(recover(owner.log, {owner.account, view, one.id()}, crypto::random_secret(person.random)));
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
    CHECK_FALSE(recover(owner.log, {owner.account, view, one.id()}, person.seed));
    CHECK(recover(owner.log, {owner.account, view, one.id()}, fresh)->size() == 1);
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
