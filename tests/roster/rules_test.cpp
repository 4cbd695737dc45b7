// A test for each rule of src/roster/README.md that decides a quarrel.
#include <doctest/doctest.h>

#include "roster/limits.h"
#include "roster/people.h"

using namespace kith;
using namespace kith::roster;
using namespace kith::roster::test;

namespace {

Standing standing_of(const State& state, const EntryId& id) {
    auto at = std::ranges::find(state.lines, id, &Line::id);
    REQUIRE(at != state.lines.end());
    return at->standing;
}

// Three devices, each added by the one before: the eldest first.
struct Family : Person {
    explicit Family(std::uint64_t number)
        : Person(number), eldest(first("eldest")), middle(device("middle")), youngest(device("youngest")) {
        add(eldest, middle);
        add(middle, youngest);
    }
    bool refuses(const Entry& entry) const {
        auto with = log;
        with.push_back(entry);
        return !fold(id, with)->refused.empty();
    }
    TestDevice eldest, middle, youngest;
};

}  // namespace

TEST_CASE("a contest suspends both, the target instead of being barred, and their later acts wait") {
    REQUIRE(crypto::start());
    Family f(1);
    f.bar(f.eldest, f.youngest);
    const auto bar = f.newest();
    CHECK(f.state_of(f.youngest) == DeviceState::barred);
    f.log.push_back(f.contest(f.youngest, bar, f.log));
    CHECK(f.state_of(f.youngest) == DeviceState::suspended);
    CHECK(f.state_of(f.eldest) == DeviceState::suspended);
    CHECK(f.state_of(f.middle) == DeviceState::active);
    CHECK(f.view().unresolved.size() == 2);  // the bar and the contest
    // What either signs from now on lets nobody in.
    auto guest = f.device("guest"), other = f.device("other");
    f.log.push_back(f.forge(f.eldest, Add{guest.request}, f.log));
    f.log.push_back(f.forge(f.youngest, Add{other.request}, f.log));
    CHECK(f.state_of(guest) == DeviceState::suspended);
    CHECK(f.state_of(other) == DeviceState::suspended);
    // But keeps out: each may put a further device in doubt.
    f.log.push_back(*make_bar(f.view(), f.youngest.id(), f.youngest.act_key, f.middle.id(), false, 0));
    CHECK(f.state_of(f.middle) == DeviceState::suspended);
}

TEST_CASE("only the target may contest, once, and never the recovery key or a decision") {
    Family f(2);
    f.bar(f.middle, f.youngest);
    const auto bar = f.newest();
    CHECK(f.refuses(f.forge(f.eldest, Contest{bar}, f.log)));
    CHECK(f.refuses(f.forge(f.middle, Contest{bar}, f.log)));
    f.log.push_back(f.contest(f.youngest, bar, f.log));
    CHECK(f.refuses(f.forge(f.youngest, Contest{bar}, f.log)));
    CHECK(make_contest(f.view(), f.youngest.id(), f.youngest.act_key, bar, 0).error().kind ==
          Fault::forbidden);
    // The eldest decides: what it signs against the contester is final.
    f.bar(f.eldest, f.youngest);
    CHECK(f.refuses(f.forge(f.youngest, Contest{f.newest()}, f.log)));
    CHECK(make_contest(f.view(), f.youngest.id(), f.youngest.act_key, f.newest(), 0).error().kind ==
          Fault::forbidden);
    // A bar with the recovery key cannot be contested either.
    f.log.push_back(*make_bar(f.view(), std::nullopt, f.recovery, f.middle.id(), false, 0));
    CHECK(f.refuses(f.forge(f.middle, Contest{f.newest()}, f.log)));
}

