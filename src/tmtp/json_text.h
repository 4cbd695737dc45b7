// JSON as the reference server and client write it: for this layer, and for mnm.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace kith::tmtp {

// Compact, keys sorted, `<`, `>`, `&`, U+2028 and U+2029 escaped; invalid UTF-8 becomes U+FFFD.
std::string json_text(const nlohmann::json& value);

}  // namespace kith::tmtp
