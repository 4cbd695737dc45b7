// Signatures of other protocols, verified by OpenSSL: RSA (PKCS #1 v1.5) and ECDSA over P-256, both with
// SHA-256, as JSON Web Signatures write them (RFC 7518, 3.3 and 3.4).
#pragma once

#include "base/bytes.h"

namespace kith::net {

// `n`, `e`: big-endian, without zeros in front.
bool verify_rs256(ByteView n, ByteView e, ByteView message, ByteView signature);
// `x`, `y`: 32 bytes each; a point that is not on the curve verifies nothing. `signature`: r and s, 32 bytes
// each.
bool verify_es256(ByteView x, ByteView y, ByteView message, ByteView signature);

}  // namespace kith::net
