// What a machine without I/O takes from the outside: time and randomness, as values.
#pragma once

#include <cstdint>
#include <span>

namespace kith {

// One reading of the clocks. `mono_ms` never goes back and decides every wait and expiry; `unix_ms` is what
// people read, and may jump.
struct Now {
    std::int64_t mono_ms = 0;
    std::int64_t unix_ms = 0;
};

// Source of randomness. crypto::SystemRandom in production, a seeded one in tests.
class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::uint8_t> out) = 0;
};

}  // namespace kith
