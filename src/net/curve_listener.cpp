#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "net/connector.h"
#include "net/curve_inner.h"
#include "net/intake.h"
#include "net/interfaces.h"
#include "net/reach.h"

namespace kith::net {

namespace {

// Taken ports apart, how often a free port is asked for: with several addresses, the one that is free on the
// first may be taken on the next.
constexpr int bind_attempts = 4;

std::uint16_t port_of(const std::string& endpoint) {
    std::uint16_t port = 0;
    const auto digits = endpoint.rfind(':') + 1;  // npos + 1 is 0
    std::from_chars(endpoint.data() + digits, endpoint.data() + endpoint.size(), port);
    return port;
}

// The id that a ROUTER gives: a zero byte and a counter. Others are of clients that chose their own: not
// ours.
std::optional<std::uint32_t> routing_number(ByteView id) {
    if (id.size() != 5 || id[0] != 0) return std::nullopt;
    return load_u32(id.data() + 1);
}

// Whether the other end of a TCP socket is on a network of ours.
bool from_attached(int fd) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
    if (peer.ss_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, &peer, sizeof v4);
        return directly_attached({reinterpret_cast<const std::uint8_t*>(&v4.sin_addr), 4});
    }
    if (peer.ss_family != AF_INET6) return false;
    sockaddr_in6 v6;
    std::memcpy(&v6, &peer, sizeof v6);
    const ByteView raw(reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr), 16);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return directly_attached(raw.subspan(12));
    if (!IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) return directly_attached(raw);
    for (const auto& interface : interfaces())
        if (interface.index == v6.sin6_scope_id) return !interface.point_to_point;
    return false;
}

Bytes routing_id(std::uint32_t number) {
    Bytes id{0};
    append_u32(id, number);
    return id;
}

}  // namespace

// libzmq says of a message which socket it came from (ZMQ_SRCFD), and its monitor says when a socket is
// accepted and when it ends. That is how a ROUTER's connections are told apart and their end is noticed. The
// kernel uses the number of a closed socket again, and messages may arrive after the news of their
// connection's end. Hence:
// - The monitor is read before each message: libzmq reports the end before it closes the socket, so a message
// of a
//   new socket is never seen before the end of the old one of the same number.
// - A ROUTER numbers its connections: of two on one socket the one with the higher number is alive. A message
// that
//   comes late may be taken for the first one of a new socket's connection. Then that is not there when it is
//   written to, while the socket's own is about to speak: only the monitor takes a socket off the list.
struct CurveListener::State : std::enable_shared_from_this<CurveListener::State> {
    // An accepted socket. It becomes a connection with its first frame.
    struct Line {
        std::optional<std::uint32_t> routing,
            dead;  // dead: of a connection that has ended; later ones are higher
        Connection connection{};
        LinkPublic client;
        bool cut = false;  // by us: nothing of it counts any more
        FrameQueue queue;
        Intake intake;
        bool shown() const { return routing && !cut; }
    };

    State(Curve& shared, Options how, Events handlers)
        : curve(shared.inner().shared_from_this()),
          options(std::move(how)),
          events(std::make_shared<const Events>(std::move(handlers))) {}

    Result<> bind(const crypto::LinkKey& key);
    Result<bool> try_bind(const crypto::LinkKey& key, std::uint16_t at);
    void open();
    void handle(const ZmqEvent& event);
    void handle(ZmqSocket::Parts& parts, std::size_t count);
    Line* line_of(int fd, std::uint32_t routing, const char* user);
    void flush();
    void watch();
    void lose(int fd);
    void gone(Connection connection);
    void cut(int fd, Line& line);
    void drop();

    std::shared_ptr<Curve::Inner> curve;
    Options options;
    // Shared with a callback that is running: it may destroy the listener.
    std::shared_ptr<const Events> events;
    std::string domain;
    std::shared_ptr<ZmqSocket> router, monitor;
    std::uint16_t port = 0;
    std::map<int, Line> lines;  // by socket
    std::map<Connection, int> sockets;
    std::uint64_t last_connection = 0;
    Timer watching;
};

Result<std::unique_ptr<CurveListener>> CurveListener::listen(Curve& curve, const crypto::LinkKey& key,
                                                             Options options, Events events) {
    auto state = std::make_shared<State>(curve, std::move(options), std::move(events));
    std::unique_ptr<CurveListener> listener(new CurveListener(state));
    KITH_TRY(state->bind(key));
    state->open();
    return listener;
}

CurveListener::CurveListener(std::shared_ptr<State> state) : state_(std::move(state)) {}
CurveListener::~CurveListener() {
    state_->drop();
}

std::uint16_t CurveListener::port() const {
    return state_->port;
}

