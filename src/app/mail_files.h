// The files that an import reads: found below a folder a little at a time, and read in pieces, so that
// neither a large folder nor a large file holds the loop or the memory. Links to folders are not followed, so
// there is no way in circles.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace kith::app {

// A walk through a folder, or "through" a single file. Of a Maildir what is still being delivered is left
// out.
class FileWalk {
  public:
    // Fault::not_found when there is nothing.
    static Result<FileWalk> start(std::filesystem::path root);

    // Looks at up to so many entries. False: that was all, and files() is in the order of names.
    bool step(std::size_t entries);

    std::size_t size() const { return files_.size(); }
    std::filesystem::path file(std::size_t number) const { return below_root(files_[number]); }
    const std::filesystem::path& root() const { return root_; }
    std::uint64_t bytes() const { return bytes_; }  // of all files
    // What is there and cannot be read, and why.
    struct Problem {
        std::string path, why;
    };
    std::vector<Problem> take_problems() { return std::exchange(problems_, {}); }

  private:
    explicit FileWalk(std::filesystem::path root) : root_(std::move(root)) {}
    void look_at(const std::filesystem::directory_entry& entry);
    std::filesystem::path below_root(const std::string& name) const {
        return name.empty() ? root_ : root_ / name;
    }
    std::filesystem::path root_;
    std::vector<std::string> files_;    // below the root; empty: the root itself
    std::vector<std::string> folders_;  // still to be looked into, likewise
    std::filesystem::directory_iterator at_;
    std::string at_name_;
    std::uint64_t bytes_ = 0;
    std::vector<Problem> problems_;
};

// A regular file, read at any place. It may be changed meanwhile by whoever it belongs to: then a read gives
// what is there now, or less.
class MailFile {
  public:
    static Result<MailFile> open(const std::filesystem::path& path);
    MailFile(MailFile&& other) noexcept;
    MailFile& operator=(MailFile&&) = delete;
    ~MailFile();

    std::uint64_t size() const { return size_; }  // when it was opened
    // Fills `into` from `offset` on, but for what is behind the file's end. Result: how many bytes.
    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) const;
    bool changed() const;  // since it was opened

  private:
    MailFile() = default;
    int fd_ = -1;
    std::uint64_t size_ = 0;
    std::int64_t changed_s_ = 0, changed_ns_ = 0;
};

}  // namespace kith::app
