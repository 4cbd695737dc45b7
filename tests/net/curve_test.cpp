#include "net/curve.h"

#include <doctest/doctest.h>
#include <zmq.h>

#include <set>

#include "net/reach.h"
#include "net/wait.h"

using namespace kith;
using namespace kith::net;
using crypto::LinkKey;
using wire::Frame;

namespace {

LinkKey fresh_key() {
    crypto::start();
    crypto::SystemRandom random;
    return LinkKey::generate(random);
}

struct Host {
    std::set<LinkPublic> allowed;
    bool anyone = false;
    std::vector<LinkPublic> asked;
    std::vector<std::pair<Connection, Frame>> frames;
    std::vector<LinkPublic> clients;
    std::vector<Connection> lost, drained;
    std::unique_ptr<CurveListener> listener;

    Host(Curve& curve, const LinkKey& key, CurveListener::Options options = {{"127.0.0.1"}}) {
        CurveListener::Events events;
        events.allow = [this](const LinkPublic& client) {
            asked.push_back(client);
            return anyone || allowed.count(client) > 0;
        };
        events.on_frame = [this](const LinkPublic& client, Connection from, Frame frame) {
            clients.push_back(client);
            frames.emplace_back(from, std::move(frame));
        };
        events.on_lost = [this](Connection connection) { lost.push_back(connection); };
        events.on_drained = [this](Connection connection) { drained.push_back(connection); };
        listener = CurveListener::listen(curve, key, std::move(options), std::move(events)).value();
    }
    Endpoint endpoint() const { return {"127.0.0.1", listener->port()}; }
};

struct Guest {
    std::vector<Endpoint> up;
    int lost = 0, drained = 0;
    std::vector<Frame> frames;
    std::vector<DialTrouble> trouble;
    std::unique_ptr<CurveDialer> dialer;

    Guest(Curve& curve, const LinkKey& own, const LinkPublic& server, std::vector<Endpoint> endpoints) {
        CurveDialer::Events events;
        events.on_up = [this](const Endpoint& by) { up.push_back(by); };
        events.on_frame = [this](Frame frame) { frames.push_back(std::move(frame)); };
        events.on_lost = [this] { ++lost; };
        events.on_drained = [this] { ++drained; };
        events.on_trouble = [this](const Endpoint&, DialTrouble what) { trouble.push_back(what); };
        dialer = CurveDialer::dial(curve, own, server, std::move(endpoints), std::move(events)).value();
    }
};

Bytes pattern(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + (i >> 8));
    return bytes;
}

// A client of libzmq without our rules: what a hostile device could send.
struct RawClient {
    void* context = zmq_ctx_new();
    void* socket = zmq_socket(context, ZMQ_DEALER);
    RawClient(const LinkKey& own, const LinkPublic& server, std::uint16_t port) {
        const int none = 0;
        zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server.bytes.data(), 32);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own.public_key.bytes.data(), 32);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own.secret.view().data(), 32);
        zmq_connect(socket, ("tcp://127.0.0.1:" + std::to_string(port)).c_str());
    }
    ~RawClient() {
        zmq_close(socket);
        zmq_ctx_term(context);
    }
    void send(std::vector<std::string> parts) {
        for (std::size_t i = 0; i < parts.size(); ++i)
            zmq_send(socket, parts[i].data(), parts[i].size(), i + 1 < parts.size() ? ZMQ_SNDMORE : 0);
    }
};

// A wire between a guest and a host that can be cut without either end being told.
struct Wire {
    Loop& loop;
    Listening in;
    int near = -1, far = -1;
    bool silent = false;
    std::uint16_t to;
    Timer tick;

