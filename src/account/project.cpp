#include "account/project.h"

#include <algorithm>
#include <set>

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

// By its mark, which every device of the person can make.
const roster::Device* owner_of(const roster::Device& node, const Source& source) {
    for (const auto& device : source.person.devices)
        if (mark_of(source.account, device.id) == node.nonce) return &device;
    return nullptr;
}

// Whether the person's roster says that this node has no business at the service. One that no device has
// claimed may be that of a device which has not been heard of yet, or a thief's under a stolen mark: it is
// judged by who added it, too.
bool is_unwanted(const roster::Device& node, const roster::State& state, const Source& source) {
    const roster::Device* at = &node;
    for (std::size_t steps = 0; at && steps <= state.devices.size(); ++steps) {
        if (const auto* owner = owner_of(*at, source)) {
            const auto claim = source.claims.find(owner->id);
            const bool claimed = claim != source.claims.end();
            if (claimed && claim->second != at->device_key) return true;
            // The word of a device in doubt keeps out those that it has barred, here as there.
            if (owner->state == DeviceState::barred ||
                std::ranges::any_of(source.person.bars, [&](const roster::Barring& bar) {
                    return bar.device == owner->id && bar.by == source.self;
                }))
                return true;
            if (claimed) return false;
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

// Of nodes that fell for no doing of theirs: who added them was barred, by one that did not know of them.
// That they are wanted their own devices have said. What names a node itself (a bar, the recovery key's word)
// is not gone round.
std::vector<roster::SignedRequest> fallen(std::span<const Entry> log, const roster::State& state,
                                          const Source& source) {
    std::map<EntryId, roster::Standing> standing;
    for (const auto& line : state.lines) standing[line.id] = line.standing;
    std::map<DeviceId, roster::SignedRequest> requests;
    std::set<DeviceId> named;
    for (const auto& entry : log) {
        const auto at = standing.find(entry.id);
        if (at == standing.end()) continue;
        const bool is_void = at->second == roster::Standing::is_void;
        if (const auto* add = std::get_if<roster::Add>(&entry.body.act)) {
            requests.emplace(add->request.id(), add->request);
            if (!is_void) named.insert(add->request.id());
        } else if (const auto* bar = std::get_if<roster::Bar>(&entry.body.act); bar && !is_void) {
            named.insert(bar->device);
        } else if (const auto* recover = std::get_if<roster::Recover>(&entry.body.act); recover && !is_void) {
            named.insert(recover->bars.begin(), recover->bars.end());
        }
    }
    std::vector<roster::SignedRequest> found;
    for (const auto& node : state.devices) {
        const auto* owner = owner_of(node, source);
        if (named.contains(node.id) || !owner || owner->state != DeviceState::active) continue;
        const auto claim = source.claims.find(owner->id);
        if (claim == source.claims.end() || claim->second != node.device_key ||
            is_unwanted(node, state, source) ||
            node_of(state, source, owner->id)->state != DeviceState::barred)
            continue;
        found.push_back(requests.at(node.id));
    }
    return found;
}

// Who asks says by that which key is its own.
Source with_asked(const Source& source, std::span<const Asked> asked) {
    Source known{source.account, source.person, source.self, source.claims};
    for (const auto& one : asked)
        if (auto request = roster::read_request(one.request);
            request && request->nonce == mark_of(source.account, one.device))
            known.claims.emplace(one.device, request->device_key);
    return known;
}

// Of devices that are active and have no node.
std::vector<roster::SignedRequest> wanted(const roster::State& state, const Source& known,
                                          std::span<const Asked> asked) {
    std::vector<roster::SignedRequest> requests;
    for (const auto& one : asked) {
        const auto* device = known.person.find(one.device);
        const auto request = roster::read_request(one.request);
        if (!device || device->state != DeviceState::active || !request ||
            request->nonce != mark_of(known.account, one.device) ||
            request->device_key != known.claims.at(one.device))
            continue;
        const auto* former = node_of(state, known, one.device);
        if (!former || former->state == DeviceState::barred) requests.push_back(one.request);
    }
    return requests;
}

// Bars against nodes that the person's roster has nothing against.
std::vector<EntryId> unjust(const roster::State& state, const Source& source) {
    std::vector<EntryId> bars;
    for (const auto& bar : state.bars) {
        const auto* node = state.find(bar.device);
        const auto* owner = node ? owner_of(*node, source) : nullptr;
        if (owner && owner->state == DeviceState::active && !is_unwanted(*node, state, source))
            bars.push_back(bar.entry);
    }
    return bars;
}

Result<crypto::SignKey> account_key(const roster::State& state, const Key& seed, std::uint32_t* index) {
    if (state.recovery_disputed) return fail(Fault::refused, "which key recovers that account is in dispute");
    for (std::uint32_t i = 0; i < roster::recovery_account_key_count; ++i) {
        auto key = roster::recovery_account_key(seed, i);
        if (key.public_key() != state.recovery) continue;
        *index = i;
        return key;
    }
    return fail(Fault::refused, "this recovery sheet has no key of that account", "use the newest sheet");
}

}  // namespace

const roster::Device* node_of(const roster::State& state, const Source& source, const DeviceId& device) {
    const auto mark = mark_of(source.account, device);
    const auto claim = source.claims.find(device);
    const roster::Device* found = nullptr;
    for (const auto& node : state.devices)
        if (node.nonce == mark && (claim == source.claims.end() || node.device_key == claim->second) &&
            (!found || found->state == DeviceState::barred))
            found = &node;
    return found;
}

Result<std::vector<Entry>> project(std::span<const Entry> log, const Source& source,
                                   const crypto::SignKey& act, const Wishes& wishes) {
    KITH_TRY_VALUE(signing, Signing::of(log));
    const auto& state = signing.state();
    const auto own = std::ranges::find(state.devices, act.public_key(), &roster::Device::act_key);
    if (own == state.devices.end()) return std::vector<Entry>();
    const DeviceId self = own->id;
    const auto known = with_asked(source, wishes.asked);
    if (wishes.contests)
        for (const auto& bar : std::vector(state.bars))
            if (bar.device == self)
                KITH_TRY(signing.take(roster::make_contest(state, self, act, bar.entry, 0)));
    // Once: a bar that is contested waits for a decision, and saying it again adds nothing.
    const auto said = [&](const DeviceId& node) {
        return std::ranges::any_of(
            state.bars, [&](const roster::Barring& bar) { return bar.device == node && bar.by == self; });
    };
    for (const auto& node : unwanted(state, known))
        if (node != self && !said(node))
            KITH_TRY(signing.take(roster::make_bar(state, self, act, node, false, 0)));
    if (wishes.lifts)
        for (const auto& bar : unjust(state, known))
            KITH_TRY(signing.take(roster::make_lift(state, self, act, bar, 0)));
    for (const auto& request : fallen(log, state, known))
        KITH_TRY(signing.take(roster::make_add(state, self, act, request, 0)));
    for (const auto& request : wanted(state, known, wishes.asked))
        KITH_TRY(signing.take(roster::make_add(state, self, act, request, 0)));
    return signing.made();
}

namespace {

// What `node` signed from its first bar of a wanted node on falls, but for what wanted nodes rest on.
// Nothing: it has barred none of these.
std::optional<roster::Cut> cut_of(const DeviceId& node, const roster::State& state,
                                  const std::set<DeviceId>& unwanted) {
    std::map<EntryId, std::uint64_t> counters;
    for (const auto& line : state.lines) counters[line.id] = line.counter;
    std::optional<std::uint64_t> limit;
    for (const auto& bar : state.bars)
        if (bar.by == node && !unwanted.contains(bar.device))
            limit = std::min(limit.value_or(counters[bar.entry]), counters[bar.entry]);
    if (!limit) return std::nullopt;
    roster::Cut cut{node, std::nullopt};
    std::uint64_t highest = 0;
    for (const auto& line : state.lines) {
        if (line.signer != node || line.counter <= highest) continue;
        if (line.counter >= *limit && (!line.adds || unwanted.contains(*line.adds))) continue;
        highest = line.counter;
        cut.last = line.id;
    }
    return cut;
}

}  // namespace

Result<std::vector<Entry>> recover(std::span<const Entry> log, const Source& heard, const Key& seed,
                                   std::span<const Asked> asked) {
    const auto source = with_asked(heard, asked);
    KITH_TRY_VALUE(signing, Signing::of(log));
    const auto& state = signing.state();
    std::uint32_t index = 0;
    KITH_TRY_VALUE(key, account_key(state, seed, &index));
    // Those that are not barred first; then also the others: by this key's word it is for good.
    auto out = unwanted(state, source);
    for (const auto& node : state.devices)
        if (node.state == DeviceState::barred && is_unwanted(node, state, source)) out.push_back(node.id);
    const std::set<DeviceId> all(out.begin(), out.end());
    const auto before = state;
    for (std::size_t from = 0; from < out.size(); from += limits::roster_devices) {
        const auto part = std::span(out).subspan(from, std::min(out.size() - from, limits::roster_devices));
        roster::Recover recover{std::nullopt, {}, {part.begin(), part.end()}};
        for (const auto& node : part)
            if (auto cut = cut_of(node, before, all)) recover.cuts.push_back(*cut);
        KITH_TRY(signing.take(roster::make_recover(state, key, recover, 0)));
    }
    for (const auto& bar : unjust(state, source))
        KITH_TRY(signing.take(roster::make_lift(state, std::nullopt, key, bar, 0)));
    for (const auto& request : wanted(state, source, asked))
        KITH_TRY(signing.take(roster::make_add(state, std::nullopt, key, request, 0)));
    return signing.made();
}

std::optional<crypto::SignKey> account_key_of(const Key& seed, const SignPublic& key) {
    for (std::uint32_t i = 0; i < roster::recovery_account_key_count; ++i)
        if (auto own = roster::recovery_account_key(seed, i); own.public_key() == key) return own;
    return std::nullopt;
}

Result<std::vector<Entry>> restore(std::span<const Entry> log, const roster::SignedRequest& request,
                                   const Key& seed, const std::optional<SignPublic>& renewal) {
    KITH_TRY_VALUE(signing, Signing::of(log));
    const auto& state = signing.state();
    std::uint32_t index = 0;
    KITH_TRY_VALUE(key, account_key(state, seed, &index));
    const auto must = [](Result<bool> taken) -> Result<> {
        KITH_TRY_VALUE(done, std::move(taken));
        if (!done) return fail(Fault::refused, "the account's list of devices does not take another one");
        return {};
    };
    KITH_TRY(must(signing.take(roster::make_add(state, std::nullopt, key, request, 0))));
    std::vector<DeviceId> out;
    for (const bool barred : {false, true})
        for (const auto& node : state.devices)
            if (node.id != request.id() && (node.state == DeviceState::barred) == barred)
                out.push_back(node.id);
    std::size_t from = 0;
    do {
        const auto part = std::span(out).subspan(from, std::min(out.size() - from, limits::roster_devices));
        roster::Recover recover{std::nullopt, {}, {part.begin(), part.end()}};
        from += part.size();
        // The last word of the former key.
        if (from == out.size()) recover.recovery = renewal;
        if (!recover.bars.empty() || recover.recovery)
            KITH_TRY(must(signing.take(roster::make_recover(state, key, recover, 0))));
    } while (from < out.size());
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
