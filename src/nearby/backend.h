// A way to speak mDNS. Three are built in, where the system has them; all of them publish services with one
// TXT record, and find the TXT records of others'. What these say is announcement.h's business.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "net/loop.h"

namespace kith::nearby {

// One announcement on one interface.
struct Service {
    unsigned interface = 0;
    std::string instance;
    std::string host;  // a name without ".local", for which no address is published
    std::uint16_t port = 0;
    std::vector<std::string> txt;
};

class Backend {
  public:
    struct Events {
        // Anew or changed. `rdata` is at most limits::announcement_bytes long, and `instance` a name of ours.
        std::function<void(unsigned interface, const std::string& instance, Bytes rdata)> on_found;
        std::function<void(unsigned interface, const std::string& instance)> on_lost;
        // Somebody else announces the same name: it is to be withdrawn.
        std::function<void(const std::string& instance)> on_taken;
        // It does not work any more, and is to be destroyed.
        std::function<void(Error)> on_broken;
    };
    virtual ~Backend() = default;
    // All of one instance at once; it stays until it is withdrawn or the backend goes, which says goodbye.
    virtual void publish(const std::vector<Service>& services) = 0;
    virtual void withdraw(const std::string& instance) = 0;
    virtual void browse(bool on) = 0;
};

// Which way, and where.
enum class Way {
    automatic,  // the embedded one, or the system's daemon where that allows no other
    embedded,   // libavahi-core: needs nothing of the system
    daemon,     // the system's avahi-daemon, by D-Bus
    dns_sd,     // dns_sd.h: Bonjour
    off,
};
struct Options {
    Way way = Way::automatic;
    bool loopback = false;  // also on the loopback interface: for tests on one machine
};
// "automatic", "embedded", "daemon", "dns-sd" or "off", and ",loopback" behind it.
Result<Options> parse_options(std::string_view text);
// For people.
std::string_view way_name(Way way);

// Fault::unavailable when the system lets it not.
Result<std::unique_ptr<Backend>> make_embedded(net::Loop& loop, const Options& options, std::string host,
                                               Backend::Events events);
Result<std::unique_ptr<Backend>> make_daemon(net::Loop& loop, const Options& options, Backend::Events events);
Result<std::unique_ptr<Backend>> make_dns_sd(net::Loop& loop, const Options& options, Backend::Events events);

}  // namespace kith::nearby