TEST_CASE("an elder's bar decides a contest for who barred, an elder's lift for the target") {
    for (const bool for_target : {false, true}) {
        CAPTURE(for_target);
        Family f(3);
        f.bar(f.middle, f.youngest);
        const auto bar = f.newest();
        f.log.push_back(f.contest(f.youngest, bar, f.log));
        const auto before = f.log;
        if (for_target)
            f.log.push_back(f.lift(f.eldest, bar, f.log));
        else
            f.bar(f.eldest, f.youngest);
        CHECK(f.state_of(f.middle) == DeviceState::active);
        CHECK(f.state_of(f.youngest) == (for_target ? DeviceState::active : DeviceState::barred));
        CHECK(f.state_of(f.eldest) == DeviceState::active);
        CHECK(f.view().unresolved.empty());
        // A bar that did not know of the contest decides nothing, and can be contested like any other.
        auto unaware = std::vector<Entry>(before.begin(), before.end() - 1);
        f.log = before;
        f.log.push_back(f.bar(f.eldest, f.youngest, unaware));
        CHECK(f.state_of(f.youngest) == DeviceState::barred);
        CHECK(f.state_of(f.middle) == DeviceState::suspended);
        CHECK_FALSE(f.refuses(f.contest(f.youngest, f.newest(), f.log)));
    }
}

TEST_CASE("who is involved, or younger than either, does not decide") {
    Family f(4);
    auto late = f.device("late");
    f.add(f.eldest, late);
    f.bar(f.eldest, f.youngest);
    const auto bar = f.newest();
    // No dispute, nothing to lift.
    CHECK(f.refuses(f.forge(f.middle, Lift{bar}, f.log)));
    f.log.push_back(f.contest(f.youngest, bar, f.log));
    for (const auto* by : {&f.eldest, &f.middle, &f.youngest, &late})
        CHECK(f.refuses(f.forge(*by, Lift{bar}, f.log)));
    f.bar(f.middle, f.youngest);  // older than the target, younger than who barred
    CHECK(f.state_of(f.eldest) == DeviceState::suspended);
    // The recovery key decides anything.
    f.log.push_back(*make_lift(f.view(), std::nullopt, f.recovery, bar, 0));
    CHECK(f.state_of(f.eldest) == DeviceState::active);
    CHECK(f.state_of(f.youngest) == DeviceState::barred);
}

TEST_CASE("of two that bar each other unseen, an elder lifts the one bar and the other counts") {
    Family f(5);
    const auto known = f.log;
    f.log.push_back(f.bar(f.middle, f.youngest, known));
    f.log.push_back(f.bar(f.youngest, f.middle, known));
    const auto wrong = f.newest();
    CHECK(f.state_of(f.middle) == DeviceState::suspended);
    CHECK(f.state_of(f.youngest) == DeviceState::suspended);
    f.log.push_back(f.lift(f.eldest, wrong, f.log));
    CHECK(f.state_of(f.middle) == DeviceState::active);
    CHECK(f.state_of(f.youngest) == DeviceState::barred);
}

TEST_CASE("who barred cannot go on as if nothing had been said against it") {
    Family f(6);
    f.bar(f.youngest, f.eldest);
    const auto bar = f.newest();
    const auto known = f.log;
    f.log.push_back(f.contest(f.eldest, bar, f.log));
    // The second bar, signed without knowledge of the contest or with it, has no more weight than the first.
    f.log.push_back(f.bar(f.youngest, f.middle, known));
    CHECK(f.state_of(f.middle) == DeviceState::suspended);
    CHECK(standing_of(f.view(), f.newest()) == Standing::open);
    f.log.push_back(f.forge(f.youngest, Bar{f.eldest.id(), f.log[f.log.size() - 2].id, false}, f.log));
    CHECK(f.state_of(f.eldest) == DeviceState::suspended);
}

