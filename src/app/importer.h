// Takes mails from files into history: a file (one mail, or an mbox), a folder of such files, a Maildir.
// Works in steps on the loop, so that everything else goes on, and in memory that does not grow with the
// files or the mails; what is stored is durable step by step, and importing the same again adds nothing, so
// an import that was broken off is simply repeated.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/import_job.h"
#include "app/mail_files.h"
#include "app/profile.h"
#include "history/mail_scan.h"
#include "net/loop.h"

namespace kith::app {

class Importer : public ImportJob {
  public:
    using Counts = ImportCounts;
    using Events = ImportEvents;
    // `mbox_only`: each file must be an mbox. Fails when there is nothing at `path`. That there is no file,
    // or not enough space, turns out a little later: on_end.
    static Result<std::unique_ptr<Importer>> start(net::Loop& loop, Profile& profile,
                                                   const std::filesystem::path& path, bool mbox_only,
                                                   Events events);
    ~Importer() override;
    void cancel() override;

  private:
    struct File;  // the file being read
    Importer(net::Loop& loop, Profile& profile, FileWalk walk, bool mbox_only, Events events);
    void look();
    Result<> check_found() const;
    void step();
    Result<bool> fill();  // takes mails until a batch is full; false: no more
    bool open_next();
    void read_on();
    Result<> take(const history::ScannedMail& mail);
    Result<> keep_batch();
    void skip(const std::string& path, const std::string& why);
    void end(Result<Counts> result);

    net::Loop& loop_;
    Profile& profile_;
    FileWalk walk_;
    bool mbox_only_;
    Events events_;
    std::size_t next_file_ = 0;
    std::unique_ptr<File> file_;
    Bytes window_;
    std::vector<store::NewRecord> batch_;
    std::size_t batch_bytes_ = 0;
    std::uint64_t bytes_ = 0;
    Counts counts_;
    std::string last_why_;
    net::Timer timer_;
};

}  // namespace kith::app
