// One TLS connection over a connected socket, client or server: handshake, reading, a queue of what is to be
// sent, and the end. Shared by TlsClient and TlsServer.
#pragma once

#include <asio/ssl.hpp>
#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "net/inner.h"

namespace kith::net {

class TlsStream : public std::enable_shared_from_this<TlsStream> {
  public:
    using Role = asio::ssl::stream_base::handshake_type;
    struct Events {
        std::function<void(ByteView)> on_data;
        std::function<void()> on_drained;
        std::function<void(const Error&)> on_closed;  // once; nothing follows
    };
    TlsStream(Loop& loop, std::shared_ptr<asio::ssl::context> context, asio::ip::tcp::socket socket,
              Events events);

    SSL* ssl() { return stream_.native_handle(); }
    asio::ip::tcp::socket& socket() { return stream_.next_layer(); }
    // Nothing else of Events is called before `done`. Not called after `drop`.
    void handshake(Role role, std::int64_t timeout_ms, std::function<void(const asio::error_code&)> done);
    // After the handshake: starts to read, and to send what was written so far.
    void open();

    bool write(Bytes bytes);
    std::size_t queued() const { return pending_.size() + sending_.size(); }
    void pause(bool paused);
    void close();
    // The end, now, without a callback.
    void drop();

  private:
    void read();
    void send();
    void say_goodbye();
    void finish(Error why);
    void end_socket();

    Loop& loop_;
    std::shared_ptr<asio::ssl::context> context_;
    asio::ssl::stream<asio::ip::tcp::socket> stream_;
    // Shared with a callback that is running: it may drop us.
    std::shared_ptr<const Events> events_;
    std::function<void(const asio::error_code&)> on_handshake_;
    Timer handshake_timer_, close_timer_;
    Bytes pending_, sending_;
    std::array<std::uint8_t, limits::tls_read_bytes> buffer_;
    bool open_ = false;
    bool reading_ = false;
    bool paused_ = false;
    bool closing_ = false;
    bool said_goodbye_ = false;
};

// A context for TLS 1.2 or later, without what only serves old peers.
std::shared_ptr<asio::ssl::context> make_context(TlsStream::Role role);

}  // namespace kith::net
