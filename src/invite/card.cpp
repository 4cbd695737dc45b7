#include "invite/card.h"

#include <algorithm>
#include <set>

#include "crypto/cpace.h"
#include "crypto/hash.h"
#include "invite/limits.h"
#include "invite/reader.h"
#include "wire/base32.h"
#include "wire/plain_text.h"

namespace kith::invite {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::string_view prefix = "KITH-INVITE:", offer_prefix = "KITH:", sheet_prefix = "KITH-RECOVERY";
constexpr std::size_t check_size = 4, pin_size = 32;
// What every version has at its ends.
constexpr std::size_t least_size = 1 + Signature::size + check_size;
constexpr std::string_view uid_letters = "%+123456789BCDFGHJKLMNPQRSTVWXYZ";
constexpr std::size_t uid_size = 32, packed_uid_size = 20;

Bytes check_of(ByteView bytes) {
    const std::uint8_t zero = 0;
    auto sum = crypto::Hasher().add("kith.invite.check").add({&zero, 1}).add(bytes).finish();
    return {sum.begin(), sum.begin() + check_size};
}

Bytes signed_part(ByteView bytes) {
    return crypto::lv_cat({as_bytes("kith.invite.card"), bytes});
}

bool is_short_uid(std::string_view uid) {
    return uid.size() == uid_size && uid.find_first_not_of(uid_letters) == std::string_view::npos;
}

bool is_text(std::string_view text) {
    return wire::is_utf8(text) && wire::is_printable(text);
}

bool is_address(std::string_view address) {
    const auto colon = address.rfind(':');
    return (address.starts_with('=') || address.starts_with('+')) && colon != std::string_view::npos &&
           colon > 1 && colon + 1 < address.size();
}

// Why this service cannot stand on a card, or nothing.
std::optional<std::string> wrong_in(const CardService& service) {
    auto too_long = [](std::string_view text, std::size_t most) {
        return text.size() > most || !is_text(text);
    };
    if (!is_address(service.address) || too_long(service.address, limits::card_address_bytes))
        return "the service's address";
    if (service.pin.size() != (service.address.starts_with('=') ? pin_size : 0)) return "the service's key";
    if (too_long(service.site, limits::card_name_bytes)) return "the service's name";
    if (service.alias.empty() || too_long(service.alias, limits::card_name_bytes)) return "the alias";
    if (too_long(service.group, limits::card_name_bytes)) return "the group's name";
    if (service.uid.empty() || too_long(service.uid, limits::card_name_bytes)) return "the uid";
    return std::nullopt;
}
std::optional<std::string> wrong_in(const Card& card) {
    if (card.uses == 0) return "the number of uses";
    if (card.note.size() > limits::card_note_bytes || !is_text(card.note)) return "the note";
    if (card.services.empty() || card.services.size() > limits::card_services)
        return "the number of services";
    std::set<std::string_view> addresses;
    for (const auto& service : card.services) {
        if (auto wrong = wrong_in(service)) return wrong;
        if (!addresses.insert(service.address).second) return "a service that is named twice";
    }
    return std::nullopt;
}

void append_text(Bytes& to, std::string_view text) {
    to.push_back(static_cast<std::uint8_t>(text.size()));
    append(to, text);
}

void append_uid(Bytes& to, std::string_view uid) {
    if (!is_short_uid(uid)) return append_text(to, uid);
    to.push_back(0);
    std::uint32_t held = 0;
    int bits = 0;
    for (char letter : uid) {
        held = held << 5 | static_cast<std::uint32_t>(uid_letters.find(letter));
        for (bits += 5; bits >= 8; bits -= 8) to.push_back(static_cast<std::uint8_t>(held >> (bits - 8)));
    }
}

std::string read_text(Reader& in) {
    return std::string(as_text(in.take(in.byte())));
}

std::string read_uid(Reader& in) {
    if (const std::size_t size = in.byte(); size != 0) {
        std::string uid(as_text(in.take(size)));
        if (is_short_uid(uid)) in.good = false;  // it has a short form, and one form alone
        return uid;
    }
    std::string uid;
    std::uint32_t held = 0;
    int bits = 0;
    for (auto byte : in.take(packed_uid_size)) {
        held = held << 8 | byte;
        for (bits += 8; bits >= 5; bits -= 5) uid.push_back(uid_letters[held >> (bits - 5) & 31]);
    }
    return uid;
}

// Without spaces and in upper case; one character more than a card has, to tell that there are too many.
std::string squeeze(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
        out.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
        if (out.size() > limits::card_text) break;
    }
    return out;
}

