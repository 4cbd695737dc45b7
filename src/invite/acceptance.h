// The guest's side of one card at one of its services, as a machine without I/O. It begins when the guest is
// a member of the service, and ends when the issuer has replied. The rules: src/invite/README.md.
//
// Actions are carried out as those of the issuer (invite/issuer.h).
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "invite/issuer.h"

namespace kith::invite {

// A ping with this text to the issuer's alias.
struct Answer {
    std::string text;
};
// The issuer is a contact from now on.
struct BefriendIssuer {
    bool vouched = true;  // the service has said whose account it is, and not the issuer alone
};
// The invitation to the card's group came, and is accepted.
struct JoinGroup {};
using AcceptanceAction = std::variant<BefriendIssuer, Keep, Answer, JoinGroup>;
using AcceptanceActions = std::vector<AcceptanceAction>;

class Acceptance {
  public:
    // `text` must be a card's, `service` one of it. `key` is the secret half of own.key. Send `start()` next.
    static Result<Acceptance> accept(std::string text, std::size_t service, Guest guest,
                                     const roster::Identity& own, const crypto::SignKey& key, Now now,
                                     Random& random);
    static Result<Acceptance> restore(ByteView state);
    Bytes state() const;

    const Card& card() const { return card_; }
    const CardService& service() const { return card_.services[service_]; }
    const Guest& guest() const { return guest_; }
    // The letter that `start` sends.
    const std::string& answer() const { return answer_; }
    // Nothing: neither the issuer nor another device of his has said anything.
    const std::optional<Verdict>& verdict() const { return verdict_; }
    // When the answer was last sent.
    std::int64_t sent_ms() const { return sent_ms_; }

    // Keeps it and sends the answer; again when the card is accepted once more while no reply has come.
    AcceptanceActions start() const { return {Keep{}, Answer{answer_}}; }
    // A letter about this card came from this account.
    AcceptanceActions received(const std::string& from_uid, const Letter& letter);
    // The reply was told face to face, by who made the card.
    AcceptanceActions told(const Letter& letter);
    // An invitation to a group.
    AcceptanceActions invited(const std::string& from_uid, const std::string& group);
    // To be called now and then while the service is reached.
    AcceptanceActions tick(Now now);

  private:
    Acceptance(Card card, std::size_t service) : card_(std::move(card)), service_(service) {}
    void join_if_due(AcceptanceActions& actions);

    std::string text_;
    Card card_;
    std::size_t service_ = 0;
    Guest guest_;
    roster::Identity own_;
    std::string answer_;
    std::int64_t sent_ms_ = 0;
    std::uint64_t sent_again_ = 0;
    std::optional<Verdict> verdict_;
    bool replied_ = false;  // by ping, by the device that decides
    bool invited_ = false, joined_ = false;
};

}  // namespace kith::invite
