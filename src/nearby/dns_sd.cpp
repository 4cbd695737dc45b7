// dns_sd.h, what macOS and Windows have (Bonjour). On Linux it is the compatibility library of Avahi, which
// adds a number of the daemon's to each record (a "cookie"), the same until the daemon is restarted: use it
// there for trials alone.
#include <dns_sd.h>
#include <netinet/in.h>

#include <map>
#include <optional>

#include "nearby/announcement.h"
#include "nearby/backend.h"
#include "nearby/library.h"
#include "nearby/limits.h"
#include "net/fd_watch.h"
#include "net/interfaces.h"

namespace kith::nearby {

namespace {

struct Api {
    decltype(&::DNSServiceRefDeallocate) DNSServiceRefDeallocate = nullptr;
    decltype(&::DNSServiceRefSockFD) DNSServiceRefSockFD = nullptr;
    decltype(&::DNSServiceProcessResult) DNSServiceProcessResult = nullptr;
    decltype(&::DNSServiceRegister) DNSServiceRegister = nullptr;
    decltype(&::DNSServiceBrowse) DNSServiceBrowse = nullptr;
    decltype(&::DNSServiceQueryRecord) DNSServiceQueryRecord = nullptr;
};

// Nothing when it is not there. On Linux it rests on libavahi-client, which cannot be linked to (daemon.cpp).
const Api* api() {
    static const std::optional<Api> loaded = []() -> std::optional<Api> {
        const Library library("libdns_sd.so.1");
        Api found;
        const bool whole = library.find("DNSServiceRefDeallocate", found.DNSServiceRefDeallocate) &&
                           library.find("DNSServiceRefSockFD", found.DNSServiceRefSockFD) &&
                           library.find("DNSServiceProcessResult", found.DNSServiceProcessResult) &&
                           library.find("DNSServiceRegister", found.DNSServiceRegister) &&
                           library.find("DNSServiceBrowse", found.DNSServiceBrowse) &&
                           library.find("DNSServiceQueryRecord", found.DNSServiceQueryRecord);
        return whole ? std::optional(found) : std::nullopt;
    }();
    return loaded ? &*loaded : nullptr;
}

// A DNSServiceRef on the loop.
class ServiceRef {
  public:
    ServiceRef() = default;
    ServiceRef(const ServiceRef&) = delete;
    ServiceRef& operator=(const ServiceRef&) = delete;
    ~ServiceRef() {
        watch_.reset();
        if (ref != nullptr) api()->DNSServiceRefDeallocate(ref);
    }
    void follow(net::Loop& loop, std::function<void(DNSServiceErrorType)> on_error) {
        watch_ = std::make_unique<net::FdWatch>(loop, api()->DNSServiceRefSockFD(ref),
                                                [this, on_error = std::move(on_error)](bool, bool) {
                                                    const auto error = api()->DNSServiceProcessResult(ref);
                                                    if (error == kDNSServiceErr_NoError) return;
                                                    watch_->want(false, false);
                                                    on_error(error);
                                                });
        watch_->want(true, false);
    }
    DNSServiceRef ref = nullptr;

  private:
    std::unique_ptr<net::FdWatch> watch_;
};

class DnsSd : public Backend {
  public:
    DnsSd(net::Loop& loop, const Options& options, Events events)
        : loop_(loop), loopback_(options.loopback), events_(std::move(events)) {}
    Result<> start();

    void publish(const std::vector<Service>& services) override;
    void withdraw(const std::string& instance) override { published_.erase(instance); }
    void browse(bool on) override;

  private:
    struct Published {
        DnsSd* self;
        std::string instance;
        ServiceRef ref;
    };
    struct Watched {
        DnsSd* self;
        unsigned interface;
        std::string instance;
        ServiceRef ref;
    };
    using WatchedKey = std::pair<unsigned, std::string>;

    static void DNSSD_API on_registered(DNSServiceRef ref, DNSServiceFlags flags, DNSServiceErrorType error,
                                        const char* name, const char* type, const char* domain, void* user);
    static void DNSSD_API on_service(DNSServiceRef ref, DNSServiceFlags flags, std::uint32_t interface,
                                     DNSServiceErrorType error, const char* name, const char* type,
                                     const char* domain, void* user);
    static void DNSSD_API on_record(DNSServiceRef ref, DNSServiceFlags flags, std::uint32_t interface,
                                    DNSServiceErrorType error, const char* name, std::uint16_t type,
                                    std::uint16_t clazz, std::uint16_t size, const void* rdata,
                                    std::uint32_t ttl, void* user);
    void heard(unsigned interface, const std::string& instance);
    void unheard(unsigned interface, const std::string& instance);
    void broken(DNSServiceErrorType error);
    void later(std::function<void()> fn);

