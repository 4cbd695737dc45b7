// Listens on 127.0.0.1 for a browser of this machine. One request and one answer a connection.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/loop.h"

namespace kith::net {

class LoopbackServer {
  public:
    // Gets all that has come on a connection; the answer, after which it is closed, or nothing: more is
    // needed. May destroy the server; the answer then still goes out.
    using Handler = std::function<std::optional<std::string>(std::string_view received)>;
    // `port` 0: any that is free. Fault::unavailable when it is taken.
    static Result<std::unique_ptr<LoopbackServer>> listen(Loop& loop, std::uint16_t port, Handler handler);
    ~LoopbackServer();
    std::uint16_t port() const;

  private:
    struct State;
    explicit LoopbackServer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace kith::net
