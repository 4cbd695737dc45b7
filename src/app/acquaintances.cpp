#include "app/acquaintances.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "app/limits.h"
#include "app/own_records.h"
#include "base/limits.h"

namespace kith::app {
namespace {

using Json = nlohmann::json;

constexpr Trust degrees[] = {Trust::introduced, Trust::verified, Trust::changed, Trust::removed};

// What one record says.
struct Said {
    Acquaintance who;
    std::vector<std::string> settles;
};

std::optional<Said> read_acquaintance(wire::Fields& head) {
    if (!head.has("trust")) return std::nullopt;
    Said said;
    auto& one = said.who;
    one.alias = head.text("alias", limits::tmtp_text);
    one.uid = head.text("uid", limits::tmtp_id);
    one.identity = {head.id<SignPublic>("recovery"), head.id<SignPublic>("identity")};
    if (head.has("offered_identity"))
        one.offered = {head.id<SignPublic>("offered_recovery"), head.id<SignPublic>("offered_identity")};
    one.time_ms = head.u64("time");
    if (head.has("settles")) said.settles = head.texts("settles", limits::settled_records, 64);
    const auto name = head.text("trust", limits::name_bytes);
    const auto* degree = std::find_if(std::begin(degrees), std::end(degrees),
                                      [&](Trust trust) { return trust_name(trust) == name; });
    if (!head.ok() || degree == std::end(degrees)) return std::nullopt;
    one.trust = *degree;
    return said;
}

// All that is said of one account, in the order of the records' keys.
struct History {
    std::optional<Acquaintance> newest, newest_of_former;
    std::vector<std::pair<std::string, Acquaintance>> changes;  // with the record's id
    std::set<std::string> settled;
};

void take_in(History& all, const std::string& id, Said said, bool active) {
    if (said.who.trust == Trust::changed) all.changes.emplace_back(id, said.who);
    // A thief must not be able to settle.
    if (active) all.settled.insert(said.settles.begin(), said.settles.end());
    (active ? all.newest : all.newest_of_former) = std::move(said.who);
}

Acquaintance sum(History all) {
    const bool doubtful = !all.newest;
    auto& former = all.newest_of_former;
    Acquaintance one = doubtful ? *former : *all.newest;
    if (doubtful && one.trust == Trust::verified) one.trust = Trust::introduced;
    one.doubtful = doubtful;
    if (!doubtful && former && former->trust == Trust::removed && former->identity == one.identity &&
        former->time_ms > one.time_ms) {
        one.trust = Trust::removed;
        one.doubtful = true;
    }
    for (auto& [id, change] : all.changes) {
        if (change.identity != one.identity || all.settled.contains(id)) continue;
        if (one.open.size() < limits::settled_records) one.open.push_back(id);
        if (one.trust == Trust::removed) continue;
        one.trust = Trust::changed;
        one.offered = change.offered;
    }
    return one;
}

Result<> keep(Profile& profile, const AccountId& account, const Acquaintance& one, const Acquaintance* former,
              Now now) {
    Json fields{{"alias", one.alias},
                {"uid", one.uid},
                {"recovery", one.identity.recovery.hex()},
                {"identity", one.identity.key.hex()},
                {"trust", trust_name(one.trust)}};
    if (one.offered) {
        fields["offered_recovery"] = one.offered->recovery.hex();
        fields["offered_identity"] = one.offered->key.hex();
    }
    if (former && one.trust != Trust::changed && !former->open.empty()) fields["settles"] = former->open;
    // The newest counts, so it must be newer than what it replaces, whatever the clocks say.
    const auto time =
        std::max<std::int64_t>(now.unix_ms, former ? static_cast<std::int64_t>(former->time_ms) + 1 : 0);
    return keep_own_record(profile, history::kind::contact, account, time, fields);
}

}  // namespace

std::string_view trust_name(Trust trust) {
    switch (trust) {
        case Trust::introduced:
            return "introduced";
        case Trust::verified:
            return "verified";
        case Trust::changed:
            return "changed";
        case Trust::removed:
            return "removed";
    }
    return "";
}

Result<std::map<std::string, Acquaintance>> acquaintances(const Profile& profile, const AccountId& account) {
    std::map<std::string, Acquaintance> found;
    KITH_TRY_VALUE(any, profile.history().has_kind(history::kind::contact));
    if (!any) return found;
    std::map<std::string, History> all;
    // Records come in the order of their keys: time, then id.
    KITH_TRY(profile.history().for_each_of_kind(
        history::kind::contact, [&](const history::Key& key, const history::Record& record) -> Result<> {
            if (record.account != account || !mentions(record, "\"trust\":")) return {};
            auto read = read_former_record(profile, record);
            auto said = read ? read_acquaintance(read->head) : std::nullopt;
            if (!said) return {};
            auto uid = said->who.uid;
            take_in(all[std::move(uid)], key.id.hex(), std::move(*said), read->active);
            return {};
        }));
    for (auto& [uid, history] : all) found.emplace(uid, sum(std::move(history)));
    return found;
}

Result<std::optional<roster::Identity>> known_identity(const Profile& profile, const AccountId& account,
                                                       const std::string& uid) {
    KITH_TRY_VALUE(all, acquaintances(profile, account));
    auto at = all.find(uid);
    if (at == all.end() || (at->second.trust == Trust::removed && !at->second.doubtful))
        return std::optional<roster::Identity>();
    return std::optional(at->second.identity);
}

Result<> befriend(Profile& profile, const AccountId& account, const invite::Guest& who,
                  const roster::Identity& identity, Trust degree, Now now) {
    KITH_TRY_VALUE(all, acquaintances(profile, account));
    const auto at = all.find(who.uid);
    const Acquaintance* former = at == all.end() ? nullptr : &at->second;
    const bool removed = former && former->trust == Trust::removed;
    if (!former || (removed && (!former->doubtful || former->identity == identity)))
        return keep(profile, account, {who.alias, who.uid, identity, degree, {}, 0}, former, now);
    if (former->identity == identity) {
        if (former->trust != Trust::introduced) return {};
        // Also when nothing is new but who says so: of a device that is out it would be forgotten with it.
        if (degree != Trust::verified && !former->doubtful) return {};
        return keep(profile, account, {former->alias, who.uid, identity, degree, {}, 0}, former, now);
    }
    if (former->trust == Trust::changed && former->offered == identity) return {};
    Acquaintance changed = *former;
    changed.trust = Trust::changed;
    changed.offered = identity;
    return keep(profile, account, changed, former, now);
}

Result<std::vector<std::pair<AccountId, Acquaintance>>> verify(Profile& profile,
                                                               const roster::Identity& identity,
                                                               const std::optional<NamedContact>& named,
                                                               Now now) {
    std::vector<std::pair<AccountId, Acquaintance>> verified;
    bool found = !named;
    KITH_TRY_VALUE(accounts, profile.store().accounts());
    for (const auto& account : accounts) {
        KITH_TRY_VALUE(all, acquaintances(profile, account.id));
        for (auto& [uid, one] : all) {
            if (one.trust == Trust::removed) continue;
            const bool is_named = named && named->account == account.id && named->uid == uid;
            const bool comes_instead = is_named && one.trust == Trust::changed && one.offered == identity;
            if (one.identity != identity && !comes_instead) continue;
            // Who is here is who was known; but somebody else speaks from this account, too.
            if (one.trust == Trust::changed && !is_named) continue;
            found = found || is_named;
            if (one.trust != Trust::verified) {
                const Acquaintance former = one;
                one.identity = identity;
                one.trust = Trust::verified;
                one.offered.reset();
                KITH_TRY(keep(profile, account.id, one, &former, now));
            }
            verified.emplace_back(account.id, one);
        }
    }
    if (!found)
        return fail(Fault::refused, "who is here is not the person whom you know under that name",
                    "take care: 'kith contact show' says who you know");
    return verified;
}

Result<> inherit_acquaintances(Profile& profile, const AccountId& from, const AccountId& to, Now now) {
    KITH_TRY_VALUE(theirs, acquaintances(profile, from));
    KITH_TRY_VALUE(known, acquaintances(profile, to));
    for (const auto& [uid, one] : theirs)
        if (!one.doubtful && !known.contains(uid)) KITH_TRY(keep(profile, to, one, nullptr, now));
    return {};
}

Result<> remove_acquaintance(Profile& profile, const AccountId& account, const invite::Guest& who, Now now) {
    KITH_TRY_VALUE(all, acquaintances(profile, account));
    const auto at = all.find(who.uid);
    const Acquaintance* former = at == all.end() ? nullptr : &at->second;
    Acquaintance removed = former ? *former : Acquaintance{who.alias, who.uid, {}, {}, {}, 0};
    removed.trust = Trust::removed;
    removed.offered.reset();
    return keep(profile, account, removed, former, now);
}

}  // namespace kith::app
