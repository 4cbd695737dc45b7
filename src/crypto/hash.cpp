#include "crypto/hash.h"

#include <sodium.h>

namespace kith::crypto {

Hash hash(ByteView bytes) {
    Hash out;
    crypto_generichash(out.data(), out.size(), bytes.data(), bytes.size(), nullptr, 0);
    return out;
}

Hash keyed_hash(const Key& key, ByteView bytes) {
    Hash out;
    crypto_generichash(out.data(), out.size(), bytes.data(), bytes.size(), key.view().data(), key.size());
    return out;
}

Hash sha256(ByteView bytes) {
    Hash out;
    crypto_hash_sha256(out.data(), bytes.data(), bytes.size());
    return out;
}

struct Hasher::State {
    crypto_generichash_state sodium;
    ~State() { sodium_memzero(&sodium, sizeof sodium); }
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
    crypto_generichash_init(&state_->sodium, nullptr, 0, 32);
}
Hasher::Hasher(const Key& key) : state_(std::make_unique<State>()) {
    crypto_generichash_init(&state_->sodium, key.view().data(), key.size(), 32);
}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

Hasher& Hasher::add(ByteView bytes) {
    crypto_generichash_update(&state_->sodium, bytes.data(), bytes.size());
    return *this;
}

Hasher& Hasher::add_u64(std::uint64_t value) {
    Bytes bytes;
    append_u64(bytes, value);
    return add(bytes);
}

Hash Hasher::finish() {
    Hash out;
    crypto_generichash_final(&state_->sodium, out.data(), out.size());
    return out;
}

}  // namespace kith::crypto
