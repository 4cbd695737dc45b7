// What the old device answers with: a stream of frames that only the new device can open, and that says who
// made it. The form: README.md. One frame at a time, on either side, so that its size does not matter.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "crypto/box.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "crypto/stream.h"
#include "wire/frame.h"

namespace kith::stick {

// The stream's first bytes, before the first message.
inline constexpr std::size_t start_bytes = 5 + 32 + crypto::box_overhead + crypto::stream_header_bytes;
// Before each message: how long it is.
inline constexpr std::size_t length_bytes = 4;

class Sealer {
  public:
    Sealer(const LinkPublic& to, Random& random);
    // What the stream begins with.
    const Bytes& start() const { return start_; }
    // A message with the length before it.
    Bytes seal(const wire::Frame& frame, bool last);

  private:
    Sealer(const LinkPublic& to, const Key& key);
    crypto::SealStream stream_;
    Bytes start_;
};

class Opener {
  public:
    // Of the first `start_bytes`. Fault::invalid: it is no payload, or a newer one. Fault::refused: it is
    // sealed to another key.
    static Result<Opener> open(ByteView start, const crypto::LinkKey& key);
    // How long the next message is; Fault::corrupt when that cannot be.
    static Result<std::size_t> read_length(ByteView four_bytes);
    struct Opened {
        wire::Frame frame;
        bool last = false;
    };
    // Fault::corrupt: it is not the next message of the stream, or was damaged.
    Result<Opened> open_next(ByteView message);

  private:
    explicit Opener(crypto::OpenStream stream) : stream_(std::move(stream)) {}
    crypto::OpenStream stream_;
};

// Who made a payload, for which request: the body of its first frame.
struct Statement {
    DeviceId device;
    crypto::Hash start{}, request{};
    Bytes introduction;
    Bytes bytes;  // what was signed
    Signature signature;
    bool signed_by(const SignPublic& key) const { return crypto::verify(key, bytes, signature); }
};
Bytes make_statement(const DeviceId& device, const crypto::SignKey& device_key, ByteView start,
                     const crypto::Hash& request, ByteView introduction);
// Checks the form, and that the introduction is the one that is meant; not the signature, whose key the
// introduction tells.
Result<Statement> read_statement(ByteView body);

}  // namespace kith::stick
