// The files on a stick (src/stick/README.md "Files"): written whole or not at all, read from the beginning to
// the end.
#pragma once

#include <filesystem>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "store/file.h"

namespace kith::app {

std::filesystem::path stick_request_path(const std::filesystem::path& folder);
std::filesystem::path stick_payload_path(const std::filesystem::path& folder);

// Fault::not_found when there is no such folder: a stick that is not there (yet).
Result<> check_stick(const std::filesystem::path& folder);
// Of at most `most` bytes. Fault::not_found, invalid (larger, or no file).
Result<Bytes> read_whole(const std::filesystem::path& path, std::size_t most);

// May be used on another thread, by one at a time.
class PayloadWriter {
  public:
    // Begins anew: what a broken writing has left is removed. A former payload stays until `finish`.
    static Result<PayloadWriter> begin(const std::filesystem::path& folder);
    PayloadWriter(PayloadWriter&& other) noexcept;
    PayloadWriter& operator=(PayloadWriter&&) = delete;
    // Removes what was written, when it was not finished.
    ~PayloadWriter();
    // A message, which lies in one file as a whole.
    Result<> append(ByteView message);
    // Everything is on the disk, and takes its name.
    Result<> finish();

  private:
    explicit PayloadWriter(std::filesystem::path folder);
    Result<> next_part();
    std::filesystem::path folder_, fresh_;
    std::optional<store::File> part_;
    std::uint32_t parts_ = 0;
    std::uint64_t size_ = 0, unsynced_ = 0;
    bool open_ = true;
};

class PayloadReader {
  public:
    // Fault::not_found when there is none.
    static Result<PayloadReader> open(const std::filesystem::path& folder);
    // Exactly so many bytes, of one file. Fault::corrupt when it ends before.
    Result<Bytes> read(std::size_t size);
    std::uint64_t bytes_read() const { return read_; }
    std::uint64_t bytes() const { return bytes_; }

  private:
    explicit PayloadReader(std::filesystem::path path) : path_(std::move(path)) {}
    Result<> next_part();
    std::filesystem::path path_;
    std::optional<store::File> part_;
    std::uint32_t parts_ = 0;
    std::uint64_t size_ = 0, at_ = 0, read_ = 0, bytes_ = 0;
};

}  // namespace kith::app
