#include "net/zmq_socket.h"

#include <atomic>
#include <cassert>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/limits.h"

namespace kith::net {

ZmqContext::ZmqContext() : context_(zmq_ctx_new()) {
    assert(context_ != nullptr);
    zmq_ctx_set(context_, ZMQ_IPV6, 1);
}
ZmqContext::~ZmqContext() {
    while (zmq_ctx_term(context_) != 0 && errno == EINTR) {
    }
}

std::shared_ptr<ZmqSocket> ZmqSocket::make(Loop& loop, std::shared_ptr<ZmqContext> context, int type,
                                           std::size_t max_parts) {
    void* socket = zmq_socket(context->get(), type);
    if (socket == nullptr) return nullptr;
    std::shared_ptr<ZmqSocket> made(new ZmqSocket(loop, std::move(context), socket, max_parts));
    made->set(ZMQ_LINGER, 0);
    return made;
}

ZmqSocket::ZmqSocket(Loop& loop, std::shared_ptr<ZmqContext> context, void* socket, std::size_t max_parts)
    : loop_(loop),
      context_(std::move(context)),
      socket_(socket),
      max_parts_(max_parts),
      wake_(loop.inner().context) {}

ZmqSocket::~ZmqSocket() {
    close();
}

bool ZmqSocket::set(int option, int value) {
    return zmq_setsockopt(socket_, option, &value, sizeof value) == 0;
}
bool ZmqSocket::set_wide(int option, std::int64_t value) {
    return zmq_setsockopt(socket_, option, &value, sizeof value) == 0;
}
bool ZmqSocket::set(int option, ByteView value) {
    return zmq_setsockopt(socket_, option, value.data(), value.size()) == 0;
}
bool ZmqSocket::bind(const std::string& address) {
    return zmq_bind(socket_, address.c_str()) == 0;
}
bool ZmqSocket::connect(const std::string& address) {
    return zmq_connect(socket_, address.c_str()) == 0;
}

std::string ZmqSocket::last_endpoint() const {
    char text[256];
    std::size_t size = sizeof text;
    if (zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, text, &size) != 0 || size == 0) return {};
    return std::string(text, size - 1);
}

void ZmqSocket::open(Events events) {
    events_ = std::make_shared<const Events>(std::move(events));
    int fd = -1;
    std::size_t size = sizeof fd;
    asio::error_code error;
    if (zmq_getsockopt(socket_, ZMQ_FD, &fd, &size) == 0) wake_.assign(fd, error);
    assert(fd >= 0 && !error);
    wait();
    look_soon();
}

void ZmqSocket::close() {
    events_ = nullptr;
    later_.cancel();
    if (socket_ == nullptr) return;
    if (wake_.is_open()) wake_.release();  // the descriptor is libzmq's
    if (monitored_) zmq_socket_monitor(socket_, nullptr, 0);
    zmq_close(socket_);
    socket_ = nullptr;
}

bool ZmqSocket::send(std::span<const ByteView> parts) {
    if (socket_ == nullptr) {
        errno = EHOSTUNREACH;
        return false;
    }
    bool sent = true;
    for (std::size_t i = 0; sent && i < parts.size(); ++i) {
        const int more = i + 1 < parts.size() ? ZMQ_SNDMORE : 0;
        sent = zmq_send(socket_, parts[i].data(), parts[i].size(), ZMQ_DONTWAIT | more) >= 0;
        // Room is decided with the first part; a peer that is lost behind it makes libzmq swallow the rest.
        assert(sent || i == 0 || errno == EHOSTUNREACH || errno == EAGAIN);
    }
    const int why = errno;
    // Without room: what is waiting is tried again with each look, and at once would be for ever.
    if (sent)
        look_soon();
    else
        look_later();
    errno = why;
    return sent;
}

std::shared_ptr<ZmqSocket> ZmqSocket::monitor(int events) {
    static std::atomic<unsigned> number{0};
    const auto address = "inproc://kith.monitor." + std::to_string(++number);
    auto monitor = make(loop_, context_, ZMQ_PAIR, 2);
    if (!monitor || zmq_socket_monitor(socket_, address.c_str(), events) != 0) return nullptr;
    monitored_ = true;
    monitor->set(ZMQ_RCVHWM, limits::link_monitor_events);
    return monitor->connect(address) ? monitor : nullptr;
}

void ZmqSocket::drain() {
    look(INT_MAX);
}

void ZmqSocket::wait() {
    wake_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const asio::error_code& error) {
                         if (error || !self->events_) return;
                         self->look(limits::link_burst);
                         // Only now: what came in meanwhile is reported at once, what was handled is not.
                         if (self->events_) self->wait();
                     });
}

// Looks at the state once the current callback has returned: a caller in the middle of something is not
// called back.
void ZmqSocket::look_soon() {
    if (looking_soon_ || !events_) return;
    looking_soon_ = true;
    loop_.defer([self = shared_from_this()] {
        self->looking_soon_ = false;
        self->look(limits::link_burst);
    });
}

void ZmqSocket::look_later() {
    if (later_.armed() || !events_) return;
    later_ = loop_.after(limits::link_full_ms, [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->look(limits::link_burst);
    });
}

void ZmqSocket::look(int burst) {
    auto self = shared_from_this();
    for (; events_ && receive(); --burst) {
        if (burst <= 0) return look_soon();
    }
    auto events = events_;
    if (events && events->on_idle) events->on_idle();
}

// Takes one message and hands it over. False: there is none.
bool ZmqSocket::receive() {
    Parts parts;
    std::size_t count = 0, taken = 0;
    for (int more = 1; more != 0; ++count) {
        ZmqPart part;
        // All parts of a message are there when the first is.
        int size;
        do size = zmq_msg_recv(part.raw(), socket_, ZMQ_DONTWAIT);
        while (size < 0 && errno == EINTR);
        if (size < 0) return false;
        more = zmq_msg_more(part.raw());
        taken += static_cast<std::size_t>(size) + curve_overhead + zmtp_overhead;
        if (parts.size() < max_parts_) parts.push_back(std::move(part));
    }
    wire_bytes_ = taken;
    auto events = events_;
    if (events->on_message) events->on_message(parts, count);
    return true;
}

std::optional<ZmqEvent> read_event(const ZmqSocket::Parts& parts) {
    if (parts.empty() || parts[0].view().size() != 6) return std::nullopt;
    std::uint16_t event;
    std::int32_t value;
    std::memcpy(&event, parts[0].view().data(), 2);
    std::memcpy(&value, parts[0].view().data() + 2, 4);
    return ZmqEvent{event, value};
}

}  // namespace kith::net
