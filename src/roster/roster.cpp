#include "roster/roster.h"

#include <algorithm>

#include "base/limits.h"
#include "roster/recovery.h"

namespace kith::roster {
namespace {

// Who may sign now, and with which key.
Result<> check_signer(const State& state, const Signer& signer, const crypto::SignKey& key) {
    if (!signer) {
        if (state.founded && key.public_key() == state.recovery) return {};
        return fail(Fault::refused, "this is not the recovery key of this person",
                    "use the newest recovery sheet");
    }
    const Device* device = state.find(*signer);
    if (!device || device->state != DeviceState::active)
        return fail(
            Fault::refused, "this device may not change the list of devices",
            device ? "it is " + std::string(device_state_name(device->state)) + ": " + device->why : "");
    if (key.public_key() != device->act_key)
        return fail(Fault::refused, "this is not the device's key for such acts");
    return {};
}

Result<Entry> make_entry(const State& state, const Signer& signer, const crypto::SignKey& key, Act act,
                         std::int64_t time_ms) {
    KITH_TRY(check_signer(state, signer, key));
    if (state.next_counter(signer) > limits::roster_signer_entries)
        return fail(Fault::refused, "this device has changed the list of devices too often",
                    "use another device");
    return sign_entry(
        {state.person, signer, state.next_counter(signer), state.heads, time_ms, std::move(act)}, key);
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

bool worth_keeping(const State& state, std::span<const Entry> kept, const Entry& entry) {
    if (!entry.body.person) return person_of(entry.id) == state.person;
    if (*entry.body.person != state.person || entry.body.counter > limits::roster_signer_entries)
        return false;
    const auto known = [&](const Signer& signer) { return !signer || state.find(*signer); };
    if (known(entry.body.signer)) {
        const auto of_signer = std::count_if(kept.begin(), kept.end(), [&](const Entry& other) {
            return other.body.signer == entry.body.signer;
        });
        return static_cast<std::size_t>(of_signer) < limits::roster_signer_entries;
    }
    const auto strangers = std::count_if(kept.begin(), kept.end(),
                                         [&](const Entry& other) { return !known(other.body.signer); });
    return static_cast<std::size_t>(strangers) < limits::roster_pending;
}

Entry make_genesis(const Key& recovery_seed) {
    const auto key = recovery_key(recovery_seed);
    Genesis genesis{key.public_key(), {}};
    const Key nonce = crypto::derive(recovery_seed, "kith.recovery.nonce");
    std::copy(nonce.view().begin(), nonce.view().end(), genesis.nonce.begin());
    return *sign_entry({std::nullopt, std::nullopt, 1, {}, 0, genesis}, key);
}

Result<Entry> make_add(const State& state, const Signer& signer, const crypto::SignKey& key,
                       const SignedRequest& request, std::int64_t time_ms) {
    KITH_TRY_VALUE(read, read_request(request));
    if (read.person != state.person)
        return fail(Fault::refused, "the device asks to be added to another person's devices");
    if (state.find(request.id()))
        return fail(Fault::refused, "the device is on the list already", "it needs a new request");
    if (state.devices.size() >= limits::roster_devices)
        return fail(Fault::refused, "there are too many devices on the list", "barred ones count too");
    for (const auto& device : state.devices)
        if (device.link_key == read.link_key || device.act_key == read.act_key ||
            device.device_key == read.device_key)
            return fail(Fault::refused, "the device uses the keys of another one", "make it new keys");
    return make_entry(state, signer, key, Add{request}, time_ms);
}

Result<Entry> make_rename(const State& state, const Signer& signer, const crypto::SignKey& key,
                          const DeviceId& device, std::string_view name, std::int64_t time_ms) {
    KITH_TRY(check_known(state, device));
    return make_entry(state, signer, key, Rename{device, std::string(name)}, time_ms);
}

Result<Entry> make_bar(const State& state, const Signer& signer, const crypto::SignKey& key,
                       const DeviceId& device, bool erase, std::int64_t time_ms) {
    KITH_TRY(check_known(state, device));
    return make_entry(state, signer, key, Bar{device, state.find(device)->last, erase}, time_ms);
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
