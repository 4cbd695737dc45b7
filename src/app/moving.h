// An account that somebody else can use is left for a new one at the same service: contacts and groups are
// told, what is known of contacts goes along, and the history stays. The former account is listened to as
// before, no device gets a node there any more, and it is named by its uid alone.
#pragma once

#include <functional>
#include <string>

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
    // An invitation to a group was stored. Is it the former account's, it is followed, and the former account
    // leaves. What this fails with keeps the message from being acknowledged.
    Result<> received(const AccountId& account, const tmtp::Delivered& message);

  private:
    using Json = control::Json;
    Result<store::Account> former(const std::string& service, const std::string& alias) const;
    Result<Json> tell(const store::Account& from, const store::Account& to);

    net::Loop& loop_;
    Profile& profile_;
    std::function<Services&()> services_;
    Invitations& invitations_;
    Events events_;
};

}  // namespace kith::app
