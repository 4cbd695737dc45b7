// People and devices for the tests of the roster.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/seeded_random.h"
#include "roster/recovery.h"
#include "roster/roster.h"

namespace kith::roster::test {

struct TestDevice {
    crypto::SignKey device_key, act_key;
    crypto::LinkKey link_key;
    SignedRequest request;
    DeviceId id() const { return request.id(); }
};

// A person, and what one after another was signed for it. `view` folds any part of it.
struct Person {
    explicit Person(std::uint64_t number)
        : random(number), seed(crypto::random_secret(random)), recovery(recovery_key(this->seed)) {
        log.push_back(make_genesis(this->seed));
        id = person_of(log[0].id);
    }
    TestDevice device(const std::string& name) {
        TestDevice made{crypto::SignKey(crypto::random_secret(random)),
                        crypto::SignKey(crypto::random_secret(random)),
                        crypto::LinkKey::generate(random),
                        {}};
        made.request =
            *make_request(id, name, made.device_key, made.act_key, made.link_key.public_key, random);
        return made;
    }
    State view() const { return *fold(id, log); }
    // A device that the recovery key added, as the first one is.
    TestDevice first(const std::string& name) {
        auto made = device(name);
        log.push_back(*make_add(view(), std::nullopt, recovery, made.request, time++));
        return made;
    }
    // By `by`, who knows `known` of the log (all of it unless told).
    Entry add(const TestDevice& by, const TestDevice& added, std::vector<Entry> known) {
        return *make_add(*fold(id, known), by.id(), by.act_key, added.request, time++);
    }
    void add(const TestDevice& by, const TestDevice& added) { log.push_back(add(by, added, log)); }
    Entry bar(const TestDevice& by, const TestDevice& target, std::vector<Entry> known, bool erase = false) {
        return *make_bar(*fold(id, known), by.id(), by.act_key, target.id(), erase, time++);
    }
    void bar(const TestDevice& by, const TestDevice& target) { log.push_back(bar(by, target, log)); }
    Entry contest(const TestDevice& by, const EntryId& bar, std::vector<Entry> known) {
        return *make_contest(*fold(id, known), by.id(), by.act_key, bar, time++);
    }
    Entry lift(const TestDevice& by, const EntryId& bar, std::vector<Entry> known) {
        return *make_lift(*fold(id, known), by.id(), by.act_key, bar, time++);
    }
    // With the recovery key: what is given.
    Entry recover(const Recover& act, std::vector<Entry> known) {
        return *make_recover(*fold(id, known), recovery, act, time++);
    }
    const EntryId& newest() const { return log.back().id; }
    Entry rename(const TestDevice& by, const TestDevice& target, const std::string& name,
                 std::vector<Entry> known) {
        return *make_rename(*fold(id, known), by.id(), by.act_key, target.id(), name, time++);
    }
    // Whatever a device with its act key could sign, allowed or not.
    Entry forge(const TestDevice& by, Act act, const std::vector<Entry>& known) {
        auto state = *fold(id, known);
        return *sign_entry({id, by.id(), state.next_counter(by.id()), state.heads, time++, std::move(act)},
                           by.act_key);
    }
    DeviceState state_of(const TestDevice& device) const {
        const auto state = view();
        const auto* found = state.find(device.id());
        return found ? found->state : DeviceState::barred;
    }

    SeededRandom random;
    Key seed;
    crypto::SignKey recovery;
    PersonId id;
    std::vector<Entry> log;
    std::int64_t time = 1'700'000'000'000;
};

// What two folds must agree on.
inline std::string shown(const State& state) {
    std::string out = state.person.hex() + (state.founded ? " founded" : "");
    for (const auto& d : state.devices)
        out += "\n" + d.id.hex() + " " + d.name + " " + std::string(device_state_name(d.state)) + " " +
               d.why + " " + std::to_string(d.added_ms) + " " +
               (d.added_by ? d.added_by->hex() : "recovery") + (d.erase ? " erase" : "");
    const auto ids = [&](const char* name, const std::vector<EntryId>& list) {
        out += std::string("\n") + name;
        for (const auto& id : list) out += " " + id.hex();
    };
    ids("heads", state.heads);
    for (const auto& line : state.lines)
        out += "\nline " + line.id.hex() + " " + std::to_string(static_cast<int>(line.standing));
    for (const auto& bar : state.bars)
        out +=
            "\nbar " + bar.entry.hex() + (bar.contested ? " contested" : "") + (bar.is_final ? " final" : "");
    out += "\nrecovery " + state.recovery.hex() + (state.recovery_disputed ? " disputed" : "");
    for (const auto& u : state.unresolved) out += "\nunresolved " + u.entry.hex() + " " + u.what;
    for (const auto& [signer, counter] : state.counters)
        out += "\n" + (signer ? signer->hex() : "recovery") + " " + std::to_string(counter);
    return out;
}

}  // namespace kith::roster::test
