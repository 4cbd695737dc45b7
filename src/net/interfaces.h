// The network interfaces of this machine as they are now, and news of their change (rtnetlink).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "net/loop.h"

namespace kith::net {

struct Interface {
    unsigned index = 0;
    std::string name;
    bool loopback = false;
    bool point_to_point = false;  // a VPN's, or a modem's: nobody is nearby there
    bool multicast = false;
    std::vector<Bytes> addresses;  // 4 bytes, or 16; IPv6 link-local ones too
    bool operator==(const Interface&) const = default;
};

// Those that are up and have an address, by index. Empty when the system cannot tell.
std::vector<Interface> interfaces();

// An IPv6 address that means nothing without its interface (fe80::/10).
bool is_link_local(ByteView address);
// As text that can be dialed: a link-local address gets its interface as scope.
std::string scoped_text(ByteView address, const Interface& by);

// Calls `on_change` when interfaces or their addresses are others than before, a moment after the last of a
// burst of changes. Where the system has no news of it, it is looked for every few seconds.
class InterfaceWatch {
  public:
    InterfaceWatch(Loop& loop, std::function<void()> on_change);
    InterfaceWatch(const InterfaceWatch&) = delete;
    InterfaceWatch& operator=(const InterfaceWatch&) = delete;
    ~InterfaceWatch();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kith::net
