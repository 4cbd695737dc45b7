#include "net/local_path.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace kith::net {

namespace {

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}
Fd::~Fd() {
    if (fd_ >= 0) close(fd_);
}
int Fd::release() {
    return std::exchange(fd_, -1);
}

Result<SocketAddress> socket_address(const std::string& path) {
    SocketAddress made{Fd(open(folder_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), {}};
    if (!made.folder) {
        return fail(errno == ENOENT ? Fault::not_found : Fault::io,
                    "cannot open the folder of " + path + ": " + std::strerror(errno));
    }
    const auto name = name_of(path);
    auto text = path;
    if (text.size() >= sizeof made.address.sun_path)
        text = "/proc/self/fd/" + std::to_string(made.folder.get()) + "/" + name;
    if (name.empty() || text.size() >= sizeof made.address.sun_path)
        return fail(Fault::invalid, "\"" + name + "\" cannot be the name of a socket",
                    "choose a shorter name");
    made.address.sun_family = AF_UNIX;
    std::memcpy(made.address.sun_path, text.c_str(), text.size() + 1);
    return made;
}

Result<> secure_folder(const std::string& path) {
    const auto folder = folder_of(path);
    struct stat found;
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(Fault::io, "cannot make the folder " + folder + ": " + std::strerror(errno),
                    "check its parent");
    if (stat(folder.c_str(), &found) != 0)
        return fail(Fault::io, "cannot look at the folder " + folder + ": " + std::strerror(errno));
    if (found.st_uid != geteuid()) {
        return fail(Fault::refused, "the folder " + folder + " belongs to another user",
                    "choose a folder of your own");
    }
    if ((found.st_mode & 077) != 0)
        return fail(Fault::refused, "other users may enter the folder " + folder, "run: chmod 700 " + folder);
    return {};
}

Result<Fd> connect_local(const std::string& path) {
    KITH_TRY_VALUE(to, socket_address(path));
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail(Fault::io, std::string("cannot open a socket: ") + std::strerror(errno));
    int outcome;
    do outcome = ::connect(fd.get(), to.raw(), sizeof to.address);
    while (outcome != 0 && errno == EINTR);
    if (outcome != 0) {
        const bool nobody = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTSOCK;
        return fail(nobody ? Fault::not_found : Fault::io,
                    "cannot connect to " + path + ": " + std::strerror(errno));
    }
    if (!same_user(fd.get())) {
        return fail(Fault::refused, "another user's process listens at " + path,
                    "choose a folder of your own");
    }
    return fd;
}

bool same_user(int fd) {
    ucred who{};
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == geteuid();
}

}  // namespace kith::net