TEST_CASE("a thief's helper cannot give back what its owner's contest took") {
    // The only honest device is barred by a device that the thief's has added, and reads the whole log.
    Person p(7);
    auto thief = p.first("thief");
    auto honest = p.device("honest"), helper = p.device("helper"), idle = p.device("idle");
    p.add(thief, honest);
    p.add(thief, helper);
    p.add(helper, idle);
    p.bar(helper, honest);
    const auto stolen = p.log;
    p.log.push_back(p.contest(honest, p.newest(), p.log));
    for (const auto* each : {&thief, &idle})
        p.log.push_back(*make_bar(p.view(), honest.id(), honest.act_key, each->id(), false, p.time++));
    // The thief decides, lifts, bars and adds, knowing all or pretending to know nothing.
    auto fresh = p.device("fresh");
    const EntryId bar = stolen.back().id;
    for (const auto& known : {p.log, stolen}) {
        for (const auto* by : {&thief, &helper, &idle}) {
            std::vector<Act> acts{
                Act(Add{fresh.request}), Act(Lift{bar}),
                Act(Bar{honest.id(), last_of(*fold(p.id, known), by->id(), honest.id()), false})};
            for (const auto& act : acts) {
                auto log = p.log;
                log.push_back(p.forge(*by, act, known));
                const auto state = *fold(p.id, log);
                for (const auto& device : state.devices) CHECK(device.state != DeviceState::active);
            }
        }
    }
}

TEST_CASE("the recovery key voids what a thief signed from an earlier day on, and what he barred is back") {
    Family f(8);
    const auto last_good = f.view().lines.back().id;  // the youngest was added by the middle one
    auto puppet = f.device("puppet");
    f.add(f.middle, puppet);
    f.bar(f.middle, f.eldest);
    f.bar(puppet, f.youngest);
    CHECK(f.state_of(f.eldest) == DeviceState::barred);
    CHECK(f.state_of(f.youngest) == DeviceState::barred);
    Recover recover{std::nullopt, {{f.middle.id(), last_good}}, {f.middle.id()}};
    f.log.push_back(f.recover(recover, f.log));
    CHECK(f.state_of(f.eldest) == DeviceState::active);
    CHECK(f.state_of(f.youngest) == DeviceState::active);
    CHECK(f.state_of(f.middle) == DeviceState::barred);
    CHECK(f.state_of(puppet) == DeviceState::barred);
    // What the thief signs from now on is void, known to him or not, a contest included.
    auto again = f.device("again");
    const auto known = f.log;
    for (const auto& heads : {known, std::vector<Entry>(known.begin(), known.end() - 1)}) {
        f.log.push_back(f.forge(f.middle, Add{again.request}, heads));
        CHECK(f.state_of(again) == DeviceState::barred);
    }
}

TEST_CASE("a device that is cut and not barred goes on, without what it signed in between") {
    Family f(9);
    auto wrong = f.device("wrong"), right = f.device("right");
    const auto last = last_of(f.view(), std::nullopt, f.middle.id());
    f.add(f.middle, wrong);
    f.log.push_back(f.recover({std::nullopt, {{f.middle.id(), last}}, {}}, f.log));
    CHECK(f.state_of(f.middle) == DeviceState::active);
    CHECK(f.state_of(wrong) == DeviceState::barred);
    f.add(f.middle, right);
    CHECK(f.state_of(right) == DeviceState::active);
    CHECK(f.state_of(f.middle) == DeviceState::active);  // no counter was used twice
}

TEST_CASE("a device whose bar is lifted has used no counter twice, though it signed while it was barred") {
    Family f(10);
    const auto known = f.log;
    f.log.push_back(f.bar(f.middle, f.youngest, known));
    const auto bar = f.newest();
    auto guest = f.device("guest");
    f.log.push_back(f.add(f.youngest, guest, known));  // it did not know
    CHECK(f.state_of(guest) == DeviceState::barred);
    f.log.push_back(f.contest(f.youngest, bar, f.log));
    f.log.push_back(f.lift(f.eldest, bar, f.log));
    CHECK(f.state_of(f.youngest) == DeviceState::active);
    CHECK(f.state_of(guest) == DeviceState::active);
}

