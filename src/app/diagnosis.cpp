#include "app/diagnosis.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "net/interfaces.h"
#include "net/route.h"

namespace kith::app {

namespace {

constexpr std::uint16_t mdns_port = 5353;
// A clock before this was never set: kith is younger. (2025-01-01)
constexpr std::int64_t too_early_ms = 1'735'689'600'000;

std::string opening(std::string_view firewall, std::uint16_t port, std::string_view protocol) {
    const auto number = std::to_string(port), kind = std::string(protocol);
    if (firewall == "ufw") return "sudo ufw allow " + number + "/" + kind;
    if (firewall == "firewalld") return "sudo firewall-cmd --add-port=" + number + "/" + kind;
    return "sudo nft insert rule inet filter input " + kind + " dport " + number + " accept";
}

// The firewalls that are at work on this machine, as far as anybody but root can see.
std::vector<std::string> firewalls() {
    std::vector<std::string> found;
    std::error_code error;
    std::ifstream ufw("/etc/ufw/ufw.conf");
    for (std::string line; std::getline(ufw, line);)
        if (line.starts_with("ENABLED=yes")) found.push_back("ufw");
    if (std::filesystem::exists("/run/firewalld", error) ||
        std::filesystem::exists("/run/firewalld.pid", error))
        found.push_back("firewalld");
    std::ifstream own("/etc/nftables.conf");
    for (std::string line; found.empty() && std::getline(own, line);)
        if (line.find("policy drop") != std::string::npos || line.find(" reject") != std::string::npos ||
            line.find(" drop") != std::string::npos)
            found.push_back("nftables");
    return found;
}

// A VPN that has taken over the way to an address of a network beside us; empty: none.
std::string vpn_on_the_way(ByteView address) {
    const auto by = net::route_to(address);
    return by && by->point_to_point ? by->name : std::string();
}

}  // namespace

std::string opening_words(std::uint16_t port) {
    return opening("ufw", port, "tcp") + ", or " + opening("firewalld", port, "tcp") + ", or " +
           opening("nftables", port, "tcp");
}

Error no_common_network(const std::vector<pairing::Address>& addresses) {
    for (const auto& address : addresses)
        if (auto vpn = vpn_on_the_way(address.bytes); !vpn.empty())
            return {Fault::unreachable,
                    "the way to the other device leads through the VPN " + vpn + ", not through the room",
                    "switch the VPN off, or have it leave the local network alone, and try again"};
    std::string networks;
    for (const auto& interface : net::interfaces()) {
        if (interface.loopback || interface.point_to_point) continue;
        for (const auto& address : interface.addresses)
            if (!net::is_link_local(address))
                networks +=
                    (networks.empty() ? "" : ", ") + net::address_text(address) + " (" + interface.name + ")";
    }
    if (networks.empty())
        return {Fault::unreachable, "this device is on no network",
                "connect it to the network of the other device, then try again"};
    std::string theirs;
    for (const auto& address : addresses)
        if (!address.is_loopback()) theirs += (theirs.empty() ? "" : ", ") + address.text();
    return {Fault::unreachable,
            "the other device is on none of the networks that this one is attached to: it is at " + theirs +
                ", this one at " + networks,
            "connect both to the same network, then begin anew with 'kith device add'"};
}

Error unreached(Now now, const pairing::Offer& offer, const std::vector<net::Endpoint>& endpoints,
                const std::vector<net::Reach>& outcomes) {
    bool refused = false, elsewhere = false;
    std::string where;
    // Every offer also names loopback: what answers there is this machine, and says nothing of another one.
    for (const bool loopback : {false, true}) {
        if (loopback && (elsewhere || refused)) break;
        for (std::size_t i = 0; i < endpoints.size(); ++i) {
            const auto address = pairing::Address::parse(endpoints[i].address);
            if ((address && address->is_loopback()) != loopback) continue;
            elsewhere = elsewhere || !loopback;
            refused = refused || outcomes[i] == net::Reach::refused;
            where += (where.empty() ? "" : ", ") + net::to_text(endpoints[i]);
        }
    }
    const bool others = std::any_of(offer.addresses.begin(), offer.addresses.end(),
                                    [](const pairing::Address& each) { return !each.is_loopback(); });
    if (!elsewhere && others) return no_common_network(offer.addresses);
    if (refused) {
        const bool expired = offer.expires_unix_s * std::int64_t{1000} < now.unix_ms;
        return {Fault::unreachable,
                expired ? "the offer has expired: nobody listens for it any more"
                        : "nobody listens for this offer any more: it was used, cancelled, or has expired",
                "make a new one with 'kith device add' on the other device"};
    }
    for (const auto& endpoint : endpoints)
        if (auto address = pairing::Address::parse(endpoint.address))
            if (auto vpn = vpn_on_the_way(address->bytes); !vpn.empty())
                return {Fault::unreachable,
                        "the way to the other device leads through the VPN " + vpn + ", not through the room",
                        "switch the VPN off, or have it leave the local network alone, and try again"};
    const auto port = endpoints.empty() ? std::uint16_t{0} : endpoints.front().port;
    return {
        Fault::unreachable, "the other device does not answer at " + where,
        "a Wi-Fi that keeps its devices apart (\"client isolation\", guest networks) does this: use another "
        "network, or a phone's hotspot. a firewall on the other device, too; there, this opens the port: " +
            opening_words(port)};
}

std::vector<Finding> examine(Now now, std::uint16_t port) {
    std::vector<Finding> findings;
    std::string networks, vpns;
    std::vector<net::Interface> near;
    for (const auto& interface : net::interfaces()) {
        if (interface.loopback) continue;
        if (interface.point_to_point) {
            vpns += (vpns.empty() ? "" : ", ") + interface.name;
            continue;
        }
        near.push_back(interface);
        for (const auto& address : interface.addresses)
            networks += (networks.empty() ? "" : ", ") + net::scoped_text(address, interface);
    }
    if (near.empty())
        findings.push_back({"network", false, "this device is on no network",
                            "connect it to the network of the other device; without one, devices on the same "
                            "machine alone can be reached"});
    else
        findings.push_back({"network", true, "this device is at " + networks, ""});

    for (const auto& interface : near) {
        for (auto address : interface.addresses) {
            if (address.size() != 4) continue;
            address.back() ^= 1;  // a neighbour's
            const auto by = net::route_to(address);
            if (by && by->index == interface.index) continue;
            findings.push_back(
                {"route", false,
                 by ? "what is meant for the network at " + interface.name + " goes out by " + by->name
                    : "there is no way into the network at " + interface.name,
                 by && by->point_to_point
                     ? "switch the VPN off, or have it leave the local network alone"
                     : "see 'ip route'; two interfaces in one network, or a policy, can do this"});
        }
        if (!interface.multicast)
            findings.push_back({"multicast", false, interface.name + " carries no multicast",
                                "devices there do not find each other; use the offer's QR code or text"});
        else if (auto blocked = net::multicast_error(interface); !blocked.empty())
            findings.push_back({"multicast", false,
                                "mDNS cannot be sent by " + interface.name + ": " + blocked,
                                "a firewall on this device, most likely: let UDP port 5353 out and in. the "
                                "offer's QR code or text works without"});
    }
    const auto troubles = std::count_if(findings.begin(), findings.end(), [](const Finding& finding) {
        return finding.check == "route" || finding.check == "multicast";
    });
    if (!near.empty() && troubles == 0)
        findings.push_back({"multicast", true, "mDNS can be sent on all networks", ""});
    if (!vpns.empty())
        findings.push_back({"route", true, "there is a VPN (" + vpns + "); kith does not use it", ""});

    for (const auto& firewall : firewalls()) {
        std::string hint = "so that devices find this one: " + opening(firewall, mdns_port, "udp");
        if (port != 0) hint += "; so that they reach it: " + opening(firewall, port, "tcp");
        findings.push_back({"firewall", false, firewall + " is at work on this device", hint});
    }
    if (port != 0)
        findings.push_back(
            {"port", true, "other devices reach this one at TCP port " + std::to_string(port), ""});
    if (now.unix_ms < too_early_ms)
        findings.push_back({"clock", false, "the clock of this device is years behind",
                            "set it (timedatectl set-ntp true): own devices are not recognised otherwise"});
    return findings;
}

}  // namespace kith::app
