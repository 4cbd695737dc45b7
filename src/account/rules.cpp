#include "account/rules.h"

#include <algorithm>
#include <map>
#include <set>

#include "account/limits.h"
#include "roster/roster.h"

namespace kith::account {
namespace {

using roster::Entry;

tl::unexpected<Error> refused(std::string what) {
    return fail(Fault::refused, std::move(what));
}

Result<std::vector<Entry>> read(ByteView packed, std::size_t most) {
    if (packed.size() > most) return refused("there are too many entries");
    auto entries = roster::unpack_entries(packed);
    if (!entries) return refused("the entries cannot be read");
    return std::move(*entries);
}

// No names: all nodes are called the same, and are never called otherwise.
bool is_nameless(const Entry& entry) {
    if (std::holds_alternative<roster::Rename>(entry.body.act)) return false;
    const auto* add = std::get_if<roster::Add>(&entry.body.act);
    if (!add) return true;
    auto request = roster::read_request(add->request);
    return request && request->name == "node";
}

// Barred by the recovery key itself, which nobody can contest.
std::set<DeviceId> out_for_good(const roster::State& state, const std::vector<Entry>& entries) {
    std::set<DeviceId> out;
    std::map<EntryId, roster::Standing> standing;
    for (const auto& line : state.lines) standing[line.id] = line.standing;
    for (const auto& entry : entries) {
        auto at = standing.find(entry.id);
        if (at == standing.end() || at->second != roster::Standing::counts || entry.body.signer) continue;
        if (const auto* bar = std::get_if<roster::Bar>(&entry.body.act)) out.insert(bar->device);
        if (const auto* recover = std::get_if<roster::Recover>(&entry.body.act))
            out.insert(recover->bars.begin(), recover->bars.end());
    }
    return out;
}

std::vector<tmtp::RuledNode> nodes_of(const roster::State& state, const std::vector<Entry>& entries) {
    const auto out = out_for_good(state, entries);
    std::vector<tmtp::RuledNode> nodes;
    for (const auto& device : state.devices) {
        tmtp::RuledNode node{to_bytes(device.id.view()), to_bytes(device.link_key.view())};
        if (device.state != roster::DeviceState::active) node.standing = tmtp::RuledNode::held;
        if (device.state == roster::DeviceState::barred && out.contains(device.id))
            node.standing = tmtp::RuledNode::out;
        node.contested = device.state == roster::DeviceState::suspended;
        nodes.push_back(std::move(node));
    }
    return nodes;
}

// One signer must not be able to fill what is kept for all.
Result<> check_shares(const std::vector<Entry>& kept, const std::vector<Entry>& fresh) {
    std::map<roster::Signer, std::pair<std::size_t, std::size_t>> shares;
    for (const auto* list : {&kept, &fresh})
        for (const auto& entry : *list) {
            auto& [entries, bytes] = shares[entry.body.signer];
            ++entries;
            bytes += entry.bytes.size();
        }
    for (const auto& entry : fresh) {
        const auto& [entries, bytes] = shares[entry.body.signer];
        const bool device = entry.body.signer.has_value();
        if (entries > (device ? limits::account_signer_entries : limits::account_recovery_entries) ||
            bytes > (device ? limits::account_signer_bytes : limits::account_recovery_bytes))
            return refused("one device has signed too much");
    }
    return {};
}

// A device says of another once that it is barred, as long as that is not taken back: its target has to
// contest each bar, and must not be made to use up its share.
Result<> check_repeated_bars(const roster::State& state, const std::vector<Entry>& fresh) {
    std::set<EntryId> came;
    for (const auto& entry : fresh) came.insert(entry.id);
    std::map<std::pair<roster::Signer, DeviceId>, std::pair<int, bool>> said;
    for (const auto& bar : state.bars) {
        auto& [times, is_fresh] = said[{bar.by, bar.device}];
        ++times;
        is_fresh = is_fresh || came.contains(bar.entry);
        if (bar.by && times > 1 && is_fresh) return refused("a device has barred another one already");
    }
    return {};
}

}  // namespace

Result<tmtp::Ruling> Rules::found(ByteView log) const {
    KITH_TRY_VALUE(entries, read(log, limits::account_request_bytes));
    if (entries.size() < 3) return refused("this is not the beginning of a roster");
    const auto* genesis = std::get_if<roster::Genesis>(&entries.front().body.act);
    const auto* renewal = std::get_if<roster::Recover>(&entries.back().body.act);
    const bool shaped = genesis && renewal && renewal->recovery && *renewal->recovery != genesis->recovery &&
                        renewal->bars.empty() && renewal->cuts.empty() &&
                        std::all_of(entries.begin() + 1, entries.end() - 1, [](const Entry& entry) {
                            return !entry.body.signer && std::holds_alternative<roster::Add>(entry.body.act);
                        });
    if (!shaped || !std::all_of(entries.begin(), entries.end(), is_nameless))
        return refused("this is not the beginning of a roster");
    auto state = roster::fold(roster::person_of(entries.front().id), entries);
    if (!state || state->lines.size() != entries.size() || state->recovery != *renewal->recovery ||
        state->devices.size() != entries.size() - 2 || state->devices.size() > limits::roster_devices)
        return refused("the entries do not fit together");
    return tmtp::Ruling{to_bytes(log), nodes_of(*state, entries)};
}

Result<tmtp::Ruling> Rules::judge(ByteView kept_bytes, ByteView fresh_bytes) const {
    KITH_TRY_VALUE(kept, folds_.of(kept_bytes));
    KITH_TRY_VALUE(asked, read(fresh_bytes, limits::account_request_bytes));
    std::set<EntryId> known;
    for (const auto& entry : kept->entries) known.insert(entry.id);
    std::erase_if(asked, [&](const Entry& entry) { return !known.insert(entry.id).second; });
    if (!std::all_of(asked.begin(), asked.end(), is_nameless)) return refused("there are names in it");
    KITH_TRY(check_shares(kept->entries, asked));
    auto now = kept;
    if (!asked.empty()) {
        // A copy: what is refused must not be remembered.
        Fold more{kept->packed, kept->entries, {}, kept->memory};
        KITH_TRY_VALUE(taken, roster::take(kept->state, kept->entries, asked, more.memory));
        std::set<EntryId> placed;
        for (const auto& line : taken.state.lines) placed.insert(line.id);
        // What waits for something else would let a stranger's garbage stay.
        if (!std::all_of(asked.begin(), asked.end(),
                         [&](const Entry& one) { return placed.contains(one.id); }))
            return refused("an entry does not fit the account's roster");
        KITH_TRY(check_repeated_bars(taken.state, asked));
        append(more.packed, roster::pack_entries(asked));
        more.entries.insert(more.entries.end(), asked.begin(), asked.end());
        more.state = std::move(taken.state);
        now = folds_.keep(std::move(more));
    }
    std::map<Bytes, roster::DeviceState> before;
    for (const auto& device : kept->state.devices) before[to_bytes(device.id.view())] = device.state;
    auto nodes = nodes_of(now->state, now->entries);
    for (auto& node : nodes) {
        const auto was = before.find(node.device);
        node.was_active = was != before.end() && was->second == roster::DeviceState::active;
        node.was_contested = was != before.end() && was->second == roster::DeviceState::suspended;
    }
    return tmtp::Ruling{roster::pack_entries(asked), std::move(nodes)};
}

bool Rules::brings_news(ByteView kept, ByteView fresh) const {
    const auto fold = folds_.find(kept);
    auto old = fold ? Result<std::vector<Entry>>(std::vector<Entry>()) : roster::unpack_entries(kept);
    auto asked = roster::unpack_entries(fresh);
    if (!old || !asked) return true;  // for judge() to refuse
    std::set<EntryId> known;
    for (const auto& entry : fold ? fold->entries : *old) known.insert(entry.id);
    return std::any_of(asked->begin(), asked->end(),
                       [&](const Entry& entry) { return !known.contains(entry.id); });
}

Result<Bytes> Rules::recovery(ByteView kept) const {
    KITH_TRY_VALUE(fold, folds_.of(kept));
    if (fold->state.recovery_disputed) return refused("which key recovers this account is in dispute");
    return to_bytes(fold->state.recovery.view());
}

bool Rules::proves(ByteView key, ByteView bytes, ByteView proof) const {
    const auto signer = SignPublic::from(key);
    const auto signature = Signature::from(proof);
    return signer && signature && crypto::verify(*signer, bytes, *signature);
}

}  // namespace kith::account
