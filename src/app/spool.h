// A place for a message that is too large for memory while it arrives: a nameless file in the profile's
// folder, sealed piece by piece under a key that is only in memory. It is gone with the object, or with the
// process.
#pragma once

#include <filesystem>
#include <memory>

#include "base/bytes.h"
#include "base/env.h"
#include "base/result.h"
#include "base/secret.h"

namespace kith::app {

class Spool {
  public:
    static Result<std::unique_ptr<Spool>> open(const std::filesystem::path& folder, Random& random);
    ~Spool();
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;

    // Fault::disk_full when there is no space: then the spool is of no further use.
    Result<> append(ByteView bytes);
    std::uint64_t size() const { return size_; }
    // Fills `into` with the bytes from `offset` on, which must be there.
    Result<> read(std::uint64_t offset, std::span<std::uint8_t> into) const;

  private:
    Spool(int fd, Key key) : fd_(fd), key_(std::move(key)) {}
    Result<> write_piece();

    int fd_;
    Key key_;
    Bytes tail_;  // what does not fill a piece yet
    std::uint64_t pieces_ = 0;
    std::uint64_t size_ = 0;
    mutable Bytes cached_;  // the piece that was read last
    mutable std::uint64_t cached_index_ = UINT64_MAX;
};

}  // namespace kith::app
