// Records of kind card: what the person's devices know of each other's invitations. The token is in none, so
// only the device that has it can act. They add up, in whatever order they come (src/history/README.md).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "app/profile.h"
#include "invite/issuer.h"

namespace kith::app {

struct CardRecord {
    invite::CardId card;
    bool taken = false;  // else given
    std::string state;   // of what all records together say
    DeviceId device;     // that made the card, or accepted it
    bool out = false;    // that device is not active any more
    bool ended = false;  // somebody has withdrawn it: not only is its device out
    std::int64_t expires_ms = 0;
    std::uint64_t uses = 0, used = 0;
    std::vector<std::string> services;  // addresses
    std::string group, note;            // given
    std::string alias, why;             // taken: the issuer's alias; why it is refused
    std::uint64_t time_ms = 0;          // of the first record
};

namespace card_state {
inline constexpr std::string_view open = "open", used_up = "used up", withdrawn = "withdrawn",
                                  expired = "expired", pending = "pending", accepted = "accepted",
                                  refused = "refused";
}

// Within a transaction of the caller's.
Result<> keep_card_record(Profile& profile, const CardRecord& record, Now now);
// That this card is withdrawn, whichever device made it.
Result<> keep_withdrawal(Profile& profile, const invite::CardId& card, Now now);
// Oldest first. `only`: of this card alone.
Result<std::vector<CardRecord>> card_records(const Profile& profile, const invite::CardId* only = nullptr);

}  // namespace kith::app
