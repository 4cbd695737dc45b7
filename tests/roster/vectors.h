#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace kith::roster::test {

// A file of tests/vectors/roster.
inline nlohmann::json read_vectors(const std::string& name) {
    std::ifstream file(std::string(KITH_VECTORS) + "/roster/" + name);
    return nlohmann::json::parse(file);
}

}  // namespace kith::roster::test
