// What the services call the nodes of the person's devices: an operator who is asked to drop a lost device's
// node has to be told its name. Names are no secrets; devices tell each other those that they know.
#pragma once

#include <map>
#include <string>

#include "app/profile.h"

namespace kith::app {

using NodeLabels = std::map<AccountId, std::map<DeviceId, std::string>>;

// All that is known here.
Result<NodeLabels> node_labels(Profile& profile);
// Keeps what is new of these; what is known already stays. Whether anything was new.
Result<bool> keep_node_labels(Profile& profile, const NodeLabels& told);

}  // namespace kith::app
