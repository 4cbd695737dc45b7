#include "service.h"

#include <cstdio>

#include "base/limits.h"
#include "store/file.h"
#include "tmtp/replies.h"

namespace kith::tmtpd {
namespace {

// One line a thing that happened, for whoever runs the service: never what clients say to each other.
void log(std::int64_t unix_ms, const std::string& text) {
    std::fprintf(stderr, "%s %s\n", tmtp::format_posted(unix_ms).c_str(), text.c_str());
}

// The database's key stands beside it: it guards a copy of the database alone, not the folder.
Result<Key> database_key(const std::filesystem::path& file, Random& random) {
    if (std::filesystem::exists(file)) {
        Key key;
        KITH_TRY_VALUE(in, store::File::open(file, store::File::Mode::read));
        KITH_TRY(in.read_at(0, key.fill()));
        return key;
    }
    Key key = crypto::random_secret(random);
    KITH_TRY(store::replace_file(file, key.view()));
    return key;
}

Result<net::TlsIdentity> tls_identity(const std::string& file, const std::string& name) {
    auto held = net::load_tls_identity(file);
    if (held || held.error().kind != Fault::not_found) return held;
    KITH_TRY_VALUE(made, net::make_tls_identity(name));
    KITH_TRY(net::save_tls_identity(made, file));
    return made;
}

}  // namespace

Result<std::unique_ptr<Service>> Service::start(net::Loop& loop, const Options& options) {
    std::filesystem::path dir = options.dir;
    KITH_TRY(store::make_folder(dir));
    KITH_TRY_VALUE(lock, net::FileLock::take((dir / "lock").string()));
    crypto::SystemRandom random;
    KITH_TRY_VALUE(key, database_key(dir / "tmtpd.key", random));
    KITH_TRY_VALUE(identity, tls_identity((dir / "tls.pem").string(), options.name));
    KITH_TRY_VALUE(store, SqlStore::open(dir / "tmtpd.db", key));
    std::unique_ptr<Service> service(
        new Service(loop, std::move(lock), std::move(store), options.host, options.name));
    if (!options.sign_in.issuer.empty()) {
        KITH_TRY_VALUE(sign_in, TokenSignIn::start(loop, options.sign_in, [&loop](const std::string& line) {
                           log(loop.now().unix_ms, line);
                       }));
        service->sign_in_ = std::move(sign_in);
        service->hub_.require(*service->sign_in_);
    }
    KITH_TRY(service->hub_.start(loop.now()));
    KITH_TRY(service->listen(identity, options.port));
    return service;
}

Service::Service(net::Loop& loop, net::FileLock lock, std::unique_ptr<SqlStore> store, std::string host,
                 const std::string& name)
    : loop_(loop),
      lock_(std::move(lock)),
      store_(std::move(store)),
      host_(std::move(host)),
      hub_(name, *store_, random_) {}

Result<> Service::listen(const net::TlsIdentity& identity, std::uint16_t port) {
    auto link = [](net::TlsSession session) { return static_cast<tmtp::LinkId>(session); };
    net::TlsServer::Events events;
    events.on_open = [this](net::TlsSession session) { opened(session); };
    events.on_data = [this, link](net::TlsSession session, ByteView bytes) {
        carry_out(hub_.received(link(session), bytes, loop_.now()));
    };
    events.on_drained = [this, link](net::TlsSession session) {
        carry_out(hub_.drained(link(session), loop_.now()));
    };
    events.on_closed = [this](net::TlsSession session, const Error& why) { closed(session, why); };
    KITH_TRY_VALUE(server, net::TlsServer::listen(loop_, identity, host_, port, std::move(events)));
    server_ = std::move(server);
    return {};
}

std::string Service::address() const {
    bool v6 = host_.find(':') != std::string::npos;
    return "=" + (v6 ? "[" + host_ + "]" : host_) + ":" + std::to_string(server_->port());
}

std::string Service::pin() const {
    return server_->pin().hex();
}

void Service::opened(net::TlsSession session) {
    auto now = loop_.now();
    if (hub_.links() >= limits::tmtpd_links) {
        log(now.unix_ms, "refused " + server_->peer(session) + ": too many links");
        return server_->close(session);
    }
    log(now.unix_ms,
        "link " + std::to_string(static_cast<std::uint64_t>(session)) + " from " + server_->peer(session));
    carry_out(hub_.opened(static_cast<tmtp::LinkId>(session), now));
}

void Service::closed(net::TlsSession session, const Error& why) {
    auto now = loop_.now();
    log(now.unix_ms, "link " + std::to_string(static_cast<std::uint64_t>(session)) + " closed: " + why.what);
    carry_out(hub_.closed(static_cast<tmtp::LinkId>(session), now));
}

// What is sent has been stored: the hub asked the store first.
void Service::carry_out(tmtp::HubActions actions) {
    for (auto& action : actions) {
        if (auto* send = std::get_if<tmtp::Send>(&action)) {
            auto session = static_cast<net::TlsSession>(send->link);
            // The hub keeps to far less than the link's queue; a link that takes nothing is at its end.
            if (!server_->write(session, std::move(send->bytes))) server_->close(session);
        } else {
            server_->close(static_cast<net::TlsSession>(std::get<tmtp::Close>(action).link));
        }
    }
    set_timer();
}

void Service::tick() {
    timer_at_ms_ = 0;
    carry_out(hub_.tick(loop_.now()));
}

void Service::set_timer() {
    auto next = hub_.next_tick_ms();
    if (!next || (timer_.armed() && timer_at_ms_ <= *next)) return;  // one that comes early does no harm
    timer_at_ms_ = *next;
    timer_ = loop_.after(*next - loop_.now().mono_ms, [this] { tick(); });
}

}  // namespace kith::tmtpd
