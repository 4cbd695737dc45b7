// Limits of this room that stand alone, each with its reason; those of the peer link are in base/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// Messages that one record of marks or tags tells of, and the bytes that this takes: a record of one inline
// part.
inline constexpr std::size_t labels = 256;
inline constexpr std::size_t label_bytes = 48 * 1024;
// Tags of one message, and the bytes of a tag's name: what people can read.
inline constexpr std::size_t tags = 64;
inline constexpr std::size_t tag_bytes = 256;

// `kith nearby` lists what was seen within this: less than two seconds, with a connection tried to each.
inline constexpr std::int64_t nearby_list_ms = 1900;
inline constexpr std::int64_t nearby_probe_ms = 1000;
inline constexpr std::int64_t nearby_look_ms = 100;
// `device join --nearby` waits so long for an offer, and so much longer for a second one, which makes it
// ambiguous.
inline constexpr std::int64_t nearby_find_ms = 10'000;
inline constexpr std::int64_t nearby_settle_ms = 1000;
// Announcements whose addresses are tried at the same time: strangers name them.
inline constexpr std::size_t nearby_probes = 32;
// Names in one message.
inline constexpr std::size_t nearby_names = 8;
// How long a device of one's own may be out of reach before this one announces itself, and how often that is
// looked at.
inline constexpr std::int64_t nearby_patience_ms = 2000;
inline constexpr std::int64_t nearby_devices_ms = 500;

// Whom an account that moves tells: people, not whoever has ever written. Aliases of one of them that are
// written down for the new account; and groups, of which somebody else may have made any number.
inline constexpr std::size_t moved_contacts = 1000;
inline constexpr std::size_t moved_aliases = 8;
inline constexpr std::size_t moved_groups = 256;

// Records by which a contact is `changed` that one record settles: there is one for each device that noted
// it.
inline constexpr std::size_t settled_records = 16;
// Cards that this device keeps at a time, made or accepted: people meet, they do not mail.
inline constexpr std::size_t invitations = 256;
// How long a card is good for, unless its maker says otherwise, and at most.
inline constexpr std::int64_t invitation_valid_s = 7 * 24 * 3600, invitation_valid_max_s = 366 * 24 * 3600;
// One that is given face to face, to who is there.
inline constexpr std::int64_t invitation_met_s = 3600;
// Cards that were given face to face and are not accepted yet: their owners are being asked.
inline constexpr std::size_t cards_met = 8;
// How often is looked whether a card has expired, or an answer is to be sent again.
inline constexpr std::int64_t invitations_look_ms = 60'000;
// How long after records came their cards are looked at: they come in runs.
inline constexpr std::int64_t card_records_look_ms = 500;
// Answers to cards that this device does not know: anybody at the service can send some. So many wait at each
// account, and so many are refused in so long. A card is unknown to all devices only when they have had this
// long to tell of it; when they do not come in time, the guest's next answer is another chance.
inline constexpr std::size_t stray_answers = 64;
inline constexpr std::int64_t stray_patience_ms = 10'000, stray_kept_ms = 600'000;
inline constexpr int refusals = 32;
inline constexpr std::int64_t refusals_window_ms = 3600 * 1000;

}  // namespace kith::limits
