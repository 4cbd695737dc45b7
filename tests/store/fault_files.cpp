#include "store/fault_files.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <fstream>

namespace kith::store::test {
namespace {

using Trouble = FaultDisk::Trouble;

FaultDisk* disk = nullptr;
std::filesystem::path root;

struct Descriptor {
    FaultDisk::FilePtr file;  // null: the root, which was there before
    std::string path;
};
std::map<int, Descriptor> descriptors;

bool is_watched(const std::string& path) {
    return disk && path.starts_with(root.string()) &&
           (path.size() == root.string().size() || path[root.string().size()] == '/');
}
// Not a file that SQLite writes.
bool is_blob(const std::string& path) {
    return path.starts_with((root / "blobs").string());
}

int failed(Trouble trouble) {
    errno = trouble == Trouble::full ? ENOSPC : EIO;
    return -1;
}

// Removals are not among the calls that are wrapped; they cannot fail here.
void notice() {
    std::vector<std::string> gone;
    disk->each([&](const std::string& path, const FaultDisk::File&) {
        std::error_code ignored;
        if (is_blob(path) && !std::filesystem::exists(path, ignored)) gone.push_back(path);
    });
    for (const auto& path : gone) disk->forget(path);
}

}  // namespace

extern "C" {
int __real_open(const char* path, int flags, ...);
int __real_close(int fd);
ssize_t __real_pwrite(int fd, const void* from, size_t size, off_t at);
int __real_fsync(int fd);
int __real_mkdir(const char* path, mode_t mode);

int __wrap_open(const char* path, int flags, ...);
int __wrap_close(int fd);
ssize_t __wrap_pwrite(int fd, const void* from, size_t size, off_t at);
int __wrap_fsync(int fd);
int __wrap_mkdir(const char* path, mode_t mode);

// Of a file that SQLite writes: with its bytes as they are now.
static int open_copy(const char* path, const FaultDisk::File& file) {
    std::ofstream(path, std::ios::binary) << as_text(file.bytes());
    const int fd = __real_open(path, O_RDWR);
    std::filesystem::remove(path);
    return fd;
}

int __wrap_open(const char* path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    const auto mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (!is_watched(path)) return __real_open(path, flags, mode);
    if (!disk->off()) notice();
    auto file = disk->find(path);
    // Opening to read does nothing to the disk.
    if ((flags & O_ACCMODE) != O_RDONLY) {
        const auto trouble = disk->open(path, (flags & O_CREAT) != 0, file);
        if (trouble != Trouble::none) return failed(trouble);
    }
    if (!file && path != root.string()) {
        errno = ENOENT;
        return -1;
    }
    const int fd = file && !is_blob(path) ? open_copy(path, *file) : __real_open(path, flags, mode);
    if (fd >= 0) descriptors[fd] = {std::move(file), path};
    return fd;
}

int __wrap_close(int fd) {
    descriptors.erase(fd);
    return __real_close(fd);
}

ssize_t __wrap_pwrite(int fd, const void* from, size_t size, off_t at) {
    const auto found = descriptors.find(fd);
    if (found == descriptors.end()) return __real_pwrite(fd, from, size, at);
    std::size_t written = 0;
    const auto trouble = disk->write(*found->second.file, static_cast<std::uint64_t>(at),
                                     ByteView(static_cast<const std::uint8_t*>(from), size), written);
    const auto count = static_cast<ssize_t>(written);
    if (written > 0 && __real_pwrite(fd, from, written, at) != count) return -1;
    if (trouble == Trouble::none) return count;
    // A short count is an answer as good as an error.
    if (written > 0 && !disk->off() && disk->below(2) == 0) return count;
    return failed(trouble);
}

int __wrap_fsync(int fd) {
    const auto found = descriptors.find(fd);
    if (found == descriptors.end()) return __real_fsync(fd);
    const auto& [file, path] = found->second;
    const auto trouble = !file || file->is_folder() ? disk->sync_names(path) : disk->sync(*file);
    return trouble == Trouble::none ? 0 : failed(trouble);
}

int __wrap_mkdir(const char* path, mode_t mode) {
    if (!is_watched(path)) return __real_mkdir(path, mode);
    if (!disk->off()) notice();
    if (disk->find(path)) {
        errno = EEXIST;
        return -1;
    }
    const auto trouble = disk->make_folder(path);
    return trouble == Trouble::none ? __real_mkdir(path, mode) : failed(trouble);
}
}

FaultFiles::FaultFiles(FaultDisk& on, std::filesystem::path folder) : disk_(on) {
    REQUIRE(disk == nullptr);
    disk = &on;
    root = std::move(folder);
    lay_out();
}

FaultFiles::~FaultFiles() {
    disk = nullptr;
    descriptors.clear();
}

void FaultFiles::notice_removals() {
    notice();
}

void FaultFiles::restart() {
    if (!disk_.off()) notice();
    disk_.restart();
    lay_out();
}

void FaultFiles::lay_out() {
    std::filesystem::remove_all(root / "blobs");
    disk_.each([](const std::string& path, const FaultDisk::File& file) {
        if (!is_blob(path)) return;
        if (file.is_folder()) {
            REQUIRE(__real_mkdir(path.c_str(), 0700) == 0);
        } else {
            std::ofstream(path, std::ios::binary) << as_text(file.bytes());
        }
    });
}

}  // namespace kith::store::test
