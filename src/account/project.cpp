#include "account/project.h"

#include <algorithm>

#include "base/limits.h"
#include "roster/recovery.h"

namespace kith::account {
namespace {

using roster::DeviceState;
using roster::Entry;

// A log that grows by what is signed, each of which follows all before it.
class Signing {
  public:
    static Result<Signing> of(std::span<const Entry> log) {
        if (log.empty()) return fail(Fault::invalid, "there is no roster of this account here");
        Signing signing;
        signing.log_.assign(log.begin(), log.end());
        KITH_TRY(signing.fold());
        return signing;
    }
    const roster::State& state() const { return state_; }
    std::vector<Entry> made() { return std::move(made_); }
    // False: the rules do not allow it, and nothing has changed.
    Result<bool> take(Result<Entry> entry) {
        if (!entry) return false;
        log_.push_back(*entry);
        KITH_TRY(fold());
        const bool placed =
            std::ranges::find(state_.lines, entry->id, &roster::Line::id) != state_.lines.end();
        if (placed) {
            made_.push_back(std::move(*entry));
            return true;
        }
        log_.pop_back();
        KITH_TRY(fold());
        return false;
    }

  private:
    Result<> fold() {
        KITH_TRY_VALUE(state, roster::fold(roster::person_of(log_.front().id), log_, memory_));
        state_ = std::move(state);
        return {};
    }
    std::vector<Entry> log_, made_;
    roster::Memory memory_;
    roster::State state_;
};

// Whether the person's roster says that this node has no business at the service. One that belongs to no
// device known here may be that of a device whose adding has not been heard of yet: it is judged by who added
// it.
bool is_unwanted(const roster::Device& node, const roster::State& state, const Source& source) {
    const roster::Device* at = &node;
    for (std::size_t steps = 0; at && steps <= state.devices.size(); ++steps) {
        if (const auto* owner = owner_of(*at, source.account, source.person)) {
            if (owner->state == DeviceState::barred) return true;
            // The word of a device in doubt keeps out those that it has barred, here as there.
            return std::ranges::any_of(source.person.bars, [&](const roster::Barring& bar) {
                return bar.device == owner->id && bar.by == source.self;
            });
        }
        at = at->added_by ? state.find(*at->added_by) : nullptr;
    }
    return false;
}

std::vector<DeviceId> unwanted(const roster::State& state, const Source& source) {
    std::vector<DeviceId> nodes;
    for (const auto& node : state.devices)
        if (node.state != DeviceState::barred && is_unwanted(node, state, source)) nodes.push_back(node.id);
    return nodes;
}

// Bars against nodes that the person's roster has nothing against.
std::vector<EntryId> unjust(const roster::State& state, const Source& source) {
    std::vector<EntryId> bars;
    for (const auto& bar : state.bars) {
        const auto* node = state.find(bar.device);
        const auto* owner = node ? owner_of(*node, source.account, source.person) : nullptr;
        if (owner && owner->state == DeviceState::active && !is_unwanted(*node, state, source))
            bars.push_back(bar.entry);
    }
    return bars;
}

Result<crypto::SignKey> account_key(const roster::State& state, const Key& seed, std::uint32_t* index) {
    for (std::uint32_t i = 0; i < roster::recovery_account_key_count; ++i) {
        auto key = roster::recovery_account_key(seed, i);
        if (key.public_key() != state.recovery) continue;
        *index = i;
        return key;
    }
    return fail(Fault::refused, "this recovery sheet has no key of that account", "use the newest sheet");
}

}  // namespace

const roster::Device* owner_of(const roster::Device& node, const AccountId& account,
                               const roster::State& person) {
    for (const auto& device : person.devices)
        if (mark_of(account, device.id) == node.nonce) return &device;
    return nullptr;
}

const roster::Device* node_of(const roster::State& state, const AccountId& account, const DeviceId& device) {
    const auto mark = mark_of(account, device);
    const roster::Device* found = nullptr;
    for (const auto& node : state.devices)
        if (node.nonce == mark && (!found || found->state == DeviceState::barred)) found = &node;
    return found;
}

Result<std::vector<Entry>> project(std::span<const Entry> log, const Source& source,
                                   const crypto::SignKey& act, const Wishes& wishes) {
    KITH_TRY_VALUE(signing, Signing::of(log));
    const auto& state = signing.state();
    const auto own = std::ranges::find(state.devices, act.public_key(), &roster::Device::act_key);
    if (own == state.devices.end()) return std::vector<Entry>();
    const DeviceId self = own->id;
    if (wishes.contests)
        for (const auto& bar : std::vector(state.bars))
            if (bar.device == self)
                KITH_TRY(signing.take(roster::make_contest(state, self, act, bar.entry, 0)));
    // Once: a bar that is contested waits for a decision, and saying it again adds nothing.
    const auto said = [&](const DeviceId& node) {
        return std::ranges::any_of(
            state.bars, [&](const roster::Barring& bar) { return bar.device == node && bar.by == self; });
    };
    for (const auto& node : unwanted(state, source))
        if (node != self && !said(node))
            KITH_TRY(signing.take(roster::make_bar(state, self, act, node, false, 0)));
    if (wishes.lifts)
        for (const auto& bar : unjust(state, source))
            KITH_TRY(signing.take(roster::make_lift(state, self, act, bar, 0)));
    for (const auto& one : wishes.asked) {
        const auto* device = source.person.find(one.device);
        const auto request = roster::read_request(one.request);
        if (!device || device->state != DeviceState::active || !request ||
            request->nonce != mark_of(source.account, one.device))
            continue;
        const auto* former = node_of(state, source.account, one.device);
        if (former && former->state != DeviceState::barred) continue;
        KITH_TRY(signing.take(roster::make_add(state, self, act, one.request, 0)));
    }
    return signing.made();
}

Result<std::vector<Entry>> recover(std::span<const Entry> log, const Source& source, const Key& seed) {
    KITH_TRY_VALUE(signing, Signing::of(log));
    const auto& state = signing.state();
    std::uint32_t index = 0;
    KITH_TRY_VALUE(key, account_key(state, seed, &index));
    const auto out = unwanted(state, source);
    // Also those that are barred already: by this key's word it is for good.
    roster::Recover recover{std::nullopt, {}, out};
    for (const auto& node : state.devices)
        if (node.state == DeviceState::barred && is_unwanted(node, state, source))
            recover.bars.push_back(node.id);
    if (recover.bars.size() > limits::roster_devices) recover.bars.resize(limits::roster_devices);
    if (!recover.bars.empty()) KITH_TRY(signing.take(roster::make_recover(state, key, recover, 0)));
    for (const auto& bar : unjust(state, source))
        KITH_TRY(signing.take(roster::make_lift(state, std::nullopt, key, bar, 0)));
    return signing.made();
}

Result<std::vector<Entry>> renew(std::span<const Entry> log, const Key& seed, const Key& fresh) {
    KITH_TRY_VALUE(signing, Signing::of(log));
    std::uint32_t index = 0;
    KITH_TRY_VALUE(key, account_key(signing.state(), seed, &index));
    const roster::Recover renewal{roster::recovery_account_key(fresh, index).public_key(), {}, {}};
    KITH_TRY(signing.take(roster::make_recover(signing.state(), key, renewal, 0)));
    return signing.made();
}

}  // namespace kith::account
