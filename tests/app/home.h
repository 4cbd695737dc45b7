// What the tests of this layer share: a folder for a profile, and results that must be good.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "app/profile.h"
#include "base/result.h"
#include "crypto/keys.h"

namespace kith::app {

template <class T>
T must(Result<T> result) {
    if (!result) FAIL(result.error().what);
    return std::move(*result);
}
inline void must(Result<> result) {
    if (!result) FAIL(result.error().what);
}

inline std::filesystem::path make_home() {
    REQUIRE(crypto::start());
    std::string pattern = (std::filesystem::temp_directory_path() / "kith-app-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    return pattern;
}

// A person's first device, gone again with its folder.
struct FirstDevice {
    FirstDevice() : home(make_home()), profile(home, random) { must(profile.found("device", {}, {})); }
    ~FirstDevice() {
        profile.lock();
        std::error_code ignored;
        std::filesystem::remove_all(home, ignored);
    }
    std::filesystem::path home;
    crypto::SystemRandom random;
    Profile profile;
};

}  // namespace kith::app
