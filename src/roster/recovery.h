// The recovery key: made at `kith init`, written down by the owner as the recovery sheet, and not kept. It
// signs the roster's first two entries and outranks every device. All of it comes from one seed of 32 bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "crypto/keys.h"

namespace kith::roster {

inline constexpr std::size_t recovery_account_key_count = 256;

crypto::SignKey recovery_key(const Key& seed);
// The keys with which the recovery key can prove itself to services, one an account, so that two services
// cannot tell that they serve one person. Their public halves are kept at init, because the seed is not.
crypto::SignKey recovery_account_key(const Key& seed, std::uint32_t index);
std::vector<SignPublic> recovery_account_keys(const Key& seed);

// All public halves with the recovery key's signature, as devices keep and pass them on: who could put other
// keys among them would be the one who recovers later accounts.
Bytes signed_account_keys(const Key& seed);
// The public halves one after the other; nothing when `recovery` has not signed them.
std::optional<Bytes> read_account_keys(ByteView list, const SignPublic& recovery);

// What the sheet says of its person: the first half of its id, enough to tell persons apart and to notice a
// sheet that belongs to another one.
using PersonHint = Id<struct PersonHintTag, 16>;
PersonHint hint_of(const PersonId& person);

struct RecoverySheet {
    Key seed;
    PersonHint person;
};
// "KITH-RECOVERY" and 17 groups of five base32 characters, joined by dashes: fit for a QR code's alphanumeric
// mode. The text is as secret as the seed: show it, and wipe it.
SecretBytes encode_sheet(const RecoverySheet& sheet);
// Reads it as typed: case, spaces, line breaks and dashes do no harm, and 0, 1 and 8 are read as O, I and B,
// which look like them. Fails with what is wrong: not a sheet, too short or too long, a typing mistake, a
// newer version.
Result<RecoverySheet> decode_sheet(std::string_view text);

}  // namespace kith::roster
