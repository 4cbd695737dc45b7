// A lock on a file, one holder at a time, that the kernel releases when the holder dies. The file holds the
// holder's process id as a decimal line, for people and for `kith stop`; it stays when the lock is released.
// (An open file description lock, fcntl(2): like flock, but one can ask who holds it without taking it.)
// Not for folders on network file systems that do not carry locks.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.h"

namespace kith::net {

class FileLock {
  public:
    // Makes the file (mode 0600) when it is missing. Fault::refused: another process has it, and is named.
    static Result<FileLock> take(const std::string& path);
    // The process that holds the lock now, 0 when it holds it without having written its id; nothing: nobody
    // does.
    static std::optional<pid_t> holder(const std::string& path);

    FileLock(FileLock&& other) noexcept;
    FileLock& operator=(FileLock&& other) noexcept;
    ~FileLock();

  private:
    explicit FileLock(int fd) : fd_(fd) {}
    int fd_ = -1;
};

}  // namespace kith::net
