#include "invite/letter.h"

#include "crypto/cpace.h"
#include "invite/limits.h"

namespace kith::invite {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::string_view prefix = "kith:";
constexpr std::string_view answer_name = "kith.invite.answer", reply_name = "kith.invite.reply",
                           refusal_name = "kith.invite.refusal";
// 14 bits to a character, from U+4E00 on: all of them letters of three bytes, which no service changes.
constexpr std::uint32_t first_character = 0x4e00, unit_bits = 14;
constexpr std::size_t character_size = 3;
constexpr std::size_t head_size = 2 + CardId::size;
constexpr std::size_t seal_overhead = 24 + 16;
constexpr std::size_t answer_size = head_size + seal_overhead + 2 * SignPublic::size + Signature::size,
                      reply_size = head_size + seal_overhead + 1 + Signature::size,
                      refusal_size = head_size + 1 + Signature::size;

constexpr std::size_t units_of(std::size_t bytes) {
    return (bytes * 8 + unit_bits - 1) / unit_bits;
}
static_assert(prefix.size() + units_of(answer_size) <= limits::letter_units);

std::size_t size_of(LetterKind kind) {
    switch (kind) {
        case LetterKind::answer:
            return answer_size;
        case LetterKind::reply:
            return reply_size;
        case LetterKind::refusal:
            return refusal_size;
    }
    return 0;
}

void append_character(std::string& to, std::uint32_t unit) {
    const auto code = first_character + unit;
    to.push_back(static_cast<char>(0xe0 | code >> 12));
    to.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
    to.push_back(static_cast<char>(0x80 | (code & 0x3f)));
}

std::string pack(ByteView bytes) {
    std::string text(prefix);
    std::uint32_t held = 0, bits = 0;
    for (auto byte : bytes) {
        held = held << 8 | byte;
        bits += 8;
        if (bits >= unit_bits) {
            bits -= unit_bits;
            append_character(text, held >> bits & ((1u << unit_bits) - 1));
        }
    }
    if (bits > 0) append_character(text, held << (unit_bits - bits) & ((1u << unit_bits) - 1));
    return text;
}

// The bytes, with what is left over behind them.
std::optional<Bytes> unpack(std::string_view text) {
    Bytes bytes;
    std::uint32_t held = 0, bits = 0;
    for (std::size_t i = 0; i < text.size(); i += character_size) {
        const auto at = [&](std::size_t k) -> std::uint32_t {
            return static_cast<std::uint8_t>(text[i + k]);
        };
        if (text.size() - i < character_size || at(0) >> 4 != 14 || at(1) >> 6 != 2 || at(2) >> 6 != 2)
            return std::nullopt;
        const std::uint32_t code = (at(0) & 15) << 12 | (at(1) & 63) << 6 | (at(2) & 63);
        if (code < first_character || code - first_character >= 1u << unit_bits) return std::nullopt;
        held = held << unit_bits | (code - first_character);
        for (bits += unit_bits; bits >= 8; bits -= 8)
            bytes.push_back(static_cast<std::uint8_t>(held >> (bits - 8)));
    }
    return bytes;
}

Bytes head_of(LetterKind kind, const CardId& card) {
    Bytes bytes{version, static_cast<std::uint8_t>(kind)};
    append(bytes, card.view());
    return bytes;
}

Bytes about(const Card& card, const CardService& service, const Guest& guest) {
    return crypto::lv_cat({card.id().view(), as_bytes(service.address), service.pin, as_bytes(service.uid),
                           as_bytes(guest.uid), as_bytes(guest.alias)});
}

Bytes signed_answer(const Card& card, const SignPublic& recovery, ByteView about) {
    return crypto::lv_cat({as_bytes(answer_name), card.identity.key.view(), recovery.view(), about});
}
Bytes signed_reply(const SignPublic& guest_key, std::uint8_t verdict, ByteView about) {
    return crypto::lv_cat({as_bytes(reply_name), guest_key.view(), {&verdict, 1}, about});
}
Bytes signed_refusal(std::uint8_t verdict, const CardId& card, std::string_view issuer_uid,
                     std::string_view guest_uid) {
    return crypto::lv_cat(
        {as_bytes(refusal_name), {&verdict, 1}, card.view(), as_bytes(issuer_uid), as_bytes(guest_uid)});
}

std::optional<Verdict> verdict_from(std::uint8_t byte) {
    if (byte < static_cast<std::uint8_t>(Verdict::accepted) ||
        byte > static_cast<std::uint8_t>(Verdict::unknown))
        return std::nullopt;
    return static_cast<Verdict>(byte);
}

}  // namespace

Error error_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::accepted:
            break;
        case Verdict::withdrawn:
            return {Fault::refused, "the invitation was withdrawn", "ask for a new one"};
        case Verdict::expired:
            return {Fault::refused, "the invitation came too late: it had expired", "ask for a new one"};
        case Verdict::used_up:
            return {Fault::refused, "the invitation has been used already",
                    "if that was not you, somebody copied it: tell who invited you, and ask for a new one"};
        case Verdict::other_identity:
            return {Fault::refused, "who invited you knows this account under another identity",
                    "meet, and let them remove the contact that they have"};
        case Verdict::unknown:
            return {Fault::refused, "no device of who invited you knows this invitation",
                    "ask for a new one"};
    }
    return {Fault::refused, "the invitation was accepted", ""};
}

