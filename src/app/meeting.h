// Two people whose devices are side by side: paired by a live code, each learns who the other is, and perhaps
// gets a card. The offer goes from one to the other as a text, or is found nearby (app/neighbourhood.h).
// Methods `meet.open` and `meet.join` (src/control/README.md); what is told, and what follows from it:
// src/invite/README.md "Meeting".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/acquaintances.h"
#include "app/doors.h"
#include "app/entering.h"
#include "app/invitations.h"
#include "app/neighbourhood.h"
#include "invite/greeting.h"

namespace kith::app {

class Meeting {
  public:
    Meeting(net::Loop& loop, net::Curve& curve, Profile& profile, Random& random, Invitations& invitations,
            Neighbourhood& around, std::function<void()> on_history)
        : loop_(loop),
          curve_(curve),
          profile_(profile),
          random_(random),
          invitations_(invitations),
          around_(around),
          on_history_(std::move(on_history)) {}

    void add_methods(const Invitations::Add& add);
    // Whether somebody is waited for, or there.
    bool open() const { return doors_ || entering_ || finding_; }
    // The profile is closed: it ends, and its caller is told.
    void stop();

  private:
    using Request = control::RequestPtr;
    void host(const Request& request);
    void join(const Request& request);
    void find(const Request& request, const std::string& words);
    template <class Offer>
    void enter(const Request& request, const Offer& offer);
    Result<> prepare(const Request& request, wire::Fields& fields);
    Result<> make_card(std::int64_t wait_s);
    void take_card_back();
    Bytes greeting(invite::GreetingFrom from, const LinkPublic& door, const roster::Identity* to,
                   std::vector<invite::ToldAnswer> answers = {}) const;
    Result<> take(invite::Greeting greeting);
    Result<> keep();
    void ended(Result<> result, bool undecided);
    void tell(std::string_view event, control::Json fields) const;

    net::Loop& loop_;
    net::Curve& curve_;
    Profile& profile_;
    Random& random_;
    Invitations& invitations_;
    Neighbourhood& around_;
    std::function<void()> on_history_;
    std::unique_ptr<Doors> doors_;
    std::unique_ptr<Entering> entering_;

    // Of the meeting under way.
    Request request_;
    bool finding_ = false;  // waits for its offer to be found nearby
    bool gives_ = false;
    std::vector<std::string> services_;  // to which it invites
    std::string group_, note_;
    bool accepts_ = true;  // their card, without asking further
    std::string alias_, sign_in_;
    std::optional<NamedContact> named_;
    std::string card_;  // for the other; empty: none
    std::optional<invite::Greeting> theirs_;
    bool told_ = false;                       // answers to their card
    std::vector<invite::ToldReply> replies_;  // theirs, to those
    std::vector<std::pair<AccountId, Acquaintance>> verified_;
    bool kept_ = false;
};

}  // namespace kith::app
