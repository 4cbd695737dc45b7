#include "roster/roster.h"

#include <algorithm>
#include <map>
#include <set>

#include "roster/identity.h"
#include "roster/limits.h"
#include "roster/recovery.h"

namespace kith::roster {
namespace {

Result<> check_key(const State& state, const Signer& signer, const crypto::SignKey& key) {
    if (signer) {
        const Device* device = state.find(*signer);
        if (device && key.public_key() == device->act_key) return {};
        return fail(Fault::refused, "this is not the device's key for such acts");
    }
    if (state.recovery_disputed)
        return fail(Fault::forbidden, "the recovery key was renewed twice at the same time, so none works",
                    "bar what is not yours from a device that is active");
    if (state.founded && key.public_key() == state.recovery) return {};
    return fail(Fault::refused, "this is not the recovery key of this person",
                "use the newest recovery sheet");
}

// A device in doubt may still bar, which lets nobody in; all else is for active ones.
Result<> check_state(const State& state, const Signer& signer, const Act& act) {
    if (!signer) return {};
    const Device* device = state.find(*signer);
    if (!device) return fail(Fault::forbidden, "this device is not on the list of devices");
    const bool bars = std::holds_alternative<Bar>(act) && device->state == DeviceState::suspended;
    if (device->state == DeviceState::active || bars || std::holds_alternative<Contest>(act)) return {};
    return fail(Fault::forbidden, "this device may not change the list of devices",
                "it is " + std::string(device_state_name(device->state)) + ": " + device->why);
}

// What the signer's next entry follows: the heads, and its own newest entries though they be void, so that it
// never uses a counter twice. `known` marks all lines that this leads to.
std::vector<EntryId> heads_for(const State& state, const Signer& signer, std::vector<bool>& known) {
    const auto& lines = state.lines;
    std::vector<EntryId> heads = state.heads;
    known.assign(lines.size(), false);
    for (std::size_t n = lines.size(); n-- > 0;) {
        if (!known[n] && std::binary_search(state.heads.begin(), state.heads.end(), lines[n].id))
            known[n] = true;
        if (!known[n]) continue;
        for (auto head : lines[n].heads) known[head] = true;
    }
    std::vector<EntryId> own;
    for (std::size_t n = lines.size(); n-- > 0;) {
        if (known[n] || lines[n].signer != signer) continue;
        own.push_back(lines[n].id);
        known[n] = true;
        for (std::size_t m = n + 1; m-- > 0;)
            if (known[m])
                for (auto head : lines[m].heads) known[head] = true;
    }
    heads.resize(std::min(heads.size(), limits::roster_heads - std::min(own.size(), limits::roster_heads)));
    heads.insert(heads.end(), own.begin(), own.end());
    std::sort(heads.begin(), heads.end());
    return heads;
}

// Those whose `add` the signer's next entry follows.
std::set<DeviceId> known_devices(const State& state, const Signer& signer) {
    std::vector<bool> known;
    (void)heads_for(state, signer, known);
    std::set<DeviceId> devices;
    for (std::size_t n = 0; n < known.size(); ++n)
        if (known[n] && state.lines[n].adds) devices.insert(*state.lines[n].adds);
    return devices;
}

Result<Entry> make_entry(const State& state, const Signer& signer, const crypto::SignKey& key, Act act,
                         std::int64_t time_ms) {
    KITH_TRY(check_state(state, signer, act));
    KITH_TRY(check_key(state, signer, key));
    if (state.next_counter(signer) > limits::roster_signer_entries)
        return fail(Fault::forbidden, "this device has changed the list of devices too often",
                    "use another device");
    std::vector<bool> known;
    return sign_entry({state.person, signer, state.next_counter(signer), heads_for(state, signer, known),
                       time_ms, std::move(act)},
                      key);
}

const Barring* find_bar(const State& state, const EntryId& bar) {
    auto at = std::find_if(state.bars.begin(), state.bars.end(),
                           [&](const Barring& barring) { return barring.entry == bar; });
    return at == state.bars.end() ? nullptr : &*at;
}

Result<> check_known(const State& state, const DeviceId& device) {
    if (state.find(device)) return {};
    return fail(Fault::not_found, "there is no such device", "see `kith device list`");
}

}  // namespace

std::string_view device_state_name(DeviceState state) {
    switch (state) {
        case DeviceState::active:
            return "active";
        case DeviceState::suspended:
            return "suspended";
        case DeviceState::barred:
            return "barred";
    }
    return "";
}

const Device* State::find(const DeviceId& id) const {
    auto at =
        std::find_if(devices.begin(), devices.end(), [&](const Device& device) { return device.id == id; });
    return at == devices.end() ? nullptr : &*at;
}

const Device* State::link_allowed(const LinkPublic& key) const {
    auto at = std::find_if(devices.begin(), devices.end(), [&](const Device& device) {
        return device.state == DeviceState::active && device.link_key == key;
    });
    return at == devices.end() ? nullptr : &*at;
}

std::uint64_t State::next_counter(const Signer& signer) const {
    auto at = counters.find(signer);
    return at == counters.end() ? 1 : at->second + 1;
}

Entry make_genesis(const Key& recovery_seed) {
    const auto key = recovery_key(recovery_seed);
    return *sign_entry({std::nullopt, std::nullopt, 1, {}, 0, genesis_of(identity_of(recovery_seed))}, key);
}

Result<Entry> make_add(const State& state, const Signer& signer, const crypto::SignKey& key,
                       const SignedRequest& request, std::int64_t time_ms) {
    KITH_TRY_VALUE(read, read_request(request));
    if (!read.may_join(state.person))
        return fail(Fault::refused, "the device asks to be added to another person's devices");
    // Whom only void entries added, and none that the signer's entry will follow, is not on the list.
    const auto listed = known_devices(state, signer);
    if (listed.contains(request.id()))
        return fail(Fault::refused, "the device is on the list already", "it needs a new request");
    const std::size_t room = limits::roster_devices + (signer ? 0 : limits::roster_recovery_devices);
    if (state.devices.size() >= room)
        return fail(Fault::forbidden, "there are too many devices on the list", "barred ones count too");
    for (const auto& device : state.devices)
        if (listed.contains(device.id) &&
            (device.link_key == read.link_key || device.act_key == read.act_key ||
             device.device_key == read.device_key))
            return fail(Fault::refused, "the device uses the keys of another one", "make it new keys");
    return make_entry(state, signer, key, Add{request}, time_ms);
}

Result<Entry> make_rename(const State& state, const Signer& signer, const crypto::SignKey& key,
                          const DeviceId& device, std::string_view name, std::int64_t time_ms) {
    KITH_TRY(check_known(state, device));
    auto made = make_entry(state, signer, key, Rename{device, std::string(name)}, time_ms);
    if (!made && made.error().kind == Fault::protocol)
        return fail(Fault::invalid, "this cannot be the name of a device",
                    "use 1 to " + std::to_string(limits::name_bytes) + " bytes of plain text");
    return made;
}

Result<Entry> make_bar(const State& state, const Signer& signer, const crypto::SignKey& key,
                       const DeviceId& device, bool erase, std::int64_t time_ms) {
    KITH_TRY(check_known(state, device));
    return make_entry(state, signer, key, Bar{device, last_of(state, signer, device), erase}, time_ms);
}

Result<Entry> make_contest(const State& state, const DeviceId& signer, const crypto::SignKey& key,
                           const EntryId& bar, std::int64_t time_ms) {
    const auto* barring = find_bar(state, bar);
    if (!barring || barring->device != signer)
        return fail(Fault::not_found, "there is no such bar against this device",
                    "'kith device log' shows them");
    if (barring->contested)
        return fail(Fault::forbidden, "this device has contested that bar already",
                    "a device that was added before both decides, or the recovery sheet");
    if (barring->is_final)
        return fail(Fault::forbidden, "this bar cannot be contested: it is a decision",
                    "the recovery sheet alone can undo it");
    return make_entry(state, signer, key, Contest{bar}, time_ms);
}

Result<Entry> make_lift(const State& state, const Signer& signer, const crypto::SignKey& key,
                        const EntryId& bar, std::int64_t time_ms) {
    if (!find_bar(state, bar)) return fail(Fault::not_found, "there is no such bar, or it has no effect");
    return make_entry(state, signer, key, Lift{bar}, time_ms);
}

Result<Entry> make_recover(const State& state, const crypto::SignKey& key, const Recover& recover,
                           std::int64_t time_ms) {
    const auto devices = known_devices(state, std::nullopt);
    Recover named{recover.recovery, {}, {}};
    for (const auto& device : recover.bars) {
        KITH_TRY(check_known(state, device));
        if (devices.contains(device)) named.bars.push_back(device);
    }
    for (const auto& cut : recover.cuts) {
        KITH_TRY(check_known(state, cut.device));
        if (devices.contains(cut.device)) named.cuts.push_back(cut);
    }
    return make_entry(state, std::nullopt, key, std::move(named), time_ms);
}

std::optional<EntryId> last_of(const State& state, const Signer& signer, const DeviceId& device) {
    std::vector<bool> known;
    (void)heads_for(state, signer, known);
    const Line* last = nullptr;
    for (std::size_t n = 0; n < state.lines.size(); ++n)
        if (known[n] && state.lines[n].signer == device && (!last || state.lines[n].counter >= last->counter))
            last = &state.lines[n];
    return last ? std::optional(last->id) : std::nullopt;
}

std::vector<Entry> why_barred(const State& state, std::span<const Entry> entries, const DeviceId& device) {
    // When no entry names it, a device that added it was barred: then all that bars anybody may be why.
    std::map<EntryId, const Entry*> by_id;
    for (const auto& entry : entries) by_id[entry.id] = &entry;
    const auto puts_out = [&](const Line& line, bool anybody) {
        auto at = by_id.find(line.id);
        if (at == by_id.end() || line.standing == Standing::is_void) return false;
        if (const auto* bar = std::get_if<Bar>(&at->second->body.act))
            return anybody || bar->device == device;
        const auto* recover = std::get_if<Recover>(&at->second->body.act);
        return recover && (anybody || std::find(recover->bars.begin(), recover->bars.end(), device) !=
                                          recover->bars.end());
    };
    const auto named = std::any_of(state.lines.begin(), state.lines.end(),
                                   [&](const Line& l) { return puts_out(l, false); });
    std::vector<bool> told(state.lines.size());
    std::vector<Entry> out;
    for (std::size_t n = state.lines.size(); n-- > 0;) {
        if (!told[n] && !puts_out(state.lines[n], !named)) continue;
        told[n] = true;
        for (auto head : state.lines[n].heads) told[head] = true;
    }
    for (std::size_t n = 0; n < told.size(); ++n)
        if (auto at = by_id.find(state.lines[n].id); told[n] && at != by_id.end()) out.push_back(*at->second);
    return out;
}

Result<State> check_introduction(std::span<const Entry> entries, const LinkPublic& link_key,
                                 const SignPublic& act_key) {
    if (entries.empty() || !std::holds_alternative<Genesis>(entries.front().body.act))
        return fail(Fault::protocol, "the other device shows no list of devices");
    KITH_TRY_VALUE(state, fold(person_of(entries.front().id), entries));
    const Device* device = state.link_allowed(link_key);
    if (!state.founded || !device || device->act_key != act_key)
        return fail(Fault::refused, "the other device is not on the list of devices that it shows",
                    "look at `kith device list` on it");
    return state;
}

}  // namespace kith::roster
