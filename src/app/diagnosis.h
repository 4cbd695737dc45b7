// Why devices do not find or reach each other, in words, and what to do next.
#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "net/curve.h"
#include "net/reach.h"
#include "pairing/offer.h"

namespace kith::app {

// Another device is at these addresses, of which none is on a network that this one is attached to.
Error no_common_network(const std::vector<pairing::Address>& addresses);

// None of these endpoints of the offer took a connection, with these outcomes.
Error unreached(Now now, const pairing::Offer& offer, const std::vector<net::Endpoint>& endpoints,
                const std::vector<net::Reach>& outcomes);

// What opens a TCP port in the usual firewalls, for a machine that is not this one.
std::string opening_words(std::uint16_t port);

// One thing that was looked at on this machine.
struct Finding {
    std::string check;  // one word: network, route, multicast, firewall, clock, port
    bool good = true;
    std::string what;
    std::string hint;  // what to do; empty when it is good
};
// What can be seen from here without another device. `port`: where the peer link listens; 0: not at all.
std::vector<Finding> examine(Now now, std::uint16_t port);

}  // namespace kith::app