TEST_CASE("a renewed recovery key replaces the former one, which is worth nothing any more") {
    Family f(11);
    const crypto::SignKey renewed(crypto::random_secret(f.random));
    const auto before = f.log;
    f.log.push_back(f.recover({renewed.public_key(), {}, {}}, f.log));
    CHECK(f.view().recovery == renewed.public_key());
    auto guest = f.device("guest");
    CHECK(make_add(f.view(), std::nullopt, f.recovery, guest.request, 0).error().kind == Fault::refused);
    CHECK(make_add(f.view(), std::nullopt, renewed, guest.request, 0));
    // The old sheet's holder pretends not to know: void, and what is known already lets nobody keep it.
    auto late = *make_add(*fold(f.id, before), std::nullopt, f.recovery, guest.request, 0);
    auto with = f.log;
    with.push_back(late);
    CHECK(fold(f.id, with)->find(guest.id())->state == DeviceState::barred);
    Memory memory;
    CHECK(take(f.view(), f.log, {&late, 1}, memory)->fresh.empty());
    // A second renewal from the old sheet is not even kept; where both are, neither key works.
    const crypto::SignKey stolen(crypto::random_secret(f.random));
    auto second =
        *make_recover(*fold(f.id, before), f.recovery, {stolen.public_key(), {}, {f.eldest.id()}}, 0);
    CHECK(take(f.view(), f.log, {&second, 1}, memory)->fresh.empty());
    with = f.log;
    with.push_back(second);
    const auto torn = *fold(f.id, with);
    CHECK(torn.recovery_disputed);
    CHECK(torn.find(f.eldest.id())->state == DeviceState::suspended);
    CHECK(torn.find(f.middle.id())->state == DeviceState::active);
    for (const crypto::SignKey* key : {&std::as_const(f.recovery), &renewed, &stolen})
        CHECK_FALSE(make_add(torn, std::nullopt, *key, guest.request, 0));
}

TEST_CASE("the recovery key outranks every bar and quarrel, and a chain of renewals holds") {
    Family f(12);
    for (int round = 0; round < 3; ++round) {
        crypto::SignKey next(crypto::random_secret(f.random));
        f.log.push_back(f.recover({next.public_key(), {}, {}}, f.log));
        f.recovery = std::move(next);
    }
    f.bar(f.middle, f.eldest);
    f.log.push_back(f.contest(f.eldest, f.newest(), f.log));
    f.log.push_back(f.recover({std::nullopt, {}, {f.middle.id()}}, f.log));
    CHECK(f.state_of(f.middle) == DeviceState::barred);
    // The bar that the contest is about was signed before: it needs a lift, which the key signs as well.
    CHECK(f.state_of(f.eldest) == DeviceState::suspended);
    f.log.push_back(*make_lift(f.view(), std::nullopt, f.recovery, f.view().bars.front().entry, 0));
    CHECK(f.state_of(f.eldest) == DeviceState::active);
    CHECK(f.state_of(f.youngest) == DeviceState::active);
}

TEST_CASE("a flood costs its sender its share, and nobody else theirs") {
    Person p(13);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone");
    p.add(laptop, phone);
    Memory memory;
    State state = p.view();
    auto store = [&](std::vector<Entry> fresh) {
        auto taken = take(state, p.log, fresh, memory);
        REQUIRE(taken);
        p.log.insert(p.log.end(), taken->fresh.begin(), taken->fresh.end());
        state = taken->state;
        return taken->fresh.size();
    };
    const auto known = p.log;
    std::vector<Entry> flood, more;
    for (int i = 0; i < 300; ++i)
        flood.push_back(p.rename(phone, phone, "phone " + std::to_string(i), known));
    CHECK(store(flood) == limits::roster_signer_entries);
    for (int i = 0; i < 100; ++i) {
        auto puppet = p.device("puppet " + std::to_string(i));
        more.push_back(p.forge(phone, Add{puppet.request}, known));
    }
    CHECK(store(more) == 0);
    CHECK(store({flood.back()}) == 0);
    CHECK(state.heads.size() <= limits::roster_heads);
    // Garbage is not kept at all, and does not stand in the way of what it pretends to be.
    auto bar = *make_bar(state, laptop.id(), laptop.act_key, phone.id(), false, 0);
    auto forged = bar;
    forged.signature.bytes[0] ^= 1;
    CHECK(store({forged}) == 0);
    CHECK(store({bar}) == 1);
    CHECK(state.find(phone.id())->state == DeviceState::barred);
    CHECK(state.find(laptop.id())->state == DeviceState::active);
    Person q(14);
    CHECK(store({q.log[0]}) == 0);
}

