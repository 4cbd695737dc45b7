// An offer: what a device that can be joined shows as QR code or text. It says where to connect, to which
// one-use key, and holds a secret that only who saw the offer knows. Format: src/pairing/README.md.
//
// An offer is worth no more than the code that is typed after it: who steals it can at most void it.
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
#include "crypto/hash.h"
#include "crypto/keys.h"

namespace kith::pairing {

// Part of all that is signed or authenticated: one kind can never be taken for the other.
enum class OfferKind : std::uint8_t { device = 1, invitation = 2 };

// An IP address: 4 bytes (IPv4) or 16 (IPv6, no scope: link-local addresses do not go into offers).
struct Address {
    Bytes bytes;

    bool operator==(const Address&) const = default;
    bool is_loopback() const;
    // "192.0.2.1" or "2001:db8::1", without brackets.
    std::string text() const;
    // Reads what inet_pton reads. Nothing for anything else.
    static std::optional<Address> parse(std::string_view text);
};

// Digits of a code: fewer when both sides also know a secret.
inline constexpr int shown_code_digits = 6, nearby_code_digits = 8;

struct Offer {
    OfferKind kind = OfferKind::device;
    LinkPublic server_key;             // one-use
    std::optional<Secret<16>> secret;  // absent: found nearby, never in a text
    std::uint32_t expires_unix_s = 0;  // advisory: the issuer alone judges, on its monotonic clock
    std::uint16_t port = 0;
    std::vector<Address> addresses;  // in the order to try; loopback last

    Offer copy() const;
    // Digits of the code: 6 when the secret is known to both sides, 8 when it is not there and the code alone
    // keeps strangers out.
    int code_digits() const { return secret ? shown_code_digits : nearby_code_digits; }
    // What both sides bind everything to: kind, server key and secret. Not the addresses and the expiry,
    // which are hints and may reach the two sides differently.
    crypto::Hash id() const;
};

// What the issuer keeps beside the offer: the private half of its server key.
struct NewOffer {
    Offer offer;
    crypto::LinkKey server_key;
};
// A fresh offer with fresh keys, good for `valid_ms` from now (limits::offer_valid_ms unless there is a
// reason).
NewOffer make_offer(OfferKind kind, std::vector<Address> addresses, std::uint16_t port, std::int64_t valid_ms,
                    Now now, Random& random);

// "KITH:" and base32, all of it fit for a QR code's alphanumeric mode, at most limits::offer_text_qr
// characters: addresses that do not fit are left out from the end, but loopback goes first when it is not the
// only one. Fails when the offer has no address, no port or no secret.
Result<std::string> encode_offer(const Offer& offer);

// Reads what encode_offer wrote, wherever it was pasted from: spaces and line breaks anywhere and lower case
// do no harm. Each way to fail has a sentence of its own: not a kith text; a recovery sheet; truncated or
// mistyped; made by a newer kith; of the other kind.
Result<Offer> decode_offer(std::string_view text, OfferKind expected);

}  // namespace kith::pairing
