// What imports have in common, whatever they read.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

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
    virtual void cancel() = 0;
};

}  // namespace kith::app
