// Randomness that a seed repeats, for tests, and how many seeds they try.
#pragma once

#include <random>

#include "base/env.h"

namespace kith {

struct SeededRandom : Random {
    explicit SeededRandom(std::uint64_t seed = 1) : engine(seed) {}
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) byte = static_cast<std::uint8_t>(engine());
    }
    std::uint64_t below(std::uint64_t n) { return engine() % n; }
    bool chance(unsigned percent) { return below(100) < percent; }
    std::mt19937_64 engine;
};

// How many of `count` seeds a test tries: a quarter with sanitizers, under which each takes several times as
// long.
constexpr std::uint64_t seeds(std::uint64_t count) {
#ifdef KITH_SANITIZED
    return (count + 3) / 4;
#else
    return count;
#endif
}

}  // namespace kith
