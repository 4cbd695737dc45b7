#include "crypto/cpace.h"

#include <sodium.h>

namespace kith::crypto {
namespace {

static_assert(crypto_core_ristretto255_BYTES == CpaceShare::size);
static_assert(crypto_core_ristretto255_SCALARBYTES == Key::size());
static_assert(crypto_core_ristretto255_HASHBYTES == crypto_hash_sha512_BYTES);

constexpr std::string_view dsi = "CPaceRistretto255";
constexpr std::string_view dsi_isk = "CPaceRistretto255_ISK";
constexpr std::size_t sha512_block = 128;

void append_with_length(Bytes& to, ByteView part) {
    std::size_t rest = part.size();
    do {
        const auto low = static_cast<std::uint8_t>(rest & 0x7f);
        rest >>= 7;
        to.push_back(static_cast<std::uint8_t>(rest ? low | 0x80 : low));
    } while (rest);
    append(to, part);
}

std::size_t length_with_length(ByteView part) {
    std::size_t bytes = 1;
    for (std::size_t rest = part.size() >> 7; rest; rest >>= 7) ++bytes;
    return bytes + part.size();
}

// Fills the first block of the hash whatever the secret's length, so that its time does not tell that.
Bytes generator_string(ByteView prs, ByteView ci, ByteView sid) {
    const std::size_t used = length_with_length(prs) + length_with_length(as_bytes(dsi)) + 1;
    const Bytes padding(used < sha512_block ? sha512_block - used : 0);
    return lv_cat({as_bytes(dsi), prs, padding, ci, sid});
}

// A reallocation would leave parts of a secret behind in freed memory, so the size is known beforehand.
CpaceKey intermediate_key(ByteView sid, const Key& point, const CpaceShare& share_a, ByteView ad_a,
                          const CpaceShare& share_b, ByteView ad_b) {
    const ByteView parts[] = {as_bytes(dsi_isk), sid, point.view(), share_a.view(), ad_a,
                              share_b.view(),    ad_b};
    Bytes input;
    std::size_t size = 0;
    for (auto part : parts) size += length_with_length(part);
    input.reserve(size);
    for (auto part : parts) append_with_length(input, part);
    CpaceKey key;
    crypto_hash_sha512(key.fill().data(), input.data(), input.size());
    wipe(input);
    return key;
}

}  // namespace

Bytes lv_cat(std::initializer_list<ByteView> parts) {
    std::size_t size = 0;
    for (auto part : parts) size += length_with_length(part);
    Bytes out;
    out.reserve(size);
    for (auto part : parts) append_with_length(out, part);
    return out;
}

CpaceShare cpace_generator(ByteView prs, ByteView ci, ByteView sid) {
    Bytes text = generator_string(prs, ci, sid);
    Secret<crypto_hash_sha512_BYTES> wide;
    crypto_hash_sha512(wide.fill().data(), text.data(), text.size());
    wipe(text);
    CpaceShare generator;
    crypto_core_ristretto255_from_hash(generator.bytes.data(), wide.view().data());
    return generator;
}

Cpace::Cpace(ByteView prs, ByteView ci, ByteView sid, Random& random) : sid_(to_bytes(sid)) {
    CpaceShare generator = cpace_generator(prs, ci, sid);
    int done;
    do {
        // Section 8.3: bytes below 2^252, which is less than the group's order. Zero, and a neutral
        // generator, come up with a chance of 2^-252 only; the loop is there because the next line could not
        // go on.
        random.fill(scalar_.fill());
        scalar_.fill()[31] &= 0x0f;
        done = crypto_scalarmult_ristretto255(share_.bytes.data(), scalar_.view().data(),
                                              generator.bytes.data());
    } while (done != 0);
    wipe(generator.bytes);
}

std::optional<CpaceKey> Cpace::finish_initiator(const CpaceShare& theirs, ByteView own_ad,
                                                ByteView their_ad) const {
    auto point = shared_point(theirs);
    if (!point) return std::nullopt;
    return intermediate_key(sid_, *point, share_, own_ad, theirs, their_ad);
}

std::optional<CpaceKey> Cpace::finish_responder(const CpaceShare& theirs, ByteView own_ad,
                                                ByteView their_ad) const {
    auto point = shared_point(theirs);
    if (!point) return std::nullopt;
    return intermediate_key(sid_, *point, theirs, their_ad, share_, own_ad);
}

// scalar_mult_vfy: libsodium refuses what is no canonical encoding of an element, and a neutral result.
std::optional<Key> Cpace::shared_point(const CpaceShare& theirs) const {
    Key point;
    if (crypto_scalarmult_ristretto255(point.fill().data(), scalar_.view().data(), theirs.bytes.data()) != 0)
        return std::nullopt;
    return point;
}

bool cpace_share_valid(const CpaceShare& share) {
    return !share.is_zero() && crypto_core_ristretto255_is_valid_point(share.bytes.data()) == 1;
}

}  // namespace kith::crypto
