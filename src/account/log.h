// An account's roster: a roster of its own (src/roster) for the nodes of one account, so that a service can
// tell which nodes its owner wants. Its keys are made for this one account and it holds no names, so nothing
// in it links two services. README.md has the form; this header makes keys, foundings and requests.
#pragma once

#include <span>
#include <vector>

#include "base/env.h"
#include "base/id.h"
#include "base/secret.h"
#include "crypto/keys.h"
#include "roster/entry.h"

namespace kith::account {

// By which the person's devices tell whose request it is. The account's id is known to them alone.
using Mark = roster::RequestNonce;
Mark mark_of(const AccountId& account, const DeviceId& device);

// A device's keys for one account's roster, from its own seeds: `seed` of its act key, of its device key.
crypto::SignKey act_key(const Key& seed, const PersonId& roster);
crypto::SignKey device_key(const Key& seed, const PersonId& roster);

// A device's word, by its everyday key, of which key its node has in an account's roster (`device_key`
// above). A mark can be made by every device of the person; this by the device alone. It goes from device to
// device, never to a service.
struct Claim {
    AccountId account;
    PersonId roster;
    DeviceId device;
    SignPublic key;
    Signature proof;
};
Claim make_claim(const AccountId& account, const PersonId& roster, const DeviceId& device,
                 const crypto::SignKey& everyday_key);
// Whether `signer`, the device's everyday key, has said so.
bool claim_holds(const Claim& claim, const SignPublic& signer);

// A node's secret, made by the device that will use it, and what others get to see of it.
SecretBytes make_nodeid(Random& random);
LinkPublic hash_of(const SecretBytes& nodeid);

// What this device asks to be added with.
Result<roster::SignedRequest> make_request(const PersonId& roster, const AccountId& account,
                                           const DeviceId& device, const Key& act_seed,
                                           const Key& device_seed, const LinkPublic& nodeid_hash);

// A founding: the genesis by a key that is used for nothing else and kept by nobody, the first devices, and
// the recovery key that counts from then on.
struct NewRoster {
    PersonId id;
    crypto::SignKey founder;
    roster::Entry genesis;
};
NewRoster begin(Random& random);
// The whole of it. The first of `requests` is the eldest.
Result<std::vector<roster::Entry>> found(const NewRoster& begun,
                                         std::span<const roster::SignedRequest> requests,
                                         const SignPublic& recovery);

}  // namespace kith::account
