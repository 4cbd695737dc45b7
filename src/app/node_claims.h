// Which keys the person's devices have in their accounts' rosters, as each has said of itself
// (account/log.h, Claim): so that a node under a stolen mark is told from the device's own. Devices tell each
// other all claims that they know.
#pragma once

#include <vector>

#include "account/log.h"
#include "app/profile.h"

namespace kith::app {

Result<std::vector<account::Claim>> node_claims(Profile& profile);
// Keeps what is new and holds: of a device on the roster, by its own signature. Whether anything was new.
Result<bool> keep_node_claims(Profile& profile, const std::vector<account::Claim>& told);

}  // namespace kith::app
