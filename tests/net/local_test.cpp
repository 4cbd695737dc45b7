#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <fstream>
#include <thread>

#include "base/limits.h"
#include "net/file_lock.h"
#include "net/local_socket.h"
#include "net/wait.h"

using namespace kith;
using namespace kith::net;

namespace {

struct Daemon {
    std::unique_ptr<LocalServer> server;
    std::vector<LocalPeer> opened, closed;
    std::vector<std::string> lines;
    Result<> started;

    Daemon(Loop& loop, const std::string& path) {
        LocalServer::Events events;
        events.on_open = [this](LocalPeer peer) { opened.push_back(peer); };
        events.on_line = [this](LocalPeer, std::string_view line) { lines.emplace_back(line); };
        events.on_closed = [this](LocalPeer peer) { closed.push_back(peer); };
        auto made = LocalServer::listen(loop, path, std::move(events));
        if (made)
            server = std::move(*made);
        else
            started = fail(made.error());
    }
};

struct Program {
    std::unique_ptr<LocalClient> client;
    std::vector<std::string> lines;
    std::vector<Error> closed;

    Program(Loop& loop, const std::string& path) {
        LocalClient::Events events;
        events.on_line = [this](std::string_view line) { lines.emplace_back(line); };
        events.on_closed = [this](const Error& why) { closed.push_back(why); };
        client = LocalClient::connect(loop, path, std::move(events)).value();
    }
};

// A socket file as a process that died leaves it.
void leave_stale(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof at.sun_path);
    path.copy(at.sun_path, path.size());
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    close(fd);
}

mode_t mode_of(const std::string& path) {
    struct stat found {};
    return stat(path.c_str(), &found) == 0 ? found.st_mode & 0777 : 0;
}

}  // namespace

TEST_CASE("lines are cut wherever the bytes are") {
    LineSplitter lines(10);
    std::string_view line;
    CHECK(lines.feed(as_bytes("on")));
    CHECK_FALSE(lines.next(line));
    CHECK(lines.feed(as_bytes("e\n\ntwo\nth")));
    CHECK(lines.next(line));
    CHECK(line == "one");
    CHECK(lines.next(line));
    CHECK(line.empty());
    CHECK(lines.next(line));
    CHECK(line == "two");
    CHECK_FALSE(lines.next(line));
    CHECK(lines.feed(as_bytes("ree\n")));
    CHECK(lines.next(line));
    CHECK(line == "three");
}

TEST_CASE("a line of the largest size passes and a longer one ends the stream") {
    LineSplitter lines(4);
    std::string_view line;
    CHECK(lines.feed(as_bytes("1234\n1234")));
    CHECK(lines.next(line));
    CHECK(lines.feed(as_bytes("\nab\n")));
    CHECK_FALSE(lines.feed(as_bytes("12345\nab\n")));
    CHECK(lines.next(line));
    CHECK(line == "1234");
    CHECK(lines.next(line));
    CHECK(line == "ab");
    CHECK_FALSE(lines.next(line));
    CHECK_FALSE(lines.feed(as_bytes("ab\n")));
    CHECK_FALSE(lines.next(line));
    LineSplitter endless(4);
    CHECK_FALSE(endless.feed(as_bytes("12345")));
    CHECK_FALSE(endless.next(line));
}

TEST_CASE("both sides exchange lines over a socket that only the owner can open") {
    Loop loop;
    Folder folder;
    const auto path = folder.path + "/home/kithd.sock";
    Daemon daemon(loop, path);
    REQUIRE(daemon.started);
    CHECK(mode_of(folder.path + "/home") == 0700);
    CHECK(mode_of(path) == 0600);

    Program program(loop, path);
    CHECK(program.client->send("first"));
    CHECK(program.client->send("second"));
    CHECK_FALSE(program.client->send("two\nlines"));
    CHECK(wait(loop, [&] { return daemon.lines.size() == 2; }));
    CHECK(daemon.lines == std::vector<std::string>{"first", "second"});
    CHECK(daemon.server->send(daemon.opened.at(0), "answer"));
    daemon.server->close(daemon.opened.at(0));
    CHECK_FALSE(daemon.server->send(daemon.opened.at(0), "late"));
    CHECK(wait(loop, [&] { return !program.closed.empty() && !daemon.closed.empty(); }));
    CHECK(program.lines == std::vector<std::string>{"answer"});
    CHECK(daemon.closed == daemon.opened);

    daemon.server.reset();
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(LocalClient::connect(loop, path, {}).error().kind == Fault::not_found);
}

