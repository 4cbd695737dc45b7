#include <map>

#include "net/connector.h"
#include "net/tls.h"
#include "net/tls_stream.h"

namespace kith::net {

using asio::ip::tcp;

struct TlsServer::State : std::enable_shared_from_this<TlsServer::State> {
    struct Session {
        std::shared_ptr<TlsStream> stream;
        std::string peer;
        bool open = false;
    };

    State(Loop& on, Events handlers)
        : loop(on),
          acceptor(on.inner().context),
          events(std::make_shared<const Events>(std::move(handlers))) {}

    Result<> bind(const std::string& host, std::uint16_t port);
    Result<> use(const TlsIdentity& identity);
    void accept();
    void begin(tcp::socket socket);
    void shaken(TlsSession id, const asio::error_code& error);
    void closed(TlsSession id, const Error& why);
    void drop();
    TlsStream* stream(TlsSession id) const {
        auto found = sessions.find(id);
        return found == sessions.end() ? nullptr : found->second.stream.get();
    }

    Loop& loop;
    tcp::acceptor acceptor;
    // Shared with a callback that is running: it may destroy the server.
    std::shared_ptr<const Events> events;
    std::shared_ptr<asio::ssl::context> context = make_context(TlsStream::Role::server);
    Pin pin;
    std::map<TlsSession, Session> sessions;
    std::uint64_t last_session = 0;
    Timer retry;
};

Result<std::unique_ptr<TlsServer>> TlsServer::listen(Loop& loop, const TlsIdentity& identity,
                                                     const std::string& host, std::uint16_t port,
                                                     Events events) {
    auto state = std::make_shared<State>(loop, std::move(events));
    KITH_TRY(state->use(identity));
    KITH_TRY(state->bind(host, port));
    state->accept();
    return std::unique_ptr<TlsServer>(new TlsServer(std::move(state)));
}

TlsServer::TlsServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
TlsServer::~TlsServer() {
    state_->drop();
}

std::uint16_t TlsServer::port() const {
    asio::error_code error;
    return state_->acceptor.local_endpoint(error).port();
}
const Pin& TlsServer::pin() const {
    return state_->pin;
}

bool TlsServer::write(TlsSession session, Bytes bytes) {
    auto* stream = state_->stream(session);
    return stream != nullptr && stream->write(std::move(bytes));
}
std::size_t TlsServer::queued(TlsSession session) const {
    auto* stream = state_->stream(session);
    return stream != nullptr ? stream->queued() : 0;
}
void TlsServer::pause(TlsSession session, bool paused) {
    if (auto* stream = state_->stream(session)) stream->pause(paused);
}
void TlsServer::close(TlsSession session) {
    if (auto* stream = state_->stream(session)) stream->close();
}
std::string TlsServer::peer(TlsSession session) const {
    auto found = state_->sessions.find(session);
    return found == state_->sessions.end() ? std::string() : found->second.peer;
}

Result<> TlsServer::State::use(const TlsIdentity& identity) {
    KITH_TRY_VALUE(found, pin_of(identity));
    pin = found;
    asio::error_code bad_certificate, bad_key;
    context->use_certificate_chain(asio::buffer(identity.certificate), bad_certificate);
    context->use_private_key(asio::buffer(identity.key.view().data(), identity.key.size()),
                             asio::ssl::context::pem, bad_key);
    if (bad_certificate || bad_key || SSL_CTX_check_private_key(context->native_handle()) != 1)
        return fail(Fault::corrupt, "the TLS certificate and key do not go together",
                    "restore them, or make new ones");
    return {};
}

Result<> TlsServer::State::bind(const std::string& host, std::uint16_t port) {
    const auto where = host_port(host, port);
    asio::error_code error;
    tcp::resolver resolver(loop.inner().context);
    auto found = resolver.resolve(host, std::to_string(port),
                                  tcp::resolver::passive | tcp::resolver::numeric_service, error);
    if (error || found.empty())
        return fail(Fault::invalid, "cannot listen on " + where + ": the name has no address",
                    "check the address");
    const auto endpoint = found.begin()->endpoint();
    acceptor.open(endpoint.protocol(), error);
    asio::error_code ignored;
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), ignored);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
        return fail(error == asio::error::address_in_use ? Fault::refused : Fault::io,
                    "cannot listen on " + where + ": " + error.message(),
                    "choose another address or port (0: any free port)");
    }
    return {};
}

void TlsServer::State::accept() {
    acceptor.async_accept([self = shared_from_this()](const asio::error_code& error, tcp::socket socket) {
        if (!self->events) return;
        if (error) {
            self->retry = self->loop.after(limits::accept_retry_ms, [self] { self->accept(); });
            return;
        }
        // Above the limit the socket is closed right here.
        if (self->sessions.size() < limits::tls_sessions) self->begin(std::move(socket));
        self->accept();
    });
}

void TlsServer::State::begin(tcp::socket socket) {
    const auto id = TlsSession{++last_session};
    asio::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    Session session;
    const auto peer = socket.remote_endpoint(ignored);
    session.peer = host_port(peer.address().to_string(), peer.port());

    TlsStream::Events calls;
    auto self = shared_from_this();
    calls.on_data = [self, id](ByteView bytes) {
        auto handlers = self->events;
        if (handlers && handlers->on_data) handlers->on_data(id, bytes);
    };
    calls.on_drained = [self, id] {
        auto handlers = self->events;
        if (handlers && handlers->on_drained) handlers->on_drained(id);
    };
    calls.on_closed = [self, id](const Error& why) { self->closed(id, why); };
    auto stream = std::make_shared<TlsStream>(loop, context, std::move(socket), std::move(calls));
    session.stream = stream;
    sessions.emplace(id, std::move(session));
    stream->handshake(TlsStream::Role::server, limits::tls_handshake_ms,
                      [self, id](const asio::error_code& error) { self->shaken(id, error); });
}

void TlsServer::State::shaken(TlsSession id, const asio::error_code& error) {
    auto found = sessions.find(id);
    if (!events || found == sessions.end()) return;
    auto stream = found->second.stream;
    if (error) {
        stream->drop();
        sessions.erase(found);
        return;
    }
    found->second.open = true;
    auto handlers = events;
    if (handlers->on_open) handlers->on_open(id);
    stream->open();  // does nothing if the callback destroyed us
}

void TlsServer::State::closed(TlsSession id, const Error& why) {
    auto found = sessions.find(id);
    if (found == sessions.end()) return;
    const bool was_open = found->second.open;
    sessions.erase(found);
    auto handlers = events;
    if (was_open && handlers && handlers->on_closed) handlers->on_closed(id, why);
}

void TlsServer::State::drop() {
    events = nullptr;
    asio::error_code ignored;
    acceptor.close(ignored);
    retry.cancel();
    for (auto& [id, session] : sessions) session.stream->drop();
    sessions.clear();
}

}  // namespace kith::net
