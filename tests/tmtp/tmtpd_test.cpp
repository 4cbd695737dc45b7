// The real tmtpd on loopback, and clients that speak TLS to it.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "crypto/keys.h"
#include "net/loop.h"
#include "net/tls.h"
#include "tmtp/client.h"

using namespace kith;
using namespace kith::tmtp;

namespace {

constexpr std::int64_t patience_ms = 60'000;

struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "kith-tmtpd-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()));
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
};

// A tmtpd process. Its standard error goes to the file log beside its folder.
struct Server {
    pid_t pid = 0;
    int out = -1;
    std::string address;

    Server(const std::filesystem::path& folder, const std::string& listen = "127.0.0.1:0") {
        int pipe_ends[2];
        REQUIRE(pipe2(pipe_ends, O_CLOEXEC) == 0);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], 1);
        posix_spawn_file_actions_addopen(&actions, 2, (folder / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                         0600);
        std::string dir = (folder / "service").string(), program = KITH_TMTPD;
        std::string words[] = {program, "--dir", dir, "--listen", listen, "--name", "Test Site"};
        std::vector<char*> argv;
        for (auto& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        REQUIRE(posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ) == 0);
        posix_spawn_file_actions_destroy(&actions);
        close(pipe_ends[1]);
        out = pipe_ends[0];
        char c;
        while (read(out, &c, 1) == 1 && c != '\n') address += c;
    }
    ~Server() {
        if (pid) end(SIGKILL);
        close(out);
    }
    // Ends it and returns the exit code, or minus the signal.
    int end(int with) {
        if (with) kill(pid, with);
        int status = 0;
        waitpid(pid, &status, 0);
        pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    std::uint16_t port() const {
        return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    }
};

// A device: TLS, the client machine, and what it got.
struct Device {
    net::Loop& loop;
    Client client;
    std::unique_ptr<net::TlsClient> tls;
    net::Timer timer;
    std::optional<net::Pin> pin;
    std::string uid, site;
    SecretBytes nodeid;
    std::map<std::string, Bytes> stored;
    std::map<std::string, std::string> nodes;
    std::map<std::string, RequestResult> results;
    std::optional<Error> failed;
    bool acks = true, gone = false, caught_up = false;

    Device(net::Loop& on, Client as) : loop(on), client(std::move(as)) {}

    void connect(std::uint16_t port) {
        gone = caught_up = false;
        net::TlsClient::Events events;
        events.on_connected = [this](const net::Pin& seen) {
            pin = seen;
            carry_out(client.connected(loop.now()));
        };
        events.on_data = [this](ByteView bytes) { carry_out(client.received(bytes, loop.now())); };
        events.on_closed = [this](const Error&) {
            gone = true;
            carry_out(client.disconnected(loop.now()));
        };
        net::TlsConnect to;
        to.host = "127.0.0.1";
        to.port = port;
        to.pin = pin;
        tls = std::make_unique<net::TlsClient>(loop, to, std::move(events));
    }
    void carry_out(ClientActions actions) {
        for (auto& action : actions) {
            if (auto* send = std::get_if<SendBytes>(&action)) {
                CHECK(tls->write(std::move(send->bytes)));
            } else if (auto* name = std::get_if<SiteName>(&action)) {
                site = name->name;
            } else if (auto* registered = std::get_if<Registered>(&action)) {
                CHECK(registered->error.empty());
                uid = registered->uid;
                nodeid = std::move(registered->nodeid);
            } else if (auto* got = std::get_if<Delivered>(&action)) {
                if (got->kind != Kind::login) stored[got->msgid] = got->raw;
                if (acks || got->kind == Kind::login) carry_out(client.acked(got->msgid, loop.now()));
            } else if (auto* node = std::get_if<NodeAdded>(&action)) {
                nodes[node->label] = as_text(node->nodeid.view());
                carry_out(client.acked(node->msgid, loop.now()));
            } else if (auto* result = std::get_if<RequestResult>(&action)) {
                auto id = result->local_id;
                results[id] = std::move(*result);
            } else if (auto* failure = std::get_if<Failed>(&action)) {
                failed = failure->error;
                tls->close();
            } else if (std::holds_alternative<LoggedOut>(action)) {
                tls->close();
            } else if (std::holds_alternative<CaughtUp>(action)) {
                caught_up = true;
            }
        }
        if (auto next = client.next_tick_ms())
            timer = loop.after(*next - loop.now().mono_ms, [this] { carry_out(client.tick(loop.now())); });
    }
    bool online() const { return client.state() == Client::State::online; }
};