Sent CurveListener::send(Connection to, wire::Frame frame) {
    const auto found = state_->sockets.find(to);
    if (found == state_->sockets.end()) return Sent::gone;
    auto& line = state_->lines.at(found->second);
    const auto sent = line.queue.push(*state_->router, routing_id(*line.routing), std::move(frame));
    if (sent == Sent::gone) {
        // Not from within the caller's call.
        state_->curve->loop.defer([state = state_, to] { state->gone(to); });
    }
    return sent;
}

std::size_t CurveListener::queued(Connection to) const {
    const auto found = state_->sockets.find(to);
    return found == state_->sockets.end() ? 0 : state_->lines.at(found->second).queue.bytes();
}

void CurveListener::disconnect(Connection connection) {
    const auto found = state_->sockets.find(connection);
    if (found != state_->sockets.end()) state_->cut(found->second, state_->lines.at(found->second));
}

void CurveListener::disconnect(const LinkPublic& client) {
    for (auto& [fd, line] : state_->lines) {
        if (line.shown() && line.client == client) state_->cut(fd, line);
    }
}

// The monitor's news of their end follows.
void CurveListener::addresses_changed() {
    for (const auto& [fd, line] : state_->lines)
        if (homeless(fd)) ::shutdown(fd, SHUT_RDWR);
}

Result<> CurveListener::State::bind(const crypto::LinkKey& key) {
    if (options.addresses.empty()) options.addresses = {"*"};
    domain = curve->add_domain([weak = weak_from_this()](const LinkPublic& client) {
        const auto self = weak.lock();
        const auto handlers = self ? self->events : nullptr;
        return handlers && handlers->allow && handlers->allow(client);
    });
    if (options.port != 0) {
        KITH_TRY_VALUE(bound, try_bind(key, options.port));
        if (bound) return {};
    }
    for (int attempt = 0; attempt < bind_attempts; ++attempt) {
        KITH_TRY_VALUE(bound, try_bind(key, 0));
        if (bound) return {};
    }
    return fail(Fault::io, "cannot listen: no port is free on all addresses",
                "close programs that hold many ports");
}

// False: the port is taken on one of the addresses.
Result<bool> CurveListener::State::try_bind(const crypto::LinkKey& key, std::uint16_t at) {
    if (router) router->close();
    if (monitor) monitor->close();
    router = ZmqSocket::make(curve->loop, curve->context, ZMQ_ROUTER, 3);
    const bool ready = router && set_link_options(*router, options.part_bytes) &&
                       router->set(ZMQ_ROUTER_MANDATORY, 1) && router->set(ZMQ_CURVE_SERVER, 1) &&
                       router->set(ZMQ_CURVE_SECRETKEY, key.secret.view()) &&
                       router->set(ZMQ_ZAP_DOMAIN, domain);
    monitor = ready ? router->monitor(ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) : nullptr;
    if (!monitor)
        return fail(Fault::io, std::string("cannot make a link's socket: ") + zmq_strerror(zmq_errno()),
                    "close programs that hold many files");
    for (const auto& address : options.addresses) {
        if (router->bind(tcp_address(address, at))) {
            at = port_of(router->last_endpoint());
            continue;
        }
        if (errno == EADDRINUSE) return false;
        return fail(Fault::io, "cannot listen on " + host_port(address, at) + ": " + zmq_strerror(errno),
                    "check that the address is one of this machine");
    }
    port = at;
    return true;
}

void CurveListener::State::open() {
    auto self = shared_from_this();
    ZmqSocket::Events news;
    news.on_message = [self](ZmqSocket::Parts& parts, std::size_t) {
        if (const auto event = read_event(parts)) self->handle(*event);
    };
    ZmqSocket::Events frames;
    frames.on_message = [self](ZmqSocket::Parts& parts, std::size_t count) { self->handle(parts, count); };
    frames.on_idle = [self] { self->flush(); };
    monitor->open(std::move(news));
    router->open(std::move(frames));
    watch();
}

// Ends who floods us. The monitor's news of it then ends the line.
void CurveListener::State::watch() {
    if (!events) return;
    const auto now = curve->loop.now().mono_ms;
    for (auto& [fd, line] : lines) {
        if (line.intake.flooded(fd, now, options.unread_bytes)) ::shutdown(fd, SHUT_RDWR);
    }
    watching = curve->loop.after(limits::link_watch_ms, [self = shared_from_this()] { self->watch(); });
}

void CurveListener::State::handle(const ZmqEvent& event) {
    if (!events) return;
    lose(event.value);
    if (!events || event.event != ZMQ_EVENT_ACCEPTED) return;
    // Above the limit nobody gets in: what floods us with connections must not use up the process's files.
    if (lines.size() >= limits::link_connections) return void(::shutdown(event.value, SHUT_RDWR));
    if (options.attached_only && !from_attached(event.value)) {
        // Nothing counts that came before its end.
        lines.emplace(event.value, Line{}).first->second.cut = true;
        return void(::shutdown(event.value, SHUT_RDWR));
    }
    lines.emplace(event.value, Line{});
    prefer_bbr(event.value);
}

