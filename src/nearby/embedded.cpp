// libavahi-core: a whole mDNS stack in this process. It needs nothing of the system, and runs beside a
// system's daemon as long as it owns no record that the daemon owns too: no host, no address, no reverse
// address. So all of that is switched off, and what is published are services at hosts that only have a name.
#include <avahi-common/alternative.h>
#include <avahi-common/domain.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-core/core.h>
#include <avahi-core/log.h>
#include <avahi-core/lookup.h>
#include <avahi-core/publish.h>
#include <avahi-core/rr.h>

#include <map>
#include <set>

#include "nearby/announcement.h"
#include "nearby/avahi_poll.h"
#include "nearby/avahi_text.h"
#include "nearby/backend.h"
#include "nearby/limits.h"

namespace kith::nearby {

namespace {

class Embedded : public Backend {
  public:
    Embedded(net::Loop& loop, Events events) : poll_(loop), events_(std::move(events)) {}
    ~Embedded() override;
    Result<> start(const Options& options, const std::string& host);

    void publish(const std::vector<Service>& services) override;
    void withdraw(const std::string& instance) override;
    void browse(bool on) override;

  private:
    struct Group {
        Embedded* self;
        std::string instance;
        AvahiSEntryGroup* group = nullptr;
        std::vector<Service> services;
    };
    struct Watched {  // the TXT record of one instance on one interface
        Embedded* self;
        unsigned interface;
        std::string instance;
        AvahiSRecordBrowser* browser = nullptr;
        std::set<AvahiProtocol> by;  // where its service was heard of
    };
    using WatchedKey = std::pair<unsigned, std::string>;

    static void on_state(AvahiServer* server, AvahiServerState state, void* user);
    static void on_group(AvahiServer* server, AvahiSEntryGroup* group, AvahiEntryGroupState state,
                         void* user);
    static void on_service(AvahiSServiceBrowser* browser, AvahiIfIndex interface, AvahiProtocol protocol,
                           AvahiBrowserEvent event, const char* name, const char* type, const char* domain,
                           AvahiLookupResultFlags flags, void* user);
    static void on_record(AvahiSRecordBrowser* browser, AvahiIfIndex interface, AvahiProtocol protocol,
                          AvahiBrowserEvent event, AvahiRecord* record, AvahiLookupResultFlags flags,
                          void* user);
    void enter(Group& group);
    void heard(unsigned interface, AvahiProtocol protocol, const std::string& instance);
    void unheard(unsigned interface, AvahiProtocol protocol, const std::string& instance);
    void broken(int error);
    void later(std::function<void()> fn);

