#include "net/route.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace kith::net {

namespace {

struct Socket {
    explicit Socket(int family, int type = SOCK_DGRAM)
        : fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() {
        if (fd >= 0) ::close(fd);
    }
    int fd;
};

constexpr std::uint16_t mdns_port = 5353;

}  // namespace

std::optional<Interface> route_to(ByteView address) {
    Bytes own;
    if (address.size() == 4) {
        Socket probe(AF_INET);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(mdns_port);
        std::memcpy(&to.sin_addr, address.data(), 4);
        socklen_t size = sizeof to;
        if (probe.fd < 0 || ::connect(probe.fd, reinterpret_cast<const sockaddr*>(&to), size) != 0 ||
            ::getsockname(probe.fd, reinterpret_cast<sockaddr*>(&to), &size) != 0)
            return std::nullopt;
        const auto* at = reinterpret_cast<const std::uint8_t*>(&to.sin_addr);
        own.assign(at, at + 4);
    } else if (address.size() == 16) {
        Socket probe(AF_INET6);
        sockaddr_in6 to{};
        to.sin6_family = AF_INET6;
        to.sin6_port = htons(mdns_port);
        std::memcpy(&to.sin6_addr, address.data(), 16);
        socklen_t size = sizeof to;
        if (probe.fd < 0 || ::connect(probe.fd, reinterpret_cast<const sockaddr*>(&to), size) != 0 ||
            ::getsockname(probe.fd, reinterpret_cast<sockaddr*>(&to), &size) != 0)
            return std::nullopt;
        const auto* at = reinterpret_cast<const std::uint8_t*>(&to.sin6_addr);
        own.assign(at, at + 16);
    }
    for (auto& interface : interfaces())
        if (std::find(interface.addresses.begin(), interface.addresses.end(), own) !=
            interface.addresses.end())
            return interface;
    return std::nullopt;
}

std::string multicast_error(const Interface& interface) {
    const std::uint8_t query[12] = {};
    const bool v4 = std::any_of(interface.addresses.begin(), interface.addresses.end(),
                                [](const Bytes& address) { return address.size() == 4; });
    Socket out(v4 ? AF_INET : AF_INET6);
    if (out.fd < 0) return std::strerror(errno);
    if (v4) {
        ip_mreqn by{};
        by.imr_ifindex = static_cast<int>(interface.index);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(mdns_port);
        to.sin_addr.s_addr = htonl(0xe00000fb);  // 224.0.0.251
        if (::setsockopt(out.fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by) != 0 ||
            ::sendto(out.fd, query, sizeof query, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
            return std::strerror(errno);
        return {};
    }
    const int by = static_cast<int>(interface.index);
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(mdns_port);
    to.sin6_scope_id = interface.index;
    inet_pton(AF_INET6, "ff02::fb", &to.sin6_addr);
    if (::setsockopt(out.fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &by, sizeof by) != 0 ||
        ::sendto(out.fd, query, sizeof query, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
        return std::strerror(errno);
    return {};
}

std::uint16_t free_port() {
    Socket probe(AF_INET, SOCK_STREAM);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    socklen_t size = sizeof at;
    if (probe.fd < 0 || ::bind(probe.fd, reinterpret_cast<const sockaddr*>(&at), size) != 0 ||
        ::getsockname(probe.fd, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        return 0;
    return ntohs(at.sin_port);
}

}  // namespace kith::net
