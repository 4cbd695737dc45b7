// What is around this device: offers, invitations and devices of this person, as they are announced nearby,
// and what this device announces itself. Answers the methods `nearby` and `doctor` (src/control/README.md).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/join_pairing.h"
#include "app/profile.h"
#include "control/server.h"
#include "nearby/discovery.h"
#include "net/loop.h"
#include "net/reach.h"

namespace kith::app {

class Neighbourhood {
  public:
    struct Events {
        // A device of this person was recognised, and its peer link is at these endpoints.
        std::function<void(const DeviceId&, std::vector<net::Endpoint>)> on_device;
        std::function<bool(const DeviceId&)> linked;
        // Where this device's peer link listens; 0: not at all.
        std::function<std::uint16_t()> link_port;
        std::function<void(const std::string&)> log;
    };
    Neighbourhood(net::Loop& loop, Random& random, Profile& profile, nearby::Options options, Events events);
    Neighbourhood(const Neighbourhood&) = delete;
    Neighbourhood& operator=(const Neighbourhood&) = delete;
    ~Neighbourhood();

    void add_methods(control::Dispatcher& dispatcher);
    bool possible() const { return options_.way != nearby::Way::off; }

    // Announces this offer until `hide_offer`, one of each kind at a time; the words by which people tell it
    // from others.
    std::string show_offer(pairing::OfferKind kind, const LinkPublic& server_key, std::uint16_t port);
    void hide_offer(pairing::OfferKind kind);

    // Waits for an offer of this kind and name (empty: for the only one). `done` is called once, unless
    // `stop_finding` comes first. One at a time.
    void find_offer(pairing::OfferKind kind, const std::string& name,
                    std::function<void(Result<FoundOffer>)> done);
    void stop_finding();
    // Fault::unavailable: looking is switched off here.
    Result<> check_possible() const;

    // The other devices of this person may have come or gone, or be out of reach: looks for them, and has
    // them find this one, as long as one is out of reach. Also stops when the profile is closed.
    void watch_devices();

  private:
    struct Neighbour {
        std::string kind;  // offer, invitation, device, or newer
        std::string name;
        std::string id;  // tells it from others
        DeviceId device;
        LinkPublic server_key;
        std::vector<net::Endpoint> endpoints;
        std::int64_t clock_off_ms = 0;  // of a device: how far its time is from ours, when that is too far
    };
    struct Probed {
        std::vector<net::Endpoint> endpoints;
        std::vector<net::Probe> probes;
        std::vector<net::Reach> outcomes;
        std::string state() const;
    };
    struct Watcher {
        control::RequestPtr request;
        bool follows = false;
        std::int64_t until_ms = 0;
        std::map<std::string, control::Json> told;
    };
    struct Finding {
        pairing::OfferKind kind = pairing::OfferKind::device;
        std::string name;
        std::function<void(Result<FoundOffer>)> done;
        std::int64_t until_ms = 0;
        std::optional<std::int64_t> first_ms;  // when the first that fits was seen
    };
    void nearby(const control::RequestPtr& request);
    void doctor(const control::RequestPtr& request);
    std::vector<Neighbour> neighbours() const;
    void changed();
    void probe(const std::vector<Neighbour>& list);
    control::Json describe(const Neighbour& neighbour) const;
    control::Json list_json(const std::vector<Neighbour>& list) const;
    control::Json notes_json(const std::vector<Neighbour>& list) const;
    void look_at_watchers();
    void look_for_offer();
    Result<FoundOffer> choose(const std::vector<Neighbour>& fitting) const;
    Error none_found() const;
    bool devices_away() const;
    void announce_presence();
    void decide_looking();

    net::Loop& loop_;
    Random& random_;
    Profile& profile_;
    nearby::Options options_;
    Events events_;
    nearby::Discovery discovery_;
    std::map<pairing::OfferKind, nearby::Discovery::Handle> offers_;
    std::optional<nearby::Discovery::Handle> presence_;
    std::uint16_t presence_port_ = 0;
    std::int64_t away_since_ms_ = 0;  // since when a device is out of reach; 0: none is
    std::map<std::string, Probed> probed_;
    std::vector<Watcher> watchers_;
    std::optional<Finding> finding_;
    net::Timer devices_timer_, watchers_timer_, finding_timer_;
};

}  // namespace kith::app
