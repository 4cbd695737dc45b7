#include "roster/roster.h"

#include <doctest/doctest.h>

#include "roster/limits.h"
#include "roster/people.h"

using namespace kith;
using namespace kith::roster;
using namespace kith::roster::test;

TEST_CASE("the recovery key founds a person and adds the first device, which may then use the link") {
    REQUIRE(crypto::start());
    Person p(1);
    auto laptop = p.first("laptop");
    const auto state = p.view();
    CHECK(state.founded);
    CHECK(state.person == p.id);
    REQUIRE(state.devices.size() == 1);
    CHECK(state.devices[0].name == "laptop");
    CHECK(state.devices[0].state == DeviceState::active);
    CHECK_FALSE(state.devices[0].added_by);
    CHECK(state.heads == std::vector<EntryId>{p.log[1].id});
    CHECK(state.next_counter(std::nullopt) == 3);
    CHECK(state.next_counter(laptop.id()) == 1);
    REQUIRE(state.link_allowed(laptop.link_key.public_key));
    CHECK_FALSE(state.link_allowed(p.device("other").link_key.public_key));
}

TEST_CASE("a device adds another, and the log says by whom") {
    Person p(2);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone");
    p.add(laptop, phone);
    const auto state = p.view();
    REQUIRE(state.find(phone.id()));
    CHECK(state.find(phone.id())->added_by == laptop.id());
    CHECK(state.find(phone.id())->state == DeviceState::active);
    CHECK(state.link_allowed(phone.link_key.public_key));
}

TEST_CASE("a device that nobody added signs nothing that counts") {
    Person p(3);
    auto laptop = p.first("laptop");
    auto stranger = p.device("stranger");
    p.log.push_back(p.forge(stranger, Add{stranger.request}, p.log));
    const auto state = p.view();
    CHECK(state.devices.size() == 1);
    CHECK(state.refused.size() == 1);
}

TEST_CASE("an entry with another's signature, another person's, or a wrong counter is refused") {
    Person p(4), q(5);
    auto laptop = p.first("laptop");
    auto theirs = q.first("theirs");
    auto phone = p.device("phone");
    const auto before = shown(p.view());

    auto good = p.add(laptop, phone, p.log);
    auto forged = *sign_entry(good.body, phone.act_key);
    auto everyday = *sign_entry(good.body, laptop.device_key);
    auto skipped = good.body;
    skipped.counter = 2;
    for (auto& bad : {forged, everyday, *sign_entry(skipped, laptop.act_key), q.log[1]}) {
        auto log = p.log;
        log.push_back(bad);
        auto state = *fold(p.id, log);
        CHECK(shown(state) == before);
        CHECK(state.refused.size() + state.pending.size() == 1);
    }
    // A bad copy does not hide the good one, whichever comes first.
    for (bool bad_first : {false, true}) {
        auto log = p.log;
        log.push_back(bad_first ? forged : good);
        log.push_back(bad_first ? good : forged);
        CHECK(fold(p.id, log)->find(phone.id()));
    }
}

TEST_CASE("an entry waits for its predecessors and counts once they are there") {
    Person p(6);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone"), tablet = p.device("tablet");
    p.add(laptop, phone);
    p.add(phone, tablet);
    std::vector<Entry> without = {p.log[0], p.log[1], p.log[3]};
    auto state = *fold(p.id, without);
    CHECK(state.pending == std::vector<EntryId>{p.log[3].id});
    CHECK_FALSE(state.find(tablet.id()));
    CHECK(p.view().find(tablet.id()));
    CHECK_FALSE(fold(p.id, std::vector<Entry>{})->founded);
    CHECK(fold(p.id, std::span(p.log).subspan(1))->pending.size() == 3);
}

TEST_CASE("a device has the newest name it was given") {
    Person p(7);
    auto laptop = p.first("laptop");
    p.log.push_back(p.rename(laptop, laptop, "old laptop", p.log));
    p.log.push_back(p.rename(laptop, laptop, "very \"old\" \\laptop", p.log));
    CHECK(p.view().find(laptop.id())->name == "very \"old\" \\laptop");
}

TEST_CASE(
    "a bar takes effect at once, and voids what its target signed beyond the cut, added devices included") {
    Person p(8);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone"), early = p.device("early"), late = p.device("late"),
         later = p.device("later");
    p.add(laptop, phone);
    p.add(phone, early);
    const auto known = p.log;
    // The thief adds a device behind our back, and that one yet another.
    p.add(phone, late);
    p.add(late, later);
    p.log.push_back(p.bar(laptop, phone, known, true));
    const auto state = p.view();
    CHECK(state.find(phone.id())->state == DeviceState::barred);
    CHECK(state.find(phone.id())->erase);
    CHECK(state.find(early.id())->state == DeviceState::active);
    CHECK(state.find(late.id())->state == DeviceState::barred);
    CHECK(state.find(later.id())->state == DeviceState::barred);
    CHECK_FALSE(state.link_allowed(late.link_key.public_key));
    CHECK_FALSE(state.link_allowed(phone.link_key.public_key));
    CHECK(std::ranges::count(state.lines, Standing::is_void, &Line::standing) == 2);
}

