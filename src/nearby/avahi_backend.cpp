#include "nearby/avahi_backend.h"

#include "nearby/announcement.h"
#include "nearby/limits.h"

namespace kith::nearby {

void AvahiBackend::later(std::function<void()> fn) {
    poll_.loop().defer([fn = std::move(fn), alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) fn();
    });
}

void AvahiBackend::free_all() {
    browser_.reset();
    watched_.clear();
    groups_.clear();
}

void AvahiBackend::on_failure() {
    later([this, error = last_error()] {
        const auto call = events_.on_broken;
        call(error);
    });
}

void AvahiBackend::on_running(bool running) {
    if (running == running_) return;
    running_ = running;
    // While a daemon changes its name it drops what it was told.
    later([this] {
        for (auto& [instance, group] : groups_) running_ ? enter_again(*group) : group->entered.reset();
    });
}

void AvahiBackend::publish(const std::vector<Service>& services) {
    if (services.empty()) return;
    const auto& instance = services.front().instance;
    auto& group = groups_[instance];
    group = std::make_unique<Group>(Group{this, instance, services, {}});
    if (running_) enter_again(*group);
}

void AvahiBackend::enter_again(Group& group) {
    if (group.entered) return;
    group.entered = enter(group);
    if (!group.entered) on_failure();
}

void AvahiBackend::on_group(const Group& group, AvahiEntryGroupState state) {
    if (state != AVAHI_ENTRY_GROUP_COLLISION && state != AVAHI_ENTRY_GROUP_FAILURE) return;
    later([this, instance = group.instance] {
        const auto call = events_.on_taken;
        call(instance);
    });
}

void AvahiBackend::withdraw(const std::string& instance) {
    groups_.erase(instance);
}

void AvahiBackend::browse(bool on) {
    if (on == (browser_ != nullptr)) return;
    if (on) {
        browser_ = browse_services();
        if (!browser_) on_failure();
        return;
    }
    browser_.reset();
    watched_.clear();
}

void AvahiBackend::on_service(AvahiIfIndex interface, AvahiProtocol protocol, AvahiBrowserEvent event,
                              const char* name) {
    if (event == AVAHI_BROWSER_FAILURE) return on_failure();
    if (name == nullptr || !is_name(name)) return;
    later([this, interface, protocol, event, instance = std::string(name)] {
        if (!browser_) return;
        if (event == AVAHI_BROWSER_NEW)
            heard(static_cast<unsigned>(interface), protocol, instance);
        else if (event == AVAHI_BROWSER_REMOVE)
            unheard(static_cast<unsigned>(interface), protocol, instance);
    });
}

void AvahiBackend::heard(unsigned interface, AvahiProtocol protocol, const std::string& instance) {
    if (groups_.contains(instance)) return;  // our own
    const WatchedKey key{interface, instance};
    const auto at = watched_.find(key);
    if (at != watched_.end()) return void(at->second->by.insert(protocol));
    if (watched_.size() >= limits::announcements) return;
    auto& watched = watched_[key];
    watched = std::make_unique<Watched>(Watched{this, interface, instance, {protocol}, {}});
    watched->browser = browse_record(*watched);
    if (!watched->browser) watched_.erase(key);
}

void AvahiBackend::unheard(unsigned interface, AvahiProtocol protocol, const std::string& instance) {
    const auto at = watched_.find({interface, instance});
    if (at == watched_.end()) return;
    at->second->by.erase(protocol);
    if (!at->second->by.empty()) return;
    watched_.erase(at);
    const auto call = events_.on_lost;
    call(interface, instance);
}

void AvahiBackend::on_record(const Watched& watched, Bytes rdata) {
    later([this, interface = watched.interface, instance = watched.instance,
           rdata = std::move(rdata)]() mutable {
        if (!watched_.contains({interface, instance})) return;
        const auto call = events_.on_found;
        call(interface, instance, std::move(rdata));
    });
}

}  // namespace kith::nearby
