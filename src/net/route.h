// Which way packets take from this machine. Nothing is sent to find out, but by multicast_error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/interfaces.h"

namespace kith::net {

// The interface by which the system would send to this address of 4 or 16 bytes (not a link-local one).
// Nothing: there is no way, or the system does not say.
std::optional<Interface> route_to(ByteView address);

// Sends an empty mDNS query (12 bytes without a question) by this interface, which must carry multicast.
// Empty when the system took it; otherwise what it said.
std::string multicast_error(const Interface& interface);

// A TCP port that nobody listens at now; 0 when there is none. It may be taken by somebody before it is used.
std::uint16_t free_port();

}  // namespace kith::net
