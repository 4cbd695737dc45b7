// Tokens of OpenID Connect (RFC 7519, RFC 7515): a provider's word, signed, on who somebody is. And the keys
// that it signs with (RFC 7517). The arithmetic of signatures is the caller's.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace kith::signin {

// The two algorithms that every provider offers one of. No other is taken: not "none", and no HMAC, whose
// "secret" would be a public key.
enum class Algorithm { rs256, es256 };

struct Token {
    Algorithm algorithm = Algorithm::rs256;
    std::string kid;          // which key; may be empty
    std::string signed_part;  // what the signature is over
    Bytes signature;
    std::string issuer, subject, nonce, party;  // party: the client it was made for ("azp")
    std::vector<std::string> audience;
    std::int64_t made_s = 0, expires_s = 0, not_before_s = 0;
};
// Fault::protocol for what is no such token, or of another algorithm. Nothing is checked yet.
Result<Token> read_token(std::string_view text);

struct VerifyKey {
    Algorithm algorithm = Algorithm::rs256;
    std::string kid;
    Bytes n, e;  // rs256: at least 2048 bits
    Bytes x, y;  // es256: 32 bytes each
};
// The keys of a set that are of use here; others are passed over. Fault::protocol: it is no set of keys.
Result<std::vector<VerifyKey>> read_keys(std::string_view json);

struct Expected {
    std::string issuer, audience;
};
using Verify = std::function<bool(const VerifyKey&, ByteView message, ByteView signature)>;
// Fault::refused with the reason, in words that may be told to whoever sent it; Fault::unavailable when none
// of the keys is the token's.
Result<> check_token(const Token& token, std::span<const VerifyKey> keys, const Expected& expected,
                     std::int64_t now_s, const Verify& verify);

}  // namespace kith::signin
