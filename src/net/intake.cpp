#include "net/intake.h"

#if defined(__linux__)
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#endif

#include "base/limits.h"

namespace kith::net {

#if defined(__linux__)

bool Intake::counted() {
    return true;
}

bool Intake::flooded(int socket, std::int64_t now_ms, std::uint64_t unread_bytes) {
    // Pings are never handed over, and must not add up on a link that lives for months.
    if (asked_ms_ >= 0) {
        handed_ += static_cast<std::uint64_t>(now_ms - asked_ms_) * limits::link_heartbeat_bytes /
                   limits::link_heartbeat_ms;
    }
    asked_ms_ = now_ms;
    tcp_info info;
    std::memset(&info, 0, sizeof info);
    socklen_t size = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
    // Time has been forgiven for pings that did not come: it must not be saved up for a flood.
    if (handed_ > info.tcpi_bytes_received) handed_ = info.tcpi_bytes_received;
    return info.tcpi_bytes_received - handed_ > unread_bytes;
}

#else

bool Intake::counted() {
    return false;
}

bool Intake::flooded(int, std::int64_t, std::uint64_t) {
    return false;
}

#endif

}  // namespace kith::net
