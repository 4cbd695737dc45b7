// Readiness of a file descriptor that belongs to somebody else: how libraries with descriptors of their own
// (mDNS, netlink) take part in the loop.
#pragma once

#include <functional>
#include <memory>

#include "net/loop.h"

namespace kith::net {

class FdWatch {
  public:
    using Ready = std::function<void(bool readable, bool writable)>;
    // Watches a duplicate of `fd`, which the owner may close at any time. Nothing is wanted at first.
    // `ready` is called again and again as long as the state lasts; an error or a hangup counts as both.
    FdWatch(Loop& loop, int fd, Ready ready);
    FdWatch(const FdWatch&) = delete;
    FdWatch& operator=(const FdWatch&) = delete;
    ~FdWatch();
    void want(bool readable, bool writable);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace kith::net
