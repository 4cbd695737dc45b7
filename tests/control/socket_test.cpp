#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <vector>

#include "base/limits.h"
#include "control/socket_server.h"
#include "net/local_socket.h"
#include "net/loop.h"

using namespace kith;
using namespace kith::control;

namespace {

constexpr std::int64_t patience_ms = 20000;

// A server on a socket of its own, and clients on the same loop.
struct Setting {
    std::filesystem::path folder;
    net::Loop loop;
    Dispatcher dispatcher;
    std::unique_ptr<SocketServer> server;
    RequestPtr kept;
    std::vector<Cancelled> cancelled;

    Setting() {
        std::string name = "/tmp/kith-control-XXXXXX";
        REQUIRE(mkdtemp(name.data()));
        folder = name;
        dispatcher.add("echo", [](const RequestPtr& request) {
            request->event("heard");
            request->finish(request->args());
        });
        dispatcher.add("keep", [this](const RequestPtr& request) {
            kept = request;
            request->ask("code");
            request->on_answer(
                [this](std::string_view, std::string_view value) { kept->finish(std::string(value)); });
            request->on_cancelled([this](Cancelled how) {
                cancelled.push_back(how);
                kept->fail({Fault::cancelled, "withdrawn", ""});
            });
        });
        dispatcher.add("hold", [](const RequestPtr& request) {
            request->event("held");
            request->on_answer([request](std::string_view, std::string_view) { request->finish(); });
        });
        auto opened = SocketServer::listen(loop, dispatcher, socket());
        REQUIRE(opened);
        server = std::move(*opened);
    }
    ~Setting() {
        kept.reset();
        server.reset();
        std::filesystem::remove_all(folder);
    }
    std::filesystem::path socket() const { return folder / socket_name; }
};

struct Client {
    std::vector<std::string> heard;
    bool closed = false;
    std::unique_ptr<net::LocalClient> line;

    explicit Client(Setting& setting) {
        net::LocalClient::Events events;
        events.on_line = [this](std::string_view text) { heard.emplace_back(text); };
        events.on_closed = [this](const Error&) { closed = true; };
        auto client = net::LocalClient::connect(setting.loop, setting.socket().string(), std::move(events));
        REQUIRE(client);
        line = std::move(*client);
    }
    void send(std::string_view text) { REQUIRE(line->send(text)); }
};

}  // namespace

TEST_CASE("a request over the socket gets its events and result, and the connection ends") {
    Setting setting;
    Client client(setting);
    client.send(R"({"v":1,"method":"echo","args":{"a":1}})");
    REQUIRE(setting.loop.run_until([&] { return client.closed; }, patience_ms));
    CHECK(client.heard == std::vector<std::string>{R"({"event":"heard"})", R"({"result":{"a":1}})"});
}

TEST_CASE("an answer on the same connection reaches the request that asked") {
    Setting setting;
    Client client(setting), other(setting);
    client.send(R"({"v":1,"method":"keep"})");
    REQUIRE(setting.loop.run_until([&] { return client.heard.size() == 1; }, patience_ms));
    other.send(R"({"answer":"code","value":"stranger"})");
    REQUIRE(setting.loop.run_until([&] { return other.closed; }, patience_ms));
    CHECK(other.heard.at(0).find("\"protocol\"") != std::string::npos);
    client.send(R"({"answer":"code","value":"123456"})");
    REQUIRE(setting.loop.run_until([&] { return client.closed; }, patience_ms));
    CHECK(client.heard.back() == R"({"result":"123456"})");
}

TEST_CASE("a line that is not of the protocol ends the connection with an error") {
    Setting setting;
    for (const char* line : {"hello", "", R"({"v":9,"method":"echo"})", "[[[[[[[[[[[["}) {
        Client client(setting);
        client.send(line);
        REQUIRE(setting.loop.run_until([&] { return client.closed; }, patience_ms));
        REQUIRE(client.heard.size() == 1);
        CHECK(client.heard[0].find("{\"error\":") == 0);
    }
}

TEST_CASE("a second request on a connection is refused, and ends the first") {
    Setting setting;
    Client client(setting);
    client.send(R"({"v":1,"method":"keep"})");
    client.send(R"({"v":1,"method":"echo"})");
    REQUIRE(setting.loop.run_until([&] { return client.closed && !setting.cancelled.empty(); }, patience_ms));
    CHECK(client.heard.back().find("\"protocol\"") != std::string::npos);
    CHECK(setting.cancelled == std::vector{Cancelled::gone});
}

