// Keys: Ed25519 for signatures, Curve25519 for the links (CurveZMQ), derivation, and sealing.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/env.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"

namespace kith::crypto {

// Must be called once before anything else of this layer; more calls do no harm. False: libsodium cannot run
// here (no randomness), and nothing may be done.
bool start();

// The operating system's randomness.
class SystemRandom : public Random {
  public:
    void fill(std::span<std::uint8_t> out) override;
};

template <std::size_t N = 32>
Secret<N> random_secret(Random& random) {
    Secret<N> secret;
    random.fill(secret.fill());
    return secret;
}
template <class IdType>
IdType random_id(Random& random) {
    IdType id;
    random.fill(id.bytes);
    return id;
}

// Signatures. The seed (32 bytes) is the private key. What is signed must name its purpose and version within
// the bytes (see src/wire/README.md): nothing is added here.
class SignKey {
  public:
    SignKey() = default;  // no key: signing with it is a bug
    explicit SignKey(const Key& seed);
    const SignPublic& public_key() const { return public_; }
    const Key& seed() const { return seed_; }
    Signature sign(ByteView bytes) const;
    SignKey copy() const { return SignKey(seed_); }

  private:
    Key seed_;
    Secret<64> secret_;
    SignPublic public_;
};
bool verify(const SignPublic& key, ByteView bytes, const Signature& signature);

// A Curve25519 pair, as CurveZMQ takes it.
struct LinkKey {
    Key secret;
    LinkPublic public_key;
    static LinkKey from_secret(const Key& secret);
    static LinkKey generate(Random& random) { return from_secret(random_secret(random)); }
    LinkKey copy() const { return {secret.copy(), public_key}; }
};

// A key derived from `key` for one purpose: BLAKE2b-256 keyed with `key` over `purpose`, a zero byte and
// `context`. Purposes are listed in src/crypto/README.md.
Key derive(const Key& key, std::string_view purpose, ByteView context = {});

// XChaCha20-Poly1305 with a random nonce: nonce (24) | ciphertext | tag (16). `purpose` is authenticated.
Bytes seal(const Key& key, std::string_view purpose, ByteView plain, Random& random);
// Nothing when the key, the purpose or a byte is not the one it was sealed with.
std::optional<SecretBytes> open(const Key& key, std::string_view purpose, ByteView sealed);

// ChaCha20-Poly1305 (RFC 8439) with a counted nonce, for pieces of one stream under a key of its own:
// `number` must never be used twice under one key for different bytes.
Bytes seal_numbered(const Key& key, std::uint64_t number, ByteView plain);
std::optional<Bytes> open_numbered(const Key& key, std::uint64_t number, ByteView sealed);
inline constexpr std::size_t seal_numbered_overhead = 16;

// Argon2id (RFC 9106) over a passphrase. The parameters are stored beside what they protect.
struct PassphraseCost {
    std::uint64_t operations = 3;
    std::uint64_t memory_bytes = 64ull * 1024 * 1024;
};
Result<Key> stretch(const SecretBytes& passphrase, std::span<const std::uint8_t, 16> salt,
                    PassphraseCost cost);

}  // namespace kith::crypto
