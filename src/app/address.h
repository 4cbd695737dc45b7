// Addresses of services as people are handed them: "=host:port" (the key is pinned at first use) or
// "+host:port" (an authority vouches for it).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kith::app {

struct ServiceAddress {
    bool pinned = true;
    std::string host;  // a name, or an IP address without brackets
    std::uint16_t port = 0;
    std::string text() const;
};
// Fault::invalid says what a right one looks like.
Result<ServiceAddress> parse_address(std::string_view text);

}  // namespace kith::app
