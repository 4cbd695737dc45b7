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

#include "nearby/announcement.h"
#include "nearby/avahi_backend.h"
#include "nearby/avahi_text.h"
#include "nearby/limits.h"

namespace kith::nearby {

namespace {

class Embedded : public AvahiBackend {
  public:
    Embedded(net::Loop& loop, Events events) : AvahiBackend(loop, std::move(events)) {}
    ~Embedded() override {
        free_all();
        if (server_ != nullptr) avahi_server_free(server_);
    }
    Result<> start(const Options& options, const std::string& host);

  private:
    Handle enter(Group& group) override;
    Handle browse_services() override;
    Handle browse_record(Watched& watched) override;
    Error last_error() const override;

    static void on_state(AvahiServer* server, AvahiServerState state, void* user);
    static void on_entered(AvahiServer* server, AvahiSEntryGroup* group, AvahiEntryGroupState state,
                           void* user);
    static void on_found(AvahiSServiceBrowser* browser, AvahiIfIndex interface, AvahiProtocol protocol,
                         AvahiBrowserEvent event, const char* name, const char* type, const char* domain,
                         AvahiLookupResultFlags flags, void* user);
    static void on_txt(AvahiSRecordBrowser* browser, AvahiIfIndex interface, AvahiProtocol protocol,
                       AvahiBrowserEvent event, AvahiRecord* record, AvahiLookupResultFlags flags,
                       void* user);

    AvahiServer* server_ = nullptr;
};

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

Error Embedded::last_error() const {
    return {Fault::unavailable,
            std::string("mDNS stopped working: ") + avahi_strerror(avahi_server_errno(server_)), ""};
}

void Embedded::on_state(AvahiServer*, AvahiServerState state, void* user) {
    auto* self = static_cast<Embedded*>(user);
    if (self->server_ == nullptr) return;  // still being made
    if (state == AVAHI_SERVER_FAILURE) return self->on_failure();
    // No record carries the host's own name, so a collision of it means nothing.
    if (state == AVAHI_SERVER_RUNNING) self->on_running(true);
}

AvahiBackend::Handle Embedded::enter(Group& group) {
    auto* entered = avahi_s_entry_group_new(server_, &Embedded::on_entered, &group);
    if (entered == nullptr) return {};
    Handle handle(entered, [](void* one) { avahi_s_entry_group_free(static_cast<AvahiSEntryGroup*>(one)); });
    bool any = false;
    for (const auto& service : group.services) {
        auto* txt = make_strings(service.txt);
        const auto host = service.host + ".local";
        // An interface that Avahi does not use (without multicast) is none for it: the others count.
        any |= avahi_server_add_service_strlst(server_, entered, static_cast<AvahiIfIndex>(service.interface),
                                               AVAHI_PROTO_UNSPEC, AVAHI_PUBLISH_NO_COOKIE,
                                               service.instance.c_str(), service_type.data(), nullptr,
                                               host.c_str(), service.port, txt) == 0;
        avahi_string_list_free(txt);
    }
    if (any && avahi_s_entry_group_commit(entered) < 0) return {};
    return handle;
}

void Embedded::on_entered(AvahiServer*, AvahiSEntryGroup*, AvahiEntryGroupState state, void* user) {
    auto* group = static_cast<Group*>(user);
    static_cast<Embedded*>(group->self)->on_group(*group, state);
}

AvahiBackend::Handle Embedded::browse_services() {
    auto* browser =
        avahi_s_service_browser_new(server_, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, service_type.data(),
                                    nullptr, AVAHI_LOOKUP_USE_MULTICAST, &Embedded::on_found, this);
    return Handle(browser,
                  [](void* one) { avahi_s_service_browser_free(static_cast<AvahiSServiceBrowser*>(one)); });
}

void Embedded::on_found(AvahiSServiceBrowser*, AvahiIfIndex interface, AvahiProtocol protocol,
                        AvahiBrowserEvent event, const char* name, const char*, const char*,
                        AvahiLookupResultFlags, void* user) {
    static_cast<Embedded*>(user)->on_service(interface, protocol, event, name);
}

AvahiBackend::Handle Embedded::browse_record(Watched& watched) {
    auto* key = avahi_key_new(txt_name(watched.instance).c_str(), AVAHI_DNS_CLASS_IN, AVAHI_DNS_TYPE_TXT);
    auto* browser =
        avahi_s_record_browser_new(server_, static_cast<AvahiIfIndex>(watched.interface), AVAHI_PROTO_UNSPEC,
                                   key, AVAHI_LOOKUP_USE_MULTICAST, &Embedded::on_txt, &watched);
    avahi_key_unref(key);
    return Handle(browser,
                  [](void* one) { avahi_s_record_browser_free(static_cast<AvahiSRecordBrowser*>(one)); });
}

void Embedded::on_txt(AvahiSRecordBrowser*, AvahiIfIndex, AvahiProtocol, AvahiBrowserEvent event,
                      AvahiRecord* record, AvahiLookupResultFlags, void* user) {
    const auto* watched = static_cast<Watched*>(user);
    // Its removal is of no interest: a new one comes before it, or the service goes as a whole.
    if (event != AVAHI_BROWSER_NEW || record == nullptr || record->key->type != AVAHI_DNS_TYPE_TXT) return;
    if (auto rdata = bytes_of(record->data.txt.string_list))
        static_cast<Embedded*>(watched->self)->on_record(*watched, std::move(*rdata));
}

}  // namespace

Result<std::unique_ptr<Backend>> make_embedded(net::Loop& loop, const Options& options, std::string host,
                                               Backend::Events events) {
    auto backend = std::make_unique<Embedded>(loop, std::move(events));
    KITH_TRY(backend->start(options, host));
    return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace kith::nearby
