// Lines over one connected local socket: reading, a bounded queue of what is to be sent, and the end. Shared
// by LocalServer and LocalClient.
#pragma once

#include <memory>

#include "base/limits.h"
#include "net/inner.h"
#include "net/local_socket.h"

namespace kith::net {

class LineStream : public std::enable_shared_from_this<LineStream> {
  public:
    using Socket = asio::local::stream_protocol::socket;
    struct Events {
        std::function<void(std::string_view)> on_line;
        std::function<void()> on_drained;
        std::function<void(const Error&)> on_closed;  // once; nothing follows
    };
    LineStream(Loop& loop, Socket socket, std::size_t max_in, std::size_t max_out, Events events);

    void open();
    bool send(std::string_view line);
    std::size_t queued() const { return pending_.size() + sending_.size(); }
    // After what is queued is sent.
    void close();
    // The end, now, without a callback.
    void drop();

  private:
    void read();
    void take(ByteView bytes);
    void flush();
    void close_when_stuck(std::int64_t wait_ms, int idle);
    void finish(Error why);

    Loop& loop_;
    Socket socket_;
    LineSplitter lines_;
    std::size_t max_out_;
    // Shared with a callback that is running: it may drop us.
    std::shared_ptr<const Events> events_;
    std::string pending_, sending_;
    std::array<std::uint8_t, 16 * 1024> buffer_;
    std::uint64_t taken_ = 0;  // how often the system took some of it
    Timer close_timer_;
    bool closing_ = false;
};

}  // namespace kith::net