TEST_CASE("a folder that others may enter is refused") {
    Loop loop;
    Folder folder;
    chmod(folder.path.c_str(), 0750);
    CHECK(Daemon(loop, folder.path + "/s").started.error().kind == Fault::refused);
}

TEST_CASE("the socket of a dead process is replaced, that of a live one is not") {
    Loop loop;
    Folder folder;
    const auto path = folder.path + "/kithd.sock";
    leave_stale(path);
    CHECK(LocalCaller::connect(path).error().kind == Fault::not_found);
    Daemon first(loop, path);
    REQUIRE(first.started);
    Daemon second(loop, path);
    CHECK(second.started.error().kind == Fault::refused);
    CHECK(std::filesystem::exists(path));
    Program program(loop, path);
    program.client->send("still there");
    CHECK(wait(loop, [&] { return first.lines.size() == 1; }));
}

TEST_CASE("another kind of file in the socket's place is left alone") {
    Loop loop;
    Folder folder;
    const auto path = folder.path + "/kithd.sock";
    std::ofstream(path) << "dear diary";
    CHECK(Daemon(loop, path).started.error().kind == Fault::refused);
    CHECK(std::filesystem::file_size(path) == 10);
}

TEST_CASE("a server whose socket was replaced leaves the new one") {
    Loop loop;
    Folder folder;
    const auto path = folder.path + "/kithd.sock";
    Daemon first(loop, path);
    // Renamed rather than removed, so that the file system cannot give the new one the same number.
    std::filesystem::rename(path, path + ".old");
    Daemon second(loop, path);
    REQUIRE(second.started);
    first.server.reset();
    CHECK(std::filesystem::exists(path));
}

TEST_CASE("a path longer than a socket's address works") {
    Loop loop;
    Folder folder;
    const auto long_folder = folder.path + "/" + std::string(150, 'x');
    const auto path = long_folder + "/kithd.sock";
    Daemon daemon(loop, path);
    REQUIRE(daemon.started);
    CHECK(mode_of(path) == 0600);
    Program program(loop, path);
    program.client->send("far");
    CHECK(wait(loop, [&] { return daemon.lines.size() == 1; }));
    CHECK(Daemon(loop, path).started.error().kind == Fault::refused);
    daemon.server.reset();
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(Daemon(loop, folder.path + "/" + std::string(108, 'y')).started.error().kind == Fault::invalid);
}

TEST_CASE("a client that sends an endless line is cut off") {
    Loop loop;
    Folder folder;
    const auto path = folder.path + "/kithd.sock";
    Daemon daemon(loop, path);
    auto caller = LocalCaller::connect(path).value();
    std::thread flood([&] {
        const std::string piece(65536, 'x');
        while (send(caller.fd(), piece.data(), piece.size(), MSG_NOSIGNAL) > 0) {
        }
    });
    CHECK(wait(loop, [&] { return daemon.closed.size() == 1; }));
    flood.join();
    CHECK(daemon.lines.empty());
    CHECK(caller.read_line(60000).error().kind == Fault::unreachable);
}

TEST_CASE("what waits for a client that does not read is bounded") {
    Loop loop;
    Folder folder;
    const auto path = folder.path + "/kithd.sock";
    Daemon daemon(loop, path);
    auto caller = LocalCaller::connect(path).value();
    CHECK(wait(loop, [&] { return daemon.opened.size() == 1; }));
    const std::string line(1024 * 1024, 'x');
    std::size_t taken = 0;
    while (daemon.server->send(daemon.opened.at(0), line)) taken += line.size() + 1;
    CHECK(taken <= limits::control_queue_bytes);
    CHECK(daemon.server->queued(daemon.opened.at(0)) == taken);
    CHECK_FALSE(daemon.server->send(daemon.opened.at(0), std::string(limits::control_reply_bytes + 1, 'x')));
    // Closing waits for it only so long.
    daemon.server->close(daemon.opened.at(0));
    CHECK(wait(loop, [&] { return daemon.closed.size() == 1; }));
}

