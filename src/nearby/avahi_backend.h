// What the two backends over Avahi have in common: announcements that are entered while Avahi runs, and the
// TXT records of what it finds, followed as long as their service is heard of. Of use to this layer's sources
// alone.
#pragma once

#include <avahi-common/address.h>
#include <avahi-common/defs.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "nearby/avahi_poll.h"
#include "nearby/backend.h"

namespace kith::nearby {

class AvahiBackend : public Backend {
  public:
    void publish(const std::vector<Service>& services) override;
    void withdraw(const std::string& instance) override;
    void browse(bool on) override;

  protected:
    using Handle = std::unique_ptr<void, std::function<void(void*)>>;  // an object of Avahi's, and its end
    struct Group {
        AvahiBackend* self;
        std::string instance;
        std::vector<Service> services;
        Handle entered;
    };
    struct Watched {  // the TXT record of one instance on one interface
        AvahiBackend* self;
        unsigned interface;
        std::string instance;
        std::set<AvahiProtocol> by;  // where its service was heard of
        Handle browser;
    };
    AvahiBackend(net::Loop& loop, Events events) : poll_(loop), events_(std::move(events)) {}

    // Nothing when Avahi refuses.
    virtual Handle enter(Group& group) = 0;
    virtual Handle browse_services() = 0;
    virtual Handle browse_record(Watched& watched) = 0;
    virtual Error last_error() const = 0;

    // To be called with Avahi's words. It goes on with what it holds when these return, so all that follows
    // from them comes later.
    void on_running(bool running);
    void on_failure();
    void on_group(const Group& group, AvahiEntryGroupState state);
    void on_service(AvahiIfIndex interface, AvahiProtocol protocol, AvahiBrowserEvent event,
                    const char* name);
    void on_record(const Watched& watched, Bytes rdata);

    // Before Avahi's own end, in a destructor.
    void free_all();

    AvahiLoop poll_;
    bool running_ = false;

  private:
    using WatchedKey = std::pair<unsigned, std::string>;
    void enter_again(Group& group);
    void heard(unsigned interface, AvahiProtocol protocol, const std::string& instance);
    void unheard(unsigned interface, AvahiProtocol protocol, const std::string& instance);
    void later(std::function<void()> fn);

    Events events_;
    std::map<std::string, std::unique_ptr<Group>> groups_;
    Handle browser_;
    std::map<WatchedKey, std::unique_ptr<Watched>> watched_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace kith::nearby
