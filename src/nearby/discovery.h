// What is announced nearby, and what this device announces: keeps both up to date over a back end, as
// interfaces and addresses come and go. The format, and who can learn what from it: src/nearby/README.md.
//
// Liveness is the caller's business: what was announced by a device that was switched off stays in sight for
// an hour.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "nearby/announcement.h"
#include "nearby/backend.h"
#include "net/curve.h"
#include "net/interfaces.h"

namespace kith::nearby {

// One announcement, as it was seen on one interface or on several.
struct Sighting {
    std::string instance;
    Announcement announcement;
    // Its addresses on networks that this device is attached to, as they can be dialed.
    std::vector<std::string> addresses;
    std::int64_t since_ms = 0;  // monotonic
};

class Discovery {
  public:
    struct Events {
        std::function<void()> on_change;  // of the sightings
        // It does not work now, and is tried again; once for each reason.
        std::function<void(const Error&)> on_trouble;
    };
    // What to announce under this name with these addresses.
    using Make =
        std::function<Announcement(const std::string& instance, const std::vector<Bytes>& addresses)>;
    enum class Handle : std::uint64_t {};

    // Nothing is opened before something is announced or looked for.
    Discovery(net::Loop& loop, Random& random, Options options, Events events);
    Discovery(const Discovery&) = delete;
    Discovery& operator=(const Discovery&) = delete;
    ~Discovery();

    // Until `withdraw`: anew, under another name, whenever addresses change, the name is taken, or it is old.
    Handle announce(Make make);
    void withdraw(Handle handle);
    void look(bool on);
    bool looking() const { return looking_; }

    // While it looks. Sorted by name.
    std::vector<Sighting> sightings() const;
    // How it is done now, and what keeps it from working.
    Way way() const { return used_; }
    const std::optional<Error>& trouble() const { return trouble_; }

  private:
    struct Announced {
        Make make;
        std::string instance;  // empty: not now
        int taken = 0;         // times in a row that the name was
        net::Timer again;
    };
    struct Seen {
        unsigned interface;
        std::string instance;
        Bytes rdata;
        Announcement announcement;
        std::int64_t since_ms;
    };
    void open();
    void close();
    void broke(const Error& error);
    void put(Announced& announced);
    void renew(Announced& announced);
    void found(unsigned interface, const std::string& instance, Bytes rdata);
    void taken(const std::string& instance);
    void interfaces_changed();
    bool usable(const net::Interface& interface) const;
    void changed();

    net::Loop& loop_;
    Random& random_;
    Options options_;
    Events events_;
    Way used_ = Way::off;
    std::unique_ptr<Backend> backend_;
    std::optional<Error> trouble_;
    net::InterfaceWatch interface_watch_;
    std::vector<net::Interface> interfaces_;
    std::map<Handle, Announced> announced_;
    std::uint64_t last_handle_ = 0;
    bool looking_ = false;
    std::vector<Seen> seen_;
    bool told_ = true;
    net::Timer retry_, change_;
};

}  // namespace kith::nearby