    Wire(Loop& on, std::uint16_t port) : loop(on), to(port) { pump(); }
    ~Wire() {
        close(near);
        close(far);
    }
    void pump() {
        tick = loop.after(1, [this] { pump(); });
        if (silent) return;
        if (near < 0) {
            near = accept4(in.fd, nullptr, nullptr, SOCK_NONBLOCK);
            if (near < 0) return;
            sockaddr_in at{};
            at.sin_family = AF_INET;
            at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            at.sin_port = htons(to);
            far = socket(AF_INET, SOCK_STREAM, 0);
            REQUIRE(connect(far, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
        }
        copy(near, far);
        copy(far, near);
    }
    static void copy(int from, int into) {
        char bytes[4096];
        const auto size = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
        // The end it goes to may be closed already.
        if (size > 0) (void)!send(into, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    }
};

}  // namespace

TEST_CASE("an allowed client and its host exchange frames") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    host.allowed = {client.public_key};
    Guest guest(curve, client, server.public_key, {host.endpoint()});
    CHECK(guest.dialer->send({"{}", {}}) == Sent::gone);
    CHECK(wait(loop, [&] { return guest.up.size() == 1; }));
    CHECK(guest.up.at(0) == host.endpoint());
    CHECK(guest.dialer->up());
    CHECK(guest.dialer->send({R"({"op":"hello"})", {}}) == Sent::queued);
    CHECK(guest.dialer->send({R"({"op":"grüß"})", pattern(1000)}) == Sent::queued);
    CHECK(wait(loop, [&] { return host.frames.size() == 2; }));
    CHECK(host.frames[0].second.head == R"({"op":"hello"})");
    CHECK(host.frames[0].second.body.empty());
    CHECK(host.frames[1].second.head == R"({"op":"grüß"})");
    CHECK(host.frames[1].second.body == pattern(1000));
    CHECK(host.frames[0].first == host.frames[1].first);
    CHECK(host.clients == std::vector{client.public_key, client.public_key});
    CHECK(host.listener->send(host.frames[0].first, {R"({"op":"welcome"})", pattern(7)}) == Sent::queued);
    CHECK(wait(loop, [&] { return guest.frames.size() == 1; }));
    CHECK(guest.frames[0].body == pattern(7));

    guest.dialer.reset();
    CHECK(wait(loop, [&] { return host.lost.size() == 1; }));
    CHECK(host.lost[0] == host.frames[0].first);
    CHECK(host.listener->send(host.frames[0].first, {"{}", {}}) == Sent::gone);
}

TEST_CASE("a key that is not allowed gets nothing across and is told so") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    Guest guest(curve, client, server.public_key, {host.endpoint()});
    CHECK(wait(loop, [&] { return !guest.trouble.empty(); }));
    CHECK(guest.trouble == std::vector{DialTrouble::denied});
    CHECK(host.asked == std::vector{client.public_key});
    CHECK(guest.up.empty());
    CHECK(host.frames.empty());
}

TEST_CASE("a host that does not hold the key of the offer is no link") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    host.anyone = true;
    Guest guest(curve, client, fresh_key().public_key, {host.endpoint()});
    CHECK(wait(loop, [&] { return !guest.trouble.empty(); }));
    CHECK(guest.trouble[0] == DialTrouble::handshake_failed);
    CHECK(guest.up.empty());
    CHECK(host.asked.empty());
}

TEST_CASE("a port that speaks another protocol is no link") {
    Loop loop;
    Curve curve(loop);
    const Listening other;
    Guest guest(curve, fresh_key(), fresh_key().public_key, {{"127.0.0.1", other.port}});
    const int accepted = other.accept_on(loop);
    const std::string nonsense(200, 'x');
    CHECK(send(accepted, nonsense.data(), nonsense.size(), MSG_NOSIGNAL) > 0);
    CHECK(wait(loop, [&] { return !guest.trouble.empty(); }));
    CHECK(guest.trouble[0] == DialTrouble::handshake_failed);
    close(accepted);
}

