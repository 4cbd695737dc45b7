#include "net/file_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace kith::net {

namespace {

struct flock whole_file() {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

pid_t read_pid(int fd) {
    char text[32];
    const auto size = pread(fd, text, sizeof text, 0);
    long pid = 0;
    if (size > 0) std::from_chars(text, text + size, pid);
    return pid > 0 ? static_cast<pid_t>(pid) : 0;
}

bool write_pid(int fd) {
    const auto text = std::to_string(getpid()) + "\n";
    return ftruncate(fd, 0) == 0 &&
           pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

// Whether `path` still names the file that is open: it may have been replaced between opening and locking.
bool same_file(int fd, const std::string& path) {
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

auto io_error(const std::string& path) {
    if (errno == ENOSPC || errno == EDQUOT)
        return fail(Fault::disk_full, "cannot lock " + path + ": " + std::strerror(errno),
                    "make room on the disk");
    return fail(Fault::io, "cannot lock " + path + ": " + std::strerror(errno),
                "check that the folder exists and is yours");
}

}  // namespace

Result<FileLock> FileLock::take(const std::string& path) {
    for (;;) {
        const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) return io_error(path);
        FileLock lock(fd);
        auto wanted = whole_file();
        if (fcntl(fd, F_OFD_SETLK, &wanted) != 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EACCES) return io_error(path);
            const auto pid = read_pid(fd);
            return fail(
                Fault::refused,
                path + " is in use" + (pid != 0 ? " by process " + std::to_string(pid) : std::string()),
                "stop that process first");
        }
        if (!same_file(fd, path)) continue;
        if (!write_pid(fd)) return io_error(path);
        return lock;
    }
}

std::optional<pid_t> FileLock::holder(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    FileLock closes(fd);
    auto asked = whole_file();
    if (fcntl(fd, F_OFD_GETLK, &asked) != 0 || asked.l_type == F_UNLCK) return std::nullopt;
    return read_pid(fd);
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}
FileLock::~FileLock() {
    if (fd_ >= 0) close(fd_);
}

}  // namespace kith::net
