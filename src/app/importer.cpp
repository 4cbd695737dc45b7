#include "app/importer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/inbox.h"
#include "base/limits.h"

namespace kith::app {
namespace {

namespace fs = std::filesystem;

// A file's bytes: read, or mapped when it is large.
class MappedFile {
  public:
    static Result<MappedFile> open(const fs::path& path) {
        int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) return fail(Fault::io, std::strerror(errno), "check its permissions");
        struct stat status {};
        MappedFile file;
        bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
        file.size_ = regular ? static_cast<std::size_t>(status.st_size) : 0;
        if (file.size_ > 0 && file.size_ <= std::uint64_t{64} * 1024 * 1024) {
            // A copy: a mailbox that a mail program shortens meanwhile would end us by a signal.
            file.copy_.resize(file.size_);
            auto got = read_all(fd, file.copy_);
            ::close(fd);
            file.copy_.resize(got);
            return file;
        }
        if (file.size_ > 0) file.address_ = mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd, 0);
        ::close(fd);
        if (!regular) return fail(Fault::invalid, "not a regular file");
        if (file.address_ == MAP_FAILED) return fail(Fault::io, std::strerror(errno));
        if (file.size_ > 0) madvise(file.address_, file.size_, MADV_SEQUENTIAL);
        return file;
    }
    MappedFile(MappedFile&& other) noexcept
        : copy_(std::move(other.copy_)),
          address_(std::exchange(other.address_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    MappedFile& operator=(MappedFile&&) = delete;
    ~MappedFile() {
        if (address_ && address_ != MAP_FAILED) munmap(address_, size_);
    }
    ByteView bytes() const {
        if (!address_) return copy_;
        return {static_cast<const std::uint8_t*>(address_), size_};
    }

  private:
    MappedFile() = default;
    static std::size_t read_all(int fd, std::span<std::uint8_t> into) {
        std::size_t done = 0;
        while (done < into.size()) {
            auto got = ::read(fd, into.data() + done, into.size() - done);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) break;
            done += static_cast<std::size_t>(got);
        }
        return done;
    }
    Bytes copy_;
    void* address_ = nullptr;
    std::size_t size_ = 0;
};

// The files below a folder in the order of their names; of a Maildir not what is still being delivered.
std::vector<fs::path> files_below(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error),
         end;
         !error && at != end; at.increment(error)) {
        std::error_code ignored;
        if (at->is_directory(ignored)) {
            bool maildir_tmp =
                at->path().filename() == "tmp" && fs::is_directory(at->path().parent_path() / "cur", ignored);
            if (maildir_tmp) at.disable_recursion_pending();
        } else if (at->is_regular_file(ignored)) {
            files.push_back(at->path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

struct Importer::File {
    fs::path path;
    MappedFile map;
    history::MailWalker walker;
    File(fs::path at, MappedFile mapped) : path(std::move(at)), map(std::move(mapped)), walker(map.bytes()) {}
};

Importer::Importer(net::Loop& loop, Profile& profile, bool mbox_only, Events events)
    : loop_(loop), profile_(profile), mbox_only_(mbox_only), events_(std::move(events)) {}
Importer::~Importer() = default;

Result<std::unique_ptr<Importer>> Importer::start(net::Loop& loop, Profile& profile, const fs::path& path,
                                                  bool mbox_only, Events events) {
    std::error_code error;
    auto status = fs::status(path, error);
    if (error || !fs::exists(status))
        return fail(Fault::not_found, "there is nothing at " + path.string(),
                    "give a file or a folder of mails");
    std::unique_ptr<Importer> self(new Importer(loop, profile, mbox_only, std::move(events)));
    if (fs::is_directory(status))
        self->files_ = files_below(path);
    else
        self->files_.push_back(path);
    if (self->files_.empty())
        return fail(Fault::invalid, "there is no file in " + path.string(),
                    "give a mail, an mbox, or a folder of mails");
    std::uint64_t bytes = 0;
    for (const auto& file : self->files_) {
        auto size = fs::file_size(file, error);
        if (!error) bytes += size;
    }
    KITH_TRY_VALUE(free, store::free_bytes(profile.home()));
    // Mails are kept compressed, attachments as they are; half is what a folder without attachments takes.
    if (free < bytes / 2 + limits::spare_bytes)
        return fail(Fault::disk_full,
                    "not enough space: the mails take " + std::to_string(bytes >> 20) + " MiB and " +
                        std::to_string(free >> 20) + " MiB are free",
                    "free some space, or import a part");
    self->timer_ = loop.after(0, [raw = self.get()] { raw->step(); });
    return self;
}

void Importer::cancel() {
    end(fail(Fault::cancelled, "the import was stopped", "what was taken in stays"));
}

void Importer::step() {
    auto more = fill();
    if (more) {
        if (auto kept = keep_batch(); !kept) more = fail(kept.error());
    }
    if (!more) {
        auto error = more.error();
        if (error.kind == Fault::disk_full)
            error.hint = "free some space and run the same import again: it goes on from there";
        return end(fail(error));
    }
    events_.on_progress(*more ? next_file_ - 1 : next_file_, files_.size(), bytes_);
    if (*more) {
        timer_ = loop_.after(0, [this] { step(); });
        return;
    }
    if (files_.size() == 1 && counts_.imported + counts_.known == 0)
        return end(fail(Fault::invalid, files_[0].string() + " is not a mail: " + last_why_,
                        "give a mail, an mbox, or a folder of mails"));
    end(counts_);
}

Result<bool> Importer::fill() {
    while (batch_bytes_ < limits::batch_bytes && batch_.size() < limits::import_batch) {
        if (!file_) {
            KITH_TRY_VALUE(opened, open_next());
            if (!opened) return false;
            continue;
        }
        auto span = file_->walker.next();
        if (!span) {
            file_.reset();
            continue;
        }
        auto mail = file_->map.bytes().subspan(span->offset, span->size);
        auto where =
            file_->path.string() + (span->offset > 0 ? " at byte " + std::to_string(span->offset) : "");
        if (!history::looks_like_mail(mail)) {
            skip(where, "it does not begin with a mail's header");
            continue;
        }
        if (mail.size() > limits::mail_bytes) {
            skip(where, "it is larger than " + std::to_string(limits::mail_bytes >> 20) + " MiB");
            continue;
        }
        KITH_TRY_VALUE(record, mail_record(mail, profile_.blobs()));
        bytes_ += mail.size();
        batch_bytes_ += mail.size();
        batch_.push_back(std::move(record));
    }
    return true;
}

// Opens the next file that can be read; false: there is none.
Result<bool> Importer::open_next() {
    while (next_file_ < files_.size()) {
        const auto& path = files_[next_file_++];
        auto map = MappedFile::open(path);
        if (!map) {
            skip(path.string(), map.error().what);
            continue;
        }
        if (map->bytes().empty()) {
            skip(path.string(), "it is empty");
            continue;
        }
        if (mbox_only_ && !as_text(map->bytes()).starts_with("From ")) {
            skip(path.string(), "it is not an mbox: it does not begin with a \"From \" line");
            continue;
        }
        file_ = std::make_unique<File>(path, std::move(*map));
        return true;
    }
    return false;
}

Result<> Importer::keep_batch() {
    if (batch_.empty()) return {};
    KITH_TRY_VALUE(added, profile_.history().add(batch_));
    counts_.imported += added.added;
    counts_.known += added.already;
    batch_.clear();
    batch_bytes_ = 0;
    if (added.added > 0) events_.on_history();
    return {};
}

void Importer::skip(const std::string& path, const std::string& why) {
    ++counts_.skipped;
    last_why_ = why;
    events_.on_skipped(path, why);
}

void Importer::end(Result<Counts> result) {
    timer_.cancel();
    auto call = std::move(events_.on_end);
    events_.on_end = nullptr;
    if (call) call(std::move(result));
}

}  // namespace kith::app
