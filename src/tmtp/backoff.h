// How long to wait before the next attempt: doubling from `first_ms` up to `most_ms`, each time a random
// share (half to all) of it, so that clients that lost a server together do not come back together.
#pragma once

#include <cstdint>

#include "base/env.h"

namespace kith::tmtp {

class Backoff {
  public:
    explicit Backoff(std::int64_t first_ms = 1000, std::int64_t most_ms = 5 * 60 * 1000)
        : first_ms_(first_ms), most_ms_(most_ms), next_ms_(first_ms) {}

    // The wait before the next attempt, in milliseconds; the one after is longer.
    std::int64_t next(Random& random);
    // An attempt worked: start small again.
    void reset() { next_ms_ = first_ms_; }

  private:
    std::int64_t first_ms_;
    std::int64_t most_ms_;
    std::int64_t next_ms_;
};

}  // namespace kith::tmtp
