// A card: what one person gives another so that they become contacts, and the guest a member of the service
// if he is not. A signed text, with a token that makes it good for as many people as it says; format and who
// can do what with it: src/invite/README.md.
//
// A card is as good as its token: who copies the text can use it in the guest's place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/env.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/keys.h"
#include "roster/identity.h"

namespace kith::invite {

using CardId = Id<struct CardTag, 16>;

struct CardService {
    std::string address;  // "=host:port" or "+host:port"
    Bytes pin;            // of a "=" address: the service's public key; of a "+" address: empty
    std::string site;     // what the service calls itself
    std::string alias;    // the issuer's
    std::string group;    // empty: none
    std::string uid;      // the issuer's
    bool operator==(const CardService&) const = default;
};

struct Card {
    Secret<16> token;
    roster::Identity identity;         // the issuer's
    std::uint32_t expires_unix_s = 0;  // the issuer alone judges
    std::uint8_t uses = 1;
    std::string note;
    std::vector<CardService> services;

    CardId id() const;
    // For letters about it (invite/letter.h).
    Key root() const;
    Card copy() const;
};

// With a fresh token. `services` as above; `valid_ms` from now on.
Card make_card(const roster::Identity& identity, std::vector<CardService> services, std::string note,
               std::uint8_t uses, std::int64_t valid_ms, Now now, Random& random);

// The text: "KITH-INVITE:" and base32. Fault::invalid, with what to change, when something is longer than a
// card takes, is no printable text, or is missing. `key` is the secret half of card.identity.key.
Result<std::string> encode_card(const Card& card, const crypto::SignKey& key);

// Reads what encode_card wrote, wherever it was pasted from: spaces and line breaks anywhere and lower case
// do no harm. The signature is checked. Each way to fail has a sentence of its own: not a kith text; an offer
// or a recovery sheet; truncated or mistyped; made by a newer kith; not signed by who it names.
Result<Card> decode_card(std::string_view text);

}  // namespace kith::invite
