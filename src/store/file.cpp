#include "store/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace kith::store {
namespace {

Error system_error(const char* doing, const std::filesystem::path& path) {
    const int code = errno;
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        return {Fault::disk_full, "no space left for " + path.string(),
                "free some and try again; what was stored before is safe"};
    return {code == ENOENT ? Fault::not_found : Fault::io,
            std::string("cannot ") + doing + " " + path.string() + ": " + std::strerror(code),
            {}};
}

}  // namespace

Result<File> File::open(const std::filesystem::path& path, Mode mode, Readers readers) {
    const int flags = mode == Mode::write ? O_RDWR | O_CREAT : O_RDONLY;
    int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fail(system_error("open", path));
    File file(path, fd);
    // Whatever the process's mask says. Not every file system on a stick knows modes.
    if (mode == Mode::write && readers == Readers::all) (void)::fchmod(fd, 0644);
    return file;
}

File::~File() {
    if (fd_ >= 0) ::close(fd_);
}

Result<> File::write_at(std::uint64_t offset, ByteView bytes) {
    while (!bytes.empty()) {
        auto count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(system_error("write", path_));
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

Result<> File::read_at(std::uint64_t offset, std::span<std::uint8_t> into) const {
    while (!into.empty()) {
        auto count = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(system_error("read", path_));
        if (count == 0) return fail(Fault::corrupt, path_.string() + " is shorter than it was written");
        into = into.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

Result<std::uint64_t> File::size() const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) return fail(system_error("look at", path_));
    return static_cast<std::uint64_t>(status.st_size);
}

void File::begin_sync() {
#if defined(__linux__)
    (void)::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
}

Result<> File::sync() {
    if (::fsync(fd_) != 0) return fail(system_error("sync", path_));
    return {};
}

Result<> File::sync_data() {
#if defined(__APPLE__)
    return sync();
#else
    if (::fdatasync(fd_) != 0) return fail(system_error("sync", path_));
    return {};
#endif
}

Result<> sync_folder(const std::filesystem::path& folder) {
    int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail(system_error("open", folder));
    const int code = ::fsync(fd);
    auto error = system_error("sync", folder);
    ::close(fd);
    if (code != 0) return fail(std::move(error));
    return {};
}

Result<> make_folder(const std::filesystem::path& folder, Readers readers) {
    if (::mkdir(folder.c_str(), 0700) == 0) {
        if (readers == Readers::all) (void)::chmod(folder.c_str(), 0755);
        auto synced = sync_folder(folder.parent_path());
        if (!synced) ::rmdir(folder.c_str());  // or the next call would take its name for durable
        return synced;
    }
    struct stat status {};
    if (errno == EEXIST && ::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    return fail(system_error("make the folder", folder));
}

Result<> replace_file(const std::filesystem::path& path, ByteView bytes, Readers readers) {
    auto fresh = path;
    fresh += ".new";
    ::unlink(fresh.c_str());  // left by a crash
    auto write = [&]() -> Result<> {
        KITH_TRY_VALUE(file, File::open(fresh, File::Mode::write, readers));
        KITH_TRY(file.write_at(0, bytes));
        return file.sync();
    };
    auto written = write();
    if (written && ::rename(fresh.c_str(), path.c_str()) != 0) written = fail(system_error("replace", path));
    if (!written) {
        ::unlink(fresh.c_str());
        return written;
    }
    return sync_folder(path.parent_path());
}

}  // namespace kith::store
