// What an announcement says, and how little: src/nearby/README.md has the format and the attacks.
//
// Pure functions. Nothing that is read here is to be believed: an offer proves itself in pairing, a device by
// its link key; the tag only tells which announcements are worth a call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/env.h"
#include "base/id.h"
#include "base/secret.h"

namespace kith::nearby {

inline constexpr std::string_view service_type = "_kith._tcp";

enum class Kind {
    offer,       // a device that shows an offer for a new device
    invitation,  // a device that shows one for another person
    device,      // a device that looks for others of its roster
    newer,       // of a version that this one does not know
};

// Of the TXT record.
struct Announcement {
    Kind kind = Kind::offer;
    std::vector<Bytes> addresses;  // 4 or 16 bytes each
    LinkPublic server_key;         // of an offer or invitation: one-use
    std::uint16_t port = 0;        // of an offer or invitation
    Bytes tag;                     // of a device
};

// A fresh name, for an instance or a host: 80 random bits as 16 letters and digits.
std::string random_name(Random& random);
bool is_name(std::string_view text);

// As TXT strings. Addresses beyond limits::announcement_addresses are left out.
std::vector<std::string> to_strings(const Announcement& announcement);
// As the data of a TXT record. Strings over 255 bytes are a bug.
Bytes to_rdata(const std::vector<std::string>& strings);
// Nothing when it is none of ours, or malformed.
std::optional<Announcement> from_rdata(ByteView rdata);

// What a device's tag holds, for its roster.
struct Presence {
    DeviceId device;
    std::uint16_t port = 0;
    std::int64_t unix_ms = 0;  // when it was made
};
// The key of all tags, from the secret that the person's devices share.
Key tag_key(const Key& person_secret);
// Bound to the announcement's name and addresses: with others it does not open.
Bytes make_tag(const Key& key, const Presence& presence, std::string_view instance,
               const std::vector<Bytes>& addresses, Random& random);
std::optional<Presence> open_tag(const Key& key, ByteView tag, std::string_view instance,
                                 const std::vector<Bytes>& addresses);

// Two words by which people tell offers apart, "amber falcon": from the server key, so that both screens show
// the same and the announcement holds none. 4096 pairs: anybody can make an offer with the same words.
std::string words_of(const LinkPublic& server_key);
// The same words, however they were typed: "Amber-Falcon" is "amber falcon".
std::string plain_words(std::string_view typed);

}  // namespace kith::nearby
