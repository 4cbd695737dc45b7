#include <sys/socket.h>

#include <utility>

#include "net/curve_inner.h"
#include "net/intake.h"

namespace kith::net {

// Each endpoint has a socket of its own (one DEALER connected to several would deal frames out among them).
// All dial; the first whose handshake succeeds is the link, and the others are closed until it is lost.
struct CurveDialer::State : std::enable_shared_from_this<CurveDialer::State> {
    struct Attempt {
        Endpoint at;
        std::shared_ptr<ZmqSocket> socket, monitor;
        Timer again;
        bool reported = false;  // why the present connection came to nothing
        void close() {
            again.cancel();
            if (socket) socket->close();
            if (monitor) monitor->close();
            socket = monitor = nullptr;
            reported = false;
        }
    };
    static constexpr int news = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                                ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                ZMQ_EVENT_DISCONNECTED;

    State(Curve& shared, const crypto::LinkKey& key, const LinkPublic& pinned, Events handlers)
        : curve(shared.inner().shared_from_this()),
          own(key.copy()),
          server(pinned),
          events(std::make_shared<const Events>(std::move(handlers))) {}

    void dial(std::size_t number);
    void dial_later(std::size_t number);
    void handle(std::size_t number, const ZmqEvent& event);
    void handle(std::size_t number, ZmqSocket::Parts& parts, std::size_t count);
    void won(std::size_t number, int fd);
    void watch();
    void lost(std::size_t number);
    void trouble(std::size_t number, DialTrouble what);
    void flush();
    void drop();

    std::shared_ptr<Curve::Inner> curve;
    crypto::LinkKey own;
    LinkPublic server;
    // Shared with a callback that is running: it may destroy the dialer.
    std::shared_ptr<const Events> events;
    std::vector<Attempt> attempts;  // fixed: numbers are positions
    std::optional<std::size_t> link;
    FrameQueue queue;
    bool in_message = false;
    // Of the link: its TCP socket, and what came by it.
    int fd = -1;
    Intake intake;
    Timer watching;
};

Result<std::unique_ptr<CurveDialer>> CurveDialer::dial(Curve& curve, const crypto::LinkKey& own,
                                                       const LinkPublic& server,
                                                       std::vector<Endpoint> endpoints, Events events) {
    if (endpoints.empty() || endpoints.size() > limits::link_endpoints) {
        return fail(Fault::invalid, std::to_string(endpoints.size()) + " addresses to dial",
                    "give 1 to " + std::to_string(limits::link_endpoints));
    }
    auto state = std::make_shared<State>(curve, own, server, std::move(events));
    for (auto& endpoint : endpoints) {
        asio::error_code error;
        asio::ip::make_address(endpoint.address, error);
        if (error || endpoint.port == 0)
            return fail(Fault::invalid,
                        "\"" + to_text(endpoint) + "\" is not an address and port in numbers");
        state->attempts.push_back({std::move(endpoint), nullptr, nullptr, {}, false});
    }
    for (std::size_t number = 0; number < state->attempts.size(); ++number) state->dial(number);
    return std::unique_ptr<CurveDialer>(new CurveDialer(std::move(state)));
}

CurveDialer::CurveDialer(std::shared_ptr<State> state) : state_(std::move(state)) {}
CurveDialer::~CurveDialer() {
    state_->drop();
}

bool CurveDialer::up() const {
    return state_->link.has_value();
}

void CurveDialer::addresses_changed() {
    if (!state_->link) {
        for (std::size_t each = 0; each < state_->attempts.size(); ++each) state_->dial(each);
    } else if (homeless(state_->fd)) {
        ::shutdown(state_->fd, SHUT_RDWR);
    }
}

Sent CurveDialer::send(wire::Frame frame) {
    if (!state_->link) return Sent::gone;
    return state_->queue.push(*state_->attempts[*state_->link].socket, {}, std::move(frame));
}

std::size_t CurveDialer::queued() const {
    return state_->queue.bytes();
}

void CurveDialer::State::dial(std::size_t number) {
    auto& attempt = attempts[number];
    attempt.close();
    auto socket = ZmqSocket::make(curve->loop, curve->context, ZMQ_DEALER, 2);
    const bool ready = socket && set_link_options(*socket, limits::frame_bytes) &&
                       // Frames wait for a connection here, where they are dropped with the link, not inside
                       // libzmq, which would hand them to the next one.
                       socket->set(ZMQ_IMMEDIATE, 1) &&
                       socket->set(ZMQ_RECONNECT_IVL, limits::link_retry_ms) &&
                       socket->set(ZMQ_RECONNECT_IVL_MAX, limits::link_retry_max_ms) &&
                       socket->set(ZMQ_CONNECT_TIMEOUT, static_cast<int>(limits::connect_one_ms)) &&
                       socket->set(ZMQ_CURVE_SERVERKEY, server.view()) &&
                       socket->set(ZMQ_CURVE_PUBLICKEY, own.public_key.view()) &&
                       socket->set(ZMQ_CURVE_SECRETKEY, own.secret.view());
    auto monitor = ready ? socket->monitor(news) : nullptr;
    if (!monitor) return dial_later(number);  // the process is out of files: it may have some again
    auto self = shared_from_this();
    ZmqSocket::Events reports;
    reports.on_message = [self, number](ZmqSocket::Parts& parts, std::size_t) {
        if (const auto event = read_event(parts)) self->handle(number, *event);
    };
    ZmqSocket::Events frames;
    frames.on_message = [self, number](ZmqSocket::Parts& parts, std::size_t count) {
        self->handle(number, parts, count);
    };
    frames.on_idle = [self, number] {
        if (self->link == number) self->flush();
    };
    attempt.socket = std::move(socket);
    attempt.monitor = std::move(monitor);
    attempt.monitor->open(std::move(reports));
    attempt.socket->open(std::move(frames));
    if (!attempt.socket->connect(tcp_address(attempt.at.address, attempt.at.port))) dial_later(number);
}

void CurveDialer::State::dial_later(std::size_t number) {
    attempts[number].close();
    attempts[number].again = curve->loop.after(limits::denied_retry_ms,
                                               [self = shared_from_this(), number] { self->dial(number); });
}

void CurveDialer::State::handle(std::size_t number, const ZmqEvent& event) {
    if (!events) return;
    switch (event.event) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            if (!link) won(number, event.value);
            break;
        case ZMQ_EVENT_DISCONNECTED:
            if (link == number) return lost(number);
            // One that speaks another protocol ends without a word, and libzmq gives up on it.
            if (!std::exchange(attempts[number].reported, false)) {
                dial_later(number);
                trouble(number, DialTrouble::handshake_failed);
            }
            break;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            // libzmq does not try again after this one and the next.
            dial_later(number);
            trouble(number, DialTrouble::denied);
            break;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            dial_later(number);
            trouble(number, DialTrouble::handshake_failed);
            break;
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            attempts[number].reported = true;
            trouble(number, DialTrouble::handshake_failed);
            break;
        default:
            break;
    }
}

