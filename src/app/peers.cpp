#include "app/peers.h"

#include <algorithm>
#include <charconv>

#include "app/trust_limits.h"
#include "net/reach.h"
#include "net/route.h"

namespace kith::app {
namespace {

constexpr std::string_view port_setting = "port";

std::optional<net::Endpoint> parse_endpoint(std::string_view text) {
    auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    auto host = text.substr(0, colon), port = text.substr(colon + 1);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    net::Endpoint endpoint{std::string(host), 0};
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc() || end != port.data() + port.size() || endpoint.port == 0) return std::nullopt;
    return endpoint;
}

// Connections that were accepted and those that were dialed are counted apart.
std::uint64_t number_of(net::Connection accepted) {
    return 2 * static_cast<std::uint64_t>(accepted);
}
std::uint64_t number_of(std::uint64_t dialed) {
    return 2 * dialed + 1;
}

std::vector<std::string> endpoints_at(std::uint16_t port) {
    std::vector<std::string> list;
    for (const auto& address : net::own_addresses())
        if (list.size() < limits::link_endpoints) list.push_back(net::to_text({address.text, port}));
    return list;
}

}  // namespace

Peers::Peers(net::Loop& loop, net::Worker& worker, net::Curve& curve, Profile& profile, Services& services,
             Events events)
    : loop_(loop),
      worker_(worker),
      curve_(curve),
      profile_(profile),
      services_(services),
      events_(std::move(events)),
      interface_watch_(loop, [this] { addresses_changed(); }) {}
Peers::~Peers() = default;

Result<> Peers::start(std::uint16_t wanted) {
    net::CurveListener::Options options;
    KITH_TRY_VALUE(port, profile_.store().setting(port_setting));
    if (port && port->size() == 4) options.port = static_cast<std::uint16_t>(load_u32(port->view().data()));
    if (wanted != 0) options.port = wanted;
    net::CurveListener::Events events;
    events.allow = [this](const LinkPublic& key) { return allowed(key) != nullptr; };
    events.on_frame = [this](const LinkPublic& client, net::Connection connection, wire::Frame frame) {
        on_inbound(client, connection, std::move(frame));
    };
    events.on_lost = [this](net::Connection connection) {
        auto owner = owners_.find(connection);
        if (owner == owners_.end()) return;
        auto device = owner->second;
        owners_.erase(owner);
        auto& lines = lines_[device];
        std::erase(lines.inbound, connection);
        if (lines.by_connection == connection) line_lost(device);
    };
    events.on_drained = [this](net::Connection connection) {
        if (auto owner = owners_.find(connection); owner != owners_.end())
            if (auto* session = find(owner->second)) session->drained();
    };
    KITH_TRY_VALUE(listener,
                   net::CurveListener::listen(curve_, profile_.link_key(), options, std::move(events)));
    if (wanted != 0 && listener->port() != wanted)
        return fail(Fault::unavailable, "port " + std::to_string(wanted) + " is in use on this machine",
                    "end what uses it, or choose another one (kithd --port, or KITH_PORT)");
    listener_ = std::move(listener);
    Bytes bound;
    append_u32(bound, listener_->port());
    // Without it other devices look for this one at its former port, and it still dials them.
    if (!port || to_bytes(port->view()) != bound) (void)profile_.store().put_setting(port_setting, bound);
    refresh();
    visit_outsiders();
    return {};
}

std::vector<std::string> Peers::endpoints() const {
    return endpoints_at(port());
}

std::vector<std::string> Peers::future_endpoints(Profile& profile, std::uint16_t wanted) {
    if (wanted != 0) return endpoints_at(wanted);
    const auto kept = profile.store().setting(port_setting);
    if (!kept) return {};
    if (*kept && (*kept)->size() == 4)
        return endpoints_at(static_cast<std::uint16_t>(load_u32((*kept)->view().data())));
    const auto port = net::free_port();
    Bytes bytes;
    append_u32(bytes, port);
    if (port == 0 || !profile.store().put_setting(port_setting, bytes)) return {};
    return endpoints_at(port);
}

