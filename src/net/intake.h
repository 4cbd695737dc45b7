// What one connection sent and libzmq still holds.
//
// libzmq bounds it by stopping to read at a count of messages, which is of no use here: a message of endless
// parts counts as none, and 4.3.4 may abort the process when a connection ends that it stopped reading. So it
// never stops, and what the kernel received for the connection is compared with what we were handed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::net {

class Intake {
  public:
    // `wire_bytes` of the connection's were handed to us: parts with what CURVE and ZMTP put around each.
    void handed(std::uint64_t wire_bytes) { handed_ += wire_bytes; }
    // More than `unread_bytes` are held of the connection on `socket`, a TCP socket that libzmq may close at
    // any time. Never where the system does not count what it received: there a limit of libzmq's own is set
    // (`counted`). To be asked often: a flood is noticed no sooner.
    bool flooded(int socket, std::int64_t now_ms, std::uint64_t unread_bytes);

    static bool counted();

  private:
    std::uint64_t handed_ = 0;
    std::int64_t asked_ms_ = -1;
};

}  // namespace kith::net
