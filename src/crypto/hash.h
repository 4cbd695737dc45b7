// BLAKE2b-256 (RFC 7693), plain and keyed, through libsodium's generichash; and SHA-256.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/id.h"
#include "base/secret.h"

namespace kith::crypto {

using Hash = std::array<std::uint8_t, 32>;

Hash hash(ByteView bytes);
Hash keyed_hash(const Key& key, ByteView bytes);

// SHA-256 (FIPS 180-4), where another's protocol asks for it.
Hash sha256(ByteView bytes);

template <class IdType>
IdType hash_id(ByteView bytes) {
    static_assert(IdType::size == 32);
    return IdType{hash(bytes)};
}

// A hash in pieces. `finish` may be called once.
class Hasher {
  public:
    Hasher();
    explicit Hasher(const Key& key);
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;
    ~Hasher();
    Hasher& add(ByteView bytes);
    Hasher& add(std::string_view text) { return add(as_bytes(text)); }
    Hasher& add_u64(std::uint64_t value);
    Hash finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kith::crypto
