// The file system's side of the local socket: its folder, its address however long the path is, and who is at
// the other end.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/result.h"

namespace kith::net {

// A file descriptor that is closed with its owner.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd();
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release();

  private:
    int fd_ = -1;
};

// The address of the socket `path`. Valid as long as `folder` is open: a path that is too long for the kernel
// is addressed through it.
struct SocketAddress {
    Fd folder;
    sockaddr_un address;
    const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&address); }
};
// Opens the folder that `path` is in. Fault::not_found when it does not exist.
Result<SocketAddress> socket_address(const std::string& path);

// Makes the folder of `path` (mode 0700; its parent must exist), or checks that nobody but us may enter it.
Result<> secure_folder(const std::string& path);

// A connection to the live process that listens at `path`. Fault::not_found: none does; Fault::refused: it
// belongs to another user.
Result<Fd> connect_local(const std::string& path);

// Whether the process at the other end of `fd` runs as our user.
bool same_user(int fd);

}  // namespace kith::net