TEST_CASE("large frames arrive whole in both directions") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    host.anyone = true;
    Guest guest(curve, client, server.public_key, {host.endpoint()});
    CHECK(wait(loop, [&] { return guest.dialer->up(); }));
    const auto large = pattern(limits::frame_bytes);
    const std::string head(limits::head_bytes, ' ');
    CHECK(guest.dialer->send({head, large}) == Sent::queued);
    CHECK(wait(loop, [&] { return host.frames.size() == 1; }));
    CHECK(host.frames[0].second.body == large);
    CHECK(host.frames[0].second.head == head);
    CHECK(host.listener->send(host.frames[0].first, {"{}", large}) == Sent::queued);
    CHECK(wait(loop, [&] { return guest.frames.size() == 1; }));
    CHECK(guest.frames[0].body == large);
}

TEST_CASE("a flood of frames arrives in order, with a full queue in between") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    host.anyone = true;
    Guest guest(curve, client, server.public_key, {host.endpoint()});
    CHECK(wait(loop, [&] { return guest.dialer->up(); }));
    const Bytes body = pattern(64 * 1024);
    const int total = 1000;
    int sent = 0, fulls = 0, drained_at = -1;
    // From the guest to the host.
    auto pour = [&](auto&& send, int& drained) {
        if (drained == drained_at) return;  // nothing new since the queue was full
        while (sent < total) {
            const auto outcome = send(Frame{std::to_string(sent), body});
            if (outcome == Sent::full) {
                ++fulls;
                drained_at = drained;
                return;
            }
            REQUIRE(outcome == Sent::queued);
            ++sent;
        }
    };
    CHECK(wait(loop, [&] {
        pour([&](Frame frame) { return guest.dialer->send(std::move(frame)); }, guest.drained);
        CHECK(guest.dialer->queued() <= limits::link_queue_bytes);
        return host.frames.size() == total;
    }));
    CHECK(fulls > 0);
    for (int i = 0; i < total; ++i)
        REQUIRE(host.frames[static_cast<std::size_t>(i)].second.head == std::to_string(i));

    // And back.
    const auto connection = host.frames[0].first;
    sent = fulls = 0;
    drained_at = -1;
    int host_drained = 0;
    CHECK(wait(loop, [&] {
        host_drained = static_cast<int>(host.drained.size());
        pour([&](Frame frame) { return host.listener->send(connection, std::move(frame)); }, host_drained);
        CHECK(host.listener->queued(connection) <= limits::link_queue_bytes);
        return guest.frames.size() == total;
    }));
    CHECK(fulls > 0);
    for (int i = 0; i < total; ++i)
        REQUIRE(guest.frames[static_cast<std::size_t>(i)].head == std::to_string(i));
    CHECK(host.lost.empty());
}

TEST_CASE("a guest finds its host again when it restarts on the same port") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    auto host = std::make_unique<Host>(curve, server);
    host->anyone = true;
    const auto port = host->listener->port();
    Guest guest(curve, client, server.public_key, {host->endpoint()});
    CHECK(wait(loop, [&] { return guest.up.size() == 1; }));
    for (int round = 1; round <= 3; ++round) {
        CAPTURE(round);
        host.reset();
        CHECK(wait(loop, [&] { return guest.lost == round; }));
        CHECK_FALSE(guest.dialer->up());
        CHECK(guest.dialer->send({"{}", {}}) == Sent::gone);
        host = std::make_unique<Host>(curve, server, CurveListener::Options{{"127.0.0.1"}, port});
        host->anyone = true;
        CHECK(host->listener->port() == port);
        CHECK(wait(loop, [&] { return guest.up.size() == static_cast<std::size_t>(round) + 1; }));
        CHECK(guest.dialer->send({"{}", {}}) == Sent::queued);
        CHECK(wait(loop, [&] { return host->frames.size() == 1; }));
    }
}