struct World {
    Folder folder;
    net::Loop loop;
    std::unique_ptr<Server> server = std::make_unique<Server>(folder.path);

    World() { REQUIRE(crypto::start()); }
    void restart(int with) {
        server->end(with);
        server = std::make_unique<Server>(folder.path);
    }
    template <class Done>
    void wait(Done done) {
        REQUIRE(loop.run_until(done, patience_ms));
    }
    void enrol(Device& device) {
        device.connect(server->port());
        wait([&] { return device.online(); });
    }
};

std::size_t find_message(const Device& device, std::string_view text) {
    std::size_t count = 0;
    for (auto& [id, raw] : device.stored) count += as_text(raw).find(text) != std::string_view::npos;
    return count;
}

}  // namespace

TEST_CASE(
    "register, post with a large attachment, and a killed server that redelivers what was not acknowledged") {
    World world;
    CHECK(world.server->address.starts_with("=127.0.0.1:"));
    Device alice(world.loop, Client::registering("Alice Adams", "first")),
        bob(world.loop, Client::registering("Bobby Brown", "first"));
    world.enrol(alice);
    world.enrol(bob);
    CHECK(alice.site == "Test Site");
    CHECK(alice.pin == bob.pin);

    alice.carry_out(alice.client.add_node("second", false, world.loop.now()));
    world.wait([&] { return alice.nodes.contains("second"); });

    Bytes image(5'000'000);
    for (std::size_t i = 0; i < image.size(); ++i)
        image[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
    Draft draft;
    draft.alias = "Alice Adams";
    draft.subject = "holiday-pictures";
    draft.body = "here they are";
    draft.attachments = {{"beach.jpg", image}};
    draft.recipients = {bob.uid};
    bob.acks = false;
    alice.carry_out(alice.client.ask("p1", *compose(draft, alice.uid), world.loop.now()));
    world.wait([&] { return alice.results.contains("p1") && find_message(bob, "holiday-pictures") == 1; });
    CHECK(alice.results["p1"].outcome == RequestResult::Outcome::accepted);
    auto msgid = alice.results["p1"].msgid;
    CHECK(bob.stored[msgid].size() > image.size());

    world.restart(SIGKILL);
    world.wait([&] { return alice.gone && bob.gone; });
    auto first = bob.stored[msgid];
    bob.stored.clear();
    bob.acks = true;
    alice.connect(world.server->port());
    bob.connect(world.server->port());  // the pin must be the same
    world.wait([&] { return alice.caught_up && bob.caught_up; });
    CHECK(bob.stored[msgid] == first);
    CHECK(alice.stored[msgid] == first);  // its own uid is in `for`

    Device second(world.loop, Client::login(alice.uid, SecretBytes(as_bytes(alice.nodes["second"]))));
    world.enrol(second);
    world.wait([&] { return second.caught_up; });
    CHECK(second.stored[msgid] == first);

    SUBCASE("acknowledged once, it does not come again") {
        world.restart(SIGKILL);
        world.wait([&] { return bob.gone; });
        bob.stored.clear();
        bob.client = Client::login(bob.uid, bob.nodeid.copy());  // a new process, which knows no ids
        bob.connect(world.server->port());
        world.wait([&] { return bob.caught_up; });
        CHECK(bob.stored.empty());
    }
    SUBCASE("a ping by alias") {
        bob.carry_out(bob.client.ask(
            "g1", {Ping{{}, "Bobby Brown", "Alice Adams", 0}, to_bytes("hello there")}, world.loop.now()));
        world.wait([&] {
            return find_message(alice, "hello there") == 1 && find_message(second, "hello there") == 1;
        });
        bob.carry_out(bob.client.ask("g2", {Ping{{}, "Bobby Brown", "Nobody At All", 0}, to_bytes("x")},
                                     world.loop.now()));
        world.wait([&] { return bob.results.contains("g2"); });
        CHECK(bob.results["g2"].outcome == RequestResult::Outcome::refused);
    }
    SUBCASE("a second connection of a node is refused, a stranger too") {
        Device twin(world.loop, Client::login(bob.uid, bob.nodeid.copy()));
        twin.connect(world.server->port());
        world.wait([&] { return twin.gone; });
        REQUIRE(twin.failed);
        CHECK(twin.failed->what.find("earlier connection") != std::string::npos);
        Device stranger(world.loop, Client::login("NOBODY", bob.nodeid.copy()));
        stranger.connect(world.server->port());
        world.wait([&] { return stranger.gone; });
        CHECK(stranger.failed->kind == Fault::refused);
    }
    SUBCASE("what is stored is private, and neither it nor the log shows what was said") {
        auto service = world.folder.path / "service";
        std::size_t files = 0;
        for (auto& entry : std::filesystem::directory_iterator(service)) {
            struct stat info;
            REQUIRE(stat(entry.path().c_str(), &info) == 0);
            CHECK((info.st_mode & 077) == 0);
            ++files;
        }
        CHECK(files >= 4);
        std::string everything;
        for (auto& entry : std::filesystem::recursive_directory_iterator(world.folder.path)) {
            if (!entry.is_regular_file()) continue;
            std::ifstream in(entry.path(), std::ios::binary);
            everything.append(std::istreambuf_iterator<char>(in), {});
        }
        CHECK(everything.find("holiday-pictures") == std::string::npos);
        CHECK(everything.find(as_text(bob.nodeid.view())) == std::string::npos);
    }
}

TEST_CASE("a quit ends the link, a signal ends the server") {
    World world;
    Device alice(world.loop, Client::registering("Alice Adams", "first"));
    world.enrol(alice);
    alice.carry_out(alice.client.quit(world.loop.now()));
    world.wait([&] { return alice.gone; });
    CHECK(world.server->end(SIGTERM) == 0);
    Server again(world.folder.path);
    CHECK(again.end(SIGINT) == 0);
}

TEST_CASE("a folder has one server, and a wrong address is explained") {
    World world;
    Server second(world.folder.path);
    CHECK(second.address.empty());
    CHECK(second.end(0) == 1);
    std::ifstream of_both(world.folder.path / "log");
    std::string both((std::istreambuf_iterator<char>(of_both)), {});
    CHECK(both.find("a tmtpd runs on " + (world.folder.path / "service").string() + " already") !=
          std::string::npos);
    Folder other;
    Server wrong(other.path, "nonsense");
    CHECK(wrong.address.empty());
    CHECK(wrong.end(0) == 1);
    std::ifstream log(other.path / "log");
    std::string text((std::istreambuf_iterator<char>(log)), {});
    CHECK(text.find("HOST:PORT") != std::string::npos);
}

TEST_CASE("bytes that are no TLS and no TMTP leave the server standing") {
    World world;
    Device noise(world.loop, Client::login("X", SecretBytes(as_bytes("Y"))));
    bool closed = false;
    net::TlsClient::Events events;
    events.on_closed = [&](const Error&) { closed = true; };
    net::TlsConnect to;
    to.host = "127.0.0.1";
    to.port = world.server->port();
    net::TlsClient client(world.loop, to, std::move(events));
    client.write(to_bytes("GET / HTTP/1.1\r\n\r\n"));
    world.wait([&] { return closed; });
    Device alice(world.loop, Client::registering("Alice Adams", "first"));
    world.enrol(alice);
    CHECK(alice.online());
}
