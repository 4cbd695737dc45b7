#include "net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <new>

namespace kith::net {

namespace {

// Records read before the loop turns to others.
constexpr int read_burst = 8;
// A queue that was long gives its memory back.
constexpr std::size_t kept_capacity = 64 * 1024;

Error read_error(const asio::error_code& error) {
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated)
        return {Fault::unreachable, "the other side closed the connection", "try again later"};
    if (error.category() == asio::error::get_ssl_category())
        return {Fault::protocol, "the other side broke TLS: " + error.message(), {}};
    return {Fault::unreachable, "the connection was lost: " + error.message(),
            "try again when the network is back"};
}

Error closed_by_us() {
    return {Fault::cancelled, "the connection was closed", {}};
}

// What a call that did not work means, when it is not "wait": asked right after it.
asio::error_code ssl_error(int kind, int system) {
    if (kind == SSL_ERROR_ZERO_RETURN) return asio::error::eof;
    if (kind == SSL_ERROR_SSL) {
        const auto code = ERR_get_error();
        if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return asio::ssl::error::stream_truncated;
        return {static_cast<int>(code), asio::error::get_ssl_category()};
    }
    if (system != 0) return {system, asio::error::get_system_category()};
    return asio::ssl::error::stream_truncated;
}

// OpenSSL's own BIO for sockets raises SIGPIPE when the other side is gone, which would end whoever uses
// libkith.
int socket_of(BIO* bio) {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

int result_of(BIO* bio, ssize_t size, int retry) {
    BIO_clear_retry_flags(bio);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_flags(bio, retry);
    return static_cast<int>(size);
}

int bio_write(BIO* bio, const char* data, int size) {
#if defined(MSG_NOSIGNAL)
    constexpr int flags = MSG_NOSIGNAL;
#else
    constexpr int flags = 0;
#endif
    return result_of(bio, ::send(socket_of(bio), data, static_cast<std::size_t>(size), flags),
                     BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
}

int bio_read(BIO* bio, char* data, int size) {
    const auto got = ::recv(socket_of(bio), data, static_cast<std::size_t>(size), 0);
    if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return result_of(bio, got, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
}

long bio_control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_PUSH || command == BIO_CTRL_POP;
}

BIO* socket_bio(int socket) {
    static BIO_METHOD* const method = [] {
        auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "socket");
        if (made != nullptr) {
            BIO_meth_set_write(made, bio_write);
            BIO_meth_set_read(made, bio_read);
            BIO_meth_set_ctrl(made, bio_control);
        }
        return made;
    }();
    BIO* bio = method != nullptr ? BIO_new(method) : nullptr;
    if (bio == nullptr) throw std::bad_alloc();
#if defined(SO_NOSIGPIPE)
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
    BIO_set_init(bio, 1);
    return bio;
}

struct Done {
    int result = 0;
    int kind = SSL_ERROR_NONE;
    asio::error_code error;
};

template <class Call>
Done run(SSL* ssl, Call call) {
    ERR_clear_error();
    errno = 0;
    Done done;
    done.result = call();
    const int system = errno;
    if (done.result > 0) return done;
    done.kind = SSL_get_error(ssl, done.result);
    if (done.kind != SSL_ERROR_WANT_READ && done.kind != SSL_ERROR_WANT_WRITE)
        done.error = ssl_error(done.kind, system);
    return done;
}

}  // namespace

std::shared_ptr<asio::ssl::context> make_context(TlsStream::Role role) {
    const bool server = role == TlsStream::Role::server;
    auto context = std::make_shared<asio::ssl::context>(server ? asio::ssl::context::tls_server
                                                               : asio::ssl::context::tls_client);
    auto* native = context->native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Connections live long: resuming saves nothing, and tickets would be written to clients already gone.
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(native, 0);
    return context;
}

TlsStream::TlsStream(Loop& loop, std::shared_ptr<asio::ssl::context> context, asio::ip::tcp::socket socket,
                     Events events)
    : loop_(loop),
      context_(std::move(context)),
      socket_(std::move(socket)),
      ssl_(SSL_new(context_->native_handle())),
      events_(std::make_shared<const Events>(std::move(events))) {
    if (!ssl_) throw std::bad_alloc();
    asio::error_code ignored;
    socket_.native_non_blocking(true, ignored);
    BIO* bio = socket_bio(socket_.native_handle());
    SSL_set_bio(ssl_.get(), bio, bio);
}

void TlsStream::await(Wait what, void (TlsStream::*next)()) {
    socket_.async_wait(what, [self = shared_from_this(), next](const asio::error_code&) {
        // What is wrong with the socket, the next call finds.
        if (self->events_) (self.get()->*next)();
    });
}

void TlsStream::handshake(Role role, std::int64_t timeout_ms,
                          std::function<void(const asio::error_code&)> done) {
    on_handshake_ = std::move(done);
    if (role == Role::server)
        SSL_set_accept_state(ssl_.get());
    else
        SSL_set_connect_state(ssl_.get());
    handshake_timer_ =
        loop_.after(timeout_ms, [self = shared_from_this()] { self->shaken(asio::error::timed_out); });
    loop_.defer([self = shared_from_this()] { self->shake(); });
}

void TlsStream::shake() {
    if (!on_handshake_ || !events_) return;
    const auto done = run(ssl_.get(), [&] { return SSL_do_handshake(ssl_.get()); });
    if (done.result > 0) return shaken({});
    if (done.error) return shaken(done.error);
    await(done.kind == SSL_ERROR_WANT_READ ? Wait::wait_read : Wait::wait_write, &TlsStream::shake);
}

void TlsStream::shaken(const asio::error_code& error) {
    if (!on_handshake_) return;
    handshake_timer_.cancel();
    auto call = std::move(on_handshake_);
    on_handshake_ = nullptr;
    call(error);
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
    if (sent_ > kept_capacity && sent_ > pending_.size() / 2) {
        pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(sent_));
        sent_ = 0;
    }
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
    close_timer_ =
        loop_.after(limits::close_ms, [self = shared_from_this()] { self->finish(closed_by_us()); });
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
    if (SSL_has_pending(ssl_.get()))  // of which the socket does not tell
        loop_.defer([self = shared_from_this()] { self->on_readable(); });
    else
        await(Wait::wait_read, &TlsStream::on_readable);
}

