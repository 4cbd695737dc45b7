// Sealing to a Curve25519 key without one of one's own: libsodium's sealed boxes (crypto_box_seal: X25519
// with a key made for this box, XSalsa20-Poly1305, nonce BLAKE2b-192 of both public keys). Who opens it
// learns nothing of who made it: what is inside must speak for itself.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/keys.h"

namespace kith::crypto {

// The randomness is the operating system's.
Bytes seal_to(const LinkPublic& to, ByteView plain);
std::optional<SecretBytes> open_box(const LinkKey& key, ByteView box);
inline constexpr std::size_t box_overhead = 48;

}  // namespace kith::crypto
