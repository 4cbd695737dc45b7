// What other people know a person by. A person is the hash of the roster's first entry, the genesis; that
// holds two things, the recovery key and a hash of the identity key. So who is shown both public keys can
// compute the person, and a signature by the identity key is the person's: no device is named, none of the
// roster is shown. The identity key is derived from the recovery seed and shared by the person's devices.
//
// It stays for good: a recovery key that is renewed takes nothing from it. What follows from that, when a
// device that has it is lost, is in src/invite/README.md.
#pragma once

#include <compare>
#include <optional>

#include "base/id.h"
#include "crypto/keys.h"
#include "roster/entry.h"

namespace kith::roster {

struct Identity {
    SignPublic recovery;  // of the genesis
    SignPublic key;       // the identity key
    auto operator<=>(const Identity&) const = default;

    PersonId person() const;
};

crypto::SignKey identity_key(const Key& recovery_seed);
Identity identity_of(const Key& recovery_seed);
// The same without the seed, from a person's first entry: nothing when that does not hold this key.
std::optional<Identity> identity_of(const Entry& genesis, const SignPublic& key);
// The genesis of who has these keys; what is signed by the recovery key.
Genesis genesis_of(const Identity& identity);

}  // namespace kith::roster
