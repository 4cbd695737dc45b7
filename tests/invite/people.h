// Two people and a card between them, for the tests of invitations.
#pragma once

#include <random>
#include <string>

#include "base/seeded_random.h"
#include "invite/acceptance.h"
#include "invite/issuer.h"

namespace kith::invite::test {

// A person who has one account.
struct Someone {
    Someone(std::uint64_t number, std::string alias)
        : random(number),
          seed(crypto::random_secret(random)),
          key(roster::identity_key(seed)),
          identity(roster::identity_of(seed)),
          account{std::string(31, '+') + alias[0], std::move(alias)} {
        for (auto& letter : account.uid)
            if (letter >= 'a' && letter <= 'z') letter = 'B';
        account.uid[0] = static_cast<char>('1' + number % 9);
    }
    SeededRandom random;
    Key seed;
    crypto::SignKey key;
    roster::Identity identity;
    Guest account;
};

inline CardService service_of(const Someone& issuer, std::string group = {},
                              std::string address = "=chat.example.org:443") {
    return {std::move(address),   Bytes(32, 7),     "Example",
            issuer.account.alias, std::move(group), issuer.account.uid};
}

constexpr std::int64_t hour_ms = 3600 * 1000;
inline Now at(std::int64_t unix_ms) {
    return {unix_ms, unix_ms};
}

inline std::string card_of(Someone& issuer, std::uint8_t uses = 1, std::string group = {}) {
    auto card = make_card(issuer.identity, {service_of(issuer, std::move(group))}, "", uses, hour_ms, at(0),
                          issuer.random);
    return *encode_card(card, issuer.key);
}

inline Acceptance accept(const std::string& text, Someone& guest, std::size_t service = 0) {
    return *Acceptance::accept(text, service, guest.account, guest.identity, guest.key, at(0), guest.random);
}
inline std::string answer_in(const AcceptanceActions& actions) {
    for (const auto& action : actions)
        if (const auto* answer = std::get_if<Answer>(&action)) return answer->text;
    return {};
}
template <class Action, class Actions>
int count(const Actions& actions) {
    int found = 0;
    for (const auto& action : actions) found += std::holds_alternative<Action>(action);
    return found;
}
inline const Issuer::Known nobody = [](std::size_t, const std::string&) { return std::nullopt; };

}  // namespace kith::invite::test
