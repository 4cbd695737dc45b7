#include "net/tls.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "net/wait.h"

using namespace kith;
using namespace kith::net;

namespace {

// A server that keeps what happened, and one client's view.
struct Served {
    Loop& loop;
    TlsIdentity identity;
    std::unique_ptr<TlsServer> server;
    std::vector<TlsSession> opened, closed;
    std::string got;

    explicit Served(Loop& on, const std::string& name = "localhost", const std::string& host = "127.0.0.1")
        : loop(on), identity(make_tls_identity(name).value()) {
        TlsServer::Events events;
        events.on_open = [this](TlsSession session) { opened.push_back(session); };
        events.on_data = [this](TlsSession, ByteView bytes) { got += as_text(bytes); };
        events.on_closed = [this](TlsSession session, const Error&) { closed.push_back(session); };
        server = TlsServer::listen(loop, identity, host, 0, std::move(events)).value();
    }
    TlsConnect address() const {
        TlsConnect to;
        to.host = "127.0.0.1";
        to.port = server->port();
        return to;
    }
};

struct Caller {
    std::optional<Pin> pin;
    std::string got;
    std::vector<Error> closed;
    int drained = 0;
    std::unique_ptr<TlsClient> client;

    Caller(Loop& loop, TlsConnect to) {
        TlsClient::Events events;
        events.on_connected = [this](const Pin& found) { pin = found; };
        events.on_data = [this](ByteView bytes) { got += as_text(bytes); };
        events.on_drained = [this] { ++drained; };
        events.on_closed = [this](const Error& why) { closed.push_back(why); };
        client = std::make_unique<TlsClient>(loop, std::move(to), std::move(events));
    }
};

std::string write_authorities(const Folder& folder, const TlsIdentity& identity) {
    const auto path = folder.path + "/authorities.pem";
    std::ofstream(path) << identity.certificate;
    return path;
}

}  // namespace

TEST_CASE("a first connection reports the server's key and both sides talk") {
    Loop loop;
    Served served(loop);
    Caller caller(loop, served.address());
    caller.client->write(to_bytes("written before it stood"));
    CHECK(wait(loop, [&] { return served.got == "written before it stood"; }));
    CHECK(caller.pin == served.server->pin());
    CHECK(served.server->peer(served.opened.at(0)).rfind("127.0.0.1:", 0) == 0);
    CHECK(served.server->write(served.opened.at(0), to_bytes("hello")));
    CHECK(wait(loop, [&] { return caller.got == "hello"; }));
    caller.client.reset();
    CHECK(wait(loop, [&] { return served.closed == served.opened; }));
    CHECK_FALSE(served.server->write(served.opened.at(0), to_bytes("gone")));
    CHECK(caller.closed.empty());
}

TEST_CASE("the expected key is accepted and another is refused before a byte is sent") {
    Loop loop;
    Served served(loop);
    auto to = served.address();
    to.pin = served.server->pin();
    Caller right(loop, to);
    CHECK(wait(loop, [&] { return right.pin.has_value(); }));

    to.pin->bytes[0] ^= 1;
    Caller wrong(loop, to);
    wrong.client->write(to_bytes("a secret"));
    CHECK(wait(loop, [&] { return !wrong.closed.empty(); }));
    CHECK(wrong.closed.at(0).kind == Fault::refused);
    CHECK(wrong.closed.at(0).what.find(to.pin->hex()) != std::string::npos);
    CHECK(wrong.closed.at(0).what.find(served.server->pin().hex()) != std::string::npos);
    CHECK_FALSE(wrong.pin);
    CHECK(wait(loop, [&] { return served.closed.size() == 1; }));
    CHECK(served.got.empty());
    CHECK_FALSE(wrong.client->write(to_bytes("more")));
}

