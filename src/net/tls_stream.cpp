#include "net/tls_stream.h"

namespace kith::net {

namespace {

Error read_error(const asio::error_code& error) {
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated)
        return {Fault::unreachable, "the other side closed the connection", "try again later"};
    if (error.category() == asio::error::get_ssl_category())
        return {Fault::protocol, "the other side broke TLS: " + error.message(), {}};
    return {Fault::unreachable, "the connection was lost: " + error.message(),
            "try again when the network is back"};
}

}  // namespace

std::shared_ptr<asio::ssl::context> make_context(TlsStream::Role role) {
    const bool server = role == TlsStream::Role::server;
    auto context = std::make_shared<asio::ssl::context>(server ? asio::ssl::context::tls_server
                                                               : asio::ssl::context::tls_client);
    auto* native = context->native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
    // Connections live long: resuming saves nothing, and tickets would be written to clients already gone.
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(native, 0);
    return context;
}

TlsStream::TlsStream(Loop& loop, std::shared_ptr<asio::ssl::context> context, asio::ip::tcp::socket socket,
                     Events events)
    : loop_(loop),
      context_(std::move(context)),
      stream_(std::move(socket), *context_),
      events_(std::make_shared<const Events>(std::move(events))) {}

void TlsStream::handshake(Role role, std::int64_t timeout_ms,
                          std::function<void(const asio::error_code&)> done) {
    on_handshake_ = std::move(done);
    auto self = shared_from_this();
    auto report = [self](const asio::error_code& error) {
        if (!self->on_handshake_) return;
        self->handshake_timer_.cancel();
        auto call = std::move(self->on_handshake_);
        self->on_handshake_ = nullptr;
        call(error);
    };
    handshake_timer_ = loop_.after(timeout_ms, [report] { report(asio::error::timed_out); });
    stream_.async_handshake(role, report);
}

void TlsStream::open() {
    if (!events_) return;
    open_ = true;
    read();
    send();
    if (closing_) say_goodbye();
}

bool TlsStream::write(Bytes bytes) {
    if (!events_ || closing_ || queued() >= limits::tls_queue_bytes) return false;
    if (pending_.empty())
        pending_ = std::move(bytes);
    else
        append(pending_, bytes);
    send();
    return true;
}

void TlsStream::pause(bool paused) {
    paused_ = paused;
    read();
}

void TlsStream::close() {
    if (!events_ || closing_) return;
    closing_ = true;
    // Longer than this nobody waits for a peer that does not read.
    close_timer_ = loop_.after(limits::close_ms, [self = shared_from_this()] {
        self->finish({Fault::cancelled, "the connection was closed", {}});
    });
    if (!open_) return;
    read();  // even when paused: data left unread would turn our last words into a reset
    say_goodbye();
}

void TlsStream::drop() {
    events_ = nullptr;
    auto callback = std::move(on_handshake_);
    on_handshake_ = nullptr;
    end_socket();
}

void TlsStream::read() {
    if (!open_ || !events_ || reading_ || (paused_ && !closing_)) return;
    reading_ = true;
    stream_.async_read_some(
        asio::buffer(buffer_), [self = shared_from_this()](const asio::error_code& error, std::size_t size) {
            self->reading_ = false;
            auto events = self->events_;
            if (!events) return;
            if (error) {
                return self->finish(self->closing_ ? Error{Fault::cancelled, "the connection was closed", {}}
                                                   : read_error(error));
            }
            if (!self->closing_ && events->on_data) events->on_data(ByteView(self->buffer_.data(), size));
            self->read();
        });
}

void TlsStream::send() {
    if (!open_ || !events_ || !sending_.empty() || pending_.empty()) return;
    sending_.swap(pending_);
    asio::async_write(stream_, asio::buffer(sending_),
                      [self = shared_from_this()](const asio::error_code& error, std::size_t) {
                          self->sending_.clear();
                          auto events = self->events_;
                          if (!events) return;
                          if (error) return self->finish(read_error(error));
                          if (!self->pending_.empty()) return self->send();
                          if (self->closing_) return self->say_goodbye();
                          if (events->on_drained) events->on_drained();
                      });
}

void TlsStream::say_goodbye() {
    if (queued() > 0 || said_goodbye_) return;
    said_goodbye_ = true;
    stream_.async_shutdown([self = shared_from_this()](const asio::error_code&) {
        self->finish({Fault::cancelled, "the connection was closed", {}});
    });
}

void TlsStream::finish(Error why) {
    if (!events_) return;
    auto events = std::move(events_);
    events_ = nullptr;
    end_socket();
    if (events->on_closed) events->on_closed(why);
}

void TlsStream::end_socket() {
    handshake_timer_.cancel();
    close_timer_.cancel();
    asio::error_code ignored;
    stream_.next_layer().close(ignored);
}

}  // namespace kith::net
