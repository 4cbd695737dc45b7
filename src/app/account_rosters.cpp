#include "app/account_rosters.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "account/rules.h"
#include "app/node_claims.h"
#include "app/trust_limits.h"
#include "roster/recovery.h"

namespace kith::app {
namespace {

using Json = nlohmann::json;
using roster::Entry;

constexpr std::string_view foundings_setting = "foundings", log_setting = "roster",
                           wait_setting = "roster_wait", used_setting = "account_keys_used",
                           proposed_setting = "roster_proposed";
constexpr char id_of_roster[] = "roster", id_of_nodeid[] = "nodeid", id_of_request[] = "request",
               id_of_former[] = "former";

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

// The secrets of a wanted node, newest first, before another one takes their place; nothing: these are
// enough.
std::optional<Json> given_up(const Json& kept) {
    if (!kept.is_object()) return Json::array();
    auto list = kept.contains(id_of_former) ? kept[id_of_former] : Json::array();
    if (list.size() >= limits::former_nodeids) return std::nullopt;
    list.insert(list.begin(), kept[id_of_nodeid]);
    return list;
}

Bytes hex_in(const Json& json, const char* key) {
    auto at = json.find(key);
    auto bytes =
        at != json.end() && at->is_string() ? from_hex(at->get_ref<const std::string&>()) : std::nullopt;
    return bytes.value_or(Bytes());
}

}  // namespace

Result<account::Source> AccountRosters::source(const AccountId& account, const PersonId& roster) const {
    account::Source source{account, profile_.roster(), profile_.device(), {}};
    KITH_TRY_VALUE(claims, node_claims(profile_));
    for (const auto& claim : claims)
        if (claim.account == account && claim.roster == roster) source.claims[claim.device] = claim.key;
    source.claims[profile_.device()] = account::device_key(profile_.device_key().seed(), roster).public_key();
    return source;
}

// So that the person's other devices can tell this one's node from one that is made to look like it.
Result<> AccountRosters::claim(const AccountId& account, const PersonId& roster) {
    KITH_TRY(keep_node_claims(
        profile_, {account::make_claim(account, roster, profile_.device(), profile_.device_key())}));
    return {};
}

const roster::Device* AccountRosters::node_of(const AccountId& account, const DeviceId& device) const {
    const auto* known = state(account);
    if (!known) return nullptr;
    auto from = source(account, known->person);
    return from ? account::node_of(*known, *from, device) : nullptr;
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
        KITH_TRY(claim(account.id, log.state.person));
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
    KITH_TRY_VALUE(free, free_recovery_keys());
    for (auto& one : list)
        if (!taken.contains(one.account) && free.contains(recovery_of(one)))
            return std::optional(std::move(one));
    return std::optional<Founding>();
}

// By which the account is recovered that begins with it.
SignPublic AccountRosters::recovery_of(const Founding& founding) {
    auto entries = roster::unpack_entries(founding.log);
    if (!entries || entries->empty()) return {};
    const auto* renewal = std::get_if<roster::Recover>(&entries->back().body.act);
    return renewal && renewal->recovery ? *renewal->recovery : SignPublic{};
}

Result<> AccountRosters::use_founding(const AccountId& account) {
    KITH_TRY_VALUE(list, foundings());
    for (const auto& one : list)
        if (one.account == account) KITH_TRY(mark_used(recovery_of(one)));
    std::erase_if(list, [&](const Founding& one) { return one.account == account; });
    return put_foundings(list);
}

Result<> AccountRosters::founded(const AccountId& account, ByteView log) {
    KITH_TRY_VALUE(entries, roster::unpack_entries(log));
    return put(account, std::move(entries));
}

// Those of the recovery key that holds which no account has: two services would see that they have one owner.
Result<std::set<SignPublic>> AccountRosters::free_recovery_keys() const {
    std::set<SignPublic> free;
    auto packed = profile_.recovery_accounts();
    if (!packed && packed.error().kind != Fault::refused) return fail(packed.error());
    if (!packed) return free;
    for (std::size_t at = 0; at + SignPublic::size <= packed->size(); at += SignPublic::size)
        free.insert(*SignPublic::from(ByteView(*packed).subspan(at, SignPublic::size)));
    for (const auto& [id, log] : logs_) free.erase(log.state.recovery);
    KITH_TRY_VALUE(used, read_json(profile_, used_setting));
    for (const auto& hex : used.is_array() ? used : Json::array())
        if (auto key = hex.is_string() ? SignPublic::from_hex(hex.get<std::string>()) : std::nullopt)
            free.erase(*key);
    return free;
}

// It may be known to a service from now on.
Result<> AccountRosters::mark_used(const SignPublic& key) {
    KITH_TRY_VALUE(used, read_json(profile_, used_setting));
    if (!used.is_array()) used = Json::array();
    if (std::find(used.begin(), used.end(), key.hex()) == used.end()) used.push_back(key.hex());
    return put_json(profile_, used_setting, used);
}

// Devices that know nothing of each other's newest accounts choose from different parts.
Result<SignPublic> AccountRosters::free_recovery_key() const {
    constexpr std::size_t parts = 16;
    KITH_TRY_VALUE(free, free_recovery_keys());
    KITH_TRY_VALUE(list, foundings());
    for (const auto& one : list) free.erase(recovery_of(one));
    const auto& devices = profile_.roster().devices;
    const auto own = static_cast<std::size_t>(
        std::ranges::find(devices, profile_.device(), &roster::Device::id) - devices.begin());
    KITH_TRY_VALUE(packed, profile_.recovery_accounts());
    std::vector<SignPublic> mine, others;
    for (std::size_t number = 0; (number + 1) * SignPublic::size <= packed.size(); ++number) {
        auto key = *SignPublic::from(ByteView(packed).subspan(number * SignPublic::size, SignPublic::size));
        if (free.contains(key)) (number % parts == own % parts ? mine : others).push_back(key);
    }
    const auto& from = mine.empty() ? others : mine;
    if (from.empty())
        return fail(Fault::refused, "this person has more accounts than recovery keys for them");
    std::array<std::uint8_t, 2> dice{};
    random_.fill(dice);
    return from[(dice[0] * 256u + dice[1]) % from.size()];
}

Result<std::optional<SignPublic>> AccountRosters::renewal_for(const roster::State& state) const {
    KITH_TRY_VALUE(packed, profile_.recovery_accounts());
    for (std::size_t at = 0; at + SignPublic::size <= packed.size(); at += SignPublic::size)
        if (state.recovery == *SignPublic::from(ByteView(packed).subspan(at, SignPublic::size)))
            return std::optional<SignPublic>();
    KITH_TRY_VALUE(key, free_recovery_key());
    return std::optional(key);
}

Result<> AccountRosters::restored(const AccountId& account, std::span<const Entry> log) {
    KITH_TRY(put(account, {log.begin(), log.end()}));
    return mark_used(logs_[account].state.recovery);
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
    KITH_TRY_VALUE(free, free_recovery_keys());
    // Of a recovery key that was replaced, or with a key that another account has by now.
    if (std::erase_if(list, [&](const Founding& one) { return !free.contains(recovery_of(one)); }) > 0)
        KITH_TRY(put_foundings(list));
    for (auto count = list.size(); count < limits::foundings && !free.empty(); ++count)
        KITH_TRY(make_founding(act));
    KITH_TRY_VALUE(waiting, wanted());
    for (const auto& one : waiting)
        if (one.request.empty()) KITH_TRY(sign_request(one.account, act));
    return {};
}

Result<std::vector<SecretBytes>> AccountRosters::proposed(const AccountId& account) const {
    KITH_TRY_VALUE(json, read_json(profile_, setting_of(proposed_setting, account)));
    std::vector<SecretBytes> list;
    for (const auto& hex : json.is_array() ? json : Json::array())
        if (auto bytes = hex.is_string() ? from_hex(hex.get_ref<const std::string&>()) : std::nullopt)
            list.emplace_back(std::move(*bytes));
    return list;
}

// More than the newest: whether an earlier proposal was taken may not be known.
Result<> AccountRosters::propose(const AccountId& account, const SecretBytes& nodeid, ByteView log) {
    constexpr std::size_t most = 4;
    KITH_TRY(mark_used(recovery_of({account, nodeid.copy(), to_bytes(log)})));
    KITH_TRY_VALUE(list, proposed(account));
    Json json = Json::array({to_hex(nodeid.view())});
    for (const auto& one : list)
        if (json.size() < most) json.push_back(to_hex(one.view()));
    return put_json(profile_, setting_of(proposed_setting, account), json);
}

Result<> AccountRosters::forget_proposed(const AccountId& account) {
    return profile_.store().remove_setting(setting_of(proposed_setting, account));
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
        // Nobody else can have made an entry with this key, and a service could make up all the rest.
        const auto key = account::device_key(profile_.device_key().seed(), person).public_key();
        const auto hash = account::hash_of(*nodeid);
        if (std::ranges::none_of(state.devices, [&](const roster::Device& node) {
                return node.device_key == key && node.link_key == hash;
            }))
            return false;
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
    KITH_TRY(claim(account, log.state.person));
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

// Only what a service would take: all that is signed later follows it, and would be refused with it.
Result<std::vector<Entry>> AccountRosters::keep_signed(const AccountId& account, Log& log,
                                                       std::vector<Entry> made) {
    const auto kept = roster::pack_entries(log.entries);
    const account::Rules rules;
    while (!made.empty() && !rules.judge(kept, roster::pack_entries(made))) made.pop_back();
    if (!made.empty()) KITH_TRY(keep(account, log, made));
    return made;
}

// --- a node for this device

Result<bool> AccountRosters::want_node(const AccountId& account, const PersonId& roster) {
    const auto name = setting_of(wait_setting, account);
    KITH_TRY_VALUE(kept, read_json(profile_, name));
    if (!kept.is_object() || hex_in(kept, id_of_roster) != to_bytes(roster.view())) {
        // Of several rosters that devices name, one of which may be a thief's: any request may be added yet.
        auto former = given_up(kept);
        if (!former) return !hex_in(kept, id_of_request).empty();
        const auto nodeid = account::make_nodeid(random_);
        KITH_TRY(put_json(profile_, name,
                          {{id_of_roster, roster.hex()},
                           {id_of_nodeid, to_hex(nodeid.view())},
                           {id_of_former, std::move(*former)}}));
        kept = Json::object();
    }
    KITH_TRY(claim(account, roster));
    if (!hex_in(kept, id_of_request).empty()) return true;
    return sign_request_unasked(account);
}

// False: it takes the passphrase.
Result<bool> AccountRosters::sign_request_unasked(const AccountId& account) {
    if (profile_.has_passphrase()) return false;
    KITH_TRY_VALUE(act, profile_.act_key({}));
    KITH_TRY(sign_request(account, act));
    return true;
}

Result<bool> AccountRosters::want_another(const AccountId& account, const LinkPublic& taken) {
    const auto name = setting_of(wait_setting, account);
    KITH_TRY_VALUE(kept, read_json(profile_, name));
    if (!kept.is_object() || hex_in(kept, id_of_request).empty() ||
        account::hash_of(SecretBytes(hex_in(kept, id_of_nodeid))) != taken)
        return false;
    auto former = given_up(kept);
    if (!former) return false;
    KITH_TRY(put_json(profile_, name,
                      {{id_of_roster, kept[id_of_roster]},
                       {id_of_nodeid, to_hex(account::make_nodeid(random_).view())},
                       {id_of_former, std::move(*former)}}));
    KITH_TRY(sign_request_unasked(account));
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

// It may be there by an earlier request, which a login tells.
Result<> AccountRosters::node_given(const AccountId& account) {
    KITH_TRY_VALUE(kept, read_json(profile_, setting_of(wait_setting, account)));
    if (kept.is_object() && kept.contains(id_of_former) && !kept[id_of_former].empty())
        KITH_TRY(put_json(profile_, setting_of(proposed_setting, account), kept[id_of_former]));
    return profile_.store().remove_setting(setting_of(wait_setting, account));
}

// --- what this device signs

Result<std::vector<Entry>> AccountRosters::project(const AccountId& account, const crypto::SignKey& act,
                                                   const account::Wishes& wishes) {
    auto at = logs_.find(account);
    if (at == logs_.end()) return std::vector<Entry>();
    auto& log = at->second;
    KITH_TRY_VALUE(from, source(account, log.state.person));
    KITH_TRY_VALUE(
        made, account::project(log.entries, from, account::act_key(act.seed(), log.state.person), wishes));
    return keep_signed(account, log, std::move(made));
}

Result<std::vector<Entry>> AccountRosters::recover(const AccountId& account, const Key& seed,
                                                   std::span<const account::Asked> asked) {
    auto at = logs_.find(account);
    if (at == logs_.end()) return std::vector<Entry>();
    KITH_TRY_VALUE(from, source(account, at->second.state.person));
    KITH_TRY_VALUE(made, account::recover(at->second.entries, from, seed, asked));
    return keep_signed(account, at->second, std::move(made));
}

Result<std::vector<Entry>> AccountRosters::renew(const AccountId& account, const Key& seed,
                                                 const Key& fresh) {
    auto at = logs_.find(account);
    if (at == logs_.end()) return std::vector<Entry>();
    KITH_TRY_VALUE(made, account::renew(at->second.entries, seed, fresh));
    return keep_signed(account, at->second, std::move(made));
}

}  // namespace kith::app
