#include "crypto/box.h"

#include <sodium.h>

namespace kith::crypto {

static_assert(crypto_box_SEALBYTES == box_overhead);
static_assert(crypto_box_PUBLICKEYBYTES == LinkPublic::size && crypto_box_SECRETKEYBYTES == Key::size());

Bytes seal_to(const LinkPublic& to, ByteView plain) {
    Bytes box(plain.size() + box_overhead);
    // Fails for keys of small order alone, from which nothing could be opened: then the box is zeros.
    if (crypto_box_seal(box.data(), plain.data(), plain.size(), to.bytes.data()) != 0)
        std::fill(box.begin(), box.end(), std::uint8_t{0});
    return box;
}

std::optional<SecretBytes> open_box(const LinkKey& key, ByteView box) {
    if (box.size() < box_overhead) return std::nullopt;
    Bytes plain(box.size() - box_overhead);
    if (crypto_box_seal_open(plain.data(), box.data(), box.size(), key.public_key.bytes.data(),
                             key.secret.view().data()) != 0)
        return std::nullopt;
    return SecretBytes(std::move(plain));
}

}  // namespace kith::crypto
