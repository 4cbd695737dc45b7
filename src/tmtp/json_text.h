// JSON as the reference server and client write it: for this layer, and for mnm.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace kith::tmtp {

// Compact, keys sorted, `<`, `>`, `&`, U+2028 and U+2029 escaped; invalid UTF-8 becomes U+FFFD.
std::string json_text(const nlohmann::json& value);
// A field that is left out when it says nothing.
void put(nlohmann::json& json, const char* key, const std::string& value);
void put(nlohmann::json& json, const char* key, std::uint64_t value);
void put(nlohmann::json& json, const char* key, std::optional<std::uint32_t> value);

}  // namespace kith::tmtp
