#include "net/reach.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "net/connector.h"

namespace kith::net {

namespace {

Bytes raw_bytes(const void* from, std::size_t size) {
    const auto* at = static_cast<const std::uint8_t*>(from);
    return {at, at + size};
}

Bytes raw_address(const sockaddr* from) {
    if (from->sa_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, from, sizeof v4);
        return raw_bytes(&v4.sin_addr, 4);
    }
    if (from->sa_family == AF_INET6) {
        sockaddr_in6 v6;
        std::memcpy(&v6, from, sizeof v6);
        if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) return {};
        return raw_bytes(&v6.sin6_addr, 16);
    }
    return {};
}

}  // namespace

std::vector<Address> own_addresses() {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return {};
    std::vector<Address> found;
    for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
        if (at->ifa_addr == nullptr || (at->ifa_flags & IFF_UP) == 0 ||
            (at->ifa_flags & IFF_POINTOPOINT) != 0)
            continue;
        auto raw = raw_address(at->ifa_addr);
        if (raw.empty()) continue;
        auto text = address_text(raw);
        Address address{std::move(raw), std::move(text), (at->ifa_flags & IFF_LOOPBACK) != 0};
        if (std::find(found.begin(), found.end(), address) == found.end())
            found.push_back(std::move(address));
    }
    freeifaddrs(list);
    std::stable_sort(found.begin(), found.end(), [](const Address& a, const Address& b) {
        return std::tuple(a.loopback, a.raw.size()) < std::tuple(b.loopback, b.raw.size());
    });
    return found;
}

bool directly_attached(ByteView raw) {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return false;
    bool attached = false;
    for (const ifaddrs* at = list; at != nullptr && !attached; at = at->ifa_next) {
        if (at->ifa_addr == nullptr || at->ifa_netmask == nullptr || (at->ifa_flags & IFF_UP) == 0 ||
            (at->ifa_flags & IFF_POINTOPOINT) != 0 || at->ifa_addr->sa_family != at->ifa_netmask->sa_family)
            continue;
        auto own = raw_address(at->ifa_addr), mask = raw_address(at->ifa_netmask);
        if (own.size() != raw.size() || mask.size() != raw.size()) continue;
        attached = true;
        for (std::size_t i = 0; i < raw.size(); ++i)
            if ((own[i] & mask[i]) != (raw[i] & mask[i])) attached = false;
    }
    freeifaddrs(list);
    return attached;
}

std::string address_text(ByteView raw) {
    char text[INET6_ADDRSTRLEN];
    if (raw.size() != 4 && raw.size() != 16) return {};
    const int family = raw.size() == 4 ? AF_INET : AF_INET6;
    return inet_ntop(family, raw.data(), text, sizeof text) != nullptr ? text : std::string();
}

std::string_view reach_text(Reach reach) {
    switch (reach) {
        case Reach::ok:
            return "reachable";
        case Reach::refused:
            return "nothing listens there";
        case Reach::unreachable:
            return "no way to that address";
        case Reach::timed_out:
            return "no answer";
        case Reach::unknown_host:
            return "the name has no address";
    }
    return "";
}

struct Probe::State {
    std::shared_ptr<Connector> connector;
};

Probe::Probe(Loop& loop, const std::string& host, std::uint16_t port, std::int64_t timeout_ms,
             std::function<void(Reach)> done)
    : state_(std::make_shared<State>()) {
    state_->connector =
        Connector::start(loop, host, port, timeout_ms,
                         [done = std::move(done)](Reach how, const asio::ip::tcp::socket&) { done(how); });
}
Probe::Probe(Probe&&) noexcept = default;
Probe& Probe::operator=(Probe&& other) noexcept {
    if (this != &other) {
        if (state_) state_->connector->cancel();
        state_ = std::move(other.state_);
    }
    return *this;
}
Probe::~Probe() {
    if (state_) state_->connector->cancel();
}

}  // namespace kith::net
