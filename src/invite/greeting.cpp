#include "invite/greeting.h"

#include "crypto/cpace.h"
#include "invite/limits.h"
#include "invite/reader.h"

namespace kith::invite {
namespace {

constexpr std::uint8_t version = 1;

Bytes signed_part(ByteView told, GreetingFrom from, const LinkPublic& door, const roster::Identity* to) {
    const auto role = static_cast<std::uint8_t>(from);
    return crypto::lv_cat(
        {as_bytes("kith.invite.greeting"), {&role, 1}, door.view(), to ? to->key.view() : ByteView(), told});
}

}  // namespace

Bytes write_greeting(const Greeting& greeting, GreetingFrom from, const LinkPublic& door,
                     const roster::Identity* to, const crypto::SignKey& key) {
    Bytes bytes{version};
    append(bytes, greeting.identity.recovery.view());
    append(bytes, greeting.identity.key.view());
    append_piece(bytes, greeting.card);
    bytes.push_back(static_cast<std::uint8_t>(greeting.answers.size()));
    for (const auto& answer : greeting.answers) {
        bytes.push_back(static_cast<std::uint8_t>(answer.service));
        append_piece(bytes, answer.guest.uid);
        append_piece(bytes, answer.guest.alias);
        append_piece(bytes, answer.letter);
    }
    append(bytes, key.sign(signed_part(bytes, from, door, to)).view());
    return bytes;
}

Result<Greeting> read_greeting(ByteView bytes, GreetingFrom from, const LinkPublic& door,
                               const roster::Identity* to) {
    auto malformed = [] { return fail(Fault::protocol, "the other device's greeting is malformed"); };
    if (bytes.size() < 1 + Signature::size) return malformed();
    if (bytes[0] != version)
        return fail(Fault::refused, "the other device speaks another version of kith", "update kith on both");
    const auto told = bytes.first(bytes.size() - Signature::size);
    Reader in{told.subspan(1)};
    Greeting greeting;
    greeting.identity.recovery = in.id<SignPublic>();
    greeting.identity.key = in.id<SignPublic>();
    greeting.card = in.piece();
    for (std::size_t left = in.byte(); left > 0 && in.good; --left) {
        auto& answer = greeting.answers.emplace_back();
        answer.service = in.byte();
        answer.guest.uid = in.piece();
        answer.guest.alias = in.piece();
        answer.letter = in.piece();
        if (answer.guest.uid.size() > limits::told_name_bytes ||
            answer.guest.alias.size() > limits::told_name_bytes)
            return malformed();
    }
    if (!in.ended() || greeting.card.size() > limits::card_text ||
        greeting.answers.size() > limits::card_services)
        return malformed();
    if (!crypto::verify(greeting.identity.key, signed_part(told, from, door, to),
                        *Signature::from(bytes.last(Signature::size))))
        return fail(Fault::protocol, "the other device is not whose it says it is");
    if (!greeting.card.empty()) {
        KITH_TRY_VALUE(card, decode_card(greeting.card));
        if (card.identity != greeting.identity)
            return fail(Fault::protocol, "the other device gives away somebody else's invitation");
    }
    return greeting;
}

Bytes write_replies(std::span<const ToldReply> replies) {
    Bytes bytes;
    if (replies.empty()) return bytes;
    bytes.push_back(version);
    bytes.push_back(static_cast<std::uint8_t>(replies.size()));
    for (const auto& reply : replies) {
        bytes.push_back(static_cast<std::uint8_t>(reply.service));
        append_piece(bytes, reply.letter);
    }
    return bytes;
}

std::vector<ToldReply> read_replies(ByteView verdict) {
    Reader in{verdict};
    if (verdict.empty() || in.byte() != version) return {};
    std::vector<ToldReply> replies;
    for (std::size_t left = in.byte(); left > 0 && in.good; --left) {
        auto& reply = replies.emplace_back();
        reply.service = in.byte();
        reply.letter = in.piece();
    }
    return in.ended() && replies.size() <= limits::card_services ? replies : std::vector<ToldReply>();
}

}  // namespace kith::invite