TEST_CASE("a client that comes and goes is a new connection each time and each is lost once") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    host.anyone = true;
    for (std::size_t round = 1; round <= 10; ++round) {
        Guest guest(curve, client, server.public_key, {host.endpoint()});
        CHECK(wait(loop, [&] { return guest.dialer->up(); }));
        guest.dialer->send({"{}", {}});
        CHECK(wait(loop, [&] { return host.frames.size() == round; }));
    }
    CHECK(wait(loop, [&] { return host.lost.size() == 10; }));
    // Their ends may be noticed in another order.
    std::set<Connection> shown;
    for (const auto& frame : host.frames) shown.insert(frame.first);
    CHECK(shown.size() == 10);
    CHECK(std::set<Connection>(host.lost.begin(), host.lost.end()) == shown);
}

TEST_CASE("a barred key is cut off and does not get in again, others stay") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), good = fresh_key(), bad = fresh_key();
    Host host(curve, server);
    host.allowed = {good.public_key, bad.public_key};
    Guest friendly(curve, good, server.public_key, {host.endpoint()});
    Guest barred(curve, bad, server.public_key, {host.endpoint()});
    CHECK(wait(loop, [&] { return friendly.dialer->up() && barred.dialer->up(); }));
    friendly.dialer->send({"1", {}});
    barred.dialer->send({"1", {}});
    CHECK(wait(loop, [&] { return host.frames.size() == 2; }));
    const auto connection = host.clients[0] == bad.public_key ? host.frames[0].first : host.frames[1].first;

    host.allowed.erase(bad.public_key);
    barred.dialer->send({"2", {}});  // on its way while it is barred
    host.listener->disconnect(bad.public_key);
    CHECK(host.listener->send(connection, {"{}", {}}) == Sent::gone);
    CHECK(wait(loop, [&] { return barred.lost == 1; }));
    CHECK(wait(loop, [&] { return !barred.trouble.empty(); }));
    CHECK(barred.trouble[0] == DialTrouble::denied);
    CHECK(host.frames.size() == 2);
    friendly.dialer->send({"3", {}});
    CHECK(wait(loop, [&] { return host.frames.size() == 3; }));
    CHECK(host.clients[2] == good.public_key);
    CHECK(friendly.lost == 0);
    CHECK(host.lost.empty());
}

TEST_CASE("a connection that is ended but still allowed comes back as another") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    host.anyone = true;
    Guest guest(curve, client, server.public_key, {host.endpoint()});
    CHECK(wait(loop, [&] { return guest.dialer->up(); }));
    guest.dialer->send({"1", {}});
    CHECK(wait(loop, [&] { return host.frames.size() == 1; }));
    host.listener->disconnect(host.frames[0].first);
    CHECK(wait(loop, [&] { return guest.up.size() == 2; }));
    guest.dialer->send({"2", {}});
    CHECK(wait(loop, [&] { return host.frames.size() == 2; }));
    CHECK(host.frames[0].first != host.frames[1].first);
    CHECK(guest.lost == 1);
}

TEST_CASE("a path that falls silent is noticed by both sides") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    host.anyone = true;
    Wire wire(loop, host.listener->port());
    Guest guest(curve, client, server.public_key, {{"127.0.0.1", wire.in.port}});
    CHECK(wait(loop, [&] { return guest.dialer->up(); }));
    guest.dialer->send({"{}", {}});
    CHECK(wait(loop, [&] { return host.frames.size() == 1; }));
    const auto cut_at = loop.now().mono_ms;
    wire.silent = true;
    CHECK(wait(loop, [&] { return guest.lost == 1 && host.lost.size() == 1; }));
    CHECK(loop.now().mono_ms - cut_at >= limits::link_timeout_ms - limits::link_heartbeat_ms);
}

TEST_CASE("of several endpoints the one that answers becomes the link") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    host.anyone = true;
    const Listening silent;
    Guest guest(
        curve, client, server.public_key,
        {{"127.0.0.1", unused_port()}, {"127.0.0.1", silent.port}, host.endpoint(), {"127.0.0.2", 9}});
    CHECK(wait(loop, [&] { return guest.dialer->up(); }));
    CHECK(guest.up == std::vector{host.endpoint()});
}

