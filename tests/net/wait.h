// What the tests of this layer share: running a loop until something is true, and plain sockets.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "net/loop.h"

namespace kith::net {

// Far beyond what anything here takes, on a busy machine with sanitizers too.
inline bool wait(Loop& loop, const std::function<bool()>& done) {
    return loop.run_until(done, 60000);
}

// Runs what is ready and what follows from it within `ms`: for "nothing happens".
inline void settle(Loop& loop, std::int64_t ms) {
    loop.run_until([] { return false; }, ms);
}

// A TCP port of the loopback that takes connections and never says a word.
struct Listening {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    std::uint16_t port = 0;
    Listening() {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        if (bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(fd, 16) != 0) std::abort();
        getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
        port = ntohs(at.sin_port);
    }
    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;
    ~Listening() { close(fd); }
    // The next connection, for which the loop may have to run.
    int accept_on(Loop& loop) const {
        int accepted = -1;
        wait(loop, [&] {
            loop.post([] {});  // so that the question is asked again
            accepted = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);
            return accepted >= 0;
        });
        return accepted;
    }
};

// A port that was free a moment ago.
inline std::uint16_t unused_port() {
    return Listening().port;
}

// A folder of the test's own, mode 0700, removed with all that is in it.
struct Folder {
    std::string path;
    Folder() {
        auto name = (std::filesystem::temp_directory_path() / "kith-net-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) std::abort();
        path = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace kith::net