void Peers::refresh() {
    told_.clear();
    for (const auto& device : profile_.roster().devices) {
        bool wanted = device.state == roster::DeviceState::active && device.id != profile_.device();
        if (!wanted) {
            cut_off(device.id, device.link_key);
            continue;
        }
        if (leaving_.contains(device.id)) continue;  // anew once it is gone
        if (!sessions_.contains(device.id)) sessions_[device.id] = make_session(device.id);
        redial(device.id);
        sessions_[device.id]->roster_changed();
    }
}

// Makes the dialer anew when the endpoints that are known have changed and it does not stand.
void Peers::redial(const DeviceId& device) {
    auto known = profile_.store().peers();
    if (!known) return;
    auto& lines = lines_[device];
    auto endpoints = lines.found;
    for (const auto& peer : *known)
        if (peer.device == device)
            for (const auto& text : peer.endpoints)
                if (auto endpoint = parse_endpoint(text);
                    endpoint && endpoints.size() < limits::link_endpoints &&
                    std::find(endpoints.begin(), endpoints.end(), *endpoint) == endpoints.end())
                    endpoints.push_back(*endpoint);
    if (endpoints == lines.endpoints || (lines.dialer && lines.dialer->up())) return;
    lines.endpoints = endpoints;
    dial(device, lines);
}

// Without this, a path that is gone is noticed after seconds.
void Peers::addresses_changed() {
    if (listener_) listener_->addresses_changed();
    for (auto& [device, lines] : lines_)
        if (lines.dialer) lines.dialer->addresses_changed();
}

void Peers::found(const DeviceId& device, std::vector<net::Endpoint> endpoints) {
    auto at = lines_.find(device);
    if (at == lines_.end() || !sessions_.contains(device) || at->second.found == endpoints) return;
    at->second.found = std::move(endpoints);
    redial(device);
}

// Tells a device that is not (or no longer) let in why, by the roster, and then ends its connections.
void Peers::cut_off(const DeviceId& device, const LinkPublic& key) {
    auto* session = find(device);
    if (!session || leaving_.contains(device)) return;
    session->roster_changed();
    leave_soon(device, key, limits::pairing_flush_ms);
}

void Peers::leave_soon(const DeviceId& device, const LinkPublic& key, std::int64_t after_ms) {
    leaving_[device] = loop_.after(after_ms, [this, device, key] {
        refused_until_ms_[device] = loop_.now().mono_ms + limits::outsider_refused_ms;
        if (has_been_told(device)) told_.insert(device);
        if (listener_) listener_->disconnect(key);
        drop(device);
        lines_.erase(device);
        sessions_.erase(device);
        leaving_.erase(device);
        if (is_active(device)) refresh();  // it came back meanwhile
    });
}

// A device that is out may take us for the one that is, and then nobody would dial: it is visited until it
// knows what concerns it.
void Peers::visit_outsiders() {
    for (const auto& device : profile_.roster().devices) {
        if (device.state == roster::DeviceState::active || device.id == profile_.device() ||
            told_.contains(device.id) || find(device.id))
            continue;
        lines_.erase(device.id);
        sessions_[device.id] = make_session(device.id);
        redial(device.id);
        leave_soon(device.id, device.link_key, 2 * limits::outsider_ms);
    }
    visit_timer_ = loop_.after(limits::outsider_visit_ms, [this] { visit_outsiders(); });
}

bool Peers::has_been_told(const DeviceId& device) const {
    auto session = sessions_.find(device);
    const auto* found = profile_.roster().find(device);
    if (session == sessions_.end() || !found) return false;
    const bool barred = found->state == roster::DeviceState::barred;
    const auto told =
        barred ? roster::why_barred(profile_.roster(), profile_.entries(), device) : profile_.entries();
    return std::ranges::all_of(told,
                               [&](const auto& entry) { return session->second->peer_knows(entry.id); });
}

bool Peers::is_active(const DeviceId& device) const {
    const auto* found = profile_.roster().find(device);
    return found && found->state == roster::DeviceState::active;
}

