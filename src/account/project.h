// What a device signs in an account's roster so that this follows the person's: a projection. Pure.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "account/log.h"
#include "roster/roster.h"

namespace kith::account {

// Whose node a device of an account's roster is; nothing: of nobody on the person's roster.
const roster::Device* owner_of(const roster::Device& node, const AccountId& account,
                               const roster::State& person);
// The node of a device: one that is not barred, if there is one.
const roster::Device* node_of(const roster::State& state, const AccountId& account, const DeviceId& device);

struct Source {
    AccountId account;
    const roster::State& person;
    DeviceId self;
};
// A request that came from this device of the person.
struct Asked {
    DeviceId device;
    roster::SignedRequest request;
};

// By this device: bars of nodes of devices that are barred, or that this device has barred, and of nodes that
// these added for nobody of the person; adds of those who ask and are active. `contests`: also of the bars
// against this device, and `lifts`: of the bars against nodes of active devices, as far as the rules let this
// device do so. Nothing when all is as it should be, or when this device may sign nothing there.
struct Wishes {
    std::span<const Asked> asked = {};
    bool contests = false, lifts = false;
};
Result<std::vector<roster::Entry>> project(std::span<const roster::Entry> log, const Source& source,
                                           const crypto::SignKey& act, const Wishes& wishes);

// By the recovery key: bars of the same nodes, and lifts of what keeps active devices out. `seed`: the
// person's; Fault::refused when none of its account keys counts here.
Result<std::vector<roster::Entry>> recover(std::span<const roster::Entry> log, const Source& source,
                                           const Key& seed);
// The account key of `fresh` takes the place of that of `seed`.
Result<std::vector<roster::Entry>> renew(std::span<const roster::Entry> log, const Key& seed,
                                         const Key& fresh);

}  // namespace kith::account
