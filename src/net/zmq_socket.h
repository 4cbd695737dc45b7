// A ZeroMQ socket on the loop.
//
// libzmq's ZMQ_FD is edge triggered: it becomes readable when the socket's state *may* have changed, and once
// any call has looked at the state (a send, too) it does not say so again. So after every wake and after
// every call the state must be read and everything handled. That happens here and nowhere else.
#pragma once

#include <zmq.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "net/inner.h"

namespace kith::net {

// libzmq's context, ended when the last socket and the last owner are gone.
class ZmqContext {
  public:
    ZmqContext();
    ZmqContext(const ZmqContext&) = delete;
    ZmqContext& operator=(const ZmqContext&) = delete;
    ~ZmqContext();
    void* get() { return context_; }

  private:
    void* context_;
};

// One part of a message. Moves libzmq's buffer; copies only where the caller does.
class ZmqPart {
  public:
    ZmqPart() { zmq_msg_init(&part_); }
    ZmqPart(ZmqPart&& other) noexcept : ZmqPart() { zmq_msg_move(&part_, &other.part_); }
    ZmqPart& operator=(ZmqPart&& other) noexcept {
        zmq_msg_move(&part_, &other.part_);
        return *this;
    }
    ~ZmqPart() { zmq_msg_close(&part_); }
    ByteView view() const {
        // libzmq's accessors take the part as not const, and do not change it.
        auto* part = const_cast<zmq_msg_t*>(&part_);
        return {static_cast<const std::uint8_t*>(zmq_msg_data(part)), zmq_msg_size(part)};
    }
    std::string_view text() const { return as_text(view()); }
    zmq_msg_t* raw() { return &part_; }

  private:
    zmq_msg_t part_;
};

// What CURVE puts around a part, and libzmq's limit counts: command name (8), nonce (8), box (16), flags (1).
inline constexpr std::size_t curve_overhead = 33;
// What ZMTP puts before that: flags (1), length (8).
inline constexpr std::size_t zmtp_overhead = 9;

class ZmqSocket : public std::enable_shared_from_this<ZmqSocket> {
  public:
    using Parts = std::vector<ZmqPart>;
    struct Events {
        // Parts beyond `max_parts` are thrown away unread, and counted in `count`.
        std::function<void(Parts& parts, std::size_t count)> on_message;
        // All that was there has been handled; there may be room to send.
        std::function<void()> on_idle;
    };
    // Nothing when libzmq is out of sockets. Options are set before `open`.
    static std::shared_ptr<ZmqSocket> make(Loop& loop, std::shared_ptr<ZmqContext> context, int type,
                                           std::size_t max_parts);
    ~ZmqSocket();

    bool set(int option, int value);
    bool set_wide(int option, std::int64_t value);  // for the options that are 64 bits wide
    bool set(int option, ByteView value);
    bool set(int option, std::string_view value) { return set(option, as_bytes(value)); }
    // These return false with errno as libzmq set it.
    bool bind(const std::string& address);
    bool connect(const std::string& address);
    // The address bound last, with the port that libzmq chose.
    std::string last_endpoint() const;
    // Starts to call back.
    void open(Events events);
    // The end, now, without a callback.
    void close();

    // Sends one message or nothing of it. False with errno: EAGAIN no room, EHOSTUNREACH no such peer.
    bool send(std::span<const ByteView> parts);
    // A socket that reports the connections of this one; `events` of ZMQ_EVENT_. Before bind and connect.
    std::shared_ptr<ZmqSocket> monitor(int events);
    // Handles now what has come in: for a socket whose news must be known before that of another.
    void drain();
    // What the message that is being handed over took on a CURVE link, parts thrown away included.
    std::size_t wire_bytes() const { return wire_bytes_; }

  private:
    ZmqSocket(Loop& loop, std::shared_ptr<ZmqContext> context, void* socket, std::size_t max_parts);
    void wait();
    void look_soon();
    void look_later();
    void look(int burst);
    bool receive();

    Loop& loop_;
    std::shared_ptr<ZmqContext> context_;
    void* socket_;
    std::size_t max_parts_;
    asio::posix::stream_descriptor wake_;
    // Shared with a callback that is running: it may close us.
    std::shared_ptr<const Events> events_;
    bool looking_soon_ = false;
    Timer later_;
    bool monitored_ = false;
    std::size_t wire_bytes_ = 0;
};

// One message of a monitor.
struct ZmqEvent {
    int event = 0;
    int value = 0;
};
std::optional<ZmqEvent> read_event(const ZmqSocket::Parts& parts);

}  // namespace kith::net
