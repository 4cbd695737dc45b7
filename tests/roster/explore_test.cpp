// Every short history of a thief, on the real fold. A thief has one device and its act key, at a moment that
// he chooses; he signs whatever can be signed, knowing all or pretending to know nothing since the theft,
// with his device and with those that he added. Against each such history stand the owner's two answers:
//   - any one honest device contests what bars it, and bars what is not the owner's: no thief's
//     device is active then, and whatever he signs afterwards, none is;
//   - the recovery key bars the stolen device from the theft on: every honest device is active then, no
//     thief's is, and whatever he signs afterwards, that stays.
// tests/roster/CMakeLists.txt runs this against rules that were broken on purpose, which must be found.
#include <doctest/doctest.h>

#include <cstdlib>

#include "roster/people.h"

using namespace kith;
using namespace kith::roster;
using namespace kith::roster::test;

namespace {

using Log = std::vector<Entry>;

struct Scene {
    explicit Scene(std::uint64_t seed) : person(seed) {}
    Person person;
    std::vector<TestDevice> honest;
    std::size_t thief = 0;  // which of `honest` is stolen
    std::vector<TestDevice> puppets;
    Log stolen_at;
    std::size_t histories = 0, answers = 0;

    bool is_thiefs(const DeviceId& id) const {
        if (honest[thief].id() == id) return true;
        return std::ranges::any_of(puppets, [&](const auto& puppet) { return puppet.id() == id; });
    }
    State fold_of(const Log& log) { return *fold(person.id, log, memory); }
    Memory memory;
};

bool in(const State& state, const DeviceId& id) {
    const auto* device = state.find(id);
    return device && device->state == DeviceState::active;
}

// What a signer could put into the log, with its counter and heads as the rules demand of what it knows.
std::optional<Entry> signed_by_thief(Scene& scene, const TestDevice& by, const Act& act, const State& known) {
    if (!known.find(by.id())) return std::nullopt;
    // As a device would: its heads, and its own newest entries. The make functions refuse what is out.
    auto state = known;
    for (auto& device : state.devices)
        if (device.id == by.id()) device.state = DeviceState::active;
    Result<Entry> made = fail(Fault::invalid, "");
    const auto time = scene.person.time++;
    if (const auto* add = std::get_if<Add>(&act))
        made = make_add(state, by.id(), by.act_key, add->request, time);
    else if (const auto* bar = std::get_if<Bar>(&act))
        made = make_bar(state, by.id(), by.act_key, bar->device, false, time);
    else if (const auto* contest = std::get_if<Contest>(&act))
        made = make_contest(state, by.id(), by.act_key, contest->bar, time);
    else if (const auto* lift = std::get_if<Lift>(&act))
        made = make_lift(state, by.id(), by.act_key, lift->bar, time);
    if (!made) return std::nullopt;
    return *made;
}

// All that the thief could add to this log next, so far as the rules place it.
std::vector<Entry> thiefs_moves(Scene& scene, const Log& log) {
    std::vector<Entry> moves;
    const auto all = scene.fold_of(log);
    // What he pretends to know: all, or what there was at the theft and what his devices signed since.
    Log own = scene.stolen_at;
    for (std::size_t n = own.size(); n < log.size(); ++n)
        if (log[n].body.signer && scene.is_thiefs(*log[n].body.signer)) own.push_back(log[n]);
    const State views[] = {all, scene.fold_of(scene.stolen_at), scene.fold_of(own)};
    std::vector<const TestDevice*> devices{&scene.honest[scene.thief]};
    for (const auto& puppet : scene.puppets) devices.push_back(&puppet);
    for (const auto* by : devices) {
        std::vector<Act> acts;
        for (const auto& puppet : scene.puppets)
            if (!all.find(puppet.id())) {
                acts.emplace_back(Add{puppet.request});
                break;
            }
        for (const auto& device : all.devices)
            if (device.id != by->id()) acts.emplace_back(Bar{device.id, {}, false});
        for (const auto& bar : all.bars) {
            if (bar.device == by->id()) acts.emplace_back(Contest{bar.entry});
            acts.emplace_back(Lift{bar.entry});
        }
        for (const auto& act : acts) {
            std::vector<Bytes> seen;
            for (const auto& view : views) {
                auto entry = signed_by_thief(scene, *by, act, view);
                if (!entry) continue;
                // The same heads: the same move.
                Bytes shape;
                for (const auto& head : entry->body.heads) append(shape, head.view());
                if (std::ranges::find(seen, shape) != seen.end()) continue;
                seen.push_back(shape);
                auto with = log;
                with.push_back(*entry);
                const auto after = scene.fold_of(with);
                if (std::ranges::find(after.lines, entry->id, &Line::id) != after.lines.end())
                    moves.push_back(*entry);
            }
        }
    }
    return moves;
}

// One honest device answers: it contests each bar against it, and bars whatever is the thief's, suspended
// devices included: what suspends one may fall with the next thing that the thief signs.
Log answered_by(Scene& scene, const TestDevice& honest, Log log) {
    auto sign = [&](auto make) {
        auto made = make(scene.fold_of(log));
        if (made) log.push_back(*made);
    };
    for (const auto& bar : scene.fold_of(log).bars)
        if (bar.device == honest.id())
            sign([&](const State& state) {
                return make_contest(state, honest.id(), honest.act_key, bar.entry, scene.person.time++);
            });
    for (const auto& device : scene.fold_of(log).devices)
        if (scene.is_thiefs(device.id))
            sign([&](const State& state) {
                return make_bar(state, honest.id(), honest.act_key, device.id, false, scene.person.time++);
            });
    return log;
}

// The recovery key bars the one device that was stolen, from the theft on. All else follows from that.
Log recovered(Scene& scene, Log log) {
    const auto& thief = scene.honest[scene.thief];
    Recover recover{std::nullopt, {}, {thief.id()}};
    recover.cuts.push_back({thief.id(), last_of(scene.fold_of(scene.stolen_at), std::nullopt, thief.id())});
    log.push_back(*make_recover(scene.fold_of(log), scene.person.recovery, recover, scene.person.time++));
    return log;
}

std::string told(Scene& scene, const Log& log) {
    std::string out;
    const auto state = scene.fold_of(log);
    auto name = [&](const Signer& signer) {
        const auto* device = signer ? state.find(*signer) : nullptr;
        return device ? device->name : std::string("recovery");
    };
    for (const auto& entry : log) {
        out += name(entry.body.signer) + " " + std::string(act_name(entry.body.act));
        if (const auto* bar = std::get_if<Bar>(&entry.body.act)) out += " " + name(bar->device);
        out += "; ";
    }
    for (const auto& device : state.devices)
        out += "\n  " + device.name + " " + std::string(device_state_name(device.state)) + " " + device.why;
    return out;
}

void check_no_thief_in(Scene& scene, const Log& log) {
    const auto state = scene.fold_of(log);
    for (const auto& device : state.devices) {
        if (!scene.is_thiefs(device.id) || device.state != DeviceState::active) continue;
        FAIL("a thief's device is active: ", told(scene, log));
    }
}
void check_all_honest_in(Scene& scene, const Log& log) {
    const auto state = scene.fold_of(log);
    for (std::size_t n = 0; n < scene.honest.size(); ++n) {
        if (n == scene.thief || in(state, scene.honest[n].id())) continue;
        FAIL("an honest device is out: ", told(scene, log));
    }
}

void judge(Scene& scene, const Log& log, bool replies) {
    ++scene.histories;
    for (std::size_t n = 0; n < scene.honest.size(); ++n) {
        if (n == scene.thief) continue;
        const auto answer = answered_by(scene, scene.honest[n], log);
        check_no_thief_in(scene, answer);
        ++scene.answers;
        if (!replies) continue;
        for (const auto& reply : thiefs_moves(scene, answer)) {
            auto with = answer;
            with.push_back(reply);
            check_no_thief_in(scene, with);
        }
    }
    const auto back = recovered(scene, log);
    check_no_thief_in(scene, back);
    check_all_honest_in(scene, back);
    ++scene.answers;
    if (!replies) return;
    for (const auto& reply : thiefs_moves(scene, back)) {
        auto with = back;
        with.push_back(reply);
        check_no_thief_in(scene, with);
        check_all_honest_in(scene, with);
    }
}

void explore(Scene& scene, const Log& log, int depth) {
    judge(scene, log, true);
    if (depth == 0) return;
    for (const auto& move : thiefs_moves(scene, log)) {
        auto with = log;
        with.push_back(move);
        explore(scene, with, depth - 1);
    }
}

// `added_by[n]` has added device n; the first is added by the recovery key.
Scene scene_of(std::uint64_t seed, const std::vector<std::size_t>& added_by, std::size_t thief, int puppets) {
    Scene scene(seed);
    auto& p = scene.person;
    scene.honest.push_back(p.first("d0"));
    for (std::size_t n = 0; n < added_by.size(); ++n) {
        scene.honest.push_back(p.device("d" + std::to_string(n + 1)));
        p.add(scene.honest[added_by[n]], scene.honest.back());
    }
    scene.thief = thief;
    for (int n = 0; n < puppets; ++n) scene.puppets.push_back(p.device("puppet" + std::to_string(n)));
    scene.stolen_at = p.log;
    return scene;
}

const std::vector<std::vector<std::size_t>> families{{0}, {0, 0}, {0, 1}};

}  // namespace

