// Invitations at work: the cards that this device made and those that it accepted, between the machines of
// src/invite, the services, and the records by which the person's other devices know of them; and the methods
// of the control protocol for them (src/control/README.md).
//
// What a machine keeps, what it makes of contacts and what it says go into the database in one transaction;
// sending begins after that.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/contacts.h"
#include "app/profile.h"
#include "app/services.h"
#include "control/server.h"
#include "invite/acceptance.h"
#include "invite/greeting.h"

namespace kith::app {

class Invitations {
  public:
    struct Events {
        std::function<void()> on_history;  // records were added
        std::function<void()> on_service;  // an account was added
        // Signs in where a service wants that: for the request, with the provider of this label.
        std::function<Services::Ask(const control::RequestPtr&, const std::string& label)> signing_in;
        // Whether all other devices of the person that are active are connected, and so have told what they
        // know.
        std::function<bool()> all_linked;
        std::function<void(const std::string&)> log;
    };
    // `services` gives what runs now: it comes and goes with the profile being open.
    Invitations(net::Loop& loop, Profile& profile, Random& random, std::function<Services&()> services,
                Events events)
        : loop_(loop),
          profile_(profile),
          random_(random),
          services_(std::move(services)),
          events_(std::move(events)) {}

    using Request = control::RequestPtr;
    using Add = std::function<void(std::string name, std::function<void(const Request&)>)>;
    void add_methods(const Add& add);

    // Reads what is kept; before the services begin.
    Result<> start();
    void stop();
    // A ping or an invitation to a group was stored; what this fails with keeps it from being acknowledged.
    Result<> received(const AccountId& account, const tmtp::Delivered& message);
    void service_changed(const AccountId& account);
    // Records came from another device, or the roster changed.
    void history_changed();

    // The invitations to this account's service end, whichever device made them. Within a transaction of the
    // caller's; history_changed() after its commit.
    Result<std::uint64_t> withdraw_at(const store::Account& account);

    // For people who meet (app/meeting.h). A card for one person, kept; its text. It is good for an hour
    // after the `wait_s` that the other one is waited for. `group` and `note` may be empty.
    Result<std::string> give(const std::vector<std::string>& services, const std::string& group,
                             const std::string& note, std::int64_t wait_s);
    // It was given to this person face to face. Within a transaction of the caller's.
    Result<> given_to(const std::string& text, const roster::Identity& whom);
    // Letters that are told face to face, besides going by ping. This person's answers to a card, at the
    // services that he is a member of: kept, as the other side may have a contact by them. Then accept_met;
    // or send_told when it is not known what they came to, or untell when they came to nothing.
    std::vector<invite::ToldAnswer> tell(const std::string& text);
    void send_told(const std::string& text);
    void untell(const std::string& text);
    // What the answers of this person to that card came to; and such replies, after accept_met: the services
    // of the card at which its issuer is a contact now.
    std::vector<invite::ToldReply> answered_beside(const std::string& text, const roster::Identity& by,
                                                   const std::vector<invite::ToldAnswer>& answers);
    std::set<std::size_t> replied_beside(const std::string& text,
                                         const std::vector<invite::ToldReply>& replies);
    // Nobody took it.
    void take_back(const std::string& text);
    // This text was given face to face, by the person whose it is; its owner is asked whether to accept it.
    // Remembered until it is accepted or the profile is closed, at most limits::cards_met of them.
    void note_met(const std::string& text);
    // As invite.accept, of a card that was given face to face.
    void accept_met(const Request& request, const std::string& text, const std::string& alias,
                    const std::string& sign_in, std::function<void(Result<control::Json>)> done);
    // The contact that a request names by `service` and `who`.
    Result<std::pair<store::Account, Contact>> find_contact(const std::string& service,
                                                            const std::string& who) const;

  private:
    using Json = control::Json;
    struct Given {
        std::vector<AccountId> accounts;  // of each service of the card
        invite::Issuer issuer;
        std::optional<roster::Identity> met;  // to whom it was given face to face
    };
    struct Taken {
        AccountId account;
        invite::Acceptance acceptance;
        bool met = false;  // it was given face to face
    };
    // An answer to a card that this device did not make.
    struct Stray {
        AccountId account;
        invite::CardId card;
        invite::Guest from;
        std::int64_t since_ms = 0;
    };
    // One request to accept, service by service.
    struct Accepting {
        Request request;
        std::string text, alias, sign_in;
        std::vector<std::size_t> services;  // that are still to be done, last first
        bool met = false;
        std::function<void(Result<Json>)> done;  // with what became of it at each service
        Json told = Json::array();
        std::optional<Error> failed;
        bool any = false;
    };
    // What is to be sent once the transaction is committed.
    using Queued = std::vector<std::pair<AccountId, std::int64_t>>;

    Result<Json> make(const Request& request);
    Result<Json> look(const Request& request);
    void accept(const Request& request);
    Result<Json> list(const Request& request);
    Result<Json> withdraw(const Request& request);
    Result<Json> show(const Request& request);
    Result<Json> remove(const Request& request);

    Result<std::vector<invite::CardService>> services_of_card(const std::vector<std::string>& names,
                                                              const std::string& group,
                                                              std::vector<AccountId>& accounts) const;
    Result<std::pair<store::Account, Contact>> contact_in(const Request& request) const;
    Result<> check_person(const store::Account& account, const invite::CardService& service,
                          const roster::Identity& identity) const;
    Result<const store::Account*> member_at(const invite::CardService& service) const;
    void accept_next(std::shared_ptr<Accepting> accepting);
    void answer(const std::shared_ptr<Accepting>& accepting, std::size_t service,
                const store::Account& account);
    void accepted_one(const std::shared_ptr<Accepting>& accepting, const invite::CardService& service,
                      Result<std::string> state);
    Result<Taken*> take(const std::string& text, std::size_t service, const store::Account& account,
                        bool met);
    void begin(const std::shared_ptr<Accepting>& accepting, const std::string& only);
    Result<Given*> issue(const std::vector<std::string>& names, const std::string& group,
                         const std::string& note, std::uint64_t uses, std::int64_t valid_s);

    Result<> carry_out(Given& given, const invite::IssuerActions& actions);
    Result<std::optional<std::int64_t>> carry_out(Taken& taken, const invite::AcceptanceActions& actions);
    Result<std::int64_t> queue_ping(const AccountId& account, const std::string& from, const std::string& to,
                                    const std::string& text);
    Result<> keep_given();
    Result<> keep_taken();
    Result<> record(const Given& given);
    Result<> record(const Taken& taken);
    void sent(const Queued& queued);

    invite::Issuer::Known known_at(const AccountId& account, Result<>& read) const;
    void settle(const AccountId& account);
    void settle_all();
    void answer_strays(const AccountId& account);
    void take_withdrawn();
    void forget_old();
    void arm();
    const store::Account* account(const AccountId& id) const;
    bool is_active() const;

    net::Loop& loop_;
    Profile& profile_;
    Random& random_;
    std::function<Services&()> services_;
    Events events_;
    std::vector<std::unique_ptr<Given>> given_;
    std::vector<std::unique_ptr<Taken>> taken_;
    std::vector<Stray> strays_;
    std::deque<std::string> met_;  // texts of cards, oldest first
    std::set<AccountId> due_;      // to be settled when the present callback has returned
    std::int64_t refused_from_ms_ = 0;
    int refused_ = 0;  // refusals to strangers since then
    net::Timer timer_, records_timer_;
    bool running_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace kith::app
