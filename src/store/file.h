// Files of a profile: private to their owner (mode 0600, folders 0700), and durable when told to be. Others
// may be for all to read: what is carried elsewhere, and sealed.
#pragma once

#include <filesystem>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace kith::store {

enum class Readers { owner, all };

// An open file, closed at the end.
class File {
  public:
    enum class Mode { read, write };  // write: read too, and made when it is not there, for these readers
    static Result<File> open(const std::filesystem::path& path, Mode mode, Readers readers = Readers::owner);
    File(File&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
    File& operator=(File&&) = delete;
    ~File();

    // All of the bytes, or an error: Fault::disk_full when the disk, a quota or a limit is at its end.
    Result<> write_at(std::uint64_t offset, ByteView bytes);
    // Fault::corrupt when the file ends before.
    Result<> read_at(std::uint64_t offset, std::span<std::uint8_t> into) const;
    Result<std::uint64_t> size() const;
    // Has the system begin to write out what was written, so that `sync` finds less to wait for. A hint.
    void begin_sync();
    Result<> sync();
    // The bytes and the size alone, not the times: much less work where bytes are written that were there.
    Result<> sync_data();

  private:
    File(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}
    std::filesystem::path path_;
    int fd_;
};

// Makes the names in a folder durable; no folder is the present one.
Result<> sync_folder(const std::filesystem::path& folder);
// Makes a folder, when it is not there, and its name durable.
Result<> make_folder(const std::filesystem::path& folder, Readers readers = Readers::owner);
// Replaces a file as a whole: after a crash at any point the old bytes or the new ones are there.
Result<> replace_file(const std::filesystem::path& path, ByteView bytes, Readers readers = Readers::owner);

}  // namespace kith::store
