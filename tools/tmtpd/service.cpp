#include "service.h"

#include <unordered_map>

#include "log.h"
#include "service_files.h"
#include "store/file.h"
#include "tmtp/limits.h"

namespace kith::tmtpd {
namespace {

// Within 60 s of its last acknowledgement nothing of a message is on the disk: four times as often as that
// needs.
constexpr std::int64_t flush_ms = 15'000;
// After a flush for which there was no room.
constexpr std::int64_t flush_again_ms = 5'000;
// How often a given certificate is looked at.
constexpr std::int64_t tls_watch_ms = 10'000;
// Links of one address (IPv6: one /64) that have not logged in: many devices may share an address and come
// back together, and the rest of them come again.
constexpr std::size_t strangers_each = 100;
// How long links may take to end when the service does.
constexpr std::int64_t stop_ms = 4'000;

// What goes to one link is one write: a record and a packet less for each that is joined.
void join_sends(tmtp::HubActions& actions) {
    std::unordered_map<tmtp::LinkId, tmtp::Send*> firsts;
    for (auto& action : actions) {
        auto* send = std::get_if<tmtp::Send>(&action);
        if (!send) continue;
        auto [first, fresh] = firsts.try_emplace(send->link, send);
        if (fresh) continue;
        append(first->second->bytes, send->bytes);
        send->bytes.clear();
    }
}

net::TlsSession session_of(tmtp::LinkId link) {
    return static_cast<net::TlsSession>(link);
}
tmtp::LinkId link_of(net::TlsSession session) {
    return static_cast<tmtp::LinkId>(session);
}

std::string_view name_of(tmtp::LoggedIn::How how) {
    switch (how) {
        case tmtp::LoggedIn::How::login:
            return "login";
        case tmtp::LoggedIn::How::takeover:
            return "takeover";
        case tmtp::LoggedIn::How::registered:
            return "register";
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<Service>> Service::start(net::Loop& loop, const Config& config,
                                                std::function<void(Result<>)> ended) {
    KITH_TRY(store::make_folder(config.dir));
    KITH_TRY_VALUE(lock, lock_folder(config.dir));
    KITH_TRY_VALUE(store, open_store(config.dir));
    if (config.disk != 0) KITH_TRY(store->limit_size(config.disk));
    std::unique_ptr<Service> service(
        new Service(loop, config, std::move(lock), std::move(store), std::move(ended)));
    if (!config.sign_in.issuer.empty()) {
        KITH_TRY_VALUE(sign_in, TokenSignIn::start(loop, config.sign_in, [&loop](const std::string& line) {
                           LogLine(loop.now().unix_ms, "sign_in").with("what", line);
                       }));
        service->sign_in_ = std::move(sign_in);
        service->hub_.require(*service->sign_in_);
    }
    if (config.node_control) service->hub_.govern(service->rules_);
    KITH_TRY(service->hub_.start(loop.now()));
    KITH_TRY(service->listen_to_operator());
    KITH_TRY(service->listen());
    return service;
}

Service::Service(net::Loop& loop, const Config& config, net::FileLock lock, std::unique_ptr<SqlStore> store,
                 std::function<void(Result<>)> ended)
    : loop_(loop),
      config_(config),
      lock_(std::move(lock)),
      store_(std::move(store)),
      hub_(config.name, *store_, random_, {config.must_have_met, config.accounts}),
      ended_(std::move(ended)) {}

Result<> Service::listen() {
    net::TlsServer::Events events;
    events.on_open = [this](net::TlsSession session) { opened(session); };
    events.on_data = [this](net::TlsSession session, ByteView bytes) {
        note(hub_.received(link_of(session), bytes, loop_.now()));
    };
    events.on_drained = [this](net::TlsSession session) {
        note(hub_.drained(link_of(session), loop_.now()));
    };
    events.on_closed = [this](net::TlsSession session, const Error& why) { closed(session, why); };
    events.on_alive = [this](net::TlsSession session) { note(hub_.alive(link_of(session), loop_.now())); };
    net::TlsServer::Settings settings;
    settings.client_authorities_file = config_.client_authorities;
    settings.sessions = config_.links + strangers_each;  // refused ones are on their way out
    settings.handshakes_each = strangers_each;
    tls_files_ = tls_files_state(config_);
    KITH_TRY_VALUE(identity, tls_identity(config_));
    mark_ = net::self_signed(identity) ? '=' : '+';
    KITH_TRY_VALUE(server, net::TlsServer::listen(loop_, identity, config_.host, config_.port,
                                                  std::move(events), std::move(settings)));
    server_ = std::move(server);
    hub_.show_key(to_bytes(server_->pin().view()));
    if (!tls_files_.empty()) tls_timer_ = loop_.after(tls_watch_ms, [this] { watch_tls_files(); });
    return {};
}

Result<> Service::listen_to_operator() {
    OperatorHooks hooks;
    hooks.online = [this](tmtp::NodeRef node) { return hub_.online(node); };
    hooks.dropped = [this](tmtp::NodeRef node) {
        LogLine(loop_.now().unix_ms, "node_dropped").with("node", node);
        note(hub_.node_dropped(node, loop_.now()));
    };
    KITH_TRY_VALUE(socket, OperatorSocket::listen(loop_, config_.dir, *store_, std::move(hooks)));
    operator_ = std::move(socket);
    return {};
}

std::string Service::address() const {
    const bool v6 = config_.host.find(':') != std::string::npos;
    return mark_ + (v6 ? "[" + config_.host + "]" : config_.host) + ":" + std::to_string(server_->port());
}

std::string Service::pin() const {
    return server_->pin().hex();
}

// --- links ---

void Service::opened(net::TlsSession session) {
    const auto now = loop_.now();
    const auto source = server_->source(session);
    const bool full = hub_.links() >= config_.links;
    if (full || strangers_from_[source] >= strangers_each) {
        LogLine(now.unix_ms, "link_refused")
            .with("peer", server_->peer(session))
            .with("reason",
                  full ? "too many links" : "too many links of its address that have not logged in");
        return server_->close(session);
    }
    LogLine(now.unix_ms, "link_open").with("link", link_of(session)).with("peer", server_->peer(session));
    strangers_[link_of(session)] = source;
    ++strangers_from_[source];
    note(hub_.opened(link_of(session), now));
}

void Service::no_stranger(tmtp::LinkId link) {
    auto stranger = strangers_.find(link);
    if (stranger == strangers_.end()) return;
    if (auto from = strangers_from_.find(stranger->second); --from->second == 0) strangers_from_.erase(from);
    strangers_.erase(stranger);
}

void Service::closed(net::TlsSession session, const Error& why) {
    const auto now = loop_.now();
    LogLine(now.unix_ms, "link_closed").with("link", link_of(session)).with("reason", why.what);
    no_stranger(link_of(session));
    note(hub_.closed(link_of(session), now));
    if (stopping_ && hub_.links() == 0) end({});
}

// --- what the machine answers ---

void Service::note(tmtp::HubActions actions) {
    for (auto& action : actions) waiting_.push_back(std::move(action));
    if (commit_due_) return;
    commit_due_ = true;
    loop_.defer([this] { commit(); });
}

void Service::commit() {
    commit_due_ = false;
    if (!ended_) return;
    if (auto done = store_->commit(); !done) return end(std::move(done));
    auto actions = std::exchange(waiting_, {});
    join_sends(actions);
    for (auto& action : actions) carry_out(action);
    set_timer();
    set_flush();
}

void Service::carry_out(tmtp::HubAction& action) {
    const auto now = loop_.now();
    if (auto* send = std::get_if<tmtp::Send>(&action)) {
        if (send->bytes.empty()) return;  // joined
        const auto session = session_of(send->link);
        // The hub keeps to far less than the link's queue; a link that takes nothing is at its end.
        if (!server_->write(session, std::move(send->bytes))) server_->close(session);
    } else if (auto* close = std::get_if<tmtp::Close>(&action)) {
        server_->close(session_of(close->link));
    } else if (auto* probe = std::get_if<tmtp::Probe>(&action)) {
        LogLine(now.unix_ms, "node_contended").with("link", probe->link);
        server_->probe(session_of(probe->link));
    } else if (auto* login = std::get_if<tmtp::LoggedIn>(&action)) {
        LogLine(now.unix_ms, name_of(login->how)).with("link", login->link).with("node", login->node);
        no_stranger(login->link);
    } else if (auto* pause = std::get_if<tmtp::Pause>(&action)) {
        server_->pause(session_of(pause->link), pause->paused);
    }
}

void Service::tick() {
    timer_at_ms_ = 0;
    note(hub_.tick(loop_.now()));
}

void Service::set_timer() {
    auto next = hub_.next_tick_ms();
    if (!next || (timer_.armed() && timer_at_ms_ <= *next)) return;  // one that comes early does no harm
    timer_at_ms_ = *next;
    timer_ = loop_.after(*next - loop_.now().mono_ms, [this] { tick(); });
}

// --- the store ---

void Service::set_flush() {
    if (store_->full() && !flush_failed_)
        flush();
    else if (store_->dirty() && !flush_timer_.armed())
        flush_timer_ = loop_.after(flush_ms, [this] { flush(); });
}

void Service::flush() {
    flush_timer_.cancel();
    auto done = store_->flush();
    flush_failed_ = !done;
    if (done) return;
    if (done.error().kind != Fault::disk_full) return end(std::move(done));
    LogLine(loop_.now().unix_ms, "disk_full").with("reason", done.error().what);
    flush_timer_ = loop_.after(flush_again_ms, [this] { flush(); });
}

// --- certificates ---

void Service::watch_tls_files() {
    tls_timer_ = loop_.after(tls_watch_ms, [this] { watch_tls_files(); });
    auto state = tls_files_state(config_);
    // Certificate and key change one after the other: what does not fit yet is tried again.
    if (state == tls_files_ && !tls_files_bad_) return;
    const bool told = state == tls_files_;
    tls_files_ = std::move(state);
    auto used = tls_identity(config_).and_then(
        [&](const net::TlsIdentity& identity) { return server_->use(identity); });
    tls_files_bad_ = !used;
    const auto now = loop_.now();
    if (used) hub_.show_key(to_bytes(server_->pin().view()));
    if (used)
        LogLine(now.unix_ms, "certificate_loaded").with("pin", pin());
    else if (!told)
        LogLine(now.unix_ms, "certificate_bad").with("reason", used.error().what);
}

// --- the end ---

void Service::stop() {
    if (stopping_) return end({});
    stopping_ = true;
    LogLine(loop_.now().unix_ms, "stopping").with("links", hub_.links());
    server_->stop_accepting();
    operator_.reset();
    if (hub_.links() == 0) return end({});
    note(hub_.stop(loop_.now()));
    stop_timer_ = loop_.after(stop_ms, [this] { end({}); });
}

void Service::end(Result<> how) {
    if (!ended_) return;
    auto ended = std::exchange(ended_, nullptr);
    if (how) how = store_->commit();
    if (how) how = store_->flush();
    const auto now = loop_.now();
    if (how)
        LogLine(now.unix_ms, "stopped");
    else
        LogLine(now.unix_ms, "failed").with("reason", how.error().what);
    ended(std::move(how));
}

}  // namespace kith::tmtpd
