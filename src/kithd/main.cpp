// kithd: the daemon. Holds one profile, answers on its socket, and ends on SIGTERM, `kith stop`, or when its
// home is gone.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "app/core.h"
#include "control/socket_server.h"
#include "kithd/memory.h"
#include "net/file_lock.h"

namespace {

namespace fs = std::filesystem;
using namespace kith;

void log_line(std::string text) {
    // A line may repeat what a peer has said: it must stay one line, and nothing but text.
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
    std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char stamp[32];
    std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
    std::fprintf(stderr, "%s %s\n", stamp, text.c_str());
}

int give_up(const Error& error) {
    log_line(error.hint.empty() ? error.what : error.what + "; " + error.hint);
    return 1;
}

std::string default_home() {
    if (const char* home = std::getenv("KITH_HOME"); home && *home) return home;
    // A relative XDG_DATA_HOME is to be disregarded (XDG Base Directory Specification).
    if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data == '/')
        return std::string(data) + "/kith";
    if (const char* user = std::getenv("HOME"); user && *user == '/')
        return std::string(user) + "/.local/share/kith";
    return {};
}

int serve(const fs::path& home, nearby::Options nearby, std::uint16_t port) {
    std::error_code error;
    bool made = fs::create_directories(home, error);
    if (error) return give_up({Fault::io, "cannot make " + home.string() + ": " + error.message(), ""});
    if (made) chmod(home.c_str(), 0700);
    auto lock = net::FileLock::take((home / "kithd.lock").string());
    if (!lock) return give_up(lock.error());

    net::Loop loop;
    std::unique_ptr<control::SocketServer> socket;
    auto stop = [&] {
        if (socket)
            socket->close([&] { loop.stop(); });
        else
            loop.stop();
    };
    app::Core core(loop, home, nearby, stop, log_line);
    if (auto started = core.start(port); !started) return give_up(started.error());
    auto listening = control::SocketServer::listen(loop, core.dispatcher(), home / control::socket_name);
    if (!listening) return give_up(listening.error());
    socket = std::move(*listening);
    loop.on_signal([&](int) { loop.stop(); });

    // A home that was removed, or replaced by another one, is nobody's any more.
    struct stat first {};
    stat(home.c_str(), &first);
    net::Timer watch;
    std::function<void()> look = [&] {
        struct stat now {};
        if (stat(home.c_str(), &now) != 0 || now.st_ino != first.st_ino || now.st_dev != first.st_dev) {
            log_line("the home is gone; the daemon ends");
            return loop.stop();
        }
        watch = loop.after(1000, look);
    };
    look();
    log_line("kithd " KITH_VERSION " serves " + home.string());
    loop.run();
    return 0;
}

}  // namespace

int main(int count, char** words) {
    const std::string unprotected = protect_memory();
    umask(077);  // new files are for nobody else
    CLI::App app("kithd: the daemon of one kith profile", "kithd");
    std::string home = default_home();
    app.add_option("--home", home,
                   "the profile's folder (KITH_HOME, else $XDG_DATA_HOME/kith, else ~/.local/share/kith)");
    std::string way = "automatic";
    app.add_option(
           "--nearby", way,
           "how devices nearby are found: automatic, embedded, daemon, dns-sd or off; with ,loopback on "
           "this machine too")
        ->envname("KITH_NEARBY");
    std::uint16_t port = 0;
    app.add_option(
           "--port", port,
           "the TCP port at which this person's other devices reach this one, by IPv4 and IPv6; it is "
           "remembered (otherwise: the one that was used last, and any free one the first time)")
        ->envname("KITH_PORT")
        ->check(CLI::Range(1, 65535));
    app.set_version_flag("--version", std::string("kithd " KITH_VERSION));
    CLI11_PARSE(app, count, words);
    if (home.empty()) return give_up({Fault::invalid, "no home is known", "give --home DIR"});
    if (!unprotected.empty()) log_line(unprotected);
    auto nearby = nearby::parse_options(way);
    if (!nearby) return give_up(nearby.error());
    return serve(fs::absolute(home), *nearby, port);
}
