// libavahi-client: the system's avahi-daemon, by D-Bus. The announcements name hosts of their own, so that
// the machine's name, which the daemon would take, is not in them.
#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/domain.h>
#include <avahi-common/error.h>
#include <net/if.h>

#include <map>
#include <optional>
#include <set>

#include "nearby/announcement.h"
#include "nearby/avahi_poll.h"
#include "nearby/avahi_text.h"
#include "nearby/backend.h"
#include "nearby/library.h"
#include "nearby/limits.h"

namespace kith::nearby {

namespace {

struct Api {
    decltype(&::avahi_client_new) avahi_client_new = nullptr;
    decltype(&::avahi_client_free) avahi_client_free = nullptr;
    decltype(&::avahi_client_get_state) avahi_client_get_state = nullptr;
    decltype(&::avahi_client_errno) avahi_client_errno = nullptr;
    decltype(&::avahi_entry_group_new) avahi_entry_group_new = nullptr;
    decltype(&::avahi_entry_group_free) avahi_entry_group_free = nullptr;
    decltype(&::avahi_entry_group_add_service_strlst) avahi_entry_group_add_service_strlst = nullptr;
    decltype(&::avahi_entry_group_commit) avahi_entry_group_commit = nullptr;
    decltype(&::avahi_service_browser_new) avahi_service_browser_new = nullptr;
    decltype(&::avahi_service_browser_free) avahi_service_browser_free = nullptr;
    decltype(&::avahi_record_browser_new) avahi_record_browser_new = nullptr;
    decltype(&::avahi_record_browser_free) avahi_record_browser_free = nullptr;
};

// Nothing when it is not there.
const Api* load_api() {
    static const std::optional<Api> api = []() -> std::optional<Api> {
        const Library library("libavahi-client.so.3");
        Api found;
        const bool whole = library.find("avahi_client_new", found.avahi_client_new) &&
                           library.find("avahi_client_free", found.avahi_client_free) &&
                           library.find("avahi_client_get_state", found.avahi_client_get_state) &&
                           library.find("avahi_client_errno", found.avahi_client_errno) &&
                           library.find("avahi_entry_group_new", found.avahi_entry_group_new) &&
                           library.find("avahi_entry_group_free", found.avahi_entry_group_free) &&
                           library.find("avahi_entry_group_add_service_strlst",
                                        found.avahi_entry_group_add_service_strlst) &&
                           library.find("avahi_entry_group_commit", found.avahi_entry_group_commit) &&
                           library.find("avahi_service_browser_new", found.avahi_service_browser_new) &&
                           library.find("avahi_service_browser_free", found.avahi_service_browser_free) &&
                           library.find("avahi_record_browser_new", found.avahi_record_browser_new) &&
                           library.find("avahi_record_browser_free", found.avahi_record_browser_free);
        return whole ? std::optional(found) : std::nullopt;
    }();
    return api ? &*api : nullptr;
}

class Daemon : public Backend {
  public:
    Daemon(net::Loop& loop, const Options& options, Events events)
        : poll_(loop), loopback_(options.loopback), events_(std::move(events)) {}
    ~Daemon() override {
        // Frees all that was made with it; the daemon then says goodbye.
        if (client_ != nullptr) api_->avahi_client_free(client_);
    }
    Result<> start();

    void publish(const std::vector<Service>& services) override;
    void withdraw(const std::string& instance) override;
    void browse(bool on) override;

  private:
    struct Group {
        Daemon* self;
        std::string instance;
        AvahiEntryGroup* group = nullptr;
        std::vector<Service> services;
    };
    struct Watched {
        Daemon* self;
        unsigned interface;
        std::string instance;
        AvahiRecordBrowser* browser = nullptr;
        std::set<AvahiProtocol> by;
    };
    using WatchedKey = std::pair<unsigned, std::string>;

    static void on_state(AvahiClient* client, AvahiClientState state, void* user);
    static void on_group(AvahiEntryGroup* group, AvahiEntryGroupState state, void* user);
    static void on_service(AvahiServiceBrowser* browser, AvahiIfIndex interface, AvahiProtocol protocol,
                           AvahiBrowserEvent event, const char* name, const char* type, const char* domain,
                           AvahiLookupResultFlags flags, void* user);
    static void on_record(AvahiRecordBrowser* browser, AvahiIfIndex interface, AvahiProtocol protocol,
                          AvahiBrowserEvent event, const char* name, std::uint16_t clazz, std::uint16_t type,
                          const void* rdata, std::size_t size, AvahiLookupResultFlags flags, void* user);
    void enter(Group& group);
    void leave(Group& group);
    void heard(unsigned interface, AvahiProtocol protocol, const std::string& instance);
    void unheard(unsigned interface, AvahiProtocol protocol, const std::string& instance);
    void broken(int error);
    void later(std::function<void()> fn);

