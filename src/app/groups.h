// The groups that an account is in, from what the service told its members: it has no list to be asked for.
#pragma once

#include <string>
#include <vector>

#include "app/profile.h"

namespace kith::app {

// A service would refuse any other.
Result<> possible_group(const std::string& name);

struct JoinedGroup {
    std::string group, alias;  // the name that the account has there
};
// Of messages that are not on this device nothing is known. By name.
Result<std::vector<JoinedGroup>> groups_of(Profile& profile, const store::Account& account);

}  // namespace kith::app
