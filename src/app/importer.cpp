#include "app/importer.h"

#include "app/inbox.h"
#include "base/limits.h"
#include "history/mail.h"

namespace kith::app {
namespace {

// Of a folder, what is looked at in one step; of a large mail, what is read.
constexpr std::size_t step_entries = 500;
constexpr std::size_t step_windows = 16;

std::string too_large() {
    return "it is larger than " + std::to_string(limits::mail_bytes >> 20) + " MiB";
}

}  // namespace

struct Importer::File {
    std::filesystem::path path;
    MailFile file;
    history::MailScanner scanner;
    std::uint64_t position = 0;
    bool ended = false, has_mail = false;
    File(std::filesystem::path at, MailFile opened) : path(std::move(at)), file(std::move(opened)) {}
};

Importer::Importer(net::Loop& loop, Profile& profile, FileWalk walk, bool mbox_only, ImportEvents events)
    : ImportJob(loop, profile, std::move(events)),
      walk_(std::move(walk)),
      mbox_only_(mbox_only),
      window_(limits::import_window) {}
Importer::~Importer() = default;

Result<std::unique_ptr<Importer>> Importer::start(net::Loop& loop, Profile& profile,
                                                  const std::filesystem::path& path, bool mbox_only,
                                                  ImportEvents events) {
    KITH_TRY_VALUE(walk, FileWalk::start(path));
    std::unique_ptr<Importer> self(
        new Importer(loop, profile, std::move(walk), mbox_only, std::move(events)));
    self->begin();
    return self;
}

Result<bool> Importer::look() {
    const bool more = walk_.step(step_entries);
    for (const auto& problem : walk_.take_problems()) skip(problem.path, problem.why);
    if (!more) KITH_TRY(check_found());
    return more;
}

Result<> Importer::check_found() const {
    if (walk_.size() == 0)
        return fail(Fault::invalid, "there is no file in " + walk_.root().string(),
                    "give a mail, an mbox, or a folder of mails");
    KITH_TRY_VALUE(free, store::free_bytes(profile_.home()));
    // Mails are kept compressed, attachments as they are; half is what a folder without attachments takes.
    if (free < walk_.bytes() / 2 + limits::spare_bytes)
        return fail(Fault::disk_full,
                    "not enough space: the mails take " + std::to_string(walk_.bytes() >> 20) + " MiB and " +
                        std::to_string(free >> 20) + " MiB are free",
                    "free some space, or import a part");
    return {};
}

void Importer::tell_progress() const {
    events_.on_progress(file_ ? next_file_ - 1 : next_file_, walk_.size(), bytes_);
}

Result<> Importer::check_end() const {
    if (walk_.size() == 1 && counts_.imported + counts_.known == 0)
        return fail(Fault::invalid, walk_.file(0).string() + " is not a mail: " + last_why_,
                    "give a mail, an mbox, or a folder of mails");
    return {};
}

Result<bool> Importer::fill() {
    std::size_t windows = 0;
    while (batch_bytes_ < limits::batch_bytes && batch_.size() < limits::import_batch &&
           windows < step_windows) {
        if (!file_ && !open_next()) return false;
        if (!file_) continue;
        if (auto mail = file_->scanner.next()) {
            file_->has_mail = true;
            KITH_TRY(take(*mail));
        } else if (file_->ended) {
            if (!file_->has_mail) skip(file_->path.string(), "there is nothing behind its \"From \" line");
            file_.reset();
        } else {
            read_on();
            ++windows;
        }
    }
    return true;
}

// Opens the next file; false: there is none. One that cannot be read is skipped.
bool Importer::open_next() {
    if (next_file_ >= walk_.size()) return false;
    auto path = walk_.file(next_file_++);
    auto opened = MailFile::open(path);
    if (!opened)
        skip(path.string(), opened.error().what);
    else
        file_ = std::make_unique<File>(std::move(path), std::move(*opened));
    return true;
}

// Reads the next window of the file. What shows itself to be no mail by its beginning is not read on.
void Importer::read_on() {
    auto drop = [&](const std::string& why) {
        skip(file_->path.string(), why);
        file_.reset();
    };
    auto got = file_->file.read(file_->position, window_);
    if (!got) return drop(got.error().what);
    const auto window = ByteView(window_).first(*got);
    if (file_->position == 0) {
        const bool mbox = as_text(window).starts_with("From ");
        if (window.empty()) return drop("it is empty");
        if (mbox_only_ && !mbox) return drop("it is not an mbox: it does not begin with a \"From \" line");
        if (!mbox && !history::looks_like_mail(window)) return drop("it does not begin with a mail's header");
        if (!mbox && file_->file.size() > limits::mail_bytes) return drop(too_large());
    }
    file_->position += window.size();
    file_->scanner.feed(window);
    if (window.size() == window_.size()) return;
    file_->scanner.end();
    file_->ended = true;
}

Result<> Importer::take(const history::ScannedMail& mail) {
    const auto where =
        file_->path.string() + (mail.offset > 0 ? " at byte " + std::to_string(mail.offset) : "");
    auto skipped = [&](const std::string& why) -> Result<> {
        skip(where, why);
        return {};
    };
    if (mail.size > limits::mail_bytes) return skipped(too_large());
    std::string trouble;  // with the file, not with the store
    auto content = [&](std::uint64_t offset, std::span<std::uint8_t> into) -> Result<> {
        auto got = file_->file.read(mail.offset + offset, into);
        if (!got)
            trouble = got.error().what;
        else if (*got < into.size())
            trouble = "it became shorter while it was read";
        if (!trouble.empty()) return fail(Fault::io, trouble);
        return {};
    };
    Bytes header(std::min<std::uint64_t>(mail.boundaries.front(), limits::mail_header));
    if (auto read = content(0, header); !read) return skipped(trouble);
    if (!history::looks_like_mail(header)) return skipped("it does not begin with a mail's header");
    auto record = mail_record(header, mail, content, profile_.blobs());
    if (!record && (!trouble.empty() || file_->file.changed()))
        return skipped(trouble.empty() ? "it was changed while it was read" : trouble);
    if (!record) return fail(record.error());
    bytes_ += mail.size;
    batch_bytes_ += mail.size;
    batch_.push_back(std::move(*record));
    return {};
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
    last_why_ = why;
    ImportJob::skip(path, why);
}

}  // namespace kith::app
