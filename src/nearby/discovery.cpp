#include "nearby/discovery.h"

#include <algorithm>

#include "nearby/limits.h"
#include "net/reach.h"

namespace kith::nearby {

namespace {

// In a service's record where there is none to be told: the "discard" port.
constexpr std::uint16_t no_port = 9;

// Changes of a burst are told together.
constexpr std::int64_t settle_ms = 20;

bool is_loopback(const Bytes& address) {
    static const Bytes v6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return address.size() == 4 ? address[0] == 127 : address == v6;
}

}  // namespace

Discovery::Discovery(net::Loop& loop, Random& random, Options options, Events events)
    : loop_(loop),
      random_(random),
      options_(options),
      events_(std::move(events)),
      interface_watch_(loop, [this] { interfaces_changed(); }),
      interfaces_(net::interfaces()) {}

Discovery::~Discovery() = default;

bool Discovery::usable(const net::Interface& interface) const {
    return !interface.point_to_point && (interface.loopback ? options_.loopback : interface.multicast);
}

void Discovery::open() {
    if (backend_ || options_.way == Way::off || retry_.armed()) return;
    Backend::Events events;
    events.on_found = [this](unsigned interface, const std::string& instance, Bytes rdata) {
        found(interface, instance, std::move(rdata));
    };
    events.on_lost = [this](unsigned interface, const std::string& instance) {
        if (std::erase_if(seen_, [&](const Seen& seen) {
                return seen.interface == interface && seen.instance == instance;
            }) > 0)
            changed();
    };
    events.on_taken = [this](const std::string& instance) { taken(instance); };
    events.on_broken = [this](Error error) {
        close();
        broke(error);
    };
    const auto make = [&](Way way) {
        switch (way) {
            case Way::daemon:
                return make_daemon(loop_, options_, events);
            case Way::dns_sd:
                return make_dns_sd(loop_, options_, events);
            default:
                return make_embedded(loop_, options_, random_name(random_), events);
        }
    };
    used_ = options_.way == Way::automatic ? Way::embedded : options_.way;
    auto made = make(used_);
    if (!made && options_.way == Way::automatic) {
        // The system's daemon may be set up to allow no other stack beside it.
        if (auto other = make(Way::daemon)) {
            used_ = Way::daemon;
            made = std::move(other);
        }
    }
    if (!made) return broke(made.error());
    backend_ = std::move(*made);
    trouble_.reset();
    told_ = true;
    if (looking_) backend_->browse(true);
    for (auto& [handle, announced] : announced_) put(announced);
}

void Discovery::close() {
    backend_.reset();
    for (auto& [handle, announced] : announced_) {
        announced.instance.clear();
        announced.again.cancel();
    }
    if (!seen_.empty()) changed();
    seen_.clear();
}

void Discovery::broke(const Error& error) {
    const bool news = !trouble_ || trouble_->what != error.what;
    trouble_ = error;
    retry_ = loop_.after(limits::discovery_retry_ms, [this] {
        if (looking_ || !announced_.empty()) open();
    });
    if (!news || !events_.on_trouble) return;
    const auto call = events_.on_trouble;
    call(error);
}

Discovery::Handle Discovery::announce(Make make) {
    const Handle handle{++last_handle_};
    auto& announced = announced_[handle];
    announced.make = std::move(make);
    if (backend_)
        put(announced);
    else
        open();
    return handle;
}

void Discovery::withdraw(Handle handle) {
    const auto at = announced_.find(handle);
    if (at == announced_.end()) return;
    if (backend_ && !at->second.instance.empty()) backend_->withdraw(at->second.instance);
    announced_.erase(at);
    if (announced_.empty() && !looking_) close();
}

void Discovery::look(bool on) {
    if (on == looking_) return;
    looking_ = on;
    if (on && !backend_) return open();
    if (!on && announced_.empty()) return close();
    if (backend_) backend_->browse(on);
    if (!on) seen_.clear();
}

// Each interface hears of its own addresses alone: those that its packets carry anyway. So nobody learns
// there what else this device is attached to.
void Discovery::put(Announced& announced) {
    if (!backend_) return;
    announced.again = loop_.after(limits::announcement_ms, [this, &announced] {
        announced.taken = 0;
        renew(announced);
    });
    announced.instance = random_name(random_);
    const auto host = random_name(random_);
    std::vector<Service> services;
    for (const auto& interface : interfaces_) {
        if (!usable(interface)) continue;
        std::vector<Bytes> addresses;
        for (const auto& address : interface.addresses)
            if (addresses.size() < limits::announcement_addresses &&
                (address.size() == 4 || net::is_link_local(address) || interface.loopback))
                addresses.push_back(address);
        if (addresses.empty()) continue;
        const auto announcement = announced.make(announced.instance, addresses);
        services.push_back({interface.index, announced.instance, host,
                            announcement.port == 0 ? no_port : announcement.port, to_strings(announcement)});
    }
    backend_->publish(services);
}

void Discovery::renew(Announced& announced) {
    if (!backend_) return;
    if (!announced.instance.empty()) backend_->withdraw(announced.instance);
    put(announced);
}

void Discovery::taken(const std::string& instance) {
    for (auto& [handle, announced] : announced_) {
        if (announced.instance != instance) continue;
        if (backend_) backend_->withdraw(instance);
        announced.instance.clear();
        // Somebody imitates us: not a race with him at full speed.
        const auto wait =
            std::min(limits::name_taken_ms << std::min(announced.taken++, 10), limits::name_taken_max_ms);
        announced.again = loop_.after(wait, [this, &each = announced] { renew(each); });
        return;
    }
}

void Discovery::interfaces_changed() {
    interfaces_ = net::interfaces();
    for (auto& [handle, announced] : announced_) renew(announced);
    changed();
}

void Discovery::found(unsigned interface, const std::string& instance, Bytes rdata) {
    for (const auto& [handle, announced] : announced_)
        if (announced.instance == instance) return;
    auto announcement = from_rdata(rdata);
    const auto at = std::find_if(seen_.begin(), seen_.end(), [&](const Seen& seen) {
        return seen.interface == interface && seen.instance == instance;
    });
    if (at != seen_.end() && at->rdata == rdata) return;
    if (at != seen_.end()) seen_.erase(at);
    if (announcement && seen_.size() < limits::announcements)
        seen_.push_back(
            {interface, instance, std::move(rdata), std::move(*announcement), loop_.now().mono_ms});
    changed();
}

void Discovery::changed() {
    if (!change_.armed())
        change_ = loop_.after(settle_ms, [this] {
            const auto call = events_.on_change;
            if (call) call();
        });
}

// One instance on two interfaces is one sighting, if both say the same of it: who takes another's name does
// not get his place.
std::vector<Sighting> Discovery::sightings() const {
    std::vector<Sighting> list;
    for (const auto& seen : seen_) {
        const auto interface =
            std::find_if(interfaces_.begin(), interfaces_.end(),
                         [&](const net::Interface& each) { return each.index == seen.interface; });
        if (interface == interfaces_.end() || !usable(*interface)) continue;
        std::vector<std::string> addresses;
        for (const auto& address : seen.announcement.addresses)
            if (is_loopback(address) ? interface->loopback
                                     : net::is_link_local(address) || net::directly_attached(address))
                addresses.push_back(net::scoped_text(address, *interface));
        auto same = std::find_if(list.begin(), list.end(), [&](const Sighting& other) {
            return other.instance == seen.instance && other.announcement.kind == seen.announcement.kind &&
                   other.announcement.server_key == seen.announcement.server_key &&
                   other.announcement.port == seen.announcement.port &&
                   seen.announcement.kind != Kind::device;
        });
        if (same == list.end()) {
            list.push_back({seen.instance, seen.announcement, std::move(addresses), seen.since_ms});
            continue;
        }
        for (auto& address : addresses)
            if (std::find(same->addresses.begin(), same->addresses.end(), address) == same->addresses.end())
                same->addresses.push_back(std::move(address));
    }
    std::sort(list.begin(), list.end(),
              [](const Sighting& a, const Sighting& b) { return a.instance < b.instance; });
    return list;
}

Result<Options> parse_options(std::string_view text) {
    Options options;
    auto way = text;
    if (const auto comma = text.find(','); comma != std::string_view::npos) {
        way = text.substr(0, comma);
        if (text.substr(comma + 1) != "loopback")
            return fail(Fault::invalid, "\"" + std::string(text) + "\" is no way to find devices nearby",
                        "behind a comma, only loopback may stand");
        options.loopback = true;
    }
    for (auto each : {Way::automatic, Way::embedded, Way::daemon, Way::dns_sd, Way::off})
        if (way == way_name(each)) {
            options.way = each;
            return options;
        }
    return fail(Fault::invalid, "\"" + std::string(text) + "\" is no way to find devices nearby",
                "give automatic, embedded, daemon, dns-sd or off");
}

std::string_view way_name(Way way) {
    switch (way) {
        case Way::automatic:
            return "automatic";
        case Way::embedded:
            return "embedded";
        case Way::daemon:
            return "daemon";
        case Way::dns_sd:
            return "dns-sd";
        case Way::off:
            return "off";
    }
    return "";
}

}  // namespace kith::nearby
