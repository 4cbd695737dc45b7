// What of entries that came from outside is kept: enough for every honest device, and no more of any one
// signer, so that a thief with a passphrase cannot drown the others' entries.
#include <algorithm>
#include <set>

#include "roster/limits.h"
#include "roster/log.h"
#include "roster/roster.h"

namespace kith::roster {
namespace {

struct Share {
    std::size_t entries = 0, bytes = 0;
};

class Intake {
  public:
    Intake(const State& current, std::span<const Entry> kept, std::span<const Entry> fresh, Memory& memory)
        : current_(current), kept_(kept), memory_(memory) {
        for (const auto& entry : kept) {
            kept_ids_[entry.id] = &entry;
            charge(entry);
        }
        for (const auto& line : current.lines) placed_ids_.insert(line.id);
        std::set<std::pair<EntryId, Signature>> seen;
        for (const auto& entry : fresh)
            if (may_come(entry) && seen.emplace(entry.id, entry.signature).second)
                candidates_.push_back(entry);
    }

    Result<Taken> run() {
        Taken taken;
        if (candidates_.empty()) {
            taken.state = current_;
            return taken;
        }
        std::vector<Entry> both(kept_.begin(), kept_.end());
        both.insert(both.end(), candidates_.begin(), candidates_.end());
        std::vector<const Entry*> placed;
        auto state = fold_placed(current_.person, both, memory_, placed);
        bool dropped = choose_placed(state, placed, taken.fresh);
        choose_pending(state, taken.fresh);
        if (dropped) {
            both.assign(kept_.begin(), kept_.end());
            std::erase_if(both, [&](const Entry& entry) { return replaced_.contains(entry.id); });
            both.insert(both.end(), taken.fresh.begin(), taken.fresh.end());
            state = fold_placed(current_.person, both, memory_, placed);
        } else {
            std::set<EntryId> stored;
            for (const auto& entry : taken.fresh) stored.insert(entry.id);
            const auto gone = [&](const EntryId& id) {
                return !stored.contains(id) && !kept_ids_.contains(id);
            };
            std::erase_if(state.pending, gone);
            std::erase_if(state.refused, gone);
        }
        taken.state = std::move(state);
        return taken;
    }

  private:
    void charge(const Entry& entry) {
        auto& share = shares_[entry.body.signer];
        ++share.entries;
        share.bytes += entry.bytes.size();
    }
    bool has_room(const Entry& entry) const {
        auto at = shares_.find(entry.body.signer);
        return at == shares_.end() || (at->second.entries < limits::roster_signer_entries &&
                                       at->second.bytes + entry.bytes.size() <= limits::roster_signer_bytes);
    }

    bool may_come(const Entry& entry) const {
        if (entry.body.person ? *entry.body.person != current_.person
                              : person_of(entry.id) != current_.person)
            return false;
        if (entry.body.counter > limits::roster_signer_entries || placed_ids_.contains(entry.id))
            return false;
        // A second copy of what is still pending: perhaps the first was the one with a bad signature.
        auto mine = kept_ids_.find(entry.id);
        return mine == kept_ids_.end() || mine->second->signature != entry.signature;
    }

    // Whether something that could be placed was left out.
    bool choose_placed(const State& state, const std::vector<const Entry*>& placed, std::vector<Entry>& out) {
        std::set<std::uint32_t> left_out;
        std::size_t devices = 0;
        for (std::uint32_t at = 0; at < placed.size(); ++at) {
            const Entry& entry = *placed[at];
            const bool is_add = std::holds_alternative<Add>(entry.body.act);
            if (placed_ids_.contains(entry.id)) {
                devices += is_add;
                continue;
            }
            const bool kept_copy = kept_ids_.contains(entry.id) && is_kept(entry);
            const auto& heads = state.lines[at].heads;
            const bool follows = std::none_of(heads.begin(), heads.end(),
                                              [&](std::uint32_t head) { return left_out.contains(head); });
            const std::size_t room =
                limits::roster_devices + (entry.body.signer ? 0 : limits::roster_recovery_devices);
            if (!follows || (!kept_copy && !has_room(entry)) || (is_add && devices >= room) ||
                (!kept_copy && is_outdated(state, placed, at))) {
                left_out.insert(at);
                continue;
            }
            devices += is_add;
            if (kept_copy) continue;
            if (kept_ids_.contains(entry.id)) replaced_.insert(entry.id);
            charge(entry);
            out.push_back(entry);
        }
        return !left_out.empty();
    }

    // Signed with a recovery key that was replaced before, and unknown to who replaced it.
    bool is_outdated(const State& state, const std::vector<const Entry*>& placed, std::uint32_t at) const {
        if (placed[at]->body.signer) return false;
        std::set<EntryId> renewals;
        for (const auto& line : current_.lines) {
            auto mine = kept_ids_.find(line.id);
            if (line.standing != Standing::counts || mine == kept_ids_.end()) continue;
            const auto* recover = std::get_if<Recover>(&mine->second->body.act);
            if (recover && recover->recovery) renewals.insert(line.id);
        }
        std::vector<bool> before(at + 1);
        before[at] = true;
        for (std::uint32_t n = at + 1; n-- > 0;) {
            if (!before[n]) continue;
            renewals.erase(state.lines[n].id);
            for (auto head : state.lines[n].heads) before[head] = true;
        }
        return !renewals.empty();
    }

    void choose_pending(const State& state, std::vector<Entry>& out) {
        std::set<EntryId> pending(state.pending.begin(), state.pending.end());
        std::size_t strangers = 0;
        for (const auto& id : current_.pending) {
            auto mine = kept_ids_.find(id);
            strangers += mine != kept_ids_.end() && is_stranger(state, *mine->second);
        }
        for (const auto& entry : candidates_) {
            if (!pending.contains(entry.id) || kept_ids_.contains(entry.id)) continue;
            if (is_stranger(state, entry)) {
                if (strangers >= limits::roster_pending) continue;
                ++strangers;
            }
            if (!has_room(entry)) continue;
            pending.erase(entry.id);  // one copy of each
            charge(entry);
            out.push_back(entry);
        }
    }

    bool is_stranger(const State& state, const Entry& entry) const {
        return entry.body.signer && !state.find(*entry.body.signer);
    }
    bool is_kept(const Entry& entry) const { return kept_ids_.at(entry.id)->signature == entry.signature; }

    const State& current_;
    std::span<const Entry> kept_;
    Memory& memory_;
    std::map<EntryId, const Entry*> kept_ids_;
    std::set<EntryId> placed_ids_, replaced_;
    std::map<Signer, Share> shares_;
    std::vector<Entry> candidates_;
};

}  // namespace

Result<Taken> take(const State& current, std::span<const Entry> kept, std::span<const Entry> fresh,
                   Memory& memory) {
    if (kept.size() > limits::roster_entries || fresh.size() > limits::roster_entries)
        return fail(Fault::invalid, "there are too many entries in this person's list of devices");
    return Intake(current, kept, fresh, memory).run();
}

}  // namespace kith::roster