    const Api* api_ = nullptr;
    AvahiLoop poll_;
    bool loopback_;
    Events events_;
    AvahiClient* client_ = nullptr;
    bool running_ = false;
    std::map<std::string, std::unique_ptr<Group>> groups_;
    AvahiServiceBrowser* browser_ = nullptr;
    std::map<WatchedKey, std::unique_ptr<Watched>> watched_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Result<> Daemon::start() {
    api_ = load_api();
    if (api_ == nullptr)
        return fail(Fault::unavailable,
                    "the system's avahi-daemon cannot be used: libavahi-client is missing",
                    "install it, or let kith do without it (KITH_NEARBY=embedded)");
    int error = 0;
    client_ = api_->avahi_client_new(poll_.api(), AvahiClientFlags(0), &Daemon::on_state, this, &error);
    if (client_ == nullptr)
        return fail(Fault::unavailable,
                    std::string("the system's avahi-daemon cannot be used: ") + avahi_strerror(error),
                    "start it, or let kith do without it (KITH_NEARBY=embedded)");
    running_ = api_->avahi_client_get_state(client_) == AVAHI_CLIENT_S_RUNNING;
    return {};
}

void Daemon::later(std::function<void()> fn) {
    poll_.loop().defer([fn = std::move(fn), alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) fn();
    });
}

void Daemon::broken(int error) {
    later([this, error] {
        const auto call = events_.on_broken;
        call({Fault::unavailable, std::string("avahi-daemon is not there any more: ") + avahi_strerror(error),
              "it is looked for every few seconds"});
    });
}

void Daemon::on_state(AvahiClient* client, AvahiClientState state, void* user) {
    auto* self = static_cast<Daemon*>(user);
    if (state == AVAHI_CLIENT_FAILURE) {
        if (self->client_ != nullptr) self->broken(self->api_->avahi_client_errno(client));
        return;
    }
    const bool running = state == AVAHI_CLIENT_S_RUNNING;
    if (running == self->running_) return;
    self->running_ = running;
    // While the daemon changes its name it drops what it was told.
    self->later([self] {
        for (auto& [instance, group] : self->groups_)
            self->running_ ? self->enter(*group) : self->leave(*group);
    });
}

void Daemon::publish(const std::vector<Service>& services) {
    if (services.empty()) return;
    auto& group = groups_[services.front().instance];
    group = std::make_unique<Group>(Group{this, services.front().instance, nullptr, services});
    if (running_) enter(*group);
}

void Daemon::enter(Group& group) {
    if (group.group != nullptr) return;
    group.group = api_->avahi_entry_group_new(client_, &Daemon::on_group, &group);
    if (group.group == nullptr) return broken(api_->avahi_client_errno(client_));
    bool any = false;
    for (const auto& service : group.services) {
        auto* txt = make_strings(service.txt);
        const auto host = service.host + ".local";
        any |= api_->avahi_entry_group_add_service_strlst(
                   group.group, static_cast<AvahiIfIndex>(service.interface), AVAHI_PROTO_UNSPEC,
                   AVAHI_PUBLISH_NO_COOKIE, service.instance.c_str(), service_type.data(), nullptr,
                   host.c_str(), service.port, txt) == 0;
        avahi_string_list_free(txt);
    }
    if (any && api_->avahi_entry_group_commit(group.group) < 0) broken(api_->avahi_client_errno(client_));
}

void Daemon::leave(Group& group) {
    if (group.group != nullptr) api_->avahi_entry_group_free(group.group);
    group.group = nullptr;
}

void Daemon::on_group(AvahiEntryGroup*, AvahiEntryGroupState state, void* user) {
    auto* group = static_cast<Group*>(user);
    if (state != AVAHI_ENTRY_GROUP_COLLISION && state != AVAHI_ENTRY_GROUP_FAILURE) return;
    group->self->later([self = group->self, instance = group->instance] {
        const auto call = self->events_.on_taken;
        call(instance);
    });
}

void Daemon::withdraw(const std::string& instance) {
    const auto at = groups_.find(instance);
    if (at == groups_.end()) return;
    leave(*at->second);
    groups_.erase(at);
}

void Daemon::browse(bool on) {
    if (on == (browser_ != nullptr)) return;
    if (on) {
        browser_ =
            api_->avahi_service_browser_new(client_, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, service_type.data(),
                                            nullptr, AvahiLookupFlags(0), &Daemon::on_service, this);
        if (browser_ == nullptr) broken(api_->avahi_client_errno(client_));
        return;
    }
    api_->avahi_service_browser_free(browser_);
    browser_ = nullptr;
    for (auto& [key, watched] : watched_)
        if (watched->browser != nullptr) api_->avahi_record_browser_free(watched->browser);
    watched_.clear();
}

void Daemon::on_service(AvahiServiceBrowser*, AvahiIfIndex interface, AvahiProtocol protocol,
                        AvahiBrowserEvent event, const char* name, const char*, const char*,
                        AvahiLookupResultFlags, void* user) {
    auto* self = static_cast<Daemon*>(user);
    if (event == AVAHI_BROWSER_FAILURE) return self->broken(self->api_->avahi_client_errno(self->client_));
    if (name == nullptr || !is_name(name)) return;
    self->later([self, interface, protocol, event, instance = std::string(name)] {
        if (self->browser_ == nullptr) return;
        if (event == AVAHI_BROWSER_NEW)
            self->heard(static_cast<unsigned>(interface), protocol, instance);
        else if (event == AVAHI_BROWSER_REMOVE)
            self->unheard(static_cast<unsigned>(interface), protocol, instance);
    });
}

void Daemon::heard(unsigned interface, AvahiProtocol protocol, const std::string& instance) {
    if (groups_.contains(instance)) return;
    char name[IF_NAMESIZE] = "";
    if (!loopback_ && if_indextoname(interface, name) != nullptr && std::string_view(name) == "lo") return;
    const WatchedKey key{interface, instance};
    const auto at = watched_.find(key);
    if (at != watched_.end()) return void(at->second->by.insert(protocol));
    if (watched_.size() >= limits::announcements) return;
    auto& watched = watched_[key];
    watched = std::make_unique<Watched>(Watched{this, interface, instance, nullptr, {protocol}});
    watched->browser = api_->avahi_record_browser_new(
        client_, static_cast<AvahiIfIndex>(interface), AVAHI_PROTO_UNSPEC, txt_name(instance).c_str(),
        AVAHI_DNS_CLASS_IN, AVAHI_DNS_TYPE_TXT, AvahiLookupFlags(0), &Daemon::on_record, watched.get());
    if (watched->browser == nullptr) watched_.erase(key);
}

void Daemon::unheard(unsigned interface, AvahiProtocol protocol, const std::string& instance) {
    const auto at = watched_.find({interface, instance});
    if (at == watched_.end()) return;
    at->second->by.erase(protocol);
    if (!at->second->by.empty()) return;
    if (at->second->browser != nullptr) api_->avahi_record_browser_free(at->second->browser);
    watched_.erase(at);
    const auto call = events_.on_lost;
    call(interface, instance);
}

void Daemon::on_record(AvahiRecordBrowser*, AvahiIfIndex, AvahiProtocol, AvahiBrowserEvent event, const char*,
                       std::uint16_t, std::uint16_t type, const void* rdata, std::size_t size,
                       AvahiLookupResultFlags, void* user) {
    const auto* watched = static_cast<Watched*>(user);
    if (event != AVAHI_BROWSER_NEW || rdata == nullptr || type != AVAHI_DNS_TYPE_TXT ||
        size > limits::announcement_bytes)
        return;
    const auto* bytes = static_cast<const std::uint8_t*>(rdata);
    auto* self = watched->self;
    self->later([self, interface = watched->interface, instance = watched->instance,
                 data = Bytes(bytes, bytes + size)]() mutable {
        if (!self->watched_.contains({interface, instance})) return;
        const auto call = self->events_.on_found;
        call(interface, instance, std::move(data));
    });
}

}  // namespace

Result<std::unique_ptr<Backend>> make_daemon(net::Loop& loop, const Options& options,
                                             Backend::Events events) {
    auto backend = std::make_unique<Daemon>(loop, options, std::move(events));
    KITH_TRY(backend->start());
    return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace kith::nearby