TEST_CASE("a dialer wants addresses in numbers, and not too many") {
    Loop loop;
    Curve curve(loop);
    const auto key = fresh_key();
    CHECK_FALSE(CurveDialer::dial(curve, key, key.public_key, {}, {}));
    CHECK_FALSE(CurveDialer::dial(curve, key, key.public_key, {{"localhost", 1}}, {}));
    CHECK_FALSE(CurveDialer::dial(curve, key, key.public_key, {{"127.0.0.1", 0}}, {}));
    CHECK_FALSE(CurveDialer::dial(curve, key, key.public_key,
                                  std::vector<Endpoint>(limits::link_endpoints + 1, {"127.0.0.1", 1}), {}));
    CHECK(to_text(Endpoint{"::1", 5}) == "[::1]:5");
}

TEST_CASE("a taken port is replaced by a free one") {
    Loop loop;
    Curve curve(loop);
    const Listening taken;
    Host host(curve, fresh_key(), {{"127.0.0.1"}, taken.port});
    CHECK(host.listener->port() != taken.port);
    CHECK(host.listener->port() != 0);
    CHECK_FALSE(CurveListener::listen(curve, fresh_key(), {{"192.0.2.1"}}, {}));
}

TEST_CASE("without given addresses a host listens on all, IPv4 and IPv6") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server, {});
    host.anyone = true;
    std::vector<Endpoint> ways{{"127.0.0.1", host.listener->port()}};
    for (const auto& address : own_addresses()) {
        if (address.text == "::1") ways.push_back({"::1", host.listener->port()});
    }
    for (const auto& way : ways) {
        CAPTURE(way.address);
        Guest guest(curve, client, server.public_key, {way});
        CHECK(wait(loop, [&] { return guest.dialer->up(); }));
    }
}

TEST_CASE("messages that are no frames are dropped and the connection lives on") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server);
    host.anyone = true;
    RawClient raw(client, server.public_key, host.listener->port());
    raw.send({"only a head"});
    raw.send({"{}", "body", "one too many"});
    raw.send({"", "no head"});
    raw.send({"\xff\xfe", "not text"});
    raw.send({std::string("nul\0", 4), "not text"});
    raw.send({"\xed\xa0\x80", "a surrogate"});
    raw.send({"\xc0\xaf", "too long an encoding"});
    raw.send({"cut \xe2\x82", "short"});
    raw.send({std::string(limits::head_bytes + 1, 'x'), "too long a head"});
    raw.send({"{\"euro\":\"\u20ac\"}", "good"});
    CHECK(wait(loop, [&] { return !host.frames.empty(); }));
    CHECK(host.frames.size() == 1);
    CHECK(as_text(host.frames[0].second.body) == "good");
}

TEST_CASE("a part that is too large ends the connection") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    Host host(curve, server, {{"127.0.0.1"}, 0, 1000});
    host.anyone = true;
    RawClient raw(client, server.public_key, host.listener->port());
    raw.send({"{}", std::string(1000, 'x')});
    CHECK(wait(loop, [&] { return host.frames.size() == 1; }));
    raw.send({"{}", std::string(1001, 'x')});
    CHECK(wait(loop, [&] { return host.lost.size() == 1; }));
    CHECK(host.frames.size() == 1);
}

