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

Log::Log(const PersonId& person, std::span<const Entry> entries) : person_(person) {
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
        bool fits = false, waits = false;
        for (const Entry* entry : candidates[id]) {
            auto candidate = gather(*entry);
            const auto verdict = judge(candidate);
            waits = waits || verdict == Verdict::waits;
            if (verdict != Verdict::fits) continue;
            place(std::move(candidate));
            fits = true;
            break;
        }
        if (!fits && waits) continue;
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
        if (auto request = read_request(add->request)) candidate.request = std::move(*request);
    return candidate;
}

void Log::place(Placed candidate) {
    const std::size_t number = placed_.size();
    numbers_[candidate.id()] = number;
    by_signer_[candidate.signer()].push_back(number);
    if (const auto* add = candidate.as<Add>()) adds_[add->request.id()].push_back(number);
    placed_.push_back(std::move(candidate));
}

Log::Verdict Log::judge(const Placed& candidate) const {
    const Entry& entry = *candidate.entry;
    if (const auto* genesis = candidate.as<Genesis>())
        return person_of(entry.id) == person_ && signed_by(entry, genesis->recovery) ? Verdict::fits
                                                                                     : Verdict::refused;
    // Its heads lead to a genesis that was placed, which is the person's.
    if (entry.body.person != person_) return Verdict::refused;
    if (entry.body.signer) {
        auto added = added_before(*entry.body.signer, candidate);
        if (!added || !signed_by(entry, placed_[*added].request->act_key)) return Verdict::refused;
    } else if (!signed_by(entry, placed_.front().as<Genesis>()->recovery)) {
        // A recovery key that replaced the first one: it is for later rules to say when it counts.
        for (std::size_t i = 0; i < placed_.size(); ++i) {
            const auto* recover = placed_[i].as<Recover>();
            if (recover && recover->recovery && is_before(i, candidate) &&
                signed_by(entry, *recover->recovery))
                return Verdict::waits;
        }
        return Verdict::refused;
    }
    return fits_counter(candidate) && fits_act(candidate) ? Verdict::fits : Verdict::refused;
}

// The signer's entry before this one is among its predecessors, and none that is not before it.
bool Log::fits_counter(const Placed& candidate) const {
    const std::uint64_t counter = candidate.entry->body.counter;
    std::uint64_t highest = 0;
    if (auto own = by_signer_.find(candidate.signer()); own != by_signer_.end())
        for (auto number : own->second)
            if (is_before(number, candidate))
                highest = std::max(highest, placed_[number].entry->body.counter);
    return counter == highest + 1;
}

bool Log::fits_act(const Placed& candidate) const {
    const auto known = [&](const DeviceId& device) { return added_before(device, candidate).has_value(); };
    if (const auto* add = candidate.as<Add>()) {
        const auto& request = candidate.request;
        if (!request || request->person != person_ || known(add->request.id())) return false;
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
    if (const auto* bar = candidate.as<Bar>()) {
        if (!known(bar->device)) return false;
        // A bar takes nothing back that its signer knew: an earlier cut is for the recovery key. So no entry
        // of the target that the signer knew may follow `last`.
        auto entries = by_signer_.find(bar->device);
        bool any = false, found = false;
        if (entries != by_signer_.end()) {
            for (auto number : entries->second) {
                if (!is_before(number, candidate)) continue;
                any = true;
                if (bar->last && placed_[number].id() == *bar->last) {
                    found = true;
                    for (auto later : entries->second)
                        if (is_before(later, candidate) && before(number, later)) return false;
                }
            }
        }
        return any == found && bar->last.has_value() == any;
    }
    const auto is_bar_before = [&](const EntryId& id, const Signer& target) {
        auto number = find(id);
        if (!number || !is_before(*number, candidate)) return false;
        const auto* bar = placed_[*number].as<Bar>();
        return bar && (!target || bar->device == *target);
    };
    if (const auto* contest = candidate.as<Contest>())
        return candidate.signer() && is_bar_before(contest->bar, candidate.signer());
    if (const auto* lift = candidate.as<Lift>()) return is_bar_before(lift->bar, std::nullopt);
    if (const auto* recover = candidate.as<Recover>()) {
        if (candidate.signer()) return false;
        for (const auto& device : recover->bars)
            if (!known(device)) return false;
        for (const auto& cut : recover->cuts) {
            if (!known(cut.device)) return false;
            if (!cut.last) continue;
            auto last = find(*cut.last);
            if (!last || !is_before(*last, candidate) || placed_[*last].signer() != cut.device) return false;
        }
        return true;
    }
    return false;
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
