// Whom an account has to do with, by alias and uid: from what they sent. A service vouches for the uid alone;
// an alias in a message is what its sender wrote there.
#pragma once

#include <set>

#include "app/acquaintances.h"
#include "app/profile.h"

namespace kith::app {

struct Contact {
    AccountId account;
    std::string alias, uid;
    int met = 0;                 // of store::Met
    std::optional<Trust> trust;  // nothing: met at the service alone
};
// Without the person's own accounts, without those that the owner removed, and of an account that moved only
// those that the new one does not know.
Result<std::vector<Contact>> contacts(Profile& profile);

// The uids that the person has or had at this account's service.
Result<std::set<std::string>> own_uids(Profile& profile, const store::Account& account);

// The uid that is meant: a uid as it stands, one's own alias, or the alias of a contact that only one uses.
Result<std::string> find_uid(Profile& profile, const store::Account& account, const std::string& who);

}  // namespace kith::app
