// What a device signs in an account's roster so that this follows the person's: a projection. Pure.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "account/log.h"
#include "roster/roster.h"

namespace kith::account {

struct Source {
    AccountId account;
    const roster::State& person;
    DeviceId self;
    // The keys of nodes as their devices have said (log.h, Claim); this device's own must be among them. A
    // node under a device's mark with another key is not that device's, whoever added it.
    std::map<DeviceId, SignPublic> claims = {};
};

// The node of a device: with the key that the device claims, else, when it has claimed none, under its mark;
// one that is not barred, if there is one.
const roster::Device* node_of(const roster::State& state, const Source& source, const DeviceId& device);

// A request that came from this device of the person.
struct Asked {
    DeviceId device;
    roster::SignedRequest request;
};

// By this device: bars of nodes of devices that are barred, or that this device has barred, of nodes that
// these added and no device has claimed, and of nodes under a mark that is not theirs; adds of those who ask
// and are active, and of claimed nodes of active devices that fell with who had added them. `contests`: also
// of the bars against this device, and `lifts`: of the bars against nodes of active devices, as far as the
// rules let this device do so. Nothing when all is as it should be, or when this device may sign nothing
// there.
struct Wishes {
    std::span<const Asked> asked = {};
    bool contests = false, lifts = false;
};
Result<std::vector<roster::Entry>> project(std::span<const roster::Entry> log, const Source& source,
                                           const crypto::SignKey& act, const Wishes& wishes);

// By the recovery key: bars of the same nodes, with cuts where they barred others, lifts of what still keeps
// active devices out, and adds of those who ask, for which the devices may have no share and no place left.
// `seed`: the person's; Fault::refused when none of its account keys counts here.
Result<std::vector<roster::Entry>> recover(std::span<const roster::Entry> log, const Source& source,
                                           const Key& seed, std::span<const Asked> asked = {});
// The person's account key with this public half; nothing: it is none of that seed's.
std::optional<crypto::SignKey> account_key_of(const Key& seed, const SignPublic& key);

// By the recovery key, when no node is left that the owner can use: an add of `request`, and bars of all
// other nodes, for good. `renewal`: the key that recovers the account from then on, if it is to be another
// one.
Result<std::vector<roster::Entry>> restore(std::span<const roster::Entry> log,
                                           const roster::SignedRequest& request, const Key& seed,
                                           const std::optional<SignPublic>& renewal);
// The account key of `fresh` takes the place of that of `seed`.
Result<std::vector<roster::Entry>> renew(std::span<const roster::Entry> log, const Key& seed,
                                         const Key& fresh);

}  // namespace kith::account
