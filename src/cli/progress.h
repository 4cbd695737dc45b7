// How far something long has come: on a terminal one line redrawn in place, elsewhere a line now and then,
// under
// --json nothing.
#pragma once

#include <chrono>
#include <string>

#include "cli/context.h"

namespace kith::cli {

class Progress {
  public:
    explicit Progress(Output& out) : out_(out) {}

    // `done` of `total` units of the rate (bytes or items); `what` comes first, "1234 of 6046 mails, 12 of 30
    // MB". A total that is unknown is 0: then no time left is told.
    void show(const std::string& what, std::uint64_t done, std::uint64_t total, bool bytes);
    // Ends the redrawn line.
    void end() { out_.end_redraw(); }

  private:
    using Clock = std::chrono::steady_clock;
    Output& out_;
    bool started_ = false;
    std::uint64_t first_done_ = 0;
    Clock::time_point first_, shown_;
};

}  // namespace kith::cli
