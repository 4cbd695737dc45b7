// Numbers from a seed, the same on every machine (the standard's distributions are not).
#pragma once

#include <cstdint>

namespace bench {

// splitmix64 (Steele, Lea, Flood 2014).
class Numbers {
  public:
    explicit Numbers(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }
    static std::uint64_t mix(std::uint64_t z) {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

  private:
    std::uint64_t state_;
};

}  // namespace bench