TEST_CASE("a client that cancels gets the end, one that goes is noticed") {
    Setting setting;
    Client client(setting);
    client.send(R"({"v":1,"method":"keep"})");
    client.send(R"({"cancel":true})");
    REQUIRE(setting.loop.run_until([&] { return client.closed; }, patience_ms));
    CHECK(client.heard.back().find("\"cancelled\"") != std::string::npos);
    CHECK(setting.cancelled == std::vector{Cancelled::asked});
    {
        Client leaving(setting);
        leaving.send(R"({"v":1,"method":"keep"})");
        REQUIRE(setting.loop.run_until([&] { return leaving.heard.size() == 1; }, patience_ms));
    }
    REQUIRE(setting.loop.run_until([&] { return setting.cancelled.size() == 2; }, patience_ms));
    CHECK(setting.cancelled.back() == Cancelled::gone);
}

TEST_CASE("a client that does not read is dropped instead of filling memory") {
    Setting setting;
    auto caller = net::LocalCaller::connect(setting.socket().string());
    REQUIRE(caller);
    REQUIRE(caller->send_line(R"({"v":1,"method":"keep"})"));
    REQUIRE(setting.loop.run_until([&] { return setting.kept != nullptr; }, patience_ms));
    std::string filler(1024 * 1024, 'x');
    for (std::size_t i = 0; i < 2 * limits::control_queue_bytes / filler.size(); ++i)
        setting.kept->event("progress", {{"filler", filler}});
    REQUIRE(setting.loop.run_until([&] { return !setting.cancelled.empty(); }, patience_ms));
    CHECK(setting.cancelled == std::vector{Cancelled::gone});
}

TEST_CASE("an answer that is too large becomes an error") {
    Setting setting;
    Client client(setting);
    client.send(R"({"v":1,"method":"keep"})");
    REQUIRE(setting.loop.run_until([&] { return setting.kept != nullptr; }, patience_ms));
    setting.kept->finish(std::string(limits::control_reply_bytes, 'x'));
    REQUIRE(setting.loop.run_until([&] { return client.closed; }, patience_ms));
    CHECK(client.heard.back().find("\"invalid\"") != std::string::npos);
}

TEST_CASE("more clients than allowed are turned away, and the others stay") {
    Setting setting;
    std::vector<std::unique_ptr<Client>> clients;
    for (std::size_t i = 0; i < limits::control_clients; ++i) {
        clients.push_back(std::make_unique<Client>(setting));
        clients.back()->send(R"({"v":1,"method":"hold"})");
        REQUIRE(setting.loop.run_until([&] { return !clients.back()->heard.empty(); }, patience_ms));
    }
    Client one_more(setting);
    REQUIRE(setting.loop.run_until([&] { return one_more.closed; }, patience_ms));
    CHECK(one_more.heard.empty());
    CHECK_FALSE(clients.front()->closed);
}

TEST_CASE("closing lets the last words out and takes no new clients") {
    Setting setting;
    bool done = false;
    setting.dispatcher.add("stop", [&](const RequestPtr& request) {
        request->finish();
        setting.server->close([&] { done = true; });
    });
    Client waiting(setting), client(setting);
    waiting.send(R"({"v":1,"method":"keep"})");
    REQUIRE(setting.loop.run_until([&] { return !waiting.heard.empty(); }, patience_ms));
    client.send(R"({"v":1,"method":"stop"})");
    REQUIRE(setting.loop.run_until([&] { return done && client.closed && waiting.closed; }, patience_ms));
    CHECK(client.heard == std::vector<std::string>{R"({"result":{}})"});
    Client late(setting);
    REQUIRE(setting.loop.run_until([&] { return late.closed; }, patience_ms));
}

TEST_CASE("a handler may destroy the server that it was called from") {
    Setting setting;
    setting.dispatcher.add("end", [&](const RequestPtr& request) {
        setting.server.reset();
        request->finish();
    });
    Client client(setting);
    client.send(R"({"v":1,"method":"end"})");
    CHECK(setting.loop.run_until([&] { return client.closed; }, patience_ms));
}

TEST_CASE("a socket that somebody listens at is not taken over") {
    Setting setting;
    auto second = SocketServer::listen(setting.loop, setting.dispatcher, setting.socket());
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == Fault::refused);
}
