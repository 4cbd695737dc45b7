// A disk in memory that can fail, fill up and lose its power, for tests of what is stored on it.
//
// Of each file it holds what was written and what of it is certain: what was synced. A power cut keeps the
// certain part and, drawn from a seed, any subset of the sectors that were written since, some of them torn;
// likewise each name that was made or removed since its folder was synced may be there or not. A failed sync
// is as bad as on Linux: what it did not bring to the disk is never brought there by a later one, although it
// can still be read.
//
// Used by a SQLite VFS (fault_vfs.h) and by the system calls of blob files (fault_files.h). One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace kith::store::test {

class FaultDisk {
  public:
    enum class Trouble { none, error, full, power_cut, killed };

    class File {
      public:
        const Bytes& bytes() const { return now_; }
        bool is_folder() const { return folder_; }

      private:
        friend class FaultDisk;
        // One write, or a change of size when `resized`.
        struct Change {
            bool resized = false;
            std::uint64_t at = 0;
            Bytes bytes;
        };
        bool folder_ = false;
        Bytes now_;
        Bytes certain_;
        std::vector<Change> unsynced_;
    };
    using FilePtr = std::shared_ptr<File>;

    // What was on the disk at some time. Copies share nothing.
    using Image = std::map<std::string, std::pair<bool, Bytes>>;

    explicit FaultDisk(std::uint64_t seed) : random_(seed) {}
    FaultDisk(std::uint64_t seed, const Image& image);
    // All that can be read now.
    Image image() const;

    // Lets `count` operations fail, after `before` turns that succeed. A turn is an operation and, since
    // writes in a row are much alike, up to five writes more (with KITH_EACH in the environment: none). A
    // power cut stops everything until restart(); so does the program's being killed, and then all that was
    // written is there, and still not certain. One plan at a time; Trouble::none ends the present one. A disk
    // that is off takes none.
    void plan(Trouble trouble, std::uint64_t before = 0, std::uint64_t count = 1);
    bool met() const { return met_; }  // whether the present plan came to pass
    bool off() const { return off_; }
    std::uint64_t operations() const { return operations_; }  // so far
    void restart();

    // Each of these is one operation; anything but Trouble::none tells why it failed. A failed write may have
    // written a part: `written` bytes.
    Trouble open(const std::string& path, bool make, FilePtr& file);
    Trouble make_folder(const std::string& path);
    Trouble remove(const std::string& path);
    Trouble write(File& file, std::uint64_t at, ByteView bytes, std::size_t& written);
    Trouble resize(File& file, std::uint64_t size);
    Trouble sync(File& file);
    Trouble sync_names(const std::string& folder);
    Trouble other();  // of no effect on the disk

    // Not operations.
    FilePtr find(const std::string& path) const;
    void forget(const std::string& path);  // a removal that was seen afterwards
    void each(const std::function<void(const std::string& path, const File& file)>& fn) const;

    std::uint64_t below(std::uint64_t end) {
        return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random_);
    }

  private:
    // What a name stands for now, and what it may stand for after a power cut: the certain one first.
    struct Name {
        FilePtr now;
        std::vector<FilePtr> possible;
    };
    Trouble step(bool is_write = false);
    // Whether the operation that met with this has its effect: the one that a power cut or a kill falls into
    // may have it.
    bool takes_effect(Trouble trouble) const {
        return trouble == Trouble::none || (off_ && operations_ == off_since_);
    }
    void set_name(const std::string& path, FilePtr file);
    void make_names_certain(const std::string& folder);
    // Brings every change to the disk with this probability, a sector at a time, and forgets the others.
    void settle(File& file, double chance);
    bool chance(double probability) { return std::bernoulli_distribution(probability)(random_); }
    double any_share();

    std::mt19937_64 random_;
    std::map<std::string, Name> names_;
    std::uint64_t operations_ = 0;
    std::uint64_t off_since_ = 0;
    Trouble planned_ = Trouble::none;
    std::uint64_t turns_before_ = 0, left_ = 0;
    std::uint64_t writes_in_a_row_ = 0;
    bool met_ = false;
    bool off_ = false;
};

}  // namespace kith::store::test
