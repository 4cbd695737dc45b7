#include "net/interfaces.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#endif

#include <algorithm>
#include <cstring>
#include <map>

#include "net/fd_watch.h"
#include "net/limits.h"
#include "net/reach.h"

namespace kith::net {

namespace {

Bytes raw_of(const sockaddr* from) {
    if (from == nullptr) return {};
    if (from->sa_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, from, sizeof v4);
        const auto* at = reinterpret_cast<const std::uint8_t*>(&v4.sin_addr);
        return {at, at + 4};
    }
    if (from->sa_family == AF_INET6) {
        sockaddr_in6 v6;
        std::memcpy(&v6, from, sizeof v6);
        const auto* at = reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr);
        return {at, at + 16};
    }
    return {};
}

// A socket that becomes readable when something changes; -1: the system has none.
int open_news() {
#ifdef __linux__
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0) return -1;
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    ::close(fd);
#endif
    return -1;
}

}  // namespace

std::vector<Interface> interfaces() {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return {};
    std::map<unsigned, Interface> found;
    for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
        if ((at->ifa_flags & IFF_UP) == 0) continue;
        auto raw = raw_of(at->ifa_addr);
        const unsigned index = raw.empty() ? 0 : if_nametoindex(at->ifa_name);
        if (index == 0) continue;
        auto& interface = found[index];
        interface.index = index;
        interface.name = at->ifa_name;
        interface.loopback = (at->ifa_flags & IFF_LOOPBACK) != 0;
        interface.point_to_point = (at->ifa_flags & IFF_POINTOPOINT) != 0;
        interface.multicast = (at->ifa_flags & IFF_MULTICAST) != 0;
        if (std::find(interface.addresses.begin(), interface.addresses.end(), raw) ==
            interface.addresses.end())
            interface.addresses.push_back(std::move(raw));
    }
    freeifaddrs(list);
    std::vector<Interface> all;
    for (auto& [index, interface] : found) {
        std::sort(interface.addresses.begin(), interface.addresses.end(), [](const Bytes& a, const Bytes& b) {
            return a.size() != b.size() ? a.size() < b.size() : a < b;
        });
        all.push_back(std::move(interface));
    }
    return all;
}

bool is_link_local(ByteView address) {
    return address.size() == 16 && address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

std::string scoped_text(ByteView address, const Interface& by) {
    auto text = address_text(address);
    return is_link_local(address) ? text + "%" + by.name : text;
}

struct InterfaceWatch::State {
    State(Loop& to, std::function<void()> handler)
        : loop(to), on_change(std::move(handler)), fd(open_news()), known(interfaces()) {
        if (fd < 0) {
            look_again();
            return;
        }
        watch = std::make_unique<FdWatch>(loop, fd, [this](bool, bool) {
            char ignored[4096];
            while (::recv(fd, ignored, sizeof ignored, 0) > 0) {
            }
            timer = loop.after(limits::interfaces_settle_ms, [this] { look(); });
        });
        watch->want(true, false);
    }
    ~State() {
        if (fd >= 0) ::close(fd);
    }
    void look() {
        auto now = interfaces();
        if (now == known) return;
        known = std::move(now);
        const auto handler = on_change;
        handler();
    }
    void look_again() {
        timer = loop.after(limits::interfaces_look_ms, [this] {
            look_again();
            look();
        });
    }

    Loop& loop;
    std::function<void()> on_change;
    int fd;
    std::vector<Interface> known;
    std::unique_ptr<FdWatch> watch;
    Timer timer;
};

InterfaceWatch::InterfaceWatch(Loop& loop, std::function<void()> on_change)
    : state_(std::make_unique<State>(loop, std::move(on_change))) {}
InterfaceWatch::~InterfaceWatch() = default;

}  // namespace kith::net
