#include "pairing/offer.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/limits.h"
#include "wire/base32.h"

namespace kith::pairing {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::string_view prefix = "KITH:";
constexpr std::string_view recovery_prefix = "KITH-RECOVERY", card_prefix = "KITH-INVITE";
constexpr std::size_t check_size = 4;
constexpr std::size_t fixed_size = 1 + 1 + 32 + 16 + 4 + 2;  // up to the addresses
// Bytes whose base32 fits the QR code.
constexpr std::size_t most_bytes = (limits::offer_text_qr - prefix.size()) * 5 / 8;

// So that a truncated or mistyped text is told from a good one; guards against nobody.
Bytes check_of(ByteView bytes) {
    const std::uint8_t zero = 0;
    auto sum = crypto::Hasher().add("kith.offer.check").add({&zero, 1}).add(bytes).finish();
    return {sum.begin(), sum.begin() + check_size};
}

std::vector<Address> loopback_last(std::vector<Address> addresses) {
    std::stable_partition(addresses.begin(), addresses.end(),
                          [](const Address& a) { return !a.is_loopback(); });
    return addresses;
}

// Without spaces and in upper case. At most `limits::offer_text` characters are kept, and one more to tell
// that there are too many.
std::string squeeze(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
        out.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
        if (out.size() > limits::offer_text) break;
    }
    return out;
}

std::optional<std::vector<Address>> read_addresses(ByteView bytes) {
    std::vector<Address> list;
    while (!bytes.empty()) {
        const std::size_t size = bytes[0] == 4 ? 4 : bytes[0] == 6 ? 16 : 0;
        if (size == 0 || bytes.size() < 1 + size) return std::nullopt;
        list.push_back({to_bytes(bytes.subspan(1, size))});
        bytes = bytes.subspan(1 + size);
    }
    if (list.empty()) return std::nullopt;
    return list;
}

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
    for (const auto& address : loopback_last(offer.addresses)) {
        if (address.bytes.size() != 4 && address.bytes.size() != 16) continue;
        if (bytes.size() + 1 + address.bytes.size() + check_size > most_bytes) continue;
        bytes.push_back(address.bytes.size() == 4 ? 4 : 6);
        append(bytes, address.bytes);
    }
    if (bytes.size() == fixed_size)
        return fail(Fault::unavailable, "this device has no address where another one could reach it",
                    "connect it to a network");
    append(bytes, check_of(bytes));
    std::string text = std::string(prefix) + wire::to_base32(bytes);
    wipe(bytes);
    return text;
}

Result<Offer> decode_offer(std::string_view text, OfferKind expected) {
    const std::string squeezed = squeeze(text);
    if (squeezed.starts_with(recovery_prefix))
        return fail(Fault::invalid, "this is a recovery sheet, not an offer",
                    "keep it secret, and put it back");
    if (squeezed.starts_with(card_prefix)) return fail(other_kind(OfferKind::invitation));
    if (!squeezed.starts_with(prefix))
        return fail(Fault::invalid, "this is not a text of kith",
                    "an offer begins with KITH: and is shown by `kith device add`");
    if (squeezed.size() > limits::offer_text) return fail(mistyped());
    auto decoded = wire::from_base32(std::string_view(squeezed).substr(prefix.size()));
    if (!decoded || decoded->size() < 2 + check_size) return fail(mistyped());
    // Of every version, the first byte is the version and the last four are the check.
    const ByteView body = ByteView(*decoded).first(decoded->size() - check_size);
    if (check_of(body) != Bytes(decoded->end() - check_size, decoded->end())) return fail(mistyped());
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
