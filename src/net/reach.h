// What a person needs to know about addresses: which ones this machine can be reached at, and why one that
// somebody else gave does not answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "net/loop.h"

namespace kith::net {

struct Address {
    Bytes raw;         // 4 bytes (IPv4) or 16 (IPv6), network order
    std::string text;  // without brackets
    bool loopback = false;
    bool operator==(const Address&) const = default;
};

// The addresses of this machine on directly attached networks, IPv4 before IPv6, loopback last. Left out:
// interfaces that are down or point to point (a VPN's), and IPv6 link-local addresses (they mean nothing
// without a scope). Empty when the system cannot tell.
std::vector<Address> own_addresses();

// Whether `raw` is an address on a network that this machine is attached to by such an interface: one that
// can be reached without a router and without a VPN. Loopback is.
bool directly_attached(ByteView raw);

// `raw` of 4 or 16 bytes as text; empty for another size.
std::string address_text(ByteView raw);

enum class Reach {
    ok,
    refused,       // the machine answers, but nobody listens at that port
    unreachable,   // no way there: another network, or no network at all
    timed_out,     // no answer: switched off, or a firewall in between
    unknown_host,  // the name has no address
};
// What a person reads: "nothing listens there" and the like.
std::string_view reach_text(Reach reach);

// A plain TCP connection, closed as soon as it stands. Destroying it cancels.
class Probe {
  public:
    // `done` is called once. With several addresses behind a name the best outcome counts.
    Probe(Loop& loop, const std::string& host, std::uint16_t port, std::int64_t timeout_ms,
          std::function<void(Reach)> done);
    Probe(Probe&&) noexcept;
    Probe& operator=(Probe&&) noexcept;
    ~Probe();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace kith::net