TEST_CASE("a barred device cannot add itself again, nor be added again by its old request") {
    Person p(9);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone");
    p.add(laptop, phone);
    p.bar(laptop, phone);
    auto again = p.device("again");
    p.log.push_back(p.forge(phone, Add{again.request}, p.log));
    CHECK(p.state_of(again) == DeviceState::barred);
    CHECK(p.state_of(phone) == DeviceState::barred);
    CHECK_FALSE(make_add(p.view(), laptop.id(), laptop.act_key, phone.request, 0));
    CHECK_FALSE(make_add(p.view(), phone.id(), phone.act_key, again.request, 0));
}

TEST_CASE("a thief who bars back with the bar in sight changes nothing") {
    Person p(10);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone");
    p.add(laptop, phone);
    p.bar(laptop, phone);
    p.log.push_back(p.forge(phone, Bar{laptop.id(), p.log.back().id, false}, p.log));
    CHECK(p.state_of(laptop) == DeviceState::active);
    // With an earlier cut it is not even in form: that is for the recovery key.
    auto log = p.log;
    log.push_back(p.forge(phone, Bar{laptop.id(), p.log[2].id, false}, p.log));
    CHECK(fold(p.id, log)->refused.size() == 1);
}

TEST_CASE("two devices that bar each other unseen are both out until it is decided") {
    Person p(11);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone"), tablet = p.device("tablet");
    p.add(laptop, phone);
    p.add(laptop, tablet);
    const auto known = p.log;
    p.log.push_back(p.bar(laptop, phone, known));
    p.log.push_back(p.bar(phone, laptop, known));
    CHECK(p.state_of(laptop) == DeviceState::suspended);
    CHECK(p.state_of(phone) == DeviceState::suspended);
    CHECK(p.state_of(tablet) == DeviceState::active);
    // A third device can put one of them out for good.
    p.bar(tablet, phone);
    CHECK(p.state_of(phone) == DeviceState::barred);
}

TEST_CASE("a clone is noticed by its counter, suspended, and so is what it added since") {
    Person p(12);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone"), one = p.device("one"), two = p.device("two"), before = p.device("before");
    p.add(laptop, phone);
    p.add(phone, before);
    const auto known = p.log;
    p.log.push_back(p.add(phone, one, known));
    CHECK(p.state_of(phone) == DeviceState::active);
    p.log.push_back(p.add(phone, two, known));
    CHECK(p.state_of(phone) == DeviceState::suspended);
    CHECK(p.state_of(one) == DeviceState::suspended);
    CHECK(p.state_of(two) == DeviceState::suspended);
    CHECK(p.state_of(before) == DeviceState::active);
    CHECK(p.state_of(laptop) == DeviceState::active);
    CHECK_FALSE(p.view().link_allowed(phone.link_key.public_key));
    // A thief's clone does not undo a bar that the device signed before.
    p.bar(laptop, phone);
    CHECK(p.state_of(phone) == DeviceState::barred);
}

TEST_CASE("a clone that signs beside a bar does not take the bar back") {
    Person p(13);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone"), stolen = p.device("stolen"), bait = p.device("bait");
    p.add(laptop, phone);
    p.add(laptop, stolen);
    const auto known = p.log;
    p.log.push_back(p.bar(phone, stolen, known));
    p.log.push_back(p.add(phone, bait, known));
    CHECK(p.state_of(stolen) == DeviceState::barred);
    CHECK(p.state_of(phone) == DeviceState::suspended);
}

TEST_CASE("what a clone signs beyond the cut of its bar suspends nobody") {
    Person p(14);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone"), honest = p.device("honest"), evil = p.device("evil");
    p.add(laptop, phone);
    const auto known = p.log;
    p.add(phone, honest);
    p.bar(laptop, phone);
    p.log.push_back(p.add(phone, evil, known));  // a fork, shown after the bar
    CHECK(p.state_of(phone) == DeviceState::barred);
    CHECK(p.state_of(evil) == DeviceState::barred);
    CHECK(p.state_of(honest) == DeviceState::active);
}