Error mistyped() {
    return {Fault::invalid, "this invitation is cut off or mistyped",
            "copy the whole text again, from KITH-INVITE: to its end"};
}

}  // namespace

Key Card::root() const {
    const std::uint8_t zero = 0;
    const auto hash = crypto::Hasher().add("kith.invite.token").add({&zero, 1}).add(token.view()).finish();
    return Key(hash);
}

CardId Card::id() const {
    return *CardId::from(crypto::derive(root(), "kith.invite.id").view().first<CardId::size>());
}

Card Card::copy() const {
    return {token.copy(), identity, expires_unix_s, uses, note, services};
}

Card make_card(const roster::Identity& identity, std::vector<CardService> services, std::string note,
               std::uint8_t uses, std::int64_t valid_ms, Now now, Random& random) {
    const std::int64_t expires = (now.unix_ms + valid_ms) / 1000;
    return {crypto::random_secret<16>(random),
            identity,
            static_cast<std::uint32_t>(std::clamp<std::int64_t>(expires, 0, UINT32_MAX)),
            uses,
            std::move(note),
            std::move(services)};
}

Result<std::string> encode_card(const Card& card, const crypto::SignKey& key) {
    if (auto wrong = wrong_in(card))
        return fail(Fault::invalid, *wrong + " does not fit an invitation",
                    "make it shorter, and plain text");
    Bytes bytes{version};
    append(bytes, card.token.view());
    append(bytes, card.identity.recovery.view());
    append(bytes, card.identity.key.view());
    append_u32(bytes, card.expires_unix_s);
    bytes.push_back(card.uses);
    append_text(bytes, card.note);
    bytes.push_back(static_cast<std::uint8_t>(card.services.size()));
    for (const auto& service : card.services) {
        append_text(bytes, service.address);
        append(bytes, service.pin);
        append_text(bytes, service.site);
        append_text(bytes, service.alias);
        append_text(bytes, service.group);
        append_uid(bytes, service.uid);
    }
    append(bytes, key.sign(signed_part(bytes)).view());
    append(bytes, check_of(bytes));
    std::string text = std::string(prefix) + wire::to_base32(bytes);
    wipe(bytes);
    return text;
}

Result<Card> decode_card(std::string_view text) {
    const std::string squeezed = squeeze(text);
    if (squeezed.starts_with(sheet_prefix))
        return fail(Fault::invalid, "this is a recovery sheet, not an invitation",
                    "keep it secret, and put it back");
    if (squeezed.starts_with(offer_prefix))
        return fail(Fault::invalid, "this offer sets up a device; it is not an invitation",
                    "an invitation begins with KITH-INVITE: and is shown by `kith invite new`");
    if (!squeezed.starts_with(prefix))
        return fail(Fault::invalid, "this is not an invitation",
                    "it begins with KITH-INVITE: and is shown by `kith invite new`");
    if (squeezed.size() > limits::card_text) return fail(mistyped());
    auto decoded = wire::from_base32(std::string_view(squeezed).substr(prefix.size()));
    if (!decoded || decoded->size() < least_size) return fail(mistyped());
    const ByteView body = ByteView(*decoded).first(decoded->size() - check_size);
    if (check_of(body) != Bytes(decoded->end() - check_size, decoded->end())) return fail(mistyped());
    if (body[0] != version)
        return fail(Fault::invalid, "this invitation was made by a newer version of kith", "update kith");

    const ByteView told = body.first(body.size() - Signature::size);
    Reader in{told.subspan(1)};
    Card card;
    if (auto token = in.take(16); token.size() == 16) card.token = Secret<16>(token.first<16>());
    card.identity.recovery = in.id<SignPublic>();
    card.identity.key = in.id<SignPublic>();
    card.expires_unix_s = in.u32();
    card.uses = in.byte();
    card.note = read_text(in);
    for (std::size_t left = in.byte(); left > 0 && in.good; --left) {
        CardService service;
        service.address = read_text(in);
        if (service.address.starts_with('=')) service.pin = to_bytes(in.take(pin_size));
        service.site = read_text(in);
        service.alias = read_text(in);
        service.group = read_text(in);
        service.uid = read_uid(in);
        card.services.push_back(std::move(service));
    }
    const auto signature = *Signature::from(body.last(Signature::size));
    const bool well = in.ended() && !wrong_in(card);
    const bool is_signed = well && crypto::verify(card.identity.key, signed_part(told), signature);
    wipe(*decoded);
    if (!well) return fail(mistyped());
    if (!is_signed)
        return fail(Fault::invalid, "this invitation is not from the person whom it names",
                    "ask for a new one, face to face");
    return card;
}

}  // namespace kith::invite
