#include "pairing/bell.h"

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "pairing/session.h"
#include "pairing/shown_text.h"
#include "wire/fields.h"

namespace kith::pairing {
namespace {

constexpr std::uint8_t bell_version = 1;
constexpr std::string_view bell_check = "kith.bell.check";
constexpr std::size_t bell_fixed = 1 + 32 + 4 + 2;  // up to the addresses
constexpr std::string_view op_ring = "ring", op_taken = "taken";

Error mistyped_bell() {
    return {Fault::invalid, "this text is cut off or mistyped",
            "copy the whole text again, from KITH-JOIN: to its end"};
}

wire::Frame head_frame(std::string_view op) {
    return {nlohmann::json{{"op", op}}.dump(), {}};
}

// Whether it is a ring at all; its version apart.
std::optional<std::uint64_t> version_of_ring(const wire::Frame& frame) {
    if (frame_op(frame) != op_ring) return std::nullopt;
    auto head = wire::Fields::parse(frame.head);
    (void)head.text("op", 16);
    const auto version = head.u64("v");
    if (!head.finish("ring")) return std::nullopt;  // a later version's may have more
    return version;
}

}  // namespace

Result<std::string> encode_bell(const Bell& bell) {
    if (bell.port == 0) return fail(Fault::invalid, "a bell without port has no text");
    Bytes bytes{bell_version};
    append(bytes, bell.server_key.view());
    append_u32(bytes, bell.expires_unix_s);
    bytes.push_back(static_cast<std::uint8_t>(bell.port >> 8));
    bytes.push_back(static_cast<std::uint8_t>(bell.port));
    append_addresses(bytes, bell.addresses, bell_prefix);
    if (bytes.size() == bell_fixed)
        return fail(Fault::unavailable, "this device has no address where another one could reach it",
                    "connect it to a network");
    return write_shown(bell_prefix, bell_check, bytes);
}

Result<Bell> decode_bell(std::string_view text) {
    const auto squeezed = squeeze(text);
    if (squeezed.starts_with(recovery_prefix))
        return fail(Fault::invalid, "this is a recovery sheet, not what a new device shows",
                    "keep it secret, and put it back");
    if (squeezed.starts_with(offer_prefix))
        return fail(Fault::invalid, "this is an offer: it is for the new device",
                    "there: kith device join TEXT; here, take what it shows with kith device join --show");
    if (squeezed.starts_with(card_prefix))
        return fail(Fault::invalid, "this is an invitation from another person",
                    "accept it with kith invite accept");
    if (!squeezed.starts_with(bell_prefix))
        return fail(Fault::invalid, "this is not a text of kith",
                    "what a new device shows with kith device join --show begins with KITH-JOIN:");
    const auto body = read_shown(squeezed, bell_prefix, bell_check);
    if (!body) return fail(mistyped_bell());
    if (body->front() != bell_version)
        return fail(Fault::invalid, "this text was made by a newer version of kith",
                    "update kith on this device");
    if (body->size() <= bell_fixed) return fail(mistyped_bell());
    Bell bell;
    const ByteView bytes = *body;
    bell.server_key = *LinkPublic::from(bytes.subspan(1, 32));
    bell.expires_unix_s = load_u32(bytes.data() + 33);
    bell.port = static_cast<std::uint16_t>(bytes[37] << 8 | bytes[38]);
    auto addresses = read_addresses(bytes.subspan(bell_fixed));
    if (!addresses || bell.port == 0) return fail(mistyped_bell());
    bell.addresses = std::move(*addresses);
    return bell;
}

// --- the new device

PorterActions Porter::received(const LinkPublic& client, const wire::Frame& frame) {
    PorterActions actions;
    const auto version = version_of_ring(frame);
    if (!version || state_ == State::answered) return actions;
    const auto over = [&](const LinkPublic& to) { actions.push_back(porter::Send{to, make_over()}); };
    const bool good = *version == 1 && decode_offer(as_text(frame.body), OfferKind::device).has_value();
    if (!good || state_ == State::ended) {
        over(client);
        return actions;
    }
    if (state_ == State::waiting) {
        state_ = State::rung;
        client_ = client;
        offer_ = frame.body;
        actions.push_back(porter::Send{client, head_frame(op_taken)});
        actions.push_back(porter::Rung{std::string(as_text(offer_))});
        return actions;
    }
    if (client == client_ && frame.body == offer_) {  // its link was lost before the answer
        actions.push_back(porter::Send{client, head_frame(op_taken)});
        return actions;
    }
    // One of the two is not the owner's, and nothing tells which.
    state_ = State::ended;
    over(client);
    if (!(client == client_)) over(client_);
    actions.push_back(
        porter::Ended{{Fault::refused, "two devices have answered to what this one shows: one is not yours",
                       "let nobody see it, and run kith device join --show again"}});
    return actions;
}

PorterActions Porter::tick(Now now) {
    if (state_ != State::waiting || now.mono_ms < expires_ms_) return {};
    state_ = State::ended;
    PorterActions actions;
    actions.push_back(porter::Ended{
        {Fault::timed_out, "no other device has answered in time", "run kith device join --show again"}});
    return actions;
}

void Porter::code_was_right() {
    if (state_ == State::rung) state_ = State::answered;
}

// --- the old device

Ringer::Ringer(std::string offer, Now now)
    : offer_(std::move(offer)), until_ms_(now.mono_ms + limits::pairing_connect_ms) {}

RingerActions Ringer::connected() {
    if (state_ != State::dialing && state_ != State::rung) return {};
    state_ = State::rung;
    RingerActions actions;
    actions.push_back(ringer::Send{{nlohmann::json{{"op", op_ring}, {"v", 1}}.dump(), to_bytes(offer_)}});
    return actions;
}

RingerActions Ringer::received(const wire::Frame& frame) {
    const auto op = frame_op(frame);
    RingerActions actions;
    if (state_ == State::rung && op == op_taken) {
        state_ = State::handed;
        actions.push_back(ringer::Handed{});
    } else if (state_ == State::rung && op == op_over) {
        return end({Fault::refused,
                    "the new device does not take this one's offer: it has another, or is of "
                    "another version of kith",
                    "run kith device join --show there again, and let nobody else see it"});
    } else if (state_ == State::handed && op == op_over) {
        return end({Fault::refused,
                    "the new device has stopped: a second device has answered to what it shows",
                    "run kith device join --show there again, and let nobody else see it"});
    }
    return actions;
}

RingerActions Ringer::tick(Now now) {
    if ((state_ != State::dialing && state_ != State::rung) || now.mono_ms < until_ms_) return {};
    return end({Fault::unreachable, "the new device does not answer",
                "see that it still shows its code, and that both are on the same network"});
}

RingerActions Ringer::end(Error error) {
    state_ = State::failed;
    RingerActions actions;
    actions.push_back(ringer::Failed{std::move(error)});
    return actions;
}

}  // namespace kith::pairing
