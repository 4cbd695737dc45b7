// Greetings: who two people are to each other, told over a pairing that a live code has confirmed
// (src/pairing), and perhaps a card for the other. Format and rules: src/invite/README.md "Meeting".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/id.h"
#include "crypto/keys.h"
#include "invite/letter.h"

namespace kith::invite {

enum class GreetingFrom : std::uint8_t { host = 1, joiner = 2 };

// The joiner's answer to the host's card at one of its services, and the host's reply: as they go by ping
// too. That the account is his the joiner says himself; no service has vouched for it.
struct ToldAnswer {
    std::size_t service = 0;  // of the card
    Guest guest;
    std::string letter;
};
struct ToldReply {
    std::size_t service = 0;
    std::string letter;
};

struct Greeting {
    roster::Identity identity;
    std::string card;                      // its text; empty: none
    std::vector<ToldAnswer> answers = {};  // the joiner's
};

// `door`: the one-use server key of the offer, which binds the greeting to this one pairing. `to`: the host's
// identity, in the joiner's greeting; the host does not know the joiner yet. `key`: secret half of
// greeting.identity.key.
Bytes write_greeting(const Greeting& greeting, GreetingFrom from, const LinkPublic& door,
                     const roster::Identity* to, const crypto::SignKey& key);
// Fault::protocol: it is malformed, or signed for another pairing. The card, if there is one, is by who
// greets.
Result<Greeting> read_greeting(ByteView bytes, GreetingFrom from, const LinkPublic& door,
                               const roster::Identity* to);

// The verdict on the joiner's greeting. Reading one that is malformed gives nothing: pings follow.
Bytes write_replies(std::span<const ToldReply> replies);
std::vector<ToldReply> read_replies(ByteView verdict);

}  // namespace kith::invite
