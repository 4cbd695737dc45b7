#include "crypto/keys.h"

#include <sodium.h>

#include "crypto/hash.h"

namespace kith::crypto {

bool start() {
    return sodium_init() >= 0;
}

void SystemRandom::fill(std::span<std::uint8_t> out) {
    randombytes_buf(out.data(), out.size());
}

SignKey::SignKey(const Key& seed) : seed_(seed.copy()) {
    crypto_sign_seed_keypair(public_.bytes.data(), secret_.fill().data(), seed_.view().data());
}

Signature SignKey::sign(ByteView bytes) const {
    Signature signature;
    crypto_sign_detached(signature.bytes.data(), nullptr, bytes.data(), bytes.size(), secret_.view().data());
    return signature;
}

bool verify(const SignPublic& key, ByteView bytes, const Signature& signature) {
    return crypto_sign_verify_detached(signature.bytes.data(), bytes.data(), bytes.size(),
                                       key.bytes.data()) == 0;
}

LinkKey LinkKey::from_secret(const Key& secret) {
    LinkKey key{secret.copy(), {}};
    crypto_scalarmult_base(key.public_key.bytes.data(), key.secret.view().data());
    return key;
}

Key derive(const Key& key, std::string_view purpose, ByteView context) {
    Hasher hasher(key);
    const std::uint8_t zero = 0;
    Hash out = hasher.add(purpose).add({&zero, 1}).add(context).finish();
    Key derived{std::span<const std::uint8_t, 32>(out)};
    wipe(out);
    return derived;
}

Bytes seal(const Key& key, std::string_view purpose, ByteView plain, Random& random) {
    constexpr auto nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
    Bytes sealed(nonce_size + plain.size() + crypto_aead_xchacha20poly1305_ietf_ABYTES);
    random.fill(std::span(sealed).first(nonce_size));
    auto aad = as_bytes(purpose);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data() + nonce_size, nullptr, plain.data(),
                                               plain.size(), aad.data(), aad.size(), nullptr, sealed.data(),
                                               key.view().data());
    return sealed;
}

std::optional<SecretBytes> open(const Key& key, std::string_view purpose, ByteView sealed) {
    constexpr auto nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
    constexpr auto overhead = nonce_size + crypto_aead_xchacha20poly1305_ietf_ABYTES;
    if (sealed.size() < overhead) return std::nullopt;
    Bytes plain(sealed.size() - overhead);
    auto aad = as_bytes(purpose);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, sealed.data() + nonce_size,
                                                   sealed.size() - nonce_size, aad.data(), aad.size(),
                                                   sealed.data(), key.view().data()) != 0)
        return std::nullopt;
    return SecretBytes(std::move(plain));
}

namespace {

std::array<std::uint8_t, crypto_aead_chacha20poly1305_ietf_NPUBBYTES> numbered_nonce(std::uint64_t number) {
    std::array<std::uint8_t, crypto_aead_chacha20poly1305_ietf_NPUBBYTES> nonce{};
    for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
    return nonce;
}

}  // namespace

Bytes seal_numbered(const Key& key, std::uint64_t number, ByteView plain) {
    auto nonce = numbered_nonce(number);
    Bytes sealed(plain.size() + crypto_aead_chacha20poly1305_ietf_ABYTES);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed.data(), nullptr, plain.data(), plain.size(), nullptr, 0,
                                              nullptr, nonce.data(), key.view().data());
    return sealed;
}

std::optional<Bytes> open_numbered(const Key& key, std::uint64_t number, ByteView sealed) {
    if (sealed.size() < crypto_aead_chacha20poly1305_ietf_ABYTES) return std::nullopt;
    auto nonce = numbered_nonce(number);
    Bytes plain(sealed.size() - crypto_aead_chacha20poly1305_ietf_ABYTES);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, sealed.data(),
                                                  sealed.size(), nullptr, 0, nonce.data(),
                                                  key.view().data()) != 0)
        return std::nullopt;
    return plain;
}

Result<Key> stretch(const SecretBytes& passphrase, std::span<const std::uint8_t, 16> salt,
                    PassphraseCost cost) {
    // Above these a forged key file would only keep the machine busy.
    constexpr std::uint64_t most_memory = 1024ull * 1024 * 1024, most_operations = 20;
    if (cost.operations < crypto_pwhash_OPSLIMIT_MIN || cost.operations > most_operations ||
        cost.memory_bytes < crypto_pwhash_MEMLIMIT_MIN || cost.memory_bytes > most_memory)
        return fail(Fault::corrupt, "the passphrase's parameters are out of range");
    Key key;
    static_assert(crypto_pwhash_SALTBYTES == 16);
    if (crypto_pwhash(key.fill().data(), key.size(), reinterpret_cast<const char*>(passphrase.view().data()),
                      passphrase.size(), salt.data(), cost.operations,
                      static_cast<std::size_t>(cost.memory_bytes), crypto_pwhash_ALG_ARGON2ID13) != 0)
        return fail(Fault::io, "not enough memory to check the passphrase",
                    "close other programs and try again");
    return key;
}

}  // namespace kith::crypto
