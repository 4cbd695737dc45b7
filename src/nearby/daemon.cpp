// libavahi-client: the system's avahi-daemon, by D-Bus. The announcements name hosts of their own, so that
// the machine's name, which the daemon would take, is not in them.
#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/domain.h>
#include <avahi-common/error.h>
#include <net/if.h>

#include <optional>

#include "nearby/announcement.h"
#include "nearby/avahi_backend.h"
#include "nearby/avahi_text.h"
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

class Daemon : public AvahiBackend {
  public:
    Daemon(net::Loop& loop, const Options& options, Events events)
        : AvahiBackend(loop, std::move(events)), loopback_(options.loopback) {}
    ~Daemon() override {
        free_all();
        if (client_ != nullptr) api_->avahi_client_free(client_);  // the daemon then says goodbye
    }
    Result<> start();

  private:
    Handle enter(Group& group) override;
    Handle browse_services() override;
    Handle browse_record(Watched& watched) override;
    Error last_error() const override;

    static void on_state(AvahiClient* client, AvahiClientState state, void* user);
    static void on_entered(AvahiEntryGroup* group, AvahiEntryGroupState state, void* user);
    static void on_found(AvahiServiceBrowser* browser, AvahiIfIndex interface, AvahiProtocol protocol,
                         AvahiBrowserEvent event, const char* name, const char* type, const char* domain,
                         AvahiLookupResultFlags flags, void* user);
    static void on_txt(AvahiRecordBrowser* browser, AvahiIfIndex interface, AvahiProtocol protocol,
                       AvahiBrowserEvent event, const char* name, std::uint16_t clazz, std::uint16_t type,
                       const void* rdata, std::size_t size, AvahiLookupResultFlags flags, void* user);

    const Api* api_ = nullptr;
    bool loopback_;
    AvahiClient* client_ = nullptr;
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

Error Daemon::last_error() const {
    return {Fault::unavailable,
            std::string("avahi-daemon is not there any more: ") +
                avahi_strerror(api_->avahi_client_errno(client_)),
            "it is looked for every few seconds"};
}

void Daemon::on_state(AvahiClient*, AvahiClientState state, void* user) {
    auto* self = static_cast<Daemon*>(user);
    if (self->client_ == nullptr) return;  // still being made
    if (state == AVAHI_CLIENT_FAILURE)
        self->on_failure();
    else
        self->on_running(state == AVAHI_CLIENT_S_RUNNING);
}

AvahiBackend::Handle Daemon::enter(Group& group) {
    auto* entered = api_->avahi_entry_group_new(client_, &Daemon::on_entered, &group);
    if (entered == nullptr) return {};
    Handle handle(entered, [api = api_](void* one) {
        api->avahi_entry_group_free(static_cast<AvahiEntryGroup*>(one));
    });
    bool any = false;
    for (const auto& service : group.services) {
        auto* txt = make_strings(service.txt);
        const auto host = service.host + ".local";
        any |= api_->avahi_entry_group_add_service_strlst(
                   entered, static_cast<AvahiIfIndex>(service.interface), AVAHI_PROTO_UNSPEC,
                   AVAHI_PUBLISH_NO_COOKIE, service.instance.c_str(), service_type.data(), nullptr,
                   host.c_str(), service.port, txt) == 0;
        avahi_string_list_free(txt);
    }
    if (any && api_->avahi_entry_group_commit(entered) < 0) return {};
    return handle;
}

void Daemon::on_entered(AvahiEntryGroup*, AvahiEntryGroupState state, void* user) {
    auto* group = static_cast<Group*>(user);
    static_cast<Daemon*>(group->self)->on_group(*group, state);
}

AvahiBackend::Handle Daemon::browse_services() {
    auto* browser =
        api_->avahi_service_browser_new(client_, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, service_type.data(),
                                        nullptr, AvahiLookupFlags(0), &Daemon::on_found, this);
    return Handle(browser, [api = api_](void* one) {
        api->avahi_service_browser_free(static_cast<AvahiServiceBrowser*>(one));
    });
}

void Daemon::on_found(AvahiServiceBrowser*, AvahiIfIndex interface, AvahiProtocol protocol,
                      AvahiBrowserEvent event, const char* name, const char*, const char*,
                      AvahiLookupResultFlags, void* user) {
    auto* self = static_cast<Daemon*>(user);
    char interface_name[IF_NAMESIZE] = "";
    if (event == AVAHI_BROWSER_NEW && !self->loopback_ &&
        if_indextoname(static_cast<unsigned>(interface), interface_name) != nullptr &&
        std::string_view(interface_name) == "lo")
        return;
    self->on_service(interface, protocol, event, name);
}

AvahiBackend::Handle Daemon::browse_record(Watched& watched) {
    auto* browser = api_->avahi_record_browser_new(client_, static_cast<AvahiIfIndex>(watched.interface),
                                                   AVAHI_PROTO_UNSPEC, txt_name(watched.instance).c_str(),
                                                   AVAHI_DNS_CLASS_IN, AVAHI_DNS_TYPE_TXT,
                                                   AvahiLookupFlags(0), &Daemon::on_txt, &watched);
    return Handle(browser, [api = api_](void* one) {
        api->avahi_record_browser_free(static_cast<AvahiRecordBrowser*>(one));
    });
}

void Daemon::on_txt(AvahiRecordBrowser*, AvahiIfIndex, AvahiProtocol, AvahiBrowserEvent event, const char*,
                    std::uint16_t, std::uint16_t type, const void* rdata, std::size_t size,
                    AvahiLookupResultFlags, void* user) {
    const auto* watched = static_cast<Watched*>(user);
    if (event != AVAHI_BROWSER_NEW || rdata == nullptr || type != AVAHI_DNS_TYPE_TXT ||
        size > limits::announcement_bytes)
        return;
    const auto* bytes = static_cast<const std::uint8_t*>(rdata);
    static_cast<Daemon*>(watched->self)->on_record(*watched, Bytes(bytes, bytes + size));
}

}  // namespace

Result<std::unique_ptr<Backend>> make_daemon(net::Loop& loop, const Options& options,
                                             Backend::Events events) {
    auto backend = std::make_unique<Daemon>(loop, options, std::move(events));
    KITH_TRY(backend->start());
    return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace kith::nearby