void TlsStream::on_readable() {
    reading_ = false;
    std::array<std::uint8_t, limits::tls_read_bytes> buffer;
    for (int burst = 0; burst < read_burst; ++burst) {
        auto events = events_;
        if (!events || (paused_ && !closing_)) return;
        const auto done = run(
            ssl_.get(), [&] { return SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size())); });
        if (done.error) return finish(closing_ ? closed_by_us() : read_error(done.error));
        if (done.result <= 0) {
            reading_ = true;
            return await(done.kind == SSL_ERROR_WANT_WRITE ? Wait::wait_write : Wait::wait_read,
                         &TlsStream::on_readable);
        }
        const auto size = static_cast<std::size_t>(done.result);
        if (!closing_ && events->on_data) events->on_data(ByteView(buffer.data(), size));
        // Most likely that was all, and to ask for more would cost a call for nothing.
        if (size < buffer.size() && !SSL_has_pending(ssl_.get())) break;
    }
    read();
}

void TlsStream::send() {
    if (!open_ || !events_ || sending_ || queued() == 0) return;
    while (queued() > 0) {
        const auto size = std::min<std::size_t>(queued(), 1u << 30);
        const auto done = run(ssl_.get(), [&] {
            return SSL_write(ssl_.get(), pending_.data() + sent_, static_cast<int>(size));
        });
        if (done.error) return finish_later(read_error(done.error));
        if (done.result <= 0) {
            sending_ = true;
            return await(done.kind == SSL_ERROR_WANT_READ ? Wait::wait_read : Wait::wait_write,
                         &TlsStream::on_writable);
        }
        sent_ += static_cast<std::size_t>(done.result);
    }
    if (pending_.capacity() > kept_capacity)
        pending_ = {};
    else
        pending_.clear();
    sent_ = 0;
    if (drain_due_) return;
    drain_due_ = true;
    loop_.defer([self = shared_from_this()] {
        self->drain_due_ = false;
        auto events = self->events_;
        if (!events || self->queued() > 0) return;
        if (self->closing_) return self->say_goodbye();
        if (events->on_drained) events->on_drained();
    });
}

void TlsStream::on_writable() {
    sending_ = false;
    send();
}

void TlsStream::say_goodbye() {
    if (queued() > 0 || said_goodbye_) return;
    const auto done = run(ssl_.get(), [&] { return SSL_shutdown(ssl_.get()); });
    // 0: ours is sent. The end is when the other side's comes, or it closes, which reading finds.
    if (done.result < 0 && done.kind == SSL_ERROR_WANT_WRITE)
        return await(Wait::wait_write, &TlsStream::say_goodbye);
    said_goodbye_ = true;
    if (done.result != 0) finish_later(closed_by_us());
}

void TlsStream::finish(Error why) {
    if (!events_) return;
    auto events = std::move(events_);
    events_ = nullptr;
    end_socket();
    if (events->on_closed) events->on_closed(why);
}

void TlsStream::finish_later(Error why) {
    loop_.defer([self = shared_from_this(), why = std::move(why)] { self->finish(why); });
}

void TlsStream::end_socket() {
    handshake_timer_.cancel();
    close_timer_.cancel();
    asio::error_code ignored;
    socket_.close(ignored);
}

}  // namespace kith::net