    net::Loop& loop_;
    bool loopback_;
    Events events_;
    std::map<std::string, std::vector<std::unique_ptr<Published>>> published_;
    std::unique_ptr<ServiceRef> browser_;
    std::map<WatchedKey, std::unique_ptr<Watched>> watched_;
    bool broke_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Error unusable(DNSServiceErrorType error) {
    return {Fault::unavailable, "the system's mDNS service cannot be used: error " + std::to_string(error),
            "start it, or let kith do without it (KITH_NEARBY=embedded)"};
}

// Whether there is a service to talk to.
Result<> DnsSd::start() {
    if (api() == nullptr)
        return fail(Fault::unavailable, "the system's mDNS service cannot be used: libdns_sd is missing",
                    "install it, or let kith do without it (KITH_NEARBY=embedded)");
    ServiceRef probe;
    const auto error = api()->DNSServiceBrowse(
        &probe.ref, 0, 0, service_type.data(), "local", [](auto...) {}, nullptr);
    if (error == kDNSServiceErr_NoError) return {};
    probe.ref = nullptr;
    return fail(unusable(error));
}

void DnsSd::later(std::function<void()> fn) {
    loop_.defer([fn = std::move(fn), alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) fn();
    });
}

void DnsSd::broken(DNSServiceErrorType error) {
    if (std::exchange(broke_, true)) return;
    later([this, error] {
        const auto call = events_.on_broken;
        call(unusable(error));
    });
}

void DnsSd::publish(const std::vector<Service>& services) {
    for (const auto& service : services) {
        auto entry = std::make_unique<Published>();
        entry->self = this;
        entry->instance = service.instance;
        const auto txt = to_rdata(service.txt);
        const auto host = service.host + ".local";
        const auto error = api()->DNSServiceRegister(
            &entry->ref.ref, 0, service.interface, service.instance.c_str(), service_type.data(), "local",
            host.c_str(), htons(service.port), static_cast<std::uint16_t>(txt.size()), txt.data(),
            &DnsSd::on_registered, entry.get());
        if (error != kDNSServiceErr_NoError) {
            entry->ref.ref = nullptr;
            return broken(error);
        }
        entry->ref.follow(loop_, [this](DNSServiceErrorType why) { broken(why); });
        published_[service.instance].push_back(std::move(entry));
    }
}

void DNSSD_API DnsSd::on_registered(DNSServiceRef, DNSServiceFlags, DNSServiceErrorType error,
                                    const char* name, const char*, const char*, void* user) {
    const auto* entry = static_cast<Published*>(user);
    // It gives a name that is taken a number; the compatibility library cannot be told to leave that.
    if (error == kDNSServiceErr_NoError && name != nullptr && entry->instance == name) return;
    entry->self->later([self = entry->self, instance = entry->instance] {
        if (!self->published_.contains(instance)) return;
        const auto call = self->events_.on_taken;
        call(instance);
    });
}

void DnsSd::browse(bool on) {
    if (on == (browser_ != nullptr)) return;
    watched_.clear();
    browser_.reset();
    if (!on) return;
    browser_ = std::make_unique<ServiceRef>();
    const auto error =
        api()->DNSServiceBrowse(&browser_->ref, 0, 0, service_type.data(), "local", &DnsSd::on_service, this);
    if (error != kDNSServiceErr_NoError) {
        browser_->ref = nullptr;
        browser_.reset();
        return broken(error);
    }
    browser_->follow(loop_, [this](DNSServiceErrorType why) { broken(why); });
}

void DNSSD_API DnsSd::on_service(DNSServiceRef, DNSServiceFlags flags, std::uint32_t interface,
                                 DNSServiceErrorType error, const char* name, const char*, const char*,
                                 void* user) {
    auto* self = static_cast<DnsSd*>(user);
    if (error != kDNSServiceErr_NoError) return self->broken(error);
    if (name == nullptr || !is_name(name)) return;
    self->later([self, interface, added = (flags & kDNSServiceFlagsAdd) != 0, instance = std::string(name)] {
        if (!self->browser_) return;
        added ? self->heard(interface, instance) : self->unheard(interface, instance);
    });
}

void DnsSd::heard(unsigned interface, const std::string& instance) {
    if (published_.contains(instance)) return;
    if (!loopback_)
        for (const auto& each : net::interfaces())
            if (each.index == interface && each.loopback) return;
    const WatchedKey key{interface, instance};
    if (watched_.contains(key) || watched_.size() >= limits::announcements) return;
    auto entry = std::make_unique<Watched>();
    entry->self = this;
    entry->interface = interface;
    entry->instance = instance;
    // Names of ours need no escapes.
    const auto name = instance + "." + std::string(service_type) + ".local.";
    const auto error =
        api()->DNSServiceQueryRecord(&entry->ref.ref, 0, interface, name.c_str(), kDNSServiceType_TXT,
                                     kDNSServiceClass_IN, &DnsSd::on_record, entry.get());
    if (error != kDNSServiceErr_NoError) {
        entry->ref.ref = nullptr;
        return;
    }
    entry->ref.follow(loop_, [this](DNSServiceErrorType why) { broken(why); });
    watched_[key] = std::move(entry);
}

void DnsSd::unheard(unsigned interface, const std::string& instance) {
    if (watched_.erase({interface, instance}) == 0) return;
    const auto call = events_.on_lost;
    call(interface, instance);
}

void DNSSD_API DnsSd::on_record(DNSServiceRef, DNSServiceFlags flags, std::uint32_t,
                                DNSServiceErrorType error, const char*, std::uint16_t type, std::uint16_t,
                                std::uint16_t size, const void* rdata, std::uint32_t, void* user) {
    const auto* entry = static_cast<Watched*>(user);
    if (error != kDNSServiceErr_NoError || (flags & kDNSServiceFlagsAdd) == 0 || rdata == nullptr ||
        type != kDNSServiceType_TXT || size > limits::announcement_bytes)
        return;
    const auto* bytes = static_cast<const std::uint8_t*>(rdata);
    auto* self = entry->self;
    self->later([self, interface = entry->interface, instance = entry->instance,
                 data = Bytes(bytes, bytes + size)]() mutable {
        if (!self->watched_.contains({interface, instance})) return;
        const auto call = self->events_.on_found;
        call(interface, instance, std::move(data));
    });
}

}  // namespace

Result<std::unique_ptr<Backend>> make_dns_sd(net::Loop& loop, const Options& options,
                                             Backend::Events events) {
    auto backend = std::make_unique<DnsSd>(loop, options, std::move(events));
    KITH_TRY(backend->start());
    return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace kith::nearby
