#include "app/mail_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace kith::app {
namespace fs = std::filesystem;

Result<FileWalk> FileWalk::start(fs::path root) {
    std::error_code error;
    auto status = fs::status(root, error);
    if (error || !fs::exists(status))
        return fail(Fault::not_found, "there is nothing at " + root.string(),
                    "give a file or a folder of mails");
    FileWalk walk(std::move(root));
    if (fs::is_directory(status)) {
        walk.folders_.emplace_back();
        return walk;
    }
    walk.files_.emplace_back();
    if (auto size = fs::file_size(walk.root_, error); !error) walk.bytes_ = size;
    return walk;
}

bool FileWalk::step(std::size_t entries) {
    std::error_code error;
    for (; entries > 0; --entries) {
        if (at_ != fs::directory_iterator()) {
            look_at(*at_);
            at_.increment(error);
            if (error) problems_.push_back({below_root(at_name_).string(), error.message()});
            if (error) at_ = {};
        } else if (!folders_.empty()) {
            at_name_ = std::move(folders_.back());
            folders_.pop_back();
            at_ = fs::directory_iterator(below_root(at_name_), error);
            if (error) problems_.push_back({below_root(at_name_).string(), error.message()});
        } else {
            std::sort(files_.begin(), files_.end());
            return false;
        }
    }
    return true;
}

void FileWalk::look_at(const fs::directory_entry& entry) {
    std::error_code error;
    auto name = (fs::path(at_name_) / entry.path().filename()).string();
    auto kind = entry.symlink_status(error).type();
    const bool link = kind == fs::file_type::symlink;
    if (link) kind = entry.status(error).type();
    if (kind == fs::file_type::regular) {
        if (auto size = entry.file_size(error); !error) bytes_ += size;
        files_.push_back(std::move(name));
    } else if (kind == fs::file_type::directory && !link) {
        std::error_code ignored;
        const bool maildir_tmp =
            entry.path().filename() == "tmp" && fs::is_directory(entry.path().parent_path() / "cur", ignored);
        if (!maildir_tmp) folders_.push_back(std::move(name));
    } else {
        const char* why = kind == fs::file_type::directory ? "a link to a folder: import that folder itself"
                          : link && kind != fs::file_type::unknown && kind != fs::file_type::none
                              ? "a link to nothing that can be read"
                              : "not a regular file";
        problems_.push_back({entry.path().string(), link && error ? "a link that leads nowhere" : why});
    }
}

Result<MailFile> MailFile::open(const fs::path& path) {
    MailFile file;
    // Without waiting, should it be a pipe.
    file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file.fd_ < 0) return fail(Fault::io, std::strerror(errno), "check its permissions");
    struct stat status {};
    if (fstat(file.fd_, &status) != 0 || !S_ISREG(status.st_mode))
        return fail(Fault::invalid, "not a regular file");
    file.size_ = static_cast<std::uint64_t>(status.st_size);
    file.changed_s_ = status.st_mtim.tv_sec;
    file.changed_ns_ = status.st_mtim.tv_nsec;
    posix_fadvise(file.fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
    return file;
}

MailFile::MailFile(MailFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      changed_s_(other.changed_s_),
      changed_ns_(other.changed_ns_) {}

MailFile::~MailFile() {
    if (fd_ >= 0) ::close(fd_);
}

Result<std::size_t> MailFile::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
    std::size_t done = 0;
    while (done < into.size()) {
        auto got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(Fault::io, std::strerror(errno), "check the disk that it is on");
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    return done;
}

bool MailFile::changed() const {
    struct stat status {};
    return fstat(fd_, &status) != 0 || static_cast<std::uint64_t>(status.st_size) != size_ ||
           status.st_mtim.tv_sec != changed_s_ || status.st_mtim.tv_nsec != changed_ns_;
}

}  // namespace kith::app
