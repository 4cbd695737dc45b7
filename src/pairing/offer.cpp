#include "pairing/offer.h"

#include <arpa/inet.h>

#include <algorithm>

#include "pairing/shown_text.h"

namespace kith::pairing {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::string_view check_purpose = "kith.offer.check";
constexpr std::size_t fixed_size = 1 + 1 + 32 + 16 + 4 + 2;  // up to the addresses

Error mistyped() {
    return {Fault::invalid, "this offer is cut off or mistyped",
            "copy the whole text again, from KITH: to its end"};
}

Error newer() {
    return {Fault::invalid, "this offer was made by a newer version of kith", "update kith on this device"};
}

Error other_kind(OfferKind found) {
    if (found == OfferKind::invitation)
        return {Fault::invalid, "this is an invitation from another person, not an offer to set up a device",
                "accept it with `kith invite accept`; to set up a device, run `kith device add` on the one "
                "that has the account"};
    return {Fault::invalid,
            "this offer sets up a device of another person's account; it is not an invitation",
            "ask for an invitation, and keep this text away from strangers"};
}

}  // namespace

bool Address::is_loopback() const {
    if (bytes.size() == 4) return bytes[0] == 127;
    return bytes.size() == 16 && bytes[15] == 1 &&
           std::all_of(bytes.begin(), bytes.begin() + 15, [](auto b) { return b == 0; });
}

std::string Address::text() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (bytes.size() == 4) inet_ntop(AF_INET, bytes.data(), text, sizeof text);
    if (bytes.size() == 16) inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
    return text;
}

std::optional<Address> Address::parse(std::string_view text) {
    const std::string terminated(text);
    Address address{Bytes(4)};
    if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
    address.bytes.resize(16);
    if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
    return std::nullopt;
}

Offer Offer::copy() const {
    Offer other;
    other.kind = kind;
    other.server_key = server_key;
    if (secret) other.secret = secret->copy();
    other.expires_unix_s = expires_unix_s;
    other.port = port;
    other.addresses = addresses;
    return other;
}

crypto::Hash Offer::id() const {
    const std::uint8_t head[] = {0, version, static_cast<std::uint8_t>(kind),
                                 secret ? std::uint8_t{1} : std::uint8_t{0}};
    crypto::Hasher hasher;
    hasher.add("kith.offer.id").add(head).add(server_key.view());
    if (secret) hasher.add(secret->view());
    return hasher.finish();
}

NewOffer make_offer(OfferKind kind, std::vector<Address> addresses, std::uint16_t port, std::int64_t valid_ms,
                    Now now, Random& random) {
    NewOffer made{{}, crypto::LinkKey::generate(random)};
    made.offer.kind = kind;
    made.offer.server_key = made.server_key.public_key;
    made.offer.secret = crypto::random_secret<16>(random);
    const std::int64_t expires = (now.unix_ms + valid_ms) / 1000;
    made.offer.expires_unix_s = static_cast<std::uint32_t>(std::clamp<std::int64_t>(expires, 0, UINT32_MAX));
    made.offer.port = port;
    made.offer.addresses = loopback_last(std::move(addresses));
    return made;
}

Result<std::string> encode_offer(const Offer& offer) {
    if (!offer.secret || offer.port == 0)
        return fail(Fault::invalid, "an offer without secret or port has no text");
    Bytes bytes{version, static_cast<std::uint8_t>(offer.kind)};
    append(bytes, offer.server_key.view());
    append(bytes, offer.secret->view());
    append_u32(bytes, offer.expires_unix_s);
    bytes.push_back(static_cast<std::uint8_t>(offer.port >> 8));
    bytes.push_back(static_cast<std::uint8_t>(offer.port));
    append_addresses(bytes, offer.addresses, offer_prefix);
    if (bytes.size() == fixed_size)
        return fail(Fault::unavailable, "this device has no address where another one could reach it",
                    "connect it to a network");
    auto text = write_shown(offer_prefix, check_purpose, bytes);
    wipe(bytes);
    return text;
}

Result<Offer> decode_offer(std::string_view text, OfferKind expected) {
    const std::string squeezed = squeeze(text);
    if (squeezed.starts_with(recovery_prefix))
        return fail(Fault::invalid, "this is a recovery sheet, not an offer",
                    "keep it secret, and put it back");
    if (squeezed.starts_with(card_prefix)) return fail(other_kind(OfferKind::invitation));
    if (squeezed.starts_with(bell_prefix))
        return fail(Fault::invalid, "this is what a new device shows, not an offer",
                    "on the device that has the account: kith device add TEXT");
    if (!squeezed.starts_with(offer_prefix))
        return fail(Fault::invalid, "this is not a text of kith",
                    "an offer begins with KITH: and is shown by `kith device add`");
    auto decoded = read_shown(squeezed, offer_prefix, check_purpose);
    if (!decoded) return fail(mistyped());
    // Of every version, the first byte is the version and the last four are the check.
    const ByteView body = *decoded;
    if (body[0] != version || (body[1] != static_cast<std::uint8_t>(OfferKind::device) &&
                               body[1] != static_cast<std::uint8_t>(OfferKind::invitation)))
        return fail(newer());
    if (body[1] != static_cast<std::uint8_t>(expected))
        return fail(other_kind(static_cast<OfferKind>(body[1])));
    if (body.size() <= fixed_size) return fail(mistyped());

    Offer offer;
    offer.kind = expected;
    offer.server_key = *LinkPublic::from(body.subspan(2, 32));
    offer.secret = Secret<16>(body.subspan<34, 16>());
    offer.expires_unix_s = load_u32(body.data() + 50);
    offer.port = static_cast<std::uint16_t>(body[54] << 8 | body[55]);
    auto addresses = read_addresses(body.subspan(fixed_size));
    if (!addresses || offer.port == 0) return fail(mistyped());
    offer.addresses = std::move(*addresses);
    wipe(*decoded);
    return offer;
}

}  // namespace kith::pairing