TEST_CASE("with authorities the chain and the host's name must be right") {
    Loop loop;
    Folder folder;
    Served served(loop, "localhost", "localhost");
    auto to = served.address();
    to.host = "localhost";
    to.trust = TlsConnect::Trust::authorities;
    to.authorities_file = write_authorities(folder, served.identity);
    Caller right(loop, to);
    CHECK(wait(loop, [&] { return right.pin.has_value() || !right.closed.empty(); }));
    CHECK(right.pin == served.server->pin());

    SUBCASE("another name") {
        Served other(loop, "example.org", "localhost");
        to.port = other.server->port();
        to.authorities_file = write_authorities(folder, other.identity);
        Caller caller(loop, to);
        CHECK(wait(loop, [&] { return !caller.closed.empty(); }));
        CHECK(caller.closed.at(0).kind == Fault::refused);
        CHECK(caller.closed.at(0).what.find("mismatch") != std::string::npos);
        CHECK_FALSE(caller.pin);
    }
    SUBCASE("an address instead of the name") {
        to.host = "127.0.0.1";
        Served numeric(loop, "localhost");
        to.port = numeric.server->port();
        to.authorities_file = write_authorities(folder, numeric.identity);
        Caller caller(loop, to);
        CHECK(wait(loop, [&] { return !caller.closed.empty(); }));
        CHECK(caller.closed.at(0).kind == Fault::refused);
    }
    SUBCASE("nobody vouches for it") {
        to.authorities_file.clear();
        Caller caller(loop, to);
        CHECK(wait(loop, [&] { return !caller.closed.empty(); }));
        CHECK((caller.closed.at(0).kind == Fault::refused || caller.closed.at(0).kind == Fault::unavailable));
        CHECK_FALSE(caller.pin);
    }
    SUBCASE("the list of authorities is not there") {
        to.authorities_file = folder.path + "/missing.pem";
        Caller caller(loop, to);
        CHECK(wait(loop, [&] { return !caller.closed.empty(); }));
        CHECK(caller.closed.at(0).kind == Fault::unavailable);
    }
}

TEST_CASE("a certificate for an address is good for that address") {
    Loop loop;
    Folder folder;
    Served served(loop, "127.0.0.1");
    auto to = served.address();
    to.trust = TlsConnect::Trust::authorities;
    to.authorities_file = write_authorities(folder, served.identity);
    Caller caller(loop, to);
    CHECK(wait(loop, [&] { return caller.pin.has_value() || !caller.closed.empty(); }));
    CHECK(caller.pin);
}

TEST_CASE("a server that never answers ends in a time-out") {
    Loop loop;
    const Listening silent;
    TlsConnect to;
    to.host = "127.0.0.1";
    to.port = silent.port;
    to.timeout_ms = 50;
    Caller caller(loop, to);
    CHECK(wait(loop, [&] { return !caller.closed.empty(); }));
    CHECK(caller.closed.at(0).kind == Fault::timed_out);
}

TEST_CASE("a port where nobody listens is unreachable, and says so") {
    Loop loop;
    TlsConnect to;
    to.host = "127.0.0.1";
    to.port = unused_port();
    Caller caller(loop, to);
    CHECK(wait(loop, [&] { return !caller.closed.empty(); }));
    CHECK(caller.closed.at(0).kind == Fault::unreachable);
    CHECK(caller.closed.at(0).what.find("nothing listens there") != std::string::npos);
    settle(loop, 10);
    CHECK(caller.closed.size() == 1);
}

TEST_CASE("much data arrives whole, in order, and is counted while it waits") {
    Loop loop;
    Served served(loop);
    Caller caller(loop, served.address());
    std::string sent;
    for (int i = 0; i < 100; ++i) {
        const std::string piece(50000, static_cast<char>('a' + i % 26));
        CHECK(caller.client->write(to_bytes(piece)));
        sent += piece;
    }
    CHECK(caller.client->queued() == sent.size());
    CHECK(wait(loop, [&] { return served.got.size() == sent.size(); }));
    CHECK(served.got == sent);
    CHECK(wait(loop, [&] { return caller.client->queued() == 0; }));
    CHECK(wait(loop, [&] { return caller.drained > 0; }));
}

TEST_CASE("a reader that pauses makes the writer's queue fill up to its limit") {
    Loop loop;
    Served served(loop);
    Caller caller(loop, served.address());
    CHECK(wait(loop, [&] { return served.opened.size() == 1; }));
    const auto session = served.opened.at(0);
    served.server->pause(session, true);
    std::size_t taken = 0;
    while (caller.client->write(Bytes(1024 * 1024, 'x'))) taken += 1024 * 1024;
    CHECK(caller.client->queued() >= limits::tls_queue_bytes);
    CHECK(served.got.size() <= limits::tls_read_bytes);
    served.server->pause(session, false);
    CHECK(wait(loop, [&] { return served.got.size() == taken; }));
}

TEST_CASE("closing sends what is queued first, from either side") {
    Loop loop;
    Served served(loop);
    Caller caller(loop, served.address());
    SUBCASE("the client, even before the connection stands") {
        caller.client->write(Bytes(300000, 'x'));
        caller.client->close();
        CHECK_FALSE(caller.client->write(to_bytes("late")));
        CHECK(wait(loop, [&] { return !served.closed.empty() && !caller.closed.empty(); }));
        CHECK(served.got.size() == 300000);
        CHECK(caller.closed.at(0).kind == Fault::cancelled);
    }
    SUBCASE("the server") {
        CHECK(wait(loop, [&] { return served.opened.size() == 1; }));
        served.server->write(served.opened.at(0), Bytes(300000, 'x'));
        served.server->close(served.opened.at(0));
        CHECK(wait(loop, [&] { return !served.closed.empty() && !caller.closed.empty(); }));
        CHECK(caller.got.size() == 300000);
        CHECK(caller.closed.at(0).kind == Fault::unreachable);
    }
}

