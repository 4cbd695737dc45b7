#include <map>

#include "net/connector.h"
#include "net/limits.h"
#include "net/tcp_probe.h"
#include "net/tls.h"
#include "net/tls_stream.h"

namespace kith::net {

using asio::ip::tcp;

struct TlsServer::State : std::enable_shared_from_this<TlsServer::State> {
    struct Session {
        std::shared_ptr<TlsStream> stream;
        std::string peer, source;
        bool open = false;
        std::int64_t probed_ms = 0;
        Timer probe;
    };

    State(Loop& on, Events handlers, Settings with)
        : loop(on),
          acceptor(on.inner().context),
          events(std::make_shared<const Events>(std::move(handlers))),
          settings(std::move(with)) {}

    Result<> bind(const std::string& host, std::uint16_t port);
    Result<> use(const TlsIdentity& identity);
    void accept();
    void begin(tcp::socket socket);
    void shaken(TlsSession id, const asio::error_code& error);
    void closed(TlsSession id, const Error& why);
    void look(TlsSession id);
    void left(const Session& session);
    void drop();
    TlsStream* stream(TlsSession id) const {
        auto found = sessions.find(id);
        return found == sessions.end() ? nullptr : found->second.stream.get();
    }

    Loop& loop;
    tcp::acceptor acceptor;
    // Shared with a callback that is running: it may destroy the server.
    std::shared_ptr<const Events> events;
    Settings settings;
    std::shared_ptr<asio::ssl::context> context;
    Pin pin;
    std::map<TlsSession, Session> sessions;
    std::map<std::string, std::size_t> handshakes;  // by source
    std::uint64_t last_session = 0;
    Timer retry;
};

Result<std::unique_ptr<TlsServer>> TlsServer::listen(Loop& loop, const TlsIdentity& identity,
                                                     const std::string& host, std::uint16_t port,
                                                     Events events, Settings settings) {
    auto state = std::make_shared<State>(loop, std::move(events), std::move(settings));
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

Result<> TlsServer::use(const TlsIdentity& identity) {
    return state_->use(identity);
}
void TlsServer::stop_accepting() {
    state_->retry.cancel();
    asio::error_code ignored;
    state_->acceptor.close(ignored);
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

std::string TlsServer::source(TlsSession session) const {
    auto found = state_->sessions.find(session);
    return found == state_->sessions.end() ? std::string() : found->second.source;
}
void TlsServer::probe(TlsSession session) {
    auto found = state_->sessions.find(session);
    if (found == state_->sessions.end() || !found->second.open) return;
    found->second.probed_ms = state_->loop.now().mono_ms;
    begin_tcp_probe(found->second.stream->socket().native_handle());
    state_->look(session);
}

// Only what is acknowledged after the probe began counts: an answer that was on its way before proves
// nothing.
void TlsServer::State::look(TlsSession id) {
    auto found = sessions.find(id);
    if (found == sessions.end()) return;
    auto& session = found->second;
    const int socket = session.stream->socket().native_handle();
    const auto waited = loop.now().mono_ms - session.probed_ms;
    const auto answered = last_tcp_answer_ms(socket);
    // A system that does not tell would have closed a dead connection by the end.
    const bool alive =
        answered ? *answered + limits::tls_probe_look_ms / 2 < waited : waited >= limits::tls_dead_ms;
    if (!alive && waited < 2 * limits::tls_dead_ms) {
        session.probe =
            loop.after(limits::tls_probe_look_ms, [self = shared_from_this(), id] { self->look(id); });
        return;
    }
    if (!alive) return;
    end_tcp_probe(socket);
    auto handlers = events;
    if (handlers && handlers->on_alive) handlers->on_alive(id);
}

Result<> TlsServer::State::use(const TlsIdentity& identity) {
    KITH_TRY_VALUE(found, pin_of(identity));
    auto fresh = make_context(TlsStream::Role::server);
    if (!settings.client_authorities_file.empty()) {
        const char* file = settings.client_authorities_file.c_str();
        auto* names = SSL_load_client_CA_file(file);
        if (names == nullptr || SSL_CTX_load_verify_file(fresh->native_handle(), file) != 1) {
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            return fail(Fault::invalid,
                        "cannot read certificate authorities from " + settings.client_authorities_file,
                        "give a PEM file of the authorities that sign clients' certificates");
        }
        SSL_CTX_set_client_CA_list(fresh->native_handle(), names);
        SSL_CTX_set_verify(fresh->native_handle(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           nullptr);
    }
    asio::error_code bad_certificate, bad_key;
    fresh->use_certificate_chain(asio::buffer(identity.certificate), bad_certificate);
    fresh->use_private_key(asio::buffer(identity.key.view().data(), identity.key.size()),
                           asio::ssl::context::pem, bad_key);
    if (bad_certificate || bad_key || SSL_CTX_check_private_key(fresh->native_handle()) != 1)
        return fail(Fault::corrupt, "the TLS certificate and key do not go together",
                    "restore them, or make new ones");
    pin = found;
    context = std::move(fresh);
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
        if (!self->events || !self->acceptor.is_open()) return;
        if (error) {
            self->retry = self->loop.after(limits::accept_retry_ms, [self] { self->accept(); });
            return;
        }
        // Above the limit the socket is closed right here.
        if (self->sessions.size() < self->settings.sessions) self->begin(std::move(socket));
        self->accept();
    });
}

namespace {

std::string source_of(asio::ip::address address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    if (address.is_v4()) return address.to_string();
    auto bytes = address.to_v6().to_bytes();
    std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
    return asio::ip::address_v6(bytes).to_string();
}

}  // namespace

void TlsServer::State::begin(tcp::socket socket) {
    asio::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    Session session;
    const auto peer = socket.remote_endpoint(ignored);
    session.peer = host_port(peer.address().to_string(), peer.port());
    session.source = source_of(peer.address());
    auto& shaking = handshakes[session.source];
    if (shaking >= settings.handshakes_each) return;
    ++shaking;
    const auto id = TlsSession{++last_session};

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
    left(found->second);
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

// Its handshake is over.
void TlsServer::State::left(const Session& session) {
    auto count = handshakes.find(session.source);
    if (!session.open && count != handshakes.end() && --count->second == 0) handshakes.erase(count);
}

void TlsServer::State::closed(TlsSession id, const Error& why) {
    auto found = sessions.find(id);
    if (found == sessions.end()) return;
    const bool was_open = found->second.open;
    left(found->second);
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
