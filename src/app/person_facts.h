// What a device tells another one of the person: the secrets that all devices share, and the accounts that
// there are. The bodies of `welcome`, `secrets` and `accounts` (README.md "The peer link"), wherever they
// travel.
#pragma once

#include <optional>
#include <vector>

#include "app/node_claims.h"
#include "app/node_labels.h"
#include "app/profile.h"
#include "app/selecting.h"

namespace kith::app {

// Holds the secrets in clear: to be wiped. Of a profile that has them.
Result<Bytes> pack_secrets(const Profile& profile);
struct PersonSecrets {
    Key term_key;
    std::uint64_t number = 0;
    Bytes recovery_accounts;
    std::optional<Key> identity;  // the seed of the person's identity key, of a device that has it
};
Result<PersonSecrets> read_secrets(ByteView body);

// So that a new device can be told what to take before it knows the person's accounts.
Result<Bytes> pack_accounts(Profile& profile);
struct AccountList {
    std::vector<AccountName> accounts;
    NodeLabels labels;
    std::vector<account::Claim> claims;
};
Result<AccountList> read_accounts(ByteView body);

// The accounts that this device knows, as a selection names them.
Result<std::vector<AccountName>> known_accounts(Profile& profile);

}  // namespace kith::app