TEST_CASE("a device cannot take another's keys for its own") {
    Person p(17);
    auto laptop = p.first("laptop");
    auto copycat = p.device("copycat");
    copycat.request = *make_request(p.id, "copycat", copycat.device_key, copycat.act_key,
                                    laptop.link_key.public_key, p.random);
    CHECK_FALSE(make_add(p.view(), laptop.id(), laptop.act_key, copycat.request, 0));
    p.log.push_back(p.forge(laptop, Add{copycat.request}, p.log));
    CHECK(p.view().refused.size() == 1);
}

TEST_CASE("making an entry is refused to who may not sign it") {
    Person p(18), q(19);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone");
    auto theirs = q.device("theirs");
    CHECK_FALSE(make_add(p.view(), laptop.id(), laptop.device_key, phone.request, 0));
    CHECK_FALSE(make_add(p.view(), std::nullopt, q.recovery, phone.request, 0));
    CHECK_FALSE(make_add(p.view(), phone.id(), phone.act_key, phone.request, 0));
    CHECK_FALSE(make_add(p.view(), laptop.id(), laptop.act_key, theirs.request, 0));
    CHECK_FALSE(make_bar(p.view(), laptop.id(), laptop.act_key, phone.id(), false, 0));
    CHECK_FALSE(make_rename(p.view(), laptop.id(), laptop.act_key, laptop.id(), "a\nb", 0));
    CHECK_FALSE(make_rename(p.view(), laptop.id(), laptop.act_key, laptop.id(), "", 0));
    CHECK(make_rename(p.view(), laptop.id(), laptop.act_key, laptop.id(), "x", 0));
}

TEST_CASE("an introduction holds when the device that shows it is active on its own list") {
    Person p(20);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone");
    p.add(laptop, phone);
    auto check = [&](const TestDevice& d) {
        return check_introduction(p.log, d.link_key.public_key, d.act_key.public_key()).has_value();
    };
    CHECK(check(laptop));
    CHECK(check(phone));
    CHECK_FALSE(check_introduction(p.log, phone.link_key.public_key, laptop.act_key.public_key()));
    CHECK_FALSE(check_introduction({}, phone.link_key.public_key, phone.act_key.public_key()));
    CHECK_FALSE(check_introduction(std::span(p.log).subspan(1), laptop.link_key.public_key,
                                   laptop.act_key.public_key()));
    p.bar(laptop, phone);
    CHECK_FALSE(check(phone));
    CHECK(check(laptop));
}

namespace {

// A log of some length by devices that add, rename, bar, contest and fork, each knowing only a part.
std::vector<Entry> random_log(Person& p) {
    std::vector<TestDevice> devices;
    devices.push_back(p.first("d0"));
    for (int i = 0; i < 18; ++i) {
        const auto& by = devices[p.random.below(devices.size())];
        const auto& target = devices[p.random.below(devices.size())];
        std::vector<Entry> known(p.log.begin(), p.log.end() - static_cast<std::ptrdiff_t>(p.random.below(3)));
        auto state = *fold(p.id, known);
        if (!state.founded) continue;
        Result<Entry> made = fail(Fault::refused, "");
        switch (p.random.below(8)) {
            case 0:
            case 1:
            case 2: {
                auto fresh = p.device("d" + std::to_string(i));
                made = make_add(state, by.id(), by.act_key, fresh.request, p.time++);
                if (made) devices.push_back(std::move(fresh));
                break;
            }
            case 3:
                made =
                    make_rename(state, by.id(), by.act_key, target.id(), "r" + std::to_string(i), p.time++);
                break;
            case 4:
                made = make_bar(state, by.id(), by.act_key, target.id(), false, p.time++);
                break;
            case 5:
                for (const auto& entry : known)
                    if (const auto* bar = std::get_if<Bar>(&entry.body.act); bar && bar->device == by.id())
                        made = p.forge(by, Contest{entry.id}, known);
                break;
            case 6:
                for (const auto& entry : known)
                    if (std::holds_alternative<Bar>(entry.body.act))
                        made = p.forge(by, Lift{entry.id}, known);
                break;
            case 7: {
                Recover recover;
                if (p.random.below(2)) recover.bars.push_back(target.id());
                const auto& line = state.lines[p.random.below(state.lines.size())];
                if (line.signer) recover.cuts.push_back({*line.signer, line.id});
                crypto::SignKey renewed(crypto::random_secret(p.random));
                const bool renews = p.random.below(3) == 0;
                if (renews) recover.recovery = renewed.public_key();
                std::erase_if(recover.cuts, [&](const Cut& cut) { return !state.find(cut.device); });
                std::erase_if(recover.bars, [&](const DeviceId& id) { return !state.find(id); });
                made = make_recover(state, p.recovery, recover, p.time++);
                // Now and then two replace it, each without knowing of the other.
                if (made && renews) {
                    if (p.random.below(3) == 0) {
                        recover.recovery = crypto::SignKey(crypto::random_secret(p.random)).public_key();
                        p.log.push_back(*make_recover(state, p.recovery, recover, p.time++));
                    }
                    p.recovery = std::move(renewed);
                }
                break;
            }
        }
        if (made) p.log.push_back(*made);
    }
    return p.log;
}

}  // namespace

