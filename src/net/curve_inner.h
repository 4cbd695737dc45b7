// What listeners and dialers share: the ZAP handler's table, the options of a link's socket, and a link's
// queue.
#pragma once

#include <deque>
#include <map>

#include "net/curve.h"
#include "net/zmq_socket.h"

namespace kith::net {

struct Curve::Inner : std::enable_shared_from_this<Curve::Inner> {
    using Allow = std::function<bool(const LinkPublic&)>;

    explicit Inner(Loop& on) : loop(on), context(std::make_shared<ZmqContext>()) {}
    void start();
    void stop();
    void answer(ZmqSocket::Parts& request, std::size_t count);
    // A fresh ZAP domain whose clients `allow` decides on.
    std::string add_domain(Allow allow);

    Loop& loop;
    std::shared_ptr<ZmqContext> context;
    std::shared_ptr<ZmqSocket> zap;
    std::map<std::string, Allow, std::less<>> domains;
    std::uint64_t last_domain = 0;
};

// The options that both ends of a link have. False with errno.
bool set_link_options(ZmqSocket& socket, std::size_t part_bytes);

// Asks for BBR on a connection: on a link that loses packets other congestion controls keep a single
// connection at a fraction of what the link carries. Where the system has none, or keeps it from us, its
// default stays.
void prefer_bbr(int socket);

// Whether this end of a TCP socket is at an address that this machine has no more.
bool homeless(int socket);

// "tcp://address:port" as libzmq reads it; port 0 is "any", address "*" all.
std::string tcp_address(const std::string& address, std::uint16_t port);

// The frame in a message whose first `skip` parts are not of it; nothing when it is none.
std::optional<wire::Frame> frame_of(const ZmqSocket::Parts& parts, std::size_t count, std::size_t skip,
                                    std::size_t part_bytes);

// Frames that wait until libzmq has room, bounded by limits::link_queue_bytes.
class FrameQueue {
  public:
    // `prefix` goes before head and body: the routing id of a ROUTER.
    Sent push(ZmqSocket& socket, ByteView prefix, wire::Frame frame);
    enum class Flushed { waiting, room, gone };
    // Sends what libzmq takes. room: a push was refused since the last `room`, and would be taken now.
    Flushed flush(ZmqSocket& socket, ByteView prefix);
    std::size_t bytes() const { return bytes_; }

  private:
    std::deque<wire::Frame> frames_;
    std::size_t bytes_ = 0;
    bool refused_ = false;
};

}  // namespace kith::net
