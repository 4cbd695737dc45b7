// Within this layer only: JSON as the reference server writes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace kith::tmtp {

// Compact, keys sorted, `<`, `>`, `&`, U+2028 and U+2029 escaped; invalid UTF-8 becomes U+FFFD.
std::string json_text(const nlohmann::json& value);

}  // namespace kith::tmtp
