// The methods of the control protocol for messages, the outbox, contacts, groups and presence
// (src/control/README.md).
#pragma once

#include <functional>
#include <string>

#include "app/drafting.h"
#include "app/profile.h"
#include "app/services.h"
#include "control/server.h"

namespace kith::app {

class Messaging {
  public:
    // `services` gives what runs now: it comes and goes with the profile being open.
    Messaging(net::Loop& loop, Profile& profile, std::function<Services&()> services)
        : loop_(loop), profile_(profile), services_(std::move(services)) {}

    using Request = control::RequestPtr;
    using Add = std::function<void(std::string name, std::function<void(const Request&)>)>;
    void add_methods(const Add& add);

  private:
    using Json = control::Json;
    void send(const Request& request);
    Result<Json> list(const Request& request);
    Result<Json> outbox(const Request& request);
    Result<Json> retry(const Request& request);
    Result<Json> drop(const Request& request);
    Result<Json> contact_list(const Request& request);
    Result<Json> group_list(const Request& request);
    void ping(const Request& request);
    void invite(const Request& request);
    void join(const Request& request);
    void leave(const Request& request);
    Result<Json> presence(const Request& request);
    Result<Json> show(const Request& request, bool show);

    Result<store::Account> account_for(const std::string& service, const std::string& reply,
                                       DraftedMessage& draft) const;
    void ask(const Request& request, const store::Account& account, tmtp::Asking asking);
    std::string service_name(const AccountId& account) const;
    Result<std::pair<store::Account, Outbox::Item>> outbox_item(const Request& request);

    net::Loop& loop_;
    Profile& profile_;
    std::function<Services&()> services_;
};

}  // namespace kith::app