void CurveListener::State::handle(ZmqSocket::Parts& parts, std::size_t count) {
    monitor->drain();
    if (!events || parts.size() < 2) return;
    const auto routing = routing_number(parts[0].view());
    const int fd = zmq_msg_get(parts[1].raw(), ZMQ_SRCFD);
    const char* user = zmq_msg_gets(parts[1].raw(), "User-Id");
    if (!routing || fd < 0 || user == nullptr) return;
    if (const auto line = lines.find(fd); line != lines.end())
        line->second.intake.handed(router->wire_bytes());
    auto frame = frame_of(parts, count, 1, options.part_bytes);
    if (!frame) return;
    auto* line = line_of(fd, *routing, user);
    if (line == nullptr) return;
    const auto handlers = events;
    if (handlers->on_frame) handlers->on_frame(LinkPublic(line->client), line->connection, std::move(*frame));
}

// The living connection that a message belongs to; makes it one when this is its first. Nothing: it has
// ended.
CurveListener::State::Line* CurveListener::State::line_of(int fd, std::uint32_t routing, const char* user) {
    auto found = lines.find(fd);
    if (found == lines.end()) return nullptr;
    if (found->second.routing && *found->second.routing != routing) {
        const bool newer = static_cast<std::int32_t>(routing - *found->second.routing) > 0;
        if (!newer) return nullptr;
        lose(fd);
        if (!events) return nullptr;
        found = lines.emplace(fd, Line{}).first;
    }
    auto& line = found->second;
    if (line.cut) return nullptr;
    if (line.dead && static_cast<std::int32_t>(routing - *line.dead) <= 0) return nullptr;
    if (!line.routing) {
        const auto client = LinkPublic::from_hex(user);
        if (!client) return nullptr;
        const auto of_client = std::count_if(lines.begin(), lines.end(), [&](const auto& each) {
            return each.second.shown() && each.second.client == *client;
        });
        if (static_cast<std::size_t>(of_client) >= limits::link_connections_each) {
            line.cut = true;
            ::shutdown(fd, SHUT_RDWR);
            return nullptr;
        }
        line.routing = routing;
        line.client = *client;
        line.connection = Connection{++last_connection};
        sockets[line.connection] = fd;
    }
    return &line;
}

void CurveListener::State::flush() {
    std::vector<Connection> waiting;
    for (const auto& [connection, fd] : sockets) waiting.push_back(connection);
    for (const auto connection : waiting) {
        const auto found = sockets.find(connection);  // a callback may have ended it
        if (found == sockets.end()) continue;
        auto& line = lines.at(found->second);
        const auto flushed = line.queue.flush(*router, routing_id(*line.routing));
        const auto handlers = events;
        if (flushed == FrameQueue::Flushed::gone)
            gone(connection);
        else if (flushed == FrameQueue::Flushed::room && handlers->on_drained)
            handlers->on_drained(connection);
        if (!events) return;
    }
}

void CurveListener::State::lose(int fd) {
    const auto found = lines.find(fd);
    if (found == lines.end()) return;
    const auto connection = found->second.connection;
    const bool shown = found->second.shown();
    lines.erase(found);
    if (!shown) return;
    sockets.erase(connection);
    const auto handlers = events;
    if (handlers && handlers->on_lost) handlers->on_lost(connection);
}

// The ROUTER knows nothing of it. Its socket may be that of a newer connection by now.
void CurveListener::State::gone(Connection connection) {
    const auto found = sockets.find(connection);
    if (found == sockets.end()) return;
    Line fresh;
    fresh.dead = lines.at(found->second).routing;
    lines.insert_or_assign(found->second, std::move(fresh));
    sockets.erase(found);
    const auto handlers = events;
    if (handlers && handlers->on_lost) handlers->on_lost(connection);
}

// A ROUTER cannot end one connection; its socket can. Should libzmq have closed it a moment ago and another
// thread have opened one of the same number, that one is ended: it is a link or a connection that sets itself
// up anew.
void CurveListener::State::cut(int fd, Line& line) {
    sockets.erase(line.connection);
    line.cut = true;
    line.queue = {};
    ::shutdown(fd, SHUT_RDWR);
}

void CurveListener::State::drop() {
    events = nullptr;
    watching.cancel();
    curve->domains.erase(domain);
    if (router) router->close();
    if (monitor) monitor->close();
    lines.clear();
    sockets.clear();
}

}  // namespace kith::net
