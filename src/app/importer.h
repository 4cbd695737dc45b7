// Takes mails from files into history: a file (one mail, or an mbox), a folder of such files, a Maildir.
// Memory does not grow with the files or the mails. Importing the same again adds nothing, so an import that
// was broken off is simply repeated.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/import_job.h"
#include "app/mail_files.h"
#include "history/mail_scan.h"

namespace kith::app {

class Importer : public ImportJob {
  public:
    // `mbox_only`: each file must be an mbox. Fails when there is nothing at `path`. That there is no file,
    // or not enough space, turns out a little later: on_end.
    static Result<std::unique_ptr<Importer>> start(net::Loop& loop, Profile& profile,
                                                   const std::filesystem::path& path, bool mbox_only,
                                                   ImportEvents events);
    ~Importer() override;

  private:
    struct File;  // the file being read
    Importer(net::Loop& loop, Profile& profile, FileWalk walk, bool mbox_only, ImportEvents events);
    Result<bool> look() override;
    Result<bool> fill() override;
    Result<> keep_batch() override;
    void tell_progress() const override;
    Result<> check_end() const override;
    Result<> check_found() const;
    bool open_next();
    void read_on();
    Result<> take(const history::ScannedMail& mail);
    void skip(const std::string& path, const std::string& why);

    FileWalk walk_;
    bool mbox_only_;
    std::size_t next_file_ = 0;
    std::unique_ptr<File> file_;
    Bytes window_;
    std::vector<store::NewRecord> batch_;
    std::size_t batch_bytes_ = 0;
    std::uint64_t bytes_ = 0;
    std::string last_why_;
};

}  // namespace kith::app
