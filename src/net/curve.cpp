#include "net/curve.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "net/connector.h"
#include "net/curve_inner.h"
#include "net/intake.h"
#include "net/interfaces.h"
#include "net/limits.h"
#include "net/link_frame.h"

namespace kith::net {

namespace {

std::size_t size_of(const wire::Frame& frame) {
    return frame.head.size() + frame.body.size();
}

bool send_frame(ZmqSocket& socket, ByteView prefix, const wire::Frame& frame) {
    const ByteView parts[] = {prefix, as_bytes(frame.head), frame.body};
    return socket.send(std::span(parts).subspan(prefix.empty() ? 1 : 0));
}

}  // namespace

Curve::Curve(Loop& loop) : inner_(std::make_shared<Inner>(loop)) {
    inner_->start();
}
Curve::~Curve() {
    inner_->stop();
}

void Curve::Inner::start() {
    zap = ZmqSocket::make(loop, context, ZMQ_REP, 7);
    const bool bound = zap && zap->bind("inproc://zeromq.zap.01");
    assert(bound);
    if (!bound) return;  // then every handshake fails, closed rather than open
    ZmqSocket::Events calls;
    calls.on_message = [self = shared_from_this()](ZmqSocket::Parts& parts, std::size_t count) {
        self->answer(parts, count);
    };
    zap->open(std::move(calls));
}

void Curve::Inner::stop() {
    domains.clear();
    if (zap) zap->close();
}

std::string Curve::Inner::add_domain(Allow allow) {
    auto name = "kith." + std::to_string(++last_domain);
    domains.emplace(name, std::move(allow));
    return name;
}

// RFC 27/ZAP. Request: version, request id, domain, address, identity, mechanism, and for CURVE the client's
// key. Reply: version, request id, status, text, user id, metadata. The user id comes back with each message.
void Curve::Inner::answer(ZmqSocket::Parts& request, std::size_t count) {
    const std::string id(request.size() > 1 ? request[1].text() : std::string_view());
    std::optional<LinkPublic> client;
    if (count == 7 && request[0].text() == "1.0" && request[5].text() == "CURVE")
        client = LinkPublic::from(request[6].view());
    bool allowed = false;
    if (client) {
        const auto domain = domains.find(request[2].text());
        const auto allow =
            domain != domains.end() ? domain->second : Allow();  // a copy: it may destroy its listener
        allowed = allow && allow(*client);
    }
    const auto user = allowed ? client->hex() : std::string();
    const ByteView reply[] = {as_bytes("1.0"),
                              as_bytes(id),
                              as_bytes(allowed ? "200" : "400"),
                              as_bytes(allowed ? "" : "denied"),
                              as_bytes(user),
                              {}};
    zap->send(reply);
}

bool set_link_options(ZmqSocket& socket, std::size_t part_bytes) {
    return socket.set(ZMQ_SNDHWM, limits::link_messages) &&
           socket.set(ZMQ_RCVHWM, Intake::counted() ? 0 : limits::link_unread_messages) &&
           socket.set_wide(ZMQ_MAXMSGSIZE, static_cast<std::int64_t>(part_bytes + curve_overhead)) &&
           socket.set(ZMQ_HEARTBEAT_IVL, limits::link_heartbeat_ms) &&
           socket.set(ZMQ_HEARTBEAT_TIMEOUT, limits::link_timeout_ms) &&
           socket.set(ZMQ_HEARTBEAT_TTL, limits::link_timeout_ms) &&
           socket.set(ZMQ_TCP_MAXRT, limits::link_unacknowledged_ms) &&
           socket.set(ZMQ_HANDSHAKE_IVL, limits::link_handshake_ms) && socket.set(ZMQ_IPV6, 1);
}

bool homeless(int fd) {
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return false;
    Bytes raw;
    if (own.ss_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, &own, sizeof v4);
        const auto* at = reinterpret_cast<const std::uint8_t*>(&v4.sin_addr);
        raw.assign(at, at + 4);
    } else if (own.ss_family == AF_INET6) {
        sockaddr_in6 v6;
        std::memcpy(&v6, &own, sizeof v6);
        const auto* at = reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr);
        raw.assign(IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) ? at + 12 : at, at + 16);
    }
    const auto all = interfaces();
    return !all.empty() && std::none_of(all.begin(), all.end(), [&](const Interface& each) {
        return (each.loopback && raw.size() == 4 && raw[0] == 127) ||
               std::find(each.addresses.begin(), each.addresses.end(), raw) != each.addresses.end();
    });
}

void prefer_bbr([[maybe_unused]] int socket) {
#if defined(TCP_CONGESTION)
    static constexpr std::string_view name = "bbr";
    (void)setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), name.size());
#endif
}

std::string tcp_address(const std::string& address, std::uint16_t port) {
    const bool brackets = address.find(':') != std::string::npos;
    return "tcp://" + (brackets ? "[" + address + "]" : address) + ":" +
           (port == 0 ? "*" : std::to_string(port));
}

std::string to_text(const Endpoint& endpoint) {
    return host_port(endpoint.address, endpoint.port);
}

std::optional<wire::Frame> frame_of(const ZmqSocket::Parts& parts, std::size_t count, std::size_t skip,
                                    std::size_t part_bytes) {
    if (parts.size() != count) return std::nullopt;
    std::vector<ByteView> views;
    for (std::size_t at = skip; at < count; ++at) views.push_back(parts[at].view());
    return read_frame(views, part_bytes);
}

Sent FrameQueue::push(ZmqSocket& socket, ByteView prefix, wire::Frame frame) {
    assert(!frame.head.empty() && frame.head.size() <= limits::head_bytes &&
           frame.body.size() <= limits::frame_bytes);
    if (frames_.empty()) {
        if (send_frame(socket, prefix, frame)) return Sent::queued;
        if (errno != EAGAIN) return Sent::gone;
    } else if (bytes_ + size_of(frame) > limits::link_queue_bytes) {
        refused_ = true;
        return Sent::full;
    }
    bytes_ += size_of(frame);
    frames_.push_back(std::move(frame));
    return Sent::queued;
}

FrameQueue::Flushed FrameQueue::flush(ZmqSocket& socket, ByteView prefix) {
    while (!frames_.empty()) {
        if (!send_frame(socket, prefix, frames_.front())) {
            if (errno != EAGAIN) return Flushed::gone;
            break;
        }
        bytes_ -= size_of(frames_.front());
        frames_.pop_front();
    }
    // Half empty, so that the caller is not woken for each frame.
    if (!refused_ || bytes_ > limits::link_queue_bytes / 2) return Flushed::waiting;
    refused_ = false;
    return Flushed::room;
}

}  // namespace kith::net
