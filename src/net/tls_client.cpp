#include <openssl/x509v3.h>

#include "net/connector.h"
#include "net/tls.h"
#include "net/tls_pin.h"
#include "net/tls_stream.h"

namespace kith::net {

struct TlsClient::State : std::enable_shared_from_this<TlsClient::State> {
    State(Loop& on, TlsConnect target, Events handlers)
        : loop(on),
          to(std::move(target)),
          where(host_port(to.host, to.port)),
          deadline_ms(on.now().mono_ms + to.timeout_ms),
          events(std::make_shared<const Events>(std::move(handlers))) {}

    void start();
    void connected(asio::ip::tcp::socket socket);
    Result<> prepare_trust(SSL* ssl);
    void shaken(const asio::error_code& error);
    Result<Pin> check_server();
    void finish(const Error& why);
    void drop();

    Loop& loop;
    TlsConnect to;
    std::string where;
    std::int64_t deadline_ms;
    // Shared with a callback that is running: it may destroy the client.
    std::shared_ptr<const Events> events;
    std::shared_ptr<Connector> connector;
    std::shared_ptr<TlsStream> stream;
    std::shared_ptr<asio::ssl::context> context;
    Bytes early;  // written before there was a stream
    bool paused = false;
    Timer closing;
};

TlsClient::TlsClient(Loop& loop, TlsConnect to, Events events)
    : state_(std::make_shared<State>(loop, std::move(to), std::move(events))) {
    state_->start();
}

TlsClient::~TlsClient() {
    state_->drop();
}

bool TlsClient::write(Bytes bytes) {
    if (!state_->events || state_->closing.armed()) return false;
    if (state_->stream) return state_->stream->write(std::move(bytes));
    if (state_->early.size() >= limits::tls_queue_bytes) return false;
    append(state_->early, bytes);
    return true;
}

std::size_t TlsClient::queued() const {
    return state_->early.size() + (state_->stream ? state_->stream->queued() : 0);
}

void TlsClient::pause(bool paused) {
    state_->paused = paused;
    if (state_->stream) state_->stream->pause(paused);
}

void TlsClient::close() {
    auto& state = *state_;
    if (!state.events) return;
    if (state.stream) return state.stream->close();
    if (state.closing.armed()) return;
    state.closing = state.loop.after(state.early.empty() ? 0 : limits::close_ms, [self = state_] {
        self->finish({Fault::cancelled, "the connection to " + self->where + " was closed", {}});
    });
}

void TlsClient::State::start() {
    connector = Connector::start(loop, to.host, to.port, to.timeout_ms,
                                 [self = shared_from_this()](Reach how, asio::ip::tcp::socket socket) {
                                     self->connector = nullptr;
                                     if (how != Reach::ok) return self->finish(reach_error(how, self->where));
                                     self->connected(std::move(socket));
                                 });
}

void TlsClient::State::connected(asio::ip::tcp::socket socket) {
    context = make_context(TlsStream::Role::client);
    TlsStream::Events calls;
    calls.on_data = [self = shared_from_this()](ByteView bytes) {
        auto use = self->events;
        if (use && use->on_data) use->on_data(bytes);
    };
    calls.on_drained = [self = shared_from_this()] {
        auto use = self->events;
        if (use && use->on_drained) use->on_drained();
    };
    calls.on_closed = [self = shared_from_this()](const Error& why) { self->finish(why); };
    stream = std::make_shared<TlsStream>(loop, context, std::move(socket), std::move(calls));
    stream->pause(paused);
    if (auto ready = prepare_trust(stream->ssl()); !ready) return finish(ready.error());
    if (!early.empty()) stream->write(std::move(early));
    early.clear();
    if (closing.armed()) stream->close();
    stream->handshake(TlsStream::Role::client, deadline_ms - loop.now().mono_ms,
                      [self = shared_from_this()](const asio::error_code& error) { self->shaken(error); });
}

Result<> TlsClient::State::prepare_trust(SSL* ssl) {
    asio::error_code error;
    asio::ip::make_address(to.host, error);
    const bool is_name = bool(error);
    // The extension is for names only (RFC 6066, section 3).
    if (is_name) SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, to.host.data());
    if (to.trust == TlsConnect::Trust::pinned) {
        // The handshake proves that the server holds the key; whether it is the right one is checked after
        // it.
        SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
        return {};
    }
    if (to.authorities_file.empty())
        context->set_default_verify_paths(error);
    else
        context->load_verify_file(to.authorities_file, error);
    if (error)
        return fail(Fault::unavailable, "cannot read the list of certificate authorities: " + error.message(),
                    "install the system's ca-certificates");
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const bool set = is_name ? SSL_set1_host(ssl, to.host.c_str()) == 1
                             : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), to.host.c_str()) == 1;
    if (!set)
        return fail(Fault::invalid, "\"" + to.host + "\" is not the name of a host", "check the address");
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    return {};
}

void TlsClient::State::shaken(const asio::error_code& error) {
    if (!events) return;
    if (error) {
        const long verdict = SSL_get_verify_result(stream->ssl());
        if (to.trust == TlsConnect::Trust::authorities && verdict != X509_V_OK) {
            return finish(
                {Fault::refused,
                 "the certificate of " + where + " is not valid: " + X509_verify_cert_error_string(verdict),
                 "check the address; a service that certifies itself is written =" + where});
        }
        if (error == asio::error::timed_out)
            return finish(
                {Fault::timed_out, where + " did not finish the TLS handshake in time", "try again later"});
        if (error.category() == asio::error::get_ssl_category() &&
            error != asio::ssl::error::stream_truncated)
            return finish({Fault::protocol, where + " does not speak TLS as we do: " + error.message(),
                           "check the address and the port"});
        return finish(
            {Fault::unreachable, where + " closed the connection in the TLS handshake", "try again later"});
    }
    auto pin = check_server();
    if (!pin) return finish(pin.error());
    auto use = events;
    auto keep = stream;
    if (use->on_connected) use->on_connected(*pin);
    keep->open();  // does nothing if the callback closed us
}

Result<Pin> TlsClient::State::check_server() {
    X509* certificate = SSL_get0_peer_certificate(stream->ssl());
    auto pin = certificate != nullptr ? pin_of(certificate) : std::nullopt;
    if (!pin) return fail(Fault::refused, where + " showed no certificate", "check the address");
    if (to.trust == TlsConnect::Trust::pinned && to.pin && *to.pin != *pin) {
        return fail(Fault::refused,
                    where + " has another key than is expected: " + to.pin->hex() + " is, " + pin->hex() +
                        " was found",
                    "ask whoever runs the service which is right; if not the one that was found, somebody is "
                    "in between");
    }
    return *pin;
}

void TlsClient::State::finish(const Error& why) {
    auto use = events;
    drop();
    if (use && use->on_closed) use->on_closed(why);
}

void TlsClient::State::drop() {
    events = nullptr;
    closing.cancel();
    if (connector) connector->cancel();
    connector = nullptr;
    if (stream) stream->drop();
    stream = nullptr;
    early.clear();
}

}  // namespace kith::net