TEST_CASE("a client may be destroyed from within each of its callbacks") {
    Loop loop;
    Served served(loop);
    for (int which = 0; which < 4; ++which) {
        CAPTURE(which);
        std::unique_ptr<TlsClient> client;
        bool gone = false;
        auto end = [&] {
            client.reset();
            gone = true;
        };
        TlsClient::Events events;
        if (which == 0) events.on_connected = [&](const Pin&) { end(); };
        if (which == 1) events.on_drained = end;
        if (which == 2) events.on_data = [&](ByteView) { end(); };
        if (which == 3) events.on_closed = [&](const Error&) { end(); };
        const auto before = served.opened.size();
        client = std::make_unique<TlsClient>(loop, served.address(), std::move(events));
        client->write(to_bytes("x"));
        CHECK(wait(loop, [&] {
            if (!gone && served.opened.size() > before) {
                if (which == 2) served.server->write(served.opened.back(), to_bytes("y"));
                if (which == 3) served.server->close(served.opened.back());
            }
            return gone;
        }));
    }
}

TEST_CASE("a server may be destroyed from within each of its callbacks") {
    Loop loop;
    const auto identity = make_tls_identity("localhost").value();
    for (int which = 0; which < 3; ++which) {
        CAPTURE(which);
        std::unique_ptr<TlsServer> server;
        bool gone = false;
        auto end = [&] {
            server.reset();
            gone = true;
        };
        TlsServer::Events events;
        if (which == 0) events.on_open = [&](TlsSession) { end(); };
        if (which == 1) events.on_data = [&](TlsSession, ByteView) { end(); };
        if (which == 2) events.on_closed = [&](TlsSession, const Error&) { end(); };
        server = TlsServer::listen(loop, identity, "127.0.0.1", 0, std::move(events)).value();
        TlsConnect to;
        to.host = "127.0.0.1";
        to.port = server->port();
        Caller caller(loop, to);
        caller.client->write(to_bytes("x"));
        if (which == 2) caller.client->close();
        CHECK(wait(loop, [&] { return gone && !caller.closed.empty(); }));
    }
}

TEST_CASE("bytes that are not TLS end the handshake on both sides") {
    Loop loop;
    Served served(loop);
    // A plain connection that talks nonsense to the server.
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(served.server->port());
    REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    const std::string_view nonsense = "GET / HTTP/1.0\r\n\r\n";
    CHECK(send(fd, nonsense.data(), nonsense.size(), 0) == static_cast<ssize_t>(nonsense.size()));
    CHECK(wait(loop, [&] {
        char answer[64];
        return recv(fd, answer, sizeof answer, MSG_DONTWAIT) == 0 ||
               (errno != EAGAIN && errno != EWOULDBLOCK);
    }));
    close(fd);
    CHECK(served.opened.empty());
    CHECK(served.closed.empty());

    // A server that talks nonsense to our client.
    const Listening plain;
    TlsConnect to;
    to.host = "127.0.0.1";
    to.port = plain.port;
    Caller caller(loop, to);
    const int accepted = plain.accept_on(loop);
    CHECK(send(accepted, nonsense.data(), nonsense.size(), 0) > 0);
    CHECK(wait(loop, [&] { return !caller.closed.empty(); }));
    CHECK(caller.closed.at(0).kind == Fault::protocol);
    close(accepted);
}

