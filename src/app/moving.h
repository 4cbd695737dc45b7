// An account that somebody else can use is left for a new one at the same service: src/app/README.md,
// "Moving".
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "app/groups.h"
#include "app/invitations.h"
#include "app/profile.h"
#include "app/services.h"
#include "control/server.h"

namespace kith::app {

class Moving {
  public:
    struct Events {
        std::function<void()> on_history;  // records were added
        std::function<void()> on_service;  // an account was added
        // As of Invitations.
        std::function<Services::Ask(const control::RequestPtr&, const std::string& label)> signing_in;
        std::function<void(const std::string&)> log;
    };
    // `services` gives what runs now: it comes and goes with the profile being open.
    Moving(net::Loop& loop, Profile& profile, std::function<Services&()> services, Invitations& invitations,
           Events events)
        : loop_(loop),
          profile_(profile),
          services_(std::move(services)),
          invitations_(invitations),
          events_(std::move(events)) {}

    using Request = control::RequestPtr;
    // service.move
    void move(const Request& request);
    // A message about a group was stored: an account that took another one's place joins its groups, and
    // drops it from them. What this fails with keeps the message from being acknowledged.
    Result<> received(const AccountId& account, const tmtp::Delivered& message);

  private:
    using Json = control::Json;
    struct Contacts;
    Result<store::Account> former(const std::string& service, const std::string& alias) const;
    Result<> may_move(const store::Account& account, const std::string& alias) const;
    Result<> may_take(const store::Account& account) const;
    Result<Json> tell(const store::Account& from, const store::Account& to);
    Result<Contacts> contacts_of(const store::Account& account) const;
    Result<> follow(const store::Account& from, const store::Account& to, const tmtp::Delivered& message);

    net::Loop& loop_;
    Profile& profile_;
    std::function<Services&()> services_;
    Invitations& invitations_;
    Events events_;
};

}  // namespace kith::app
