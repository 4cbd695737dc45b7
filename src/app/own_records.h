// The records that kith makes itself, and their reading: signed by a device, believed only when it is one of
// the person's.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "app/profile.h"
#include "wire/fields.h"

namespace kith::app {

// Makes and keeps one, with these fields of its kind. Within a transaction of the caller's.
Result<> keep_own_record(Profile& profile, std::string_view kind, const AccountId& account,
                         std::int64_t time_ms, const nlohmann::json& fields);
// The same, to be added by the caller.
store::NewRecord own_record(const Profile& profile, std::string_view kind, const AccountId& account,
                            std::uint64_t time_ms, const nlohmann::json& fields);
// Whether the text occurs in a record at all: cheap, before signatures are checked.
bool mentions(const history::Record& record, std::string_view text);
// The head of one whose signer is one of the person's devices, and not barred.
std::optional<wire::Fields> read_own_record(const Profile& profile, const history::Record& record);
// The same of any device that is or was one of the person's: what a device said before it was barred may not
// be as if it had never been said. What it may say still is the caller's to decide.
struct FormerRecord {
    wire::Fields head;
    const roster::Device* signer;
    bool active;  // the signer, now
};
std::optional<FormerRecord> read_former_record(const Profile& profile, const history::Record& record);

// That the person has this account. Within a transaction of the caller's.
Result<> keep_account_record(Profile& profile, const store::Account& account, Now now);
// That another account of the person took its place, at the same service. Within a transaction of the
// caller's.
Result<> keep_account_moved(Profile& profile, const store::Account& account, const AccountId& to, Now now);
// Which account took the place of which. What only devices say that are not active any more does not count;
// it may have been so all the same.
struct AccountMove {
    AccountId to;
    bool counts = false;
    bool operator==(const AccountMove&) const = default;
};
Result<std::map<AccountId, AccountMove>> account_moves(const Profile& profile);
// Whom a message went to: uids, and names of groups.
Result<> keep_recipients_record(Profile& profile, const AccountId& account, const std::string& msgid,
                                const std::vector<std::string>& uids, const std::vector<std::string>& groups,
                                std::int64_t time_ms);
struct Recipients {
    std::vector<std::string> uids, groups;
};
// Of a message that one of the person's devices sent; nothing when it is not known.
Result<std::optional<Recipients>> recipients_of(Profile& profile, const AccountId& account,
                                                const std::string& msgid, std::uint64_t time_ms);

// The account that a record tells of; nothing when its signer is not (or no longer) a device of the person.
std::optional<store::Account> read_account_record(const Profile& profile, const history::Record& record);

}  // namespace kith::app