void CurveDialer::State::handle(std::size_t number, ZmqSocket::Parts& parts, std::size_t count) {
    if (!link) {
        // The frame may have overtaken the news that the handshake is done.
        in_message = true;
        attempts[number].monitor->drain();
        in_message = false;
    }
    if (!events || link != number) return;
    intake.handed(attempts[number].socket->wire_bytes());
    auto frame = frame_of(parts, count, 0, limits::frame_bytes);
    const auto handlers = events;
    if (frame && handlers->on_frame) handlers->on_frame(std::move(*frame));
}

void CurveDialer::State::won(std::size_t number, int by) {
    link = number;
    queue = {};
    fd = by;
    intake = {};
    prefer_bbr(fd);
    watch();
    for (std::size_t other = 0; other < attempts.size(); ++other) {
        if (other != number) attempts[other].close();
    }
    const auto handlers = events;
    if (handlers->on_up) handlers->on_up(Endpoint(attempts[number].at));
}

// Ends a server that floods us. The monitor's news of it then ends the link.
void CurveDialer::State::watch() {
    if (!link) return;
    if (intake.flooded(fd, curve->loop.now().mono_ms, limits::link_unread_bytes)) ::shutdown(fd, SHUT_RDWR);
    watching = curve->loop.after(limits::link_watch_ms, [self = shared_from_this()] { self->watch(); });
}

void CurveDialer::State::lost(std::size_t number) {
    // Frames that came in before the end are delivered first, unless one is just being delivered.
    const auto socket = attempts[number].socket;
    if (!in_message) socket->drain();
    if (!events || link != number) return;
    link.reset();
    watching.cancel();
    queue = {};
    for (std::size_t each = 0; each < attempts.size(); ++each) dial(each);
    const auto handlers = events;
    if (handlers->on_lost) handlers->on_lost();
}

void CurveDialer::State::trouble(std::size_t number, DialTrouble what) {
    const auto handlers = events;
    if (handlers->on_trouble) handlers->on_trouble(Endpoint(attempts[number].at), what);
}

void CurveDialer::State::flush() {
    const auto flushed = queue.flush(*attempts[*link].socket, {});
    const auto handlers = events;
    if (flushed == FrameQueue::Flushed::room && handlers->on_drained) handlers->on_drained();
}

void CurveDialer::State::drop() {
    events = nullptr;
    link.reset();
    watching.cancel();
    for (auto& attempt : attempts) attempt.close();
}

}  // namespace kith::net
