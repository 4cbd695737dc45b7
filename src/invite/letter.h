// Letters: what guest and issuer tell each other about a card, as the text of a TMTP ping. Format, and what
// each is bound to: src/invite/README.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/env.h"
#include "crypto/keys.h"
#include "invite/card.h"

namespace kith::invite {

enum class Verdict : std::uint8_t {
    accepted = 1,
    withdrawn = 2,
    expired = 3,
    used_up = 4,
    other_identity = 5,  // the issuer knows this account under another identity
    unknown = 6,         // no device of the issuer knows this card
};
// What happened, for who reads the reply, and what to do.
Error error_of(Verdict verdict);

// The account that answers, at the card's service.
struct Guest {
    std::string uid, alias;
    bool operator==(const Guest&) const = default;
};

enum class LetterKind : std::uint8_t { answer = 1, reply = 2, refusal = 3 };
struct Letter {
    LetterKind kind = LetterKind::answer;
    CardId card;
    Bytes rest;  // what follows the card's id
};
// Nothing: the text of a ping is no letter, or one of a version that this one does not know.
std::optional<Letter> read_letter(std::string_view ping);

// `key` is the secret half of identity.key.
std::string write_answer(const Card& card, const CardService& service, const Guest& guest,
                         const roster::Identity& identity, const crypto::SignKey& key, Random& random);
// The guest's identity. Nothing: it does not open, for this card, service and account, or is not signed.
std::optional<roster::Identity> open_answer(const Letter& letter, const Card& card,
                                            const CardService& service, const Guest& guest);

// `key` is the issuer's identity key, `to` the guest's identity.
std::string write_reply(const Card& card, const CardService& service, const Guest& guest,
                        const roster::Identity& to, Verdict verdict, const crypto::SignKey& key,
                        Random& random);
std::optional<Verdict> open_reply(const Letter& letter, const Card& card, const CardService& service,
                                  const Guest& guest, const roster::Identity& own);

// By a device of the issuer that does not have the card: Verdict::withdrawn or unknown.
std::string write_refusal(const CardId& card, std::string_view issuer_uid, std::string_view guest_uid,
                          Verdict verdict, const crypto::SignKey& key);
std::optional<Verdict> open_refusal(const Letter& letter, const Card& card, const CardService& service,
                                    const Guest& guest);

}  // namespace kith::invite