// Runs `fn` once the present callback has returned, if this is still there.
void Peers::later(std::function<void()> fn) {
    loop_.defer([fn = std::move(fn), alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) fn();
    });
}

void Peers::secrets_changed() {
    for (auto& [id, session] : sessions_) session->secrets_changed();
}

void Peers::history_changed() {
    for (auto& [id, session] : sessions_) session->history_changed();
}

void Peers::services_changed() {
    for (auto& [id, session] : sessions_) session->services_changed();
}

void Peers::selection_changed() {
    for (auto& [id, session] : sessions_) session->selection_changed();
}

bool Peers::prefer(const std::vector<history::BlobWant>& blobs) {
    bool asked = false;
    for (auto& [id, session] : sessions_) {
        if (!session->linked()) continue;
        session->prefer(blobs);
        asked = true;
    }
    return asked;
}

PeerSession* Peers::find(const DeviceId& device) {
    auto at = sessions_.find(device);
    return at == sessions_.end() ? nullptr : at->second.get();
}

bool Peers::linked(const DeviceId& device) const {
    auto at = sessions_.find(device);
    return at != sessions_.end() && at->second->linked();
}

bool Peers::active() const {
    return std::any_of(sessions_.begin(), sessions_.end(),
                       [](const auto& each) { return each.second->active(); });
}

// Devices that are out are let in for a moment now and then: to be told why, and to contest it. PeerSession
// exchanges nothing else with them.
const roster::Device* Peers::allowed(const LinkPublic& key) const {
    const roster::Device* out = nullptr;
    for (const auto& device : profile_.roster().devices) {
        if (device.link_key != key || device.id == profile_.device()) continue;
        if (device.state == roster::DeviceState::active) return &device;
        out = &device;
    }
    if (!out) return nullptr;
    auto refused = refused_until_ms_.find(out->id);
    return refused == refused_until_ms_.end() || refused->second <= loop_.now().mono_ms ? out : nullptr;
}

std::unique_ptr<PeerSession> Peers::make_session(const DeviceId& device) {
    PeerSession::Events events;
    events.endpoints = [this] { return endpoints(); };
    events.on_endpoints = [this, device](std::vector<std::string> list) {
        (void)profile_.store().put_peer({device, std::move(list), loop_.now().unix_ms});
        later([this, device] {
            if (sessions_.contains(device)) redial(device);
            for (const auto& [id, session] : sessions_)
                if (id != device) session->peers_changed();
        });
    };
    events.on_peers = [this] {
        later([this] {
            for (const auto& [id, session] : sessions_) redial(id);
        });
    };
    // The roster decides which sessions there are: not from within one of them.
    events.on_roster = [this] {
        later([this] { refresh(); });
        if (events_.on_roster) events_.on_roster();
    };
    events.on_secrets = [this, device] {
        later([this, device] {
            for (auto& [id, session] : sessions_)
                if (id != device) session->secrets_changed();
            if (events_.on_secrets) events_.on_secrets();
        });
    };
    events.on_claims = [this] {
        later([this] {
            services_changed();
            if (events_.on_claims) events_.on_claims();
        });
    };
    events.on_membership = [this, device] {
        later([this, device] {
            for (auto& [id, session] : sessions_)
                if (id != device) session->membership_changed();
        });
        if (events_.on_membership) events_.on_membership();
    };
    events.on_history = [this] {
        history_changed();
        if (events_.on_history) events_.on_history();
    };
    events.on_erased = [this](std::span<const history::Key> keys) {
        if (events_.on_erased) events_.on_erased(keys);
    };
    events.on_blobs = [this] {
        if (events_.on_blobs) events_.on_blobs();
    };
    events.on_progress = [this, device](const history::Progress& progress) {
        events_.on_progress(device, progress);
    };
    events.on_service = [this, device](const std::string& address, const std::string& state) {
        events_.on_service(device, address, state);
    };
    events.on_done = [this, device](const history::Digest& digest, double seconds) {
        events_.on_done(device, digest, seconds);
    };
    events.on_trouble = [this, device](const Error& error) { events_.on_trouble(device, error); };
    events.drop_link = [this, device] { later([this, device] { drop(device); }); };
    return std::make_unique<PeerSession>(loop_, worker_, profile_, services_, device, std::move(events));
}

