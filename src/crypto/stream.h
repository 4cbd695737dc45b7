// A stream of messages under one key: libsodium's secretstream, as it is meant. Its header is drawn by
// libsodium itself.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/keys.h"

namespace kith::crypto {

// crypto_secretstream_xchacha20poly1305: each message is bound to its place, and the last one says that it
// is. What was left out, repeated, exchanged or cut off is noticed.
inline constexpr std::size_t stream_header_bytes = 24;
inline constexpr std::size_t stream_overhead = 17;

class SealStream {
  public:
    explicit SealStream(const Key& key);
    SealStream(SealStream&&) noexcept;
    ~SealStream();
    // What the reader needs before the first message.
    ByteView header() const { return header_; }
    Bytes seal(ByteView plain, bool last);

  private:
    struct State;
    std::unique_ptr<State> state_;
    std::array<std::uint8_t, stream_header_bytes> header_{};
};

class OpenStream {
  public:
    OpenStream(const Key& key, std::span<const std::uint8_t, stream_header_bytes> header);
    OpenStream(OpenStream&&) noexcept;
    ~OpenStream();
    struct Opened {
        Bytes plain;
        bool last = false;
    };
    // Nothing when it is not the next message: the stream is to be given up then.
    std::optional<Opened> open(ByteView sealed);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kith::crypto