TEST_CASE("a caller without a loop asks and waits") {
    Loop loop;
    Folder folder;
    const auto path = folder.path + "/kithd.sock";
    std::unique_ptr<LocalServer> server;
    LocalServer::Events events;
    events.on_line = [&](LocalPeer peer, std::string_view line) {
        server->send(peer, "you said " + std::string(line));
        server->send(peer, "and no more");
        server->close(peer);
    };
    server = LocalServer::listen(loop, path, std::move(events)).value();
    bool done = false;
    std::vector<std::string> got;
    std::thread program([&] {
        auto caller = LocalCaller::connect(path).value();
        if (caller.read_line(0).error().kind == Fault::timed_out) got.push_back("nothing yet");
        if (!caller.send_line("hello") || caller.send_line("a\nb")) return;
        for (auto line = caller.read_line(60000);; line = caller.read_line(60000)) {
            got.push_back(line ? *line : std::string(fault_name(line.error().kind)));
            if (!line) break;
        }
        loop.post([&] { done = true; });
    });
    CHECK(wait(loop, [&] { return done; }));
    program.join();
    CHECK(got == std::vector<std::string>{"nothing yet", "you said hello", "and no more",
                                          std::string(fault_name(Fault::unreachable))});
}

TEST_CASE("server and client of the local socket may be destroyed from within their callbacks") {
    Loop loop;
    Folder folder;
    const auto path = folder.path + "/kithd.sock";
    for (int which = 0; which < 3; ++which) {
        CAPTURE(which);
        std::unique_ptr<LocalServer> server;
        bool gone = false;
        auto end = [&] {
            server.reset();
            gone = true;
        };
        LocalServer::Events events;
        if (which == 0) events.on_open = [&](LocalPeer) { end(); };
        if (which == 1) events.on_line = [&](LocalPeer, std::string_view) { end(); };
        if (which == 2) events.on_closed = [&](LocalPeer) { end(); };
        server = LocalServer::listen(loop, path, std::move(events)).value();
        std::unique_ptr<LocalClient> client;
        bool client_gone = false;
        LocalClient::Events mine;
        mine.on_closed = [&](const Error&) {
            client.reset();
            client_gone = true;
        };
        client = LocalClient::connect(loop, path, std::move(mine)).value();
        client->send("one");
        client->send("two");
        if (which == 2) client.reset();
        CHECK(wait(loop, [&] { return gone && (client_gone || which == 2); }));
    }
}

TEST_CASE("a lock has one holder, names it, and is free again when it dies") {
    Folder folder;
    const auto path = folder.path + "/lock";
    CHECK_FALSE(FileLock::holder(path));
    {
        const auto lock = FileLock::take(path);
        REQUIRE(lock);
        CHECK(mode_of(path) == 0600);
        CHECK(FileLock::holder(path) == getpid());
        const auto second = FileLock::take(path);
        REQUIRE_FALSE(second);
        CHECK(second.error().kind == Fault::refused);
        CHECK(second.error().what.find(std::to_string(getpid())) != std::string::npos);
    }
    CHECK_FALSE(FileLock::holder(path));

    int ready[2];
    REQUIRE(pipe(ready) == 0);
    const pid_t child = fork();
    if (child == 0) {
        const auto lock = FileLock::take(path);
        if (write(ready[1], lock ? "y" : "n", 1) != 1) _exit(1);
        for (;;) pause();
    }
    char answer = 0;
    REQUIRE(read(ready[0], &answer, 1) == 1);
    CHECK(answer == 'y');
    CHECK(FileLock::holder(path) == child);
    CHECK_FALSE(FileLock::take(path));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CHECK_FALSE(FileLock::holder(path));
    CHECK(FileLock::take(path));
    close(ready[0]);
    close(ready[1]);
    CHECK(FileLock::take(folder.path + "/missing/lock").error().kind == Fault::io);
}