void Peers::dial(const DeviceId& device, Lines& lines) {
    lines.dialer.reset();
    const auto* peer = profile_.roster().find(device);
    if (!peer || lines.endpoints.empty()) return;
    net::CurveDialer::Events events;
    events.on_up = [this, device](const net::Endpoint&) {
        lines_[device].dialed = ++dialed_;
        choose(device);
    };
    events.on_frame = [this, device](wire::Frame frame) {
        if (auto* session = find(device))
            session->received(std::move(frame), number_of(lines_[device].dialed));
    };
    events.on_lost = [this, device] {
        if (lines_[device].by_dialer) line_lost(device);
        // Where the peer said that it is while the link stood counts from now on.
        later([this, device] {
            if (sessions_.contains(device)) redial(device);
        });
    };
    events.on_drained = [this, device] {
        if (auto* session = find(device)) session->drained();
    };
    events.on_trouble = [this, device](const net::Endpoint&, net::DialTrouble trouble) {
        if (trouble == net::DialTrouble::denied && events_.on_denied) events_.on_denied(device);
    };
    auto dialer = net::CurveDialer::dial(curve_, profile_.link_key(), peer->link_key, lines.endpoints,
                                         std::move(events));
    if (dialer) lines.dialer = std::move(*dialer);
}

void Peers::on_inbound(const LinkPublic& client, net::Connection connection, wire::Frame frame) {
    const auto* device = allowed(client);
    if (!device) return listener_->disconnect(connection);
    if (!is_active(device->id) && !find(device->id)) {
        sessions_[device->id] = make_session(device->id);
        leave_soon(device->id, device->link_key, limits::outsider_ms);
    }
    auto* session = find(device->id);
    if (!session) return;
    auto& lines = lines_[device->id];
    if (owners_.try_emplace(connection, device->id).second) lines.inbound.push_back(connection);
    auto id = device->id;
    choose(id);
    session->received(std::move(frame), number_of(connection));
}

void Peers::line_lost(const DeviceId& device) {
    auto& lines = lines_[device];
    lines.by_connection.reset();
    lines.by_dialer = false;
    if (auto* session = find(device)) session->link_lost();
    choose(device);
    if (!lines.carried() && events_.on_link) events_.on_link(device);
}

// Takes a connection to carry our frames, when none does.
void Peers::choose(const DeviceId& device) {
    auto& lines = lines_[device];
    auto* session = find(device);
    if (!session || lines.carried()) return;
    PeerSession::Link link;
    if (lines.dialer && lines.dialer->up()) {
        lines.by_dialer = true;
        link.send = [this, device](wire::Frame frame) {
            auto& dialer = lines_[device].dialer;
            return dialer && dialer->send(std::move(frame)) == net::Sent::queued;
        };
        link.queued = [this, device] { return lines_[device].dialer ? lines_[device].dialer->queued() : 0; };
    } else if (!lines.inbound.empty()) {
        auto connection = lines.inbound.back();
        lines.by_connection = connection;
        link.send = [this, connection](wire::Frame frame) {
            return listener_->send(connection, std::move(frame)) == net::Sent::queued;
        };
        link.queued = [this, connection] { return listener_->queued(connection); };
    } else {
        return;
    }
    session->link_up(std::move(link));
    if (events_.on_link) events_.on_link(device);
}

// Ends all connections to a peer; it, or we, dial again.
void Peers::drop(const DeviceId& device) {
    auto at = lines_.find(device);
    if (at == lines_.end()) return;
    auto& lines = at->second;
    auto inbound = std::move(lines.inbound);
    lines.inbound.clear();
    for (auto connection : inbound) {
        owners_.erase(connection);
        listener_->disconnect(connection);
    }
    lines.by_connection.reset();
    lines.by_dialer = false;
    if (auto* session = find(device); session && session->linked()) session->link_lost();
    if (lines.dialer) dial(device, lines);
}

}  // namespace kith::app
