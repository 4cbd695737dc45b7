// Writing JSON, to match what fields.h reads.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/bytes.h"

namespace kith::wire {

// Compact. Names and sites are as others wrote them: what is not UTF-8 becomes U+FFFD.
std::string json_text(const nlohmann::json& value);
inline Bytes json_bytes(const nlohmann::json& value) {
    return to_bytes(json_text(value));
}
// {"list": list}. Stands in the body of a frame where its length could exceed a head.
Bytes json_list(const nlohmann::json& list);

}  // namespace kith::wire
