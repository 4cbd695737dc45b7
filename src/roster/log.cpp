#include "roster/log.h"

#include <algorithm>
#include <deque>
#include <set>

namespace kith::roster {
namespace {

bool bit(const std::vector<std::uint64_t>& bits, std::size_t at) {
    return at / 64 < bits.size() && (bits[at / 64] >> (at % 64) & 1) != 0;
}
void set_bit(std::vector<std::uint64_t>& bits, std::size_t at) {
    if (at / 64 >= bits.size()) bits.resize(at / 64 + 1);
    bits[at / 64] |= std::uint64_t{1} << (at % 64);
}

}  // namespace

Log::Log(const PersonId& person, std::span<const Entry> entries, Memory& memory)
    : person_(person), memory_(memory) {
    // Copies of one entry under several signatures stay side by side: garbage must not hide a good one.
    std::map<EntryId, std::vector<const Entry*>> candidates;
    for (const auto& entry : entries) {
        auto& list = candidates[entry.id];
        const bool twice = std::any_of(list.begin(), list.end(),
                                       [&](auto* other) { return other->signature == entry.signature; });
        if (!twice) list.push_back(&entry);
    }
    std::map<EntryId, std::vector<EntryId>> followers;
    std::map<EntryId, std::size_t> missing;
    std::deque<EntryId> ready;
    for (const auto& [id, list] : candidates) {
        for (const auto& head : list.front()->body.heads) followers[head].push_back(id);
        missing[id] = list.front()->body.heads.size();
        if (missing[id] == 0) ready.push_back(id);
    }
    std::set<EntryId> waiting;
    for (const auto& [id, list] : candidates) waiting.insert(id);
    while (!ready.empty()) {
        const EntryId id = ready.front();
        ready.pop_front();
        bool fits = false;
        for (const Entry* entry : candidates[id]) {
            auto candidate = gather(*entry);
            if (!judge(candidate)) continue;
            place(std::move(candidate));
            fits = true;
            break;
        }
        waiting.erase(id);
        if (!fits) {
            refused.push_back(id);
            continue;
        }
        for (const auto& follower : followers[id])
            if (--missing[follower] == 0) ready.push_back(follower);
    }
    pending.assign(waiting.begin(), waiting.end());
    std::sort(refused.begin(), refused.end());
}

std::optional<std::size_t> Log::find(const EntryId& id) const {
    auto at = numbers_.find(id);
    if (at == numbers_.end()) return std::nullopt;
    return at->second;
}

bool Log::before(std::size_t earlier, std::size_t later) const {
    return bit(placed_[later].ancestors, earlier);
}

bool Log::within(std::size_t entry, const std::optional<EntryId>& last) const {
    if (!last) return false;
    auto at = find(*last);
    return at && (*at == entry || before(entry, *at));
}

const std::vector<std::size_t>& Log::of(const Signer& signer) const {
    static const std::vector<std::size_t> none;
    auto at = by_signer_.find(signer);
    return at == by_signer_.end() ? none : at->second;
}

// All heads are placed.
Placed Log::gather(const Entry& entry) const {
    Placed candidate;
    candidate.entry = &entry;
    for (const auto& head : entry.body.heads) {
        const std::size_t at = numbers_.at(head);
        const auto& known = placed_[at];
        candidate.depth = std::max(candidate.depth, known.depth + 1);
        if (candidate.ancestors.size() < known.ancestors.size())
            candidate.ancestors.resize(known.ancestors.size());
        for (std::size_t i = 0; i < known.ancestors.size(); ++i) candidate.ancestors[i] |= known.ancestors[i];
        set_bit(candidate.ancestors, at);
    }
    if (const auto* add = std::get_if<Add>(&entry.body.act))
        candidate.request = memory_.request(add->request);
    return candidate;
}

void Log::place(Placed candidate) {
    const std::size_t number = placed_.size();
    numbers_[candidate.id()] = number;
    by_signer_[candidate.signer()].push_back(number);
    if (const auto* add = candidate.as<Add>()) adds_[add->request.id()].push_back(number);
    if (const auto* bar = candidate.as<Bar>()) candidate.decides = contests_decided(*bar, candidate);
    placed_.push_back(std::move(candidate));
}

bool Log::judge(Placed& candidate) const {
    const Entry& entry = *candidate.entry;
    if (const auto* genesis = candidate.as<Genesis>())
        return person_of(entry.id) == person_ && memory_.signed_by(entry, genesis->recovery);
    // Its heads lead to a genesis that was placed, which is the person's.
    if (entry.body.person != person_) return false;
    if (entry.body.signer) {
        auto added = added_before(*entry.body.signer, candidate);
        if (!added || !memory_.signed_by(entry, placed_[*added].request->act_key)) return false;
    } else if (!fits_recovery_key(candidate)) {
        return false;
    }
    return fits_counter(candidate) && fits_act(candidate);
}

// The recovery key is the one that the newest renewal before the entry brought: of two that did not know of
// each other, either. Before any renewal it is the genesis'.
bool Log::fits_recovery_key(Placed& candidate) const {
    std::vector<std::size_t> renewals;
    for (auto number : of(std::nullopt)) {
        const auto* recover = placed_[number].as<Recover>();
        if (!recover || !recover->recovery || !is_before(number, candidate)) continue;
        std::erase_if(renewals, [&](std::size_t former) { return before(former, number); });
        renewals.push_back(number);
    }
    if (renewals.empty()) return memory_.signed_by(*candidate.entry, placed_.front().as<Genesis>()->recovery);
    for (auto number : renewals) {
        if (!memory_.signed_by(*candidate.entry, *placed_[number].as<Recover>()->recovery)) continue;
        candidate.renewal = number;
        return true;
    }
    return false;
}

// The signer's entry before this one is among its predecessors, and none that is not before it.
bool Log::fits_counter(const Placed& candidate) const {
    const std::uint64_t counter = candidate.entry->body.counter;
    std::uint64_t highest = 0;
    for (auto number : of(candidate.signer()))
        if (is_before(number, candidate)) highest = std::max(highest, placed_[number].entry->body.counter);
    return counter == highest + 1;
}

bool Log::fits_act(const Placed& candidate) const {
    const auto known = [&](const DeviceId& device) { return added_before(device, candidate).has_value(); };
    if (const auto* add = candidate.as<Add>()) {
        const auto& request = candidate.request;
        if (!request || !request->may_join(person_) || known(add->request.id())) return false;
        for (const auto& [device, numbers] : adds_) {
            for (auto number : numbers) {
                const auto& other = *placed_[number].request;
                const bool shared = other.device_key == request->device_key ||
                                    other.act_key == request->act_key || other.link_key == request->link_key;
                if (shared && is_before(number, candidate)) return false;
            }
        }
        return true;
    }
    if (const auto* rename = candidate.as<Rename>()) return known(rename->device);
    if (const auto* bar = candidate.as<Bar>()) return known(bar->device) && fits_bar(*bar, candidate);
    if (const auto* contest = candidate.as<Contest>()) return fits_contest(*contest, candidate);
    if (const auto* lift = candidate.as<Lift>()) return fits_lift(*lift, candidate);
    if (const auto* recover = candidate.as<Recover>()) return fits_recover(*recover, candidate);
    return false;
}

// A bar takes nothing back that its signer knew: an earlier cut is for the recovery key. So no entry of the
// target that the signer knew may follow `last`.
bool Log::fits_bar(const Bar& bar, const Placed& candidate) const {
    bool any = false, found = false;
    for (auto number : of(bar.device)) {
        if (!is_before(number, candidate)) continue;
        any = true;
        if (!bar.last || placed_[number].id() != *bar.last) continue;
        found = true;
        for (auto later : of(bar.device))
            if (is_before(later, candidate) && before(number, later)) return false;
    }
    return any == found && bar.last.has_value() == any;
}

// By its target, once, and not against the recovery key or the elder who has decided already.
bool Log::fits_contest(const Contest& contest, const Placed& candidate) const {
    const auto* bar = bar_before(contest.bar, candidate);
    if (!bar || !candidate.signer() || candidate.signer() != bar->as<Bar>()->device) return false;
    if (!bar->signer() || !bar->decides.empty()) return false;
    const auto& own = of(candidate.signer());
    return std::none_of(own.begin(), own.end(), [&](std::size_t number) {
        const auto* former = placed_[number].as<Contest>();
        return former && former->bar == contest.bar && is_before(number, candidate);
    });
}

// By the recovery key; or by an elder who has no part in it, when the bar is in dispute.
bool Log::fits_lift(const Lift& lift, const Placed& candidate) const {
    const auto* placed = bar_before(lift.bar, candidate);
    if (!placed) return false;
    if (!candidate.signer()) return true;
    const auto& barrer = placed->signer();
    const DeviceId target = placed->as<Bar>()->device;
    if (!barrer || candidate.signer() == barrer || *candidate.signer() == target) return false;
    if (!older(*candidate.signer(), *barrer, candidate) || !older(*candidate.signer(), target, candidate))
        return false;
    const auto& replies = of(target);
    return std::any_of(replies.begin(), replies.end(), [&](std::size_t number) {
        if (!is_before(number, candidate)) return false;
        const auto* contest = placed_[number].as<Contest>();
        const auto* bar = placed_[number].as<Bar>();
        return (contest && contest->bar == lift.bar) || (bar && bar->device == *barrer);
    });
}

bool Log::fits_recover(const Recover& recover, const Placed& candidate) const {
    if (candidate.signer()) return false;
    for (const auto& device : recover.bars)
        if (!added_before(device, candidate)) return false;
    for (const auto& cut : recover.cuts) {
        if (!added_before(cut.device, candidate)) return false;
        if (!cut.last) continue;
        auto last = find(*cut.last);
        if (!last || !is_before(*last, candidate) || placed_[*last].signer() != cut.device) return false;
    }
    return true;
}

const Placed* Log::bar_before(const EntryId& id, const Placed& candidate) const {
    auto number = find(id);
    if (!number || !is_before(*number, candidate) || !placed_[*number].as<Bar>()) return nullptr;
    return &placed_[*number];
}

// Whether each `add` of the device that the candidate's signer knew has an `add` of the elder before it.
bool Log::older(const DeviceId& elder, const DeviceId& device, const Placed& candidate) const {
    auto elders = adds_.find(elder), adds = adds_.find(device);
    if (elders == adds_.end() || adds == adds_.end()) return false;
    return std::all_of(adds->second.begin(), adds->second.end(), [&](std::size_t add) {
        return !is_before(add, candidate) ||
               std::any_of(elders->second.begin(), elders->second.end(),
                           [&](std::size_t first) { return before(first, add); });
    });
}

// The contests of its target, known to its signer, against bars of others who are both younger than it.
std::vector<std::size_t> Log::contests_decided(const Bar& bar, const Placed& candidate) const {
    std::vector<std::size_t> decided;
    if (!candidate.signer() || !older(*candidate.signer(), bar.device, candidate)) return decided;
    for (auto number : of(bar.device)) {
        const auto* contest = placed_[number].as<Contest>();
        if (!contest || !is_before(number, candidate)) continue;
        const auto& barrer = placed_[*find(contest->bar)].signer();
        if (barrer != candidate.signer() && older(*candidate.signer(), *barrer, candidate))
            decided.push_back(number);
    }
    return decided;
}

std::optional<std::size_t> Log::added_before(const DeviceId& device, const Placed& candidate) const {
    auto adds = adds_.find(device);
    if (adds == adds_.end()) return std::nullopt;
    for (auto number : adds->second)
        if (is_before(number, candidate)) return number;
    return std::nullopt;
}

bool Log::is_before(std::size_t earlier, const Placed& candidate) const {
    return bit(candidate.ancestors, earlier);
}

}  // namespace kith::roster
