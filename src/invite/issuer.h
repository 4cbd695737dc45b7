// The issuer's side of one card, as a machine without I/O: answers in, decisions out. It lives on the device
// that made the card, and its state holds the token. The rules: src/invite/README.md.
//
// Carry out the actions in their order, best in one transaction. What comes before Keep may be done twice
// after a crash, and must do no harm then; what comes after it must not begin before state() is durable.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "invite/letter.h"

namespace kith::invite {

// Keep state() durably.
struct Keep {};
// The guest is a contact at this service of the card from now on.
struct Befriend {
    std::size_t service = 0;
    Guest guest;
    roster::Identity identity;
    bool vouched = true;  // the service has said whose account it is, and not the guest alone
};
// The account is a contact with another identity: it becomes `changed`.
struct Flag {
    std::size_t service = 0;
    Guest guest;
    roster::Identity identity;  // the other one
};
// A ping to the guest's alias.
struct Say {
    std::size_t service = 0;
    Guest guest;
    std::string text;
};
struct InviteToGroup {
    std::size_t service = 0;
    Guest guest;
};
using IssuerAction = std::variant<Befriend, Flag, Keep, Say, InviteToGroup>;
using IssuerActions = std::vector<IssuerAction>;

class Issuer {
  public:
    // `text` must be the card's.
    static Result<Issuer> issue(std::string text);
    // Fault::corrupt: this is no state of an issuer.
    static Result<Issuer> restore(ByteView state);
    Bytes state() const;

    enum class Standing { open, used_up, withdrawn, expired };
    Standing standing() const;
    // When the card came to its end, by the device's clock; nothing while it is open.
    std::optional<std::int64_t> ended_ms() const { return ended_ms_; }
    const Card& card() const { return card_; }
    const std::string& text() const { return text_; }
    struct Use {
        std::size_t service = 0;
        Guest guest;
        roster::Identity identity;
        bool vouched = true;  // as of Befriend
    };
    const std::vector<Use>& uses() const { return uses_; }
    // How many of the card's uses are gone: a person counts once with one account at each service, and once
    // more for each further account.
    std::size_t used() const;

    // An answer to this card came as a ping to the service. Ends in Keep when it is to be decided; the ping
    // may be acknowledged then. Calling twice does no harm.
    IssuerActions answered(std::size_t service, const Guest& guest, const std::string& msgid,
                           std::int64_t posted_ms, const Letter& letter);
    // The service's queue is drained, as it is each time that an answer came to a connection that is: what
    // waits is decided. `known` gives the identity under which an account is a contact already. `key` is the
    // secret half of the card's identity key.
    using Known = std::function<std::optional<roster::Identity>(std::size_t service, const std::string& uid)>;
    IssuerActions drained(std::size_t service, const Known& known, const crypto::SignKey& key, Now now,
                          Random& random);
    // An answer that was told face to face by this person, not by ping: decided at once. The text of the
    // reply; empty: it was none of this person's.
    struct Told {
        IssuerActions actions;
        std::string reply;
    };
    Told told(std::size_t service, const Guest& guest, const roster::Identity& by, const Letter& letter,
              const Known& known, const crypto::SignKey& key, Now now, Random& random);
    // What was accepted stays.
    IssuerActions withdraw(Now now);

  private:
    struct Waiting {
        std::size_t service = 0;
        Guest guest;
        roster::Identity identity;
        std::string msgid;
        std::int64_t posted_ms = 0;
    };
    Issuer(std::string text, Card card) : text_(std::move(text)), card_(std::move(card)) {
        expired_at_.resize(card_.services.size());
    }
    Verdict judge(const Waiting& answer, const Known& known, Now now) const;
    const Use* accepted_before(const Waiting& answer) const;
    bool is_free(const Waiting& answer) const;
    void look_for_end(Now now);

    std::string text_;
    Card card_;
    bool withdrawn_ = false;
    std::vector<bool> expired_at_;  // of each service
    std::optional<std::int64_t> ended_ms_;
    std::vector<Use> uses_;
    std::vector<Waiting> waiting_;
};

std::string_view standing_name(Issuer::Standing standing);

}  // namespace kith::invite