TEST_CASE("an identity is kept in one file that only its owner can read") {
    Folder folder;
    const auto path = folder.path + "/tls.pem";
    CHECK(load_tls_identity(path).error().kind == Fault::not_found);
    const auto made = make_tls_identity("name with spaces").value();
    REQUIRE(save_tls_identity(made, path));
    struct stat found;
    REQUIRE(stat(path.c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0600);
    const auto loaded = load_tls_identity(path);
    REQUIRE(loaded);
    CHECK(pin_of(*loaded).value() == pin_of(made).value());
    CHECK(equal_constant_time(loaded->key.view(), made.key.view()));
    REQUIRE(save_tls_identity(make_tls_identity("x").value(), path));
    CHECK(pin_of(load_tls_identity(path).value()).value() != pin_of(made).value());

    // The certificate of one with the key of another.
    const auto other = make_tls_identity("y").value();
    REQUIRE(save_tls_identity(TlsIdentity{made.certificate, other.key.copy()}, path));
    CHECK(load_tls_identity(path).error().kind == Fault::corrupt);
    std::ofstream(path) << "nothing of the kind";
    CHECK(load_tls_identity(path).error().kind == Fault::corrupt);
    CHECK(make_tls_identity("").error().kind == Fault::invalid);
    CHECK(make_tls_identity(std::string(65, 'x')).error().kind == Fault::invalid);
}

TEST_CASE("a port that is taken is reported") {
    Loop loop;
    Served served(loop);
    const auto second = TlsServer::listen(loop, served.identity, "127.0.0.1", served.server->port(), {});
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == Fault::refused);
    CHECK_FALSE(TlsServer::listen(loop, served.identity, "no such name", 0, {}));
}

TEST_CASE(
    "a server takes another certificate for new connections, and keeps the old one when it is no good") {
    Loop loop;
    Served served(loop);
    Caller before(loop, served.address());
    CHECK(wait(loop, [&] { return served.opened.size() == 1; }));
    const auto fresh = make_tls_identity("localhost").value();
    REQUIRE(served.server->use(fresh));
    CHECK(served.server->pin() == pin_of(fresh).value());
    auto to = served.address();
    to.pin = pin_of(fresh).value();
    Caller after(loop, to);
    CHECK(wait(loop, [&] { return served.opened.size() == 2; }));
    CHECK(before.closed.empty());
    TlsIdentity mixed{fresh.certificate, make_tls_identity("localhost").value().key.copy()};
    CHECK_FALSE(served.server->use(mixed));
    Caller still(loop, to);
    CHECK(wait(loop, [&] { return served.opened.size() == 3; }));
}

TEST_CASE("a probe finds a living connection alive, without a byte of the stream") {
    Loop loop;
    const auto identity = make_tls_identity("localhost").value();
    std::vector<TlsSession> opened, alive;
    TlsServer::Events events;
    events.on_open = [&](TlsSession session) { opened.push_back(session); };
    events.on_alive = [&](TlsSession session) { alive.push_back(session); };
    auto server = TlsServer::listen(loop, identity, "127.0.0.1", 0, std::move(events)).value();
    TlsConnect to;
    to.host = "127.0.0.1";
    to.port = server->port();
    Caller caller(loop, to);
    CHECK(wait(loop, [&] { return opened.size() == 1; }));
    server->probe(opened[0]);
    CHECK(wait(loop, [&] { return alive == opened; }));
    server->probe(static_cast<TlsSession>(99));
    CHECK(server->source(opened[0]) == "127.0.0.1");
}

TEST_CASE("connections in their handshake are counted for each address, and sessions in all") {
    Loop loop;
    const auto identity = make_tls_identity("localhost").value();
    std::size_t opened = 0;
    TlsServer::Events events;
    events.on_open = [&](TlsSession) { ++opened; };
    TlsServer::Settings settings;
    settings.sessions = 3;
    settings.handshakes_each = 2;
    auto server = TlsServer::listen(loop, identity, "127.0.0.1", 0, std::move(events), settings).value();
    TlsConnect to;
    to.host = "127.0.0.1";
    to.port = server->port();
    {  // three that say nothing: the third is closed at once
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_port = htons(server->port());
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int silent[3];
        for (int& one : silent) {
            one = socket(AF_INET, SOCK_STREAM, 0);
            REQUIRE(connect(one, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0);
        }
        char byte;
        Timer tick;
        auto closed = [&](int one) { return recv(one, &byte, 1, MSG_DONTWAIT) != -1 || errno != EAGAIN; };
        CHECK(wait(loop, [&] {
            tick = loop.after(10, [] {});
            return closed(silent[2]);
        }));
        CHECK_FALSE(closed(silent[0]));
        CHECK_FALSE(closed(silent[1]));
        for (int one : silent) close(one);
    }
    std::vector<std::unique_ptr<Caller>> callers;
    for (std::size_t i = 0; i < 3; ++i) {
        std::unique_ptr<Caller> caller;
        // Those that were given up are noticed a little later.
        CHECK(wait(loop, [&] {
            if (!caller || !caller->closed.empty()) caller = std::make_unique<Caller>(loop, to);
            return opened > i;
        }));
        callers.push_back(std::move(caller));
    }
    Caller fourth(loop, to);
    CHECK(wait(loop, [&] { return !fourth.closed.empty(); }));
    CHECK(opened == 3);
}
