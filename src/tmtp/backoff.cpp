#include "tmtp/backoff.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"

namespace kith::tmtp {

std::int64_t Backoff::next(Random& random) {
    std::int64_t whole = next_ms_;
    next_ms_ = std::min(most_ms_, next_ms_ * 2);
    std::array<std::uint8_t, 4> dice;
    random.fill(dice);
    std::int64_t half = whole / 2;
    return whole - half +
           static_cast<std::int64_t>(load_u32(dice.data()) % static_cast<std::uint64_t>(half + 1));
}

}  // namespace kith::tmtp
