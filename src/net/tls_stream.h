// One TLS connection over a connected socket, client or server: handshake, reading, a queue of what is to be
// sent, and the end. Shared by TlsClient and TlsServer.
//
// OpenSSL reads and writes the socket itself, and Asio only tells when it may: a server's thousand idle
// connections then hold no buffers, and each message costs one copy less than through asio::ssl::stream.
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
    enum class Role { client, server };
    struct Events {
        std::function<void(ByteView)> on_data;
        std::function<void()> on_drained;
        std::function<void(const Error&)> on_closed;  // once; nothing follows
    };
    TlsStream(Loop& loop, std::shared_ptr<asio::ssl::context> context, asio::ip::tcp::socket socket,
              Events events);

    SSL* ssl() { return ssl_.get(); }
    asio::ip::tcp::socket& socket() { return socket_; }
    // Nothing else of Events is called before `done`. Not called after `drop`.
    void handshake(Role role, std::int64_t timeout_ms, std::function<void(const asio::error_code&)> done);
    // After the handshake: starts to read, and to send what was written so far.
    void open();

    bool write(Bytes bytes);
    std::size_t queued() const { return pending_.size() - sent_; }
    void pause(bool paused);
    void close();
    // The end, now, without a callback.
    void drop();

  private:
    using Wait = asio::ip::tcp::socket::wait_type;
    void shake();
    void shaken(const asio::error_code& error);
    void read();
    void on_readable();
    void send();
    void on_writable();
    void say_goodbye();
    // Calls `next` when the socket can be read or written.
    void await(Wait what, void (TlsStream::*next)());
    void finish(Error why);
    void finish_later(Error why);
    void end_socket();

    struct Free {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };
    Loop& loop_;
    std::shared_ptr<asio::ssl::context> context_;
    asio::ip::tcp::socket socket_;
    std::unique_ptr<SSL, Free> ssl_;
    // Shared with a callback that is running: it may drop us.
    std::shared_ptr<const Events> events_;
    std::function<void(const asio::error_code&)> on_handshake_;
    Timer handshake_timer_, close_timer_;
    Bytes pending_;  // written, the first `sent_` bytes of it gone
    std::size_t sent_ = 0;
    bool open_ = false;
    bool reading_ = false;  // it is waited for, or about to be done
    bool sending_ = false;
    bool drain_due_ = false;
    bool paused_ = false;
    bool closing_ = false;
    bool said_goodbye_ = false;
};

// A context for TLS 1.2 or later, without what only serves old peers.
std::shared_ptr<asio::ssl::context> make_context(TlsStream::Role role);

}  // namespace kith::net
