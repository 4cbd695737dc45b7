#include "crypto/stream.h"

#include <sodium.h>

namespace kith::crypto {
namespace {

static_assert(stream_header_bytes == crypto_secretstream_xchacha20poly1305_HEADERBYTES);
static_assert(stream_overhead == crypto_secretstream_xchacha20poly1305_ABYTES);

struct Wiped {
    crypto_secretstream_xchacha20poly1305_state state{};
    ~Wiped() { sodium_memzero(&state, sizeof state); }
};

}  // namespace

struct SealStream::State : Wiped {};
struct OpenStream::State : Wiped {};

SealStream::SealStream(const Key& key) : state_(std::make_unique<State>()) {
    crypto_secretstream_xchacha20poly1305_init_push(&state_->state, header_.data(), key.view().data());
}
SealStream::SealStream(SealStream&&) noexcept = default;
SealStream::~SealStream() = default;

Bytes SealStream::seal(ByteView plain, bool last) {
    Bytes sealed(plain.size() + stream_overhead);
    crypto_secretstream_xchacha20poly1305_push(&state_->state, sealed.data(), nullptr, plain.data(),
                                               plain.size(), nullptr, 0,
                                               last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                                                    : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
    return sealed;
}

OpenStream::OpenStream(const Key& key, std::span<const std::uint8_t, stream_header_bytes> header)
    : state_(std::make_unique<State>()) {
    crypto_secretstream_xchacha20poly1305_init_pull(&state_->state, header.data(), key.view().data());
}
OpenStream::OpenStream(OpenStream&&) noexcept = default;
OpenStream::~OpenStream() = default;

std::optional<OpenStream::Opened> OpenStream::open(ByteView sealed) {
    if (sealed.size() < stream_overhead) return std::nullopt;
    Opened opened{Bytes(sealed.size() - stream_overhead), false};
    unsigned char tag = 0;
    if (crypto_secretstream_xchacha20poly1305_pull(&state_->state, opened.plain.data(), nullptr, &tag,
                                                   sealed.data(), sealed.size(), nullptr, 0) != 0)
        return std::nullopt;
    if (tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE &&
        tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL)
        return std::nullopt;
    opened.last = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    return opened;
}

}  // namespace kith::crypto
