#include "roster/identity.h"

#include "crypto/hash.h"
#include "roster/recovery.h"

namespace kith::roster {

PersonId Identity::person() const {
    return person_of(crypto::hash_id<EntryId>(encode_genesis(genesis_of(*this))));
}

crypto::SignKey identity_key(const Key& recovery_seed) {
    return crypto::SignKey(crypto::derive(recovery_seed, "kith.recovery.identity"));
}

Identity identity_of(const Key& recovery_seed) {
    return {recovery_key(recovery_seed).public_key(), identity_key(recovery_seed).public_key()};
}

std::optional<Identity> identity_of(const Entry& genesis, const SignPublic& key) {
    const auto* act = std::get_if<Genesis>(&genesis.body.act);
    if (!act) return std::nullopt;
    const Identity identity{act->recovery, key};
    // Another's genesis may be written otherwise than ours, with another time say: then it is not this
    // person.
    if (identity.person() != person_of(genesis.id)) return std::nullopt;
    return identity;
}

Genesis genesis_of(const Identity& identity) {
    const std::uint8_t zero = 0;
    return {identity.recovery,
            crypto::Hasher().add("kith.identity").add({&zero, 1}).add(identity.key.view()).finish()};
}

}  // namespace kith::roster
