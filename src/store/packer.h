// Packs the bytes of records with zstd, when that saves enough to be worth it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace kith::store {

// Keeps its working memory between calls. Used by one thread at a time.
class Packer {
  public:
    Packer();
    ~Packer();
    // Nothing when less than an eighth would be saved. Borrowed: valid until the next call.
    std::optional<ByteView> pack(ByteView plain);
    // `size` is that of the plain bytes. Fault::corrupt when it is not what comes out.
    Result<Bytes> unpack(ByteView packed, std::size_t size);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kith::store