TEST_CASE("a thief with a passphrase is never left the only one in, and the recovery key undoes it all") {
    REQUIRE(crypto::start());
    std::size_t histories = 0;
    std::uint64_t seed = 1;
    for (const auto& family : families)
        for (std::size_t thief = 0; thief <= family.size(); ++thief) {
            auto scene = scene_of(seed++, family, thief, 2);
            explore(scene, scene.person.log, family.size() == 1 ? 3 : 2);
            // The same where an honest device was first: its bar is known to him, or on its way.
            for (std::size_t by = 0; by < scene.honest.size(); ++by) {
                if (by == thief) continue;
                auto log = scene.person.log;
                log.push_back(scene.person.bar(scene.honest[by], scene.honest[thief], log));
                explore(scene, log, 1);
            }
            histories += scene.histories;
        }
    MESSAGE(histories, " histories");
    CHECK(histories > 400);
}

TEST_CASE("longer histories of a thief, by chance") {
    for (std::uint64_t seed = 100; seed < 100 + seeds(60); ++seed) {
        CAPTURE(seed);
        const auto& family = families[seed % families.size()];
        auto scene = scene_of(seed, family, seed % (family.size() + 1), 3);
        auto& random = scene.person.random;
        auto log = scene.person.log;
        for (int step = 0; step < 6; ++step) {
            if (random.below(4) == 0) {
                auto by = random.below(scene.honest.size());
                if (by != scene.thief) {
                    log = answered_by(scene, scene.honest[by], log);
                    continue;
                }
            }
            const auto moves = thiefs_moves(scene, log);
            if (moves.empty()) break;
            log.push_back(moves[random.below(moves.size())]);
        }
        judge(scene, log, true);
    }
}
