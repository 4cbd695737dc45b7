#include "wire/json.h"

#include <nlohmann/json.hpp>

namespace kith::wire {

std::string json_text(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Bytes json_list(const nlohmann::json& list) {
    return json_bytes({{"list", list}});
}

}  // namespace kith::wire
