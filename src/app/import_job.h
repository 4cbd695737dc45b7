// What imports have in common, whatever they read: they work in steps on the loop, so that everything else
// goes on, and what is stored is durable step by step.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "app/profile.h"
#include "base/result.h"
#include "net/loop.h"

namespace kith::app {

struct ImportCounts {
    std::uint64_t imported = 0, known = 0, skipped = 0;
};
struct ImportEvents {
    std::function<void(std::uint64_t files_done, std::uint64_t files, std::uint64_t bytes)> on_progress;
    std::function<void(const std::string& path, const std::string& why)> on_skipped;
    std::function<void()> on_history;
    std::function<void(Result<ImportCounts>)> on_end;  // once, as the last thing
};

class ImportJob {
  public:
    virtual ~ImportJob() = default;
    void cancel();

  protected:
    ImportJob(net::Loop& loop, Profile& profile, ImportEvents events);
    void begin();
    virtual Result<bool> look() = 0;    // finds what there is to take; true: not all yet
    virtual Result<bool> fill() = 0;    // takes a batch; false: that was the last
    virtual Result<> keep_batch() = 0;  // makes it durable
    virtual void tell_progress() const = 0;
    virtual Result<> check_end() const = 0;  // fails when nothing came of it
    void skip(const std::string& path, const std::string& why);

    Profile& profile_;
    ImportEvents events_;
    ImportCounts counts_;

  private:
    void look_on();
    void step();
    void end(Result<ImportCounts> result);

    net::Loop& loop_;
    net::Timer timer_;
};

}  // namespace kith::app
