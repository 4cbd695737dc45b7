#include "app/contacts.h"

#include <algorithm>
#include <map>

#include "app/labels.h"
#include "app/own_records.h"

namespace kith::app {
namespace {

constexpr std::string_view uid_alphabet = "%+123456789BCDFGHJKLMNPQRSTVWXYZ";

}  // namespace

Result<std::vector<Contact>> contacts(Profile& profile) {
    KITH_TRY_VALUE(accounts, profile.store().accounts());
    std::map<AccountId, std::set<std::string>> own;
    for (const auto& account : accounts) {
        KITH_TRY_VALUE(uids, own_uids(profile, account));
        own[account.id] = std::move(uids);
    }
    KITH_TRY_VALUE(all, profile.history().correspondents());
    std::vector<Contact> list;
    for (auto& one : all)
        if (!own[one.account].contains(one.uid))
            list.push_back({one.account, std::move(one.alias), std::move(one.uid), one.met, {}});
    // Those that only another client's address book told of.
    for (const auto& account : accounts) {
        KITH_TRY_VALUE(noted, noted_contacts(profile, account.id));
        for (auto& one : noted) {
            auto same = [&](const Contact& other) {
                return other.account == account.id && other.alias == one.alias && other.uid == one.uid;
            };
            if (!one.uid.empty() && !own[account.id].contains(one.uid) &&
                std::none_of(list.begin(), list.end(), same))
                list.push_back({account.id, std::move(one.alias), std::move(one.uid), 0, {}});
        }
        KITH_TRY_VALUE(known, acquaintances(profile, account.id));
        for (auto& one : list)
            if (auto at = known.find(one.uid); one.account == account.id && at != known.end())
                one.trust = at->second.trust;
        // Of a device that is not active any more nothing but this is known.
        for (const auto& [uid, one] : known)
            if (std::none_of(list.begin(), list.end(), [&, &its_uid = uid](const Contact& other) {
                    return other.account == account.id && other.uid == its_uid;
                }))
                list.push_back({account.id, one.alias, uid, 0, one.trust});
    }
    std::erase_if(list, [](const Contact& one) { return one.trust == Trust::removed; });
    // Whom the account knows that took the place of this one.
    KITH_TRY_VALUE(moves, account_moves(profile));
    std::set<std::pair<AccountId, std::string>> places;
    for (const auto& one : list) places.emplace(one.account, one.uid);
    std::erase_if(list, [&](const Contact& one) {
        const auto at = moves.find(one.account);
        return at != moves.end() && at->second.counts && places.contains({at->second.to, one.uid});
    });
    return list;
}

Result<std::set<std::string>> own_uids(Profile& profile, const store::Account& account) {
    KITH_TRY_VALUE(accounts, profile.store().accounts());
    std::set<std::string> uids;
    for (const auto& one : accounts)
        if (!one.uid.empty() && one.identity == account.identity) uids.insert(one.uid);
    return uids;
}

Result<std::string> find_uid(Profile& profile, const store::Account& account, const std::string& who) {
    if (who.size() == 32 && who.find_first_not_of(uid_alphabet) == std::string::npos) return who;
    if (who == account.alias) return account.uid;
    KITH_TRY_VALUE(own, own_uids(profile, account));
    KITH_TRY_VALUE(all, profile.history().correspondents());
    std::set<std::string> uids;
    for (const auto& one : all)
        if (one.account == account.id && one.alias == who && !own.contains(one.uid)) uids.insert(one.uid);
    KITH_TRY_VALUE(noted, noted_contacts(profile, account.id));
    for (const auto& one : noted)
        if (one.alias == who && !one.uid.empty() && !own.contains(one.uid)) uids.insert(one.uid);
    // A sender writes what alias it likes into a message, so an alias that two have used names nobody.
    if (uids.size() > 1)
        return fail(Fault::refused, "more than one person has written as '" + who + "'",
                    "use the uid (32 characters): 'kith contact list' shows it");
    if (uids.size() == 1) return *uids.begin();
    return fail(Fault::not_found, "nobody with the alias '" + who + "' has written to this account yet",
                "ask for an answer with 'kith contact ping', or use the uid (32 characters)");
}

}  // namespace kith::app