// Sent through a wire of a few MB a second, so that it is noticed long before its end.
TEST_CASE("a message of very many parts ends its connection, and only that") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key(), other = fresh_key();
    CurveListener::Options options{{"127.0.0.1"}};
    options.unread_bytes = 1024 * 1024;
    Host host(curve, server, options);
    host.anyone = true;
    Guest guest(curve, other, server.public_key, {host.endpoint()});
    REQUIRE(wait(loop, [&] { return guest.up.size() == 1; }));
    CHECK(guest.dialer->send({"{}", {}}) == Sent::queued);

    Wire wire(loop, host.listener->port());
    RawClient raw(client, server.public_key, wire.in.port);
    raw.send({"{}", "shows itself"});
    REQUIRE(wait(loop, [&] { return host.frames.size() == 2; }));
    std::vector<std::string> parts(64 * 1024, std::string(1024, 'x'));
    raw.send(parts);
    CHECK(wait(loop, [&] { return host.lost.size() == 1; }));
    CHECK(guest.lost == 0);
    CHECK(guest.dialer->send({"{}", to_bytes("still here")}) == Sent::queued);
    CHECK(wait(loop, [&] { return host.frames.size() == 3; }));
}

TEST_CASE("hosts of one process have each their own clients") {
    Loop loop;
    Curve curve(loop);
    const auto first_key = fresh_key(), second_key = fresh_key(), client = fresh_key();
    Host first(curve, first_key), second(curve, second_key);
    first.allowed = {client.public_key};
    Guest in(curve, client, first_key.public_key, {first.endpoint()});
    Guest out(curve, client, second_key.public_key, {second.endpoint()});
    CHECK(wait(loop, [&] { return in.dialer->up() && !out.trouble.empty(); }));
    CHECK(out.trouble[0] == DialTrouble::denied);
}

TEST_CASE("a listener may be destroyed from within each of its callbacks") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    for (int which = 0; which < 3; ++which) {
        CAPTURE(which);
        std::unique_ptr<CurveListener> listener;
        bool gone = false, shown = false;
        auto end = [&] {
            listener.reset();
            gone = true;
        };
        CurveListener::Events events;
        events.allow = [&](const LinkPublic&) {
            if (which == 0) end();
            return true;
        };
        events.on_frame = [&](const LinkPublic&, Connection, Frame) {
            shown = true;
            if (which == 1) end();
        };
        if (which == 2) events.on_lost = [&](Connection) { end(); };
        listener = CurveListener::listen(curve, server, {{"127.0.0.1"}}, std::move(events)).value();
        Guest guest(curve, client, server.public_key, {{"127.0.0.1", listener->port()}});
        CHECK(wait(loop, [&] { return gone || guest.dialer->up(); }));
        guest.dialer->send({"{}", {}});
        CHECK(wait(loop, [&] { return gone || shown; }));
        if (which == 2) guest.dialer.reset();
        CHECK(wait(loop, [&] { return gone; }));
    }
}

TEST_CASE("a dialer may be destroyed from within each of its callbacks") {
    Loop loop;
    Curve curve(loop);
    const auto server = fresh_key(), client = fresh_key();
    for (int which = 0; which < 4; ++which) {
        CAPTURE(which);
        auto host = std::make_unique<Host>(curve, server);
        host->anyone = which != 3;
        std::unique_ptr<CurveDialer> dialer;
        bool gone = false;
        auto end = [&] {
            dialer.reset();
            gone = true;
        };
        CurveDialer::Events events;
        events.on_up = [&](const Endpoint&) {
            if (which == 0) return end();
            dialer->send({"{}", {}});
        };
        if (which == 1) events.on_frame = [&](Frame) { end(); };
        if (which == 2) events.on_lost = end;
        if (which == 3) events.on_trouble = [&](const Endpoint&, DialTrouble) { end(); };
        dialer = CurveDialer::dial(curve, client, server.public_key, {host->endpoint()}, std::move(events))
                     .value();
        if (which == 1 || which == 2) {
            CHECK(wait(loop, [&] { return host->frames.size() == 1; }));
            if (which == 1) host->listener->send(host->frames[0].first, {"{}", {}});
            if (which == 2) host.reset();
        }
        CHECK(wait(loop, [&] { return gone; }));
    }
}
