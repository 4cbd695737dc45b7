#include "net/tcp_probe.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/limits.h"

namespace kith::net {
namespace {

void set(int socket, int level, int option, int value) {
    (void)setsockopt(socket, level, option, &value, sizeof value);
}

}  // namespace

void begin_tcp_probe(int socket) {
#if defined(__linux__)
    set(socket, IPPROTO_TCP, TCP_KEEPIDLE, limits::tls_probe_interval_s);
    set(socket, IPPROTO_TCP, TCP_KEEPINTVL, limits::tls_probe_interval_s);
    set(socket, IPPROTO_TCP, TCP_KEEPCNT, limits::tls_probes);
    // While bytes are on their way no probes are sent: then these have to be acknowledged.
    set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(limits::tls_dead_ms));
#endif
    set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
}

void end_tcp_probe(int socket) {
    set(socket, SOL_SOCKET, SO_KEEPALIVE, 0);
#if defined(__linux__)
    set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
#endif
}

std::optional<std::int64_t> last_tcp_answer_ms([[maybe_unused]] int socket) {
#if defined(__linux__)
    tcp_info info{};
    socklen_t size = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
    return static_cast<std::int64_t>(info.tcpi_last_ack_recv);
#else
    return std::nullopt;
#endif
}

}  // namespace kith::net
