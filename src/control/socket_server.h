// The control protocol on the profile's socket: reads requests, hands them to a Dispatcher, writes what comes
// back. Only the owner of the socket can connect (net/local_socket.h sees to it).
//
// A client that sends what is not of the protocol is told so and closed. One that does not read while
// limits::control_queue_bytes wait for it is closed, which its request's handler sees as Cancelled::gone.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "control/server.h"

namespace kith::net {
class Loop;
}

namespace kith::control {

class SocketServer {
  public:
    // Listens at `path`, replacing the socket of a dead process; Fault::refused when a live one answers
    // there. `loop` and `dispatcher` must outlive the server.
    static Result<std::unique_ptr<SocketServer>> listen(net::Loop& loop, Dispatcher& dispatcher,
                                                        const std::filesystem::path& path);
    // Closes all connections (their requests see Cancelled::gone) and removes the socket.
    ~SocketServer();

    // Closes connections once what waits for them is written, and then calls `done`; takes no new ones.
    // Bounded by limits::control_flush_ms. For `stop`, whose own answer must still get out.
    void close(std::function<void()> done);

  private:
    struct State;
    explicit SocketServer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

// The name of the socket within the profile's home.
inline constexpr const char* socket_name = "kithd.sock";
// The file there that a daemon holds locked (net/file_lock.h) from before it opens the socket until its end.
inline constexpr const char* lock_name = "kithd.lock";

}  // namespace kith::control