TEST_CASE("an entry that waits under a bad signature makes room for the good one") {
    Person p(15);
    auto laptop = p.first("laptop");
    auto phone = p.device("phone"), tablet = p.device("tablet");
    p.add(laptop, phone);
    p.add(phone, tablet);
    auto forged = p.log[3];
    forged.signature.bytes[0] ^= 1;
    Memory memory;
    std::vector<Entry> kept{p.log[0], p.log[1]};
    auto state = *fold(p.id, kept);
    auto first = *take(state, kept, {&forged, 1}, memory);
    REQUIRE(first.fresh.size() == 1);
    kept.push_back(forged);
    auto second = *take(first.state, kept, std::span(p.log).subspan(2), memory);
    REQUIRE(second.fresh.size() == 2);
    CHECK(second.state.find(tablet.id()));
    CHECK(second.fresh[1].signature == p.log[3].signature);
}

TEST_CASE("a thief cannot use up the places that the recovery key needs") {
    Person p(16);
    auto thief = p.first("thief");
    std::vector<Entry> adds;
    Memory memory;
    State state = p.view();
    for (int i = 0; i < 70; ++i) {
        auto puppet = p.device("p" + std::to_string(i));
        auto add = p.forge(thief, Add{puppet.request}, p.log);
        auto taken = *take(state, p.log, {&add, 1}, memory);
        p.log.insert(p.log.end(), taken.fresh.begin(), taken.fresh.end());
        state = taken.state;
    }
    CHECK(state.devices.size() == limits::roster_devices);
    auto fresh = p.device("fresh");
    CHECK(make_add(state, thief.id(), thief.act_key, fresh.request, 0).error().kind == Fault::forbidden);
    auto add = make_add(state, std::nullopt, p.recovery, fresh.request, 0);
    REQUIRE(add);
    CHECK(take(state, p.log, {&*add, 1}, memory)->state.find(fresh.id())->state == DeviceState::active);
}

TEST_CASE("a fold of a full log is a matter of moments") {
    Person p(17);
    auto laptop = p.first("laptop");
    std::vector<TestDevice> devices;
    for (int i = 0; i < 20; ++i) {
        devices.push_back(p.device("d" + std::to_string(i)));
        p.add(laptop, devices.back());
    }
    const auto known = p.log;
    const auto state = *fold(p.id, known);
    for (const auto& by : devices)
        for (int i = 0; i < 100; ++i) {
            const auto& target = devices[static_cast<std::size_t>(i) % devices.size()];
            p.log.push_back(*sign_entry({p.id, by.id(), 1, state.heads, i,
                                         target.id() == by.id() ? Act(Rename{by.id(), std::to_string(i)})
                                                                : Act(Bar{target.id(), std::nullopt, false})},
                                        by.act_key));
        }
    // Everybody bars everybody, in two thousand entries that know nothing of each other.
    Memory memory;
    auto torn = *fold(p.id, p.log, memory);
    CHECK(torn.find(laptop.id())->state == DeviceState::active);
    for (const auto& device : devices) CHECK(torn.find(device.id())->state == DeviceState::suspended);
}
