// Packs bytes with zstd and our dictionary, when that saves enough to be worth it: records as they are kept
// and moved, pieces of blobs on their way.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "base/bytes.h"

namespace kith::history {

// Keeps its working memory between calls. Used by one thread at a time.
class Packer {
  public:
    Packer();
    ~Packer();
    // One zstd frame, level 1; nothing when less than an eighth would be saved. Borrowed: valid until the
    // next call.
    std::optional<ByteView> pack(ByteView plain);
    // The `size` bytes that a frame holds; nothing when it holds others. Never takes more memory than `size`,
    // whatever the frame says. Borrowed: valid until the next call.
    std::optional<ByteView> unpack(ByteView packed, std::size_t size);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kith::history