std::optional<Letter> read_letter(std::string_view ping) {
    if (!ping.starts_with(prefix) || ping.size() > prefix.size() + units_of(answer_size) * character_size)
        return std::nullopt;
    auto bytes = unpack(ping.substr(prefix.size()));
    if (!bytes || bytes->size() < head_size || (*bytes)[0] != version || (*bytes)[1] < 1 || (*bytes)[1] > 3)
        return std::nullopt;
    Letter letter{
        static_cast<LetterKind>((*bytes)[1]), *CardId::from(ByteView(*bytes).subspan(2, CardId::size)), {}};
    const auto size = size_of(letter.kind);
    if (bytes->size() < size) return std::nullopt;
    bytes->resize(size);
    if (pack(*bytes) != ping) return std::nullopt;  // so that each letter has one text
    letter.rest = to_bytes(ByteView(*bytes).subspan(head_size));
    return letter;
}

std::string write_answer(const Card& card, const CardService& service, const Guest& guest,
                         const roster::Identity& identity, const crypto::SignKey& key, Random& random) {
    const Bytes context = about(card, service, guest);
    Bytes plain = to_bytes(identity.recovery.view());
    append(plain, identity.key.view());
    append(plain, key.sign(signed_answer(card, identity.recovery, context)).view());
    Bytes bytes = head_of(LetterKind::answer, card.id());
    append(bytes,
           crypto::seal(crypto::derive(card.root(), answer_name, context), answer_name, plain, random));
    return pack(bytes);
}

std::optional<roster::Identity> open_answer(const Letter& letter, const Card& card,
                                            const CardService& service, const Guest& guest) {
    if (letter.kind != LetterKind::answer || letter.card != card.id()) return std::nullopt;
    const Bytes context = about(card, service, guest);
    const auto plain =
        crypto::open(crypto::derive(card.root(), answer_name, context), answer_name, letter.rest);
    if (!plain || plain->size() != 2 * SignPublic::size + Signature::size) return std::nullopt;
    const roster::Identity identity{*SignPublic::from(plain->view().first(32)),
                                    *SignPublic::from(plain->view().subspan(32, 32))};
    const auto signature = *Signature::from(plain->view().subspan(64));
    if (!crypto::verify(identity.key, signed_answer(card, identity.recovery, context), signature))
        return std::nullopt;
    return identity;
}

std::string write_reply(const Card& card, const CardService& service, const Guest& guest,
                        const roster::Identity& to, Verdict verdict, const crypto::SignKey& key,
                        Random& random) {
    const Bytes context = about(card, service, guest);
    const auto byte = static_cast<std::uint8_t>(verdict);
    Bytes plain{byte};
    append(plain, key.sign(signed_reply(to.key, byte, context)).view());
    Bytes bytes = head_of(LetterKind::reply, card.id());
    append(bytes, crypto::seal(crypto::derive(card.root(), reply_name, context), reply_name, plain, random));
    return pack(bytes);
}

std::optional<Verdict> open_reply(const Letter& letter, const Card& card, const CardService& service,
                                  const Guest& guest, const roster::Identity& own) {
    if (letter.kind != LetterKind::reply || letter.card != card.id()) return std::nullopt;
    const Bytes context = about(card, service, guest);
    const auto plain =
        crypto::open(crypto::derive(card.root(), reply_name, context), reply_name, letter.rest);
    if (!plain || plain->size() != 1 + Signature::size) return std::nullopt;
    const std::uint8_t byte = plain->view()[0];
    const auto signature = *Signature::from(plain->view().subspan(1));
    if (!crypto::verify(card.identity.key, signed_reply(own.key, byte, context), signature))
        return std::nullopt;
    return verdict_from(byte);
}

std::string write_refusal(const CardId& card, std::string_view issuer_uid, std::string_view guest_uid,
                          Verdict verdict, const crypto::SignKey& key) {
    const auto byte = static_cast<std::uint8_t>(verdict);
    Bytes bytes = head_of(LetterKind::refusal, card);
    bytes.push_back(byte);
    append(bytes, key.sign(signed_refusal(byte, card, issuer_uid, guest_uid)).view());
    return pack(bytes);
}

std::optional<Verdict> open_refusal(const Letter& letter, const Card& card, const CardService& service,
                                    const Guest& guest) {
    if (letter.kind != LetterKind::refusal || letter.card != card.id() ||
        letter.rest.size() != 1 + Signature::size)
        return std::nullopt;
    const std::uint8_t byte = letter.rest[0];
    const auto signature = *Signature::from(ByteView(letter.rest).subspan(1));
    if (!crypto::verify(card.identity.key, signed_refusal(byte, letter.card, service.uid, guest.uid),
                        signature))
        return std::nullopt;
    auto verdict = verdict_from(byte);
    return verdict == Verdict::withdrawn || verdict == Verdict::unknown ? verdict : std::nullopt;
}

}  // namespace kith::invite