    AvahiLoop poll_;
    Events events_;
    AvahiServer* server_ = nullptr;
    bool running_ = false;
    std::map<std::string, std::unique_ptr<Group>> groups_;
    AvahiSServiceBrowser* browser_ = nullptr;
    std::map<WatchedKey, std::unique_ptr<Watched>> watched_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Embedded::~Embedded() {
    browse(false);
    for (auto& [instance, group] : groups_)
        if (group->group != nullptr) avahi_s_entry_group_free(group->group);
    if (server_ != nullptr) avahi_server_free(server_);
}

Result<> Embedded::start(const Options& options, const std::string& host) {
    // It would tell the log of each address that comes and goes; what matters, it returns.
    avahi_set_log_function([](AvahiLogLevel, const char*) {});
    AvahiServerConfig config;
    avahi_server_config_init(&config);
    avahi_free(config.host_name);
    config.host_name = avahi_strdup(host.c_str());
    config.publish_addresses = 0;
    config.publish_hinfo = 0;
    config.publish_workstation = 0;
    config.publish_domain = 0;
    config.enable_wide_area = 0;
    config.add_service_cookie = 0;
    config.n_cache_entries_max = limits::mdns_cache_entries;
    config.use_ipv4 = 1;
    config.use_ipv6 = 1;
    if (!options.loopback) config.deny_interfaces = avahi_string_list_new("lo", nullptr);
    int error = 0;
    server_ = avahi_server_new(poll_.api(), &config, &Embedded::on_state, this, &error);
    avahi_server_config_free(&config);
    if (server_ == nullptr)
        return fail(Fault::unavailable, std::string("mDNS cannot be used here: ") + avahi_strerror(error),
                    "another program may hold UDP port 5353 for itself alone");
    running_ = avahi_server_get_state(server_) == AVAHI_SERVER_RUNNING;
    return {};
}

// Not from within Avahi's call, which goes on with what it holds.
void Embedded::later(std::function<void()> fn) {
    poll_.loop().defer([fn = std::move(fn), alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) fn();
    });
}

void Embedded::broken(int error) {
    later([this, error] {
        const auto call = events_.on_broken;
        call({Fault::unavailable, std::string("mDNS stopped working: ") + avahi_strerror(error), ""});
    });
}

void Embedded::on_state(AvahiServer* server, AvahiServerState state, void* user) {
    auto* self = static_cast<Embedded*>(user);
    if (state == AVAHI_SERVER_FAILURE) return self->broken(avahi_server_errno(server));
    // No record carries the host's own name, so a collision of it means nothing.
    if (state != AVAHI_SERVER_RUNNING) return;
    self->running_ = true;
    self->later([self] {
        for (auto& [instance, group] : self->groups_) self->enter(*group);
    });
}

void Embedded::publish(const std::vector<Service>& services) {
    if (services.empty()) return;
    auto& group = groups_[services.front().instance];
    group = std::make_unique<Group>(Group{this, services.front().instance, nullptr, services});
    if (running_) enter(*group);
}

void Embedded::enter(Group& group) {
    if (group.group != nullptr) return;
    group.group = avahi_s_entry_group_new(server_, &Embedded::on_group, &group);
    if (group.group == nullptr) return broken(avahi_server_errno(server_));
    bool any = false;
    for (const auto& service : group.services) {
        auto* txt = make_strings(service.txt);
        const auto host = service.host + ".local";
        // An interface that Avahi does not use (without multicast) is none for it: the others count.
        any |= avahi_server_add_service_strlst(
                   server_, group.group, static_cast<AvahiIfIndex>(service.interface), AVAHI_PROTO_UNSPEC,
                   AVAHI_PUBLISH_NO_COOKIE, service.instance.c_str(), service_type.data(), nullptr,
                   host.c_str(), service.port, txt) == 0;
        avahi_string_list_free(txt);
    }
    if (any && avahi_s_entry_group_commit(group.group) < 0) broken(avahi_server_errno(server_));
}

void Embedded::on_group(AvahiServer*, AvahiSEntryGroup*, AvahiEntryGroupState state, void* user) {
    auto* group = static_cast<Group*>(user);
    if (state != AVAHI_ENTRY_GROUP_COLLISION && state != AVAHI_ENTRY_GROUP_FAILURE) return;
    group->self->later([self = group->self, instance = group->instance] {
        const auto call = self->events_.on_taken;
        call(instance);
    });
}

void Embedded::withdraw(const std::string& instance) {
    const auto at = groups_.find(instance);
    if (at == groups_.end()) return;
    if (at->second->group != nullptr) avahi_s_entry_group_free(at->second->group);
    groups_.erase(at);
}

void Embedded::browse(bool on) {
    if (on == (browser_ != nullptr)) return;
    if (on) {
        browser_ =
            avahi_s_service_browser_new(server_, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, service_type.data(),
                                        nullptr, AVAHI_LOOKUP_USE_MULTICAST, &Embedded::on_service, this);
        if (browser_ == nullptr) broken(avahi_server_errno(server_));
        return;
    }
    avahi_s_service_browser_free(browser_);
    browser_ = nullptr;
    for (auto& [key, watched] : watched_)
        if (watched->browser != nullptr) avahi_s_record_browser_free(watched->browser);
    watched_.clear();
}

void Embedded::on_service(AvahiSServiceBrowser*, AvahiIfIndex interface, AvahiProtocol protocol,
                          AvahiBrowserEvent event, const char* name, const char*, const char*,
                          AvahiLookupResultFlags, void* user) {
    auto* self = static_cast<Embedded*>(user);
    if (event == AVAHI_BROWSER_FAILURE) return self->broken(avahi_server_errno(self->server_));
    if (name == nullptr || !is_name(name)) return;
    self->later([self, interface, protocol, event, instance = std::string(name)] {
        if (self->browser_ == nullptr) return;
        if (event == AVAHI_BROWSER_NEW)
            self->heard(static_cast<unsigned>(interface), protocol, instance);
        else if (event == AVAHI_BROWSER_REMOVE)
            self->unheard(static_cast<unsigned>(interface), protocol, instance);
    });
}

void Embedded::heard(unsigned interface, AvahiProtocol protocol, const std::string& instance) {
    if (groups_.contains(instance)) return;  // our own
    const WatchedKey key{interface, instance};
    const auto at = watched_.find(key);
    if (at != watched_.end()) return void(at->second->by.insert(protocol));
    if (watched_.size() >= limits::announcements) return;
    const auto name = txt_name(instance);
    auto* record = avahi_key_new(name.c_str(), AVAHI_DNS_CLASS_IN, AVAHI_DNS_TYPE_TXT);
    auto& watched = watched_[key];
    watched = std::make_unique<Watched>(Watched{this, interface, instance, nullptr, {protocol}});
    watched->browser =
        avahi_s_record_browser_new(server_, static_cast<AvahiIfIndex>(interface), AVAHI_PROTO_UNSPEC, record,
                                   AVAHI_LOOKUP_USE_MULTICAST, &Embedded::on_record, watched.get());
    avahi_key_unref(record);
    if (watched->browser == nullptr) watched_.erase(key);
}

void Embedded::unheard(unsigned interface, AvahiProtocol protocol, const std::string& instance) {
    const auto at = watched_.find({interface, instance});
    if (at == watched_.end()) return;
    at->second->by.erase(protocol);
    if (!at->second->by.empty()) return;
    if (at->second->browser != nullptr) avahi_s_record_browser_free(at->second->browser);
    watched_.erase(at);
    const auto call = events_.on_lost;
    call(interface, instance);
}

void Embedded::on_record(AvahiSRecordBrowser*, AvahiIfIndex, AvahiProtocol, AvahiBrowserEvent event,
                         AvahiRecord* record, AvahiLookupResultFlags, void* user) {
    const auto* watched = static_cast<Watched*>(user);
    // Its removal is of no interest: a new one comes before it, or the service goes as a whole.
    if (event != AVAHI_BROWSER_NEW || record == nullptr || record->key->type != AVAHI_DNS_TYPE_TXT) return;
    auto rdata = bytes_of(record->data.txt.string_list);
    if (!rdata) return;
    auto* self = watched->self;
    self->later([self, interface = watched->interface, instance = watched->instance,
                 rdata = std::move(*rdata)]() mutable {
        if (!self->watched_.contains({interface, instance})) return;
        const auto call = self->events_.on_found;
        call(interface, instance, std::move(rdata));
    });
}

}  // namespace

Result<std::unique_ptr<Backend>> make_embedded(net::Loop& loop, const Options& options, std::string host,
                                               Backend::Events events) {
    auto backend = std::make_unique<Embedded>(loop, std::move(events));
    KITH_TRY(backend->start(options, host));
    return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace kith::nearby
