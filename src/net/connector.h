// A TCP connection to a host: looks its name up and tries its addresses one after the other until one takes
// it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/inner.h"
#include "net/reach.h"

namespace kith::net {

class Connector : public std::enable_shared_from_this<Connector> {
  public:
    // `socket` is connected when `how` is ok, and closed otherwise.
    using Done = std::function<void(Reach how, asio::ip::tcp::socket socket)>;
    // `done` is called once, unless `cancel` comes first. Keeps itself alive until then.
    static std::shared_ptr<Connector> start(Loop& loop, const std::string& host, std::uint16_t port,
                                            std::int64_t timeout_ms, Done done);
    void cancel();

  private:
    Connector(Loop& loop, std::uint16_t port, std::int64_t timeout_ms, Done done);
    void resolve(const std::string& host);
    void try_next();
    void finish(Reach how);

    Loop& loop_;
    asio::ip::tcp::resolver resolver_;
    asio::ip::tcp::socket socket_;
    std::vector<asio::ip::tcp::endpoint> addresses_;
    std::size_t next_ = 0;
    std::uint16_t port_;
    std::int64_t deadline_ms_;
    Reach best_ = Reach::unreachable;
    Timer timer_;
    Done done_;
};

// The Error for a connection to `where` (host:port) that did not come about.
Error reach_error(Reach how, const std::string& where);
// host:port, an IPv6 address in brackets.
std::string host_port(const std::string& host, std::uint16_t port);

}  // namespace kith::net
