// Takes mails from files into history: a file (one mail, or an mbox), a folder of such files, a Maildir.
// Works in steps on the loop, so that everything else goes on; what is stored is durable step by step, and
// importing the same again adds nothing, so an import that was broken off is simply repeated.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/profile.h"
#include "history/mail.h"
#include "net/loop.h"

namespace kith::app {

class Importer {
  public:
    struct Counts {
        std::uint64_t imported = 0, known = 0, skipped = 0;
    };
    struct Events {
        std::function<void(std::uint64_t files_done, std::uint64_t files, std::uint64_t bytes)> on_progress;
        std::function<void(const std::string& path, const std::string& why)> on_skipped;
        std::function<void()> on_history;
        std::function<void(Result<Counts>)> on_end;  // once, as the last thing
    };
    // `mbox_only`: each file must be an mbox. Fails when there is nothing to read at `path`, or no space for
    // it.
    static Result<std::unique_ptr<Importer>> start(net::Loop& loop, Profile& profile,
                                                   const std::filesystem::path& path, bool mbox_only,
                                                   Events events);
    ~Importer();
    void cancel();

  private:
    struct File;  // the file being read
    Importer(net::Loop& loop, Profile& profile, bool mbox_only, Events events);
    void step();
    Result<bool> fill();  // takes mails until a batch is full; false: no more
    Result<bool> open_next();
    Result<> keep_batch();
    void skip(const std::string& path, const std::string& why);
    void end(Result<Counts> result);

    net::Loop& loop_;
    Profile& profile_;
    bool mbox_only_;
    Events events_;
    std::vector<std::filesystem::path> files_;
    std::size_t next_file_ = 0;
    std::unique_ptr<File> file_;
    std::vector<store::NewRecord> batch_;
    std::size_t batch_bytes_ = 0;
    std::uint64_t bytes_ = 0;
    Counts counts_;
    std::string last_why_;
    net::Timer timer_;
};

}  // namespace kith::app
