#include "app/account_rosters.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/trust_limits.h"
#include "roster/recovery.h"

namespace kith::app {
namespace {

using Json = nlohmann::json;
using roster::Entry;

constexpr std::string_view foundings_setting = "foundings", log_setting = "roster",
                           wait_setting = "roster_wait";
constexpr char id_of_roster[] = "roster", id_of_nodeid[] = "nodeid", id_of_request[] = "request";

std::string setting_of(std::string_view what, const AccountId& account) {
    return std::string(what) + "/" + account.hex();
}

Result<Json> read_json(const Profile& profile, std::string_view name) {
    KITH_TRY_VALUE(kept, const_cast<Profile&>(profile).store().setting(name));
    if (!kept) return Json();
    return Json::parse(as_text(kept->view()), nullptr, false);
}

Result<> put_json(Profile& profile, std::string_view name, const Json& json) {
    auto text = json.dump();
    auto kept = profile.store().put_setting(name, as_bytes(text));
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return kept;
}

Bytes hex_in(const Json& json, const char* key) {
    auto at = json.find(key);
    auto bytes =
        at != json.end() && at->is_string() ? from_hex(at->get_ref<const std::string&>()) : std::nullopt;
    return bytes.value_or(Bytes());
}

}  // namespace

account::Source AccountRosters::source(const AccountId& account) const {
    return {account, profile_.roster(), profile_.device()};
}

Result<> AccountRosters::load() {
    logs_.clear();
    KITH_TRY_VALUE(accounts, profile_.store().accounts());
    for (const auto& account : accounts) {
        KITH_TRY_VALUE(kept, profile_.store().setting(setting_of(log_setting, account.id)));
        if (!kept) continue;
        KITH_TRY_VALUE(entries, roster::unpack_entries(kept->view()));
        if (entries.empty()) continue;
        Log log{std::move(entries), {}, {}};
        KITH_TRY_VALUE(state,
                       roster::fold(roster::person_of(log.entries.front().id), log.entries, log.memory));
        log.state = std::move(state);
        logs_[account.id] = std::move(log);
    }
    return {};
}

// --- foundings

Result<std::vector<AccountRosters::Founding>> AccountRosters::foundings() const {
    KITH_TRY_VALUE(json, read_json(profile_, foundings_setting));
    std::vector<Founding> list;
    if (!json.is_array()) return list;
    for (const auto& item : json) {
        auto account = item.is_object() ? AccountId::from(hex_in(item, "account")) : std::nullopt;
        if (account) list.push_back({*account, SecretBytes(hex_in(item, id_of_nodeid)), hex_in(item, "log")});
    }
    return list;
}

Result<> AccountRosters::put_foundings(const std::vector<Founding>& list) {
    Json json = Json::array();
    for (const auto& one : list)
        json.push_back({{"account", one.account.hex()},
                        {id_of_nodeid, to_hex(one.nodeid.view())},
                        {"log", to_hex(one.log)}});
    return put_json(profile_, foundings_setting, json);
}

Result<std::optional<AccountRosters::Founding>> AccountRosters::founding(const std::set<AccountId>& taken) {
    if (!profile_.has_passphrase()) {
        KITH_TRY_VALUE(act, profile_.act_key({}));
        KITH_TRY(prepare(act));
    }
    KITH_TRY_VALUE(list, foundings());
    for (auto& one : list)
        if (!taken.contains(one.account)) return std::optional(std::move(one));
    return std::optional<Founding>();
}

Result<> AccountRosters::use_founding(const AccountId& account) {
    KITH_TRY_VALUE(list, foundings());
    std::erase_if(list, [&](const Founding& one) { return one.account == account; });
    return put_foundings(list);
}

Result<> AccountRosters::founded(const AccountId& account, ByteView log) {
    KITH_TRY_VALUE(entries, roster::unpack_entries(log));
    return put(account, std::move(entries));
}

// One that no other account has: two services would see that they have one owner.
Result<SignPublic> AccountRosters::free_recovery_key() const {
    KITH_TRY_VALUE(list, foundings());
    KITH_TRY_VALUE(packed, profile_.recovery_accounts());
    std::set<SignPublic> used;
    for (const auto& [id, log] : logs_) used.insert(log.state.recovery);
    for (const auto& one : list)
        if (auto entries = roster::unpack_entries(one.log); entries && !entries->empty())
            if (const auto* renewal = std::get_if<roster::Recover>(&entries->back().body.act))
                if (renewal->recovery) used.insert(*renewal->recovery);
    std::vector<SignPublic> free;
    for (std::size_t at = 0; at + SignPublic::size <= packed.size(); at += SignPublic::size)
        if (auto key = SignPublic::from(ByteView(packed).subspan(at, SignPublic::size)); !used.contains(*key))
            free.push_back(*key);
    if (free.empty())
        return fail(Fault::refused, "this person has more accounts than recovery keys for them");
    std::array<std::uint8_t, 2> dice{};
    random_.fill(dice);
    return free[(dice[0] * 256u + dice[1]) % free.size()];
}

Result<Bytes> AccountRosters::found(const AccountId& account, const SecretBytes& nodeid,
                                    const crypto::SignKey& act) {
    KITH_TRY_VALUE(recovery, free_recovery_key());
    const auto begun = account::begin(random_);
    KITH_TRY_VALUE(request, account::make_request(begun.id, account, profile_.device(), act.seed(),
                                                  profile_.device_key().seed(), account::hash_of(nodeid)));
    KITH_TRY_VALUE(entries, account::found(begun, {&request, 1}, recovery));
    return roster::pack_entries(entries);
}

Result<> AccountRosters::make_founding(const crypto::SignKey& act) {
    KITH_TRY_VALUE(list, foundings());
    Founding made{crypto::random_id<AccountId>(random_), account::make_nodeid(random_), {}};
    KITH_TRY_VALUE(log, found(made.account, made.nodeid, act));
    made.log = std::move(log);
    list.push_back(std::move(made));
    return put_foundings(list);
}

Result<> AccountRosters::prepare(const crypto::SignKey& act) {
    const auto* self = profile_.roster().find(profile_.device());
    if (!self || self->state != roster::DeviceState::active || !profile_.term_key()) return {};
    KITH_TRY_VALUE(list, foundings());
    for (auto count = list.size(); count < limits::foundings; ++count) KITH_TRY(make_founding(act));
    KITH_TRY_VALUE(waiting, wanted());
    for (const auto& one : waiting)
        if (one.request.empty()) KITH_TRY(sign_request(one.account, act));
    return {};
}

// --- what services show

const roster::State* AccountRosters::state(const AccountId& account) const {
    auto at = logs_.find(account);
    return at == logs_.end() ? nullptr : &at->second.state;
}

std::optional<PersonId> AccountRosters::id(const AccountId& account) const {
    const auto* found = state(account);
    return found ? std::optional(found->person) : std::nullopt;
}

std::vector<AccountId> AccountRosters::accounts() const {
    std::vector<AccountId> ids;
    for (const auto& [id, log] : logs_) ids.push_back(id);
    return ids;
}

std::vector<Entry> AccountRosters::lacking(const AccountId& account, std::span<const Entry> there) const {
    std::vector<Entry> missing;
    auto at = logs_.find(account);
    if (at == logs_.end()) return missing;
    std::set<EntryId> known;
    for (const auto& entry : there) known.insert(entry.id);
    for (const auto& entry : at->second.entries)
        if (!known.contains(entry.id)) missing.push_back(entry);
    return missing;
}

Result<bool> AccountRosters::take(const AccountId& account, std::span<const Entry> entries,
                                  const SecretBytes* nodeid) {
    auto at = logs_.find(account);
    if (at == logs_.end()) {
        if (entries.empty() || !nodeid) return false;
        const auto person = roster::person_of(entries.front().id);
        KITH_TRY_VALUE(state, roster::fold(person, entries));
        const auto* own = account::node_of(state, account, profile_.device());
        if (!own || own->link_key != account::hash_of(*nodeid)) return false;
        KITH_TRY(put(account, {entries.begin(), entries.end()}));
        return true;
    }
    auto& log = at->second;
    KITH_TRY_VALUE(taken, roster::take(log.state, log.entries, entries, log.memory));
    if (taken.fresh.empty()) return false;
    KITH_TRY(keep(account, log, std::move(taken.fresh)));
    return true;
}

Result<> AccountRosters::put(const AccountId& account, std::vector<Entry> entries) {
    Log log{std::move(entries), {}, {}};
    KITH_TRY(keep(account, log, {}));
    logs_[account] = std::move(log);
    return {};
}

Result<> AccountRosters::keep(const AccountId& account, Log& log, std::vector<Entry> fresh) {
    auto entries = log.entries;
    entries.insert(entries.end(), std::make_move_iterator(fresh.begin()),
                   std::make_move_iterator(fresh.end()));
    KITH_TRY_VALUE(state, roster::fold(roster::person_of(entries.front().id), entries, log.memory));
    KITH_TRY(profile_.store().put_setting(setting_of(log_setting, account), roster::pack_entries(entries)));
    log.entries = std::move(entries);
    log.state = std::move(state);
    return {};
}

// --- a node for this device

Result<bool> AccountRosters::want_node(const AccountId& account, const PersonId& roster) {
    const auto name = setting_of(wait_setting, account);
    KITH_TRY_VALUE(kept, read_json(profile_, name));
    if (!kept.is_object() || hex_in(kept, id_of_roster) != to_bytes(roster.view())) {
        const auto nodeid = account::make_nodeid(random_);
        KITH_TRY(
            put_json(profile_, name, {{id_of_roster, roster.hex()}, {id_of_nodeid, to_hex(nodeid.view())}}));
        kept = Json::object();
    }
    if (!hex_in(kept, id_of_request).empty()) return true;
    if (profile_.has_passphrase()) return false;
    KITH_TRY_VALUE(act, profile_.act_key({}));
    KITH_TRY(sign_request(account, act));
    return true;
}

Result<> AccountRosters::sign_request(const AccountId& account, const crypto::SignKey& act) {
    const auto name = setting_of(wait_setting, account);
    KITH_TRY_VALUE(kept, read_json(profile_, name));
    const auto roster = kept.is_object() ? PersonId::from(hex_in(kept, id_of_roster)) : std::nullopt;
    if (!roster) return {};
    const SecretBytes nodeid(hex_in(kept, id_of_nodeid));
    KITH_TRY_VALUE(request, account::make_request(*roster, account, profile_.device(), act.seed(),
                                                  profile_.device_key().seed(), account::hash_of(nodeid)));
    kept[id_of_request] = to_hex(roster::pack_request(request));
    return put_json(profile_, name, kept);
}

Result<std::vector<AccountRosters::Wanted>> AccountRosters::wanted() const {
    KITH_TRY_VALUE(names, profile_.store().settings(std::string(wait_setting) + "/"));
    std::vector<Wanted> list;
    for (const auto& name : names) {
        auto account = AccountId::from_hex(std::string_view(name).substr(wait_setting.size() + 1));
        KITH_TRY_VALUE(kept, read_json(profile_, name));
        if (account && kept.is_object()) list.push_back({*account, hex_in(kept, id_of_request)});
    }
    return list;
}

Result<std::optional<SecretBytes>> AccountRosters::wanted_nodeid(const AccountId& account) const {
    KITH_TRY_VALUE(kept, read_json(profile_, setting_of(wait_setting, account)));
    if (!kept.is_object() || hex_in(kept, id_of_request).empty()) return std::optional<SecretBytes>();
    return std::optional(SecretBytes(hex_in(kept, id_of_nodeid)));
}

Result<> AccountRosters::node_given(const AccountId& account) {
    return profile_.store().remove_setting(setting_of(wait_setting, account));
}

// --- what this device signs

Result<std::vector<Entry>> AccountRosters::project(const AccountId& account, const crypto::SignKey& act,
                                                   const account::Wishes& wishes) {
    auto at = logs_.find(account);
    if (at == logs_.end()) return std::vector<Entry>();
    auto& log = at->second;
    KITH_TRY_VALUE(made, account::project(log.entries, source(account),
                                          account::act_key(act.seed(), log.state.person), wishes));
    if (!made.empty()) KITH_TRY(keep(account, log, made));
    return made;
}

Result<std::vector<Entry>> AccountRosters::recover(const AccountId& account, const Key& seed) {
    auto at = logs_.find(account);
    if (at == logs_.end()) return std::vector<Entry>();
    KITH_TRY_VALUE(made, account::recover(at->second.entries, source(account), seed));
    if (!made.empty()) KITH_TRY(keep(account, at->second, made));
    return made;
}

Result<std::vector<Entry>> AccountRosters::renew(const AccountId& account, const Key& seed,
                                                 const Key& fresh) {
    auto at = logs_.find(account);
    if (at == logs_.end()) return std::vector<Entry>();
    KITH_TRY_VALUE(made, account::renew(at->second.entries, seed, fresh));
    if (!made.empty()) KITH_TRY(keep(account, at->second, made));
    return made;
}

}  // namespace kith::app
