#include "cli/progress.h"

#include "cli/text.h"

namespace kith::cli {
namespace {

using namespace std::chrono;
// As often as an eye follows, and as a log stays readable.
constexpr milliseconds redraw_every{100};
constexpr seconds line_every{5};
// Before this a rate is a guess.
constexpr seconds rate_after{1};

}  // namespace

void Progress::show(const std::string& what, std::uint64_t done, std::uint64_t total, bool bytes) {
    auto now = Clock::now();
    if (!started_) {
        started_ = true;
        // What an earlier run had moved already does not count as speed.
        first_done_ = done;
        first_ = now;
    } else if (now - shown_ < (out_.terminal() ? duration_cast<milliseconds>(redraw_every)
                                               : duration_cast<milliseconds>(line_every)) &&
               done != total) {
        return;
    }
    shown_ = now;
    std::string line = what;
    double spent = duration<double>(now - first_).count();
    if (now - first_ >= rate_after && done > first_done_) {
        double rate = static_cast<double>(done - first_done_) / spent;
        line +=
            ", " +
            (bytes ? size_text(static_cast<std::uint64_t>(rate)) : std::to_string(static_cast<int>(rate))) +
            "/s";
        if (total > done)
            line += ", " +
                    duration_text(static_cast<std::int64_t>(static_cast<double>(total - done) / rate) + 1) +
                    " left";
    }
    if (out_.terminal())
        out_.redraw(line);
    else
        out_.say(line);
}

}  // namespace kith::cli