TEST_CASE("every order of arrival gives one state, and garbage never changes it") {
    std::size_t suspended = 0, barred = 0, disputed = 0, untouched = 0;
    for (std::uint64_t seed = 100; seed < 220; ++seed) {
        CAPTURE(seed);
        Person p(seed), q(seed + 1000);
        auto log = random_log(p);
        const auto state = *fold(p.id, log);
        const auto expected = shown(state);
        for (const auto& device : state.devices) {
            suspended += device.state == DeviceState::suspended;
            barred += device.state == DeviceState::barred;
        }
        disputed += state.recovery_disputed;
        // Taken bit by bit, in another order, it is the same.
        auto shuffled = log;
        std::shuffle(shuffled.begin(), shuffled.end(), p.random.engine);
        std::vector<Entry> kept;
        Memory memory;
        State taken;
        taken.person = p.id;
        for (std::size_t at = 0; at < shuffled.size();) {
            const auto size = std::min<std::size_t>(1 + p.random.below(4), shuffled.size() - at);
            auto some = take(taken, kept, std::span(shuffled).subspan(at, size), memory);
            REQUIRE(some);
            kept.insert(kept.end(), some->fresh.begin(), some->fresh.end());
            taken = some->state;
            at += size;
        }
        auto all = *take(taken, kept, log, memory);
        kept.insert(kept.end(), all.fresh.begin(), all.fresh.end());
        CHECK(shown(*fold(p.id, kept)) == shown(all.state));
        // What a former recovery key signs is not kept once a newer one is known: void, or in dispute.
        const bool renewed = std::ranges::any_of(log, [](const Entry& entry) {
            const auto* recover = std::get_if<Recover>(&entry.body.act);
            return recover && recover->recovery;
        });
        if (!renewed) CHECK(shown(all.state) == expected);
        untouched += !renewed;
        auto theirs = q.first("x");
        for (int round = 0; round < 6; ++round) {
            auto mixed = log;
            if (round > 2) {
                mixed.push_back(q.log[0]);
                mixed.push_back(q.log[1]);
                for (const auto& entry : log) {
                    auto bad = entry;
                    bad.signature.bytes[5] ^= 1;
                    mixed.push_back(bad);
                    mixed.push_back(entry);
                }
                mixed.push_back(p.forge(theirs, Add{theirs.request}, log));
                auto unknown_head = log.back().body;
                unknown_head.heads = {crypto::random_id<EntryId>(p.random)};
                mixed.push_back(*sign_entry(unknown_head, p.recovery));
            }
            std::shuffle(mixed.begin(), mixed.end(), p.random.engine);
            CHECK(shown(*fold(p.id, mixed)) == expected);
        }
    }
    CHECK(suspended > 10);  // the logs did hold quarrels
    CHECK(barred > 10);
    CHECK(disputed > 0);
    CHECK(untouched > 20);
}

TEST_CASE("a device that a bar put out is not let in by anything that it signs afterwards") {
    for (std::uint64_t seed = 200; seed < 240; ++seed) {
        CAPTURE(seed);
        Person p(seed);
        auto laptop = p.first("laptop");
        auto phone = p.device("phone");
        p.add(laptop, phone);
        const auto stolen_at = p.log;
        p.log.push_back(p.bar(laptop, phone, stolen_at));
        std::vector<TestDevice> theirs;
        auto thief_log = p.random.below(2) ? stolen_at : p.log;  // pretends not to know of the bar, or not
        for (int i = 0; i < 6; ++i) {
            Act act = Lift{p.log[3].id};
            switch (p.random.below(4)) {
                case 0:
                    theirs.push_back(p.device("t" + std::to_string(i)));
                    act = Add{theirs.back().request};
                    break;
                case 1:
                    act = Bar{laptop.id(), last_of(*fold(p.id, thief_log), phone.id(), laptop.id()), false};
                    break;
                case 2:
                    act = Contest{p.log[3].id};
                    break;
                case 3:
                    break;
            }
            auto entry = p.forge(phone, act, thief_log);
            thief_log.push_back(entry);
            p.log.push_back(entry);
        }
        const auto state = p.view();
        CHECK_FALSE(state.link_allowed(phone.link_key.public_key));
        for (const auto& device : theirs) CHECK_FALSE(state.link_allowed(device.link_key.public_key));
    }
}
