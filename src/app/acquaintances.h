// Contacts whose identity is known: from an invitation, or from a live code. They are records of kind contact
// that say more than alias and uid (src/history/README.md), and so on all devices of the person. Of several
// about one account the newest counts, but that another identity came stays until a record settles just that:
// the device that wrote the newest may not have heard of it. What a device has said that is not active any
// more fails on the safe side: it introduces at most, and stays known. What each degree of trust means:
// src/invite/README.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/profile.h"
#include "invite/letter.h"

namespace kith::app {

enum class Trust { introduced, verified, changed, removed };
std::string_view trust_name(Trust trust);

struct Acquaintance {
    std::string alias, uid;
    roster::Identity identity;  // zero: removed without one
    Trust trust = Trust::introduced;
    std::optional<roster::Identity> offered;  // changed: under which other identity the account came
    std::uint64_t time_ms = 0;                // when that was so
    // Ids of the records that say `changed` of this identity, and are not settled.
    std::vector<std::string> open = {};
    bool doubtful = false;  // the word of a device that is not active any more
};

// By uid, those that were removed included.
Result<std::map<std::string, Acquaintance>> acquaintances(const Profile& profile, const AccountId& account);
// Nothing: the account is no contact, or its identity is not known. That of a contact is known still which
// only a device removed that is not active any more.
Result<std::optional<roster::Identity>> known_identity(const Profile& profile, const AccountId& account,
                                                       const std::string& uid);

// Each within a transaction of the caller's.
// The account is a contact with this identity, `introduced` or `verified`. One that is known under another
// identity becomes `changed` instead, and keeps what was known; one that is verified stays so, and one that
// is `changed` until its owner decides.
Result<> befriend(Profile& profile, const AccountId& account, const invite::Guest& who,
                  const roster::Identity& identity, Trust degree, Now now);
// A live code has shown that this person is there: the contacts with this identity are verified, but for
// those that are `changed`; of these only `named` is, when it is this person, or this is who came in its
// place. Fault::refused when `named` is somebody else. Result: all that are verified with this identity.
struct NamedContact {
    AccountId account;
    std::string uid;
};
Result<std::vector<std::pair<AccountId, Acquaintance>>> verify(Profile& profile,
                                                               const roster::Identity& identity,
                                                               const std::optional<NamedContact>& named,
                                                               Now now);
// What is known of the people whom one account knows, the other one of the person knows too, as far as it
// knows nothing of them yet; but for what is the word of a device that is not active any more.
Result<> inherit_acquaintances(Profile& profile, const AccountId& from, const AccountId& to, Now now);
Result<> remove_acquaintance(Profile& profile, const AccountId& account, const invite::Guest& who, Now now);

}  // namespace kith::app
