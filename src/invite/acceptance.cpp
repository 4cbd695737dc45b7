#include "invite/acceptance.h"

#include "invite/limits.h"
#include "invite/reader.h"

namespace kith::invite {
namespace {

constexpr std::uint8_t state_version = 2;

}  // namespace

Result<Acceptance> Acceptance::accept(std::string text, std::size_t service, Guest guest,
                                      const roster::Identity& own, const crypto::SignKey& key, Now now,
                                      Random& random) {
    KITH_TRY_VALUE(card, decode_card(text));
    if (card.identity.person() == own.person())
        return fail(Fault::refused, "this invitation is your own", "give it to somebody else");
    if (service >= card.services.size()) return fail(Fault::invalid, "the invitation has no such service");
    Acceptance made(std::move(card), service);
    made.text_ = std::move(text);
    made.guest_ = std::move(guest);
    made.own_ = own;
    made.answer_ = write_answer(made.card_, made.service(), made.guest_, own, key, random);
    made.sent_ms_ = now.unix_ms;
    return made;
}

Result<Acceptance> Acceptance::restore(ByteView state) {
    auto corrupt = [] { return fail(Fault::corrupt, "what is kept of an accepted invitation is damaged"); };
    Reader in{state};
    if (in.byte() != state_version) return corrupt();
    std::string text = in.piece();
    const std::size_t service = in.byte();
    auto card = decode_card(text);
    if (!card || service >= card->services.size()) return corrupt();
    Acceptance made(std::move(*card), service);
    made.text_ = std::move(text);
    made.guest_.uid = in.piece();
    made.guest_.alias = in.piece();
    made.own_.recovery = in.id<SignPublic>();
    made.own_.key = in.id<SignPublic>();
    made.answer_ = in.piece();
    made.sent_ms_ = static_cast<std::int64_t>(in.u64());
    made.sent_again_ = in.u64();
    if (const auto verdict = in.byte(); verdict != 0) {
        made.verdict_ = static_cast<Verdict>(verdict);
        if (verdict > static_cast<std::uint8_t>(Verdict::unknown)) return corrupt();
    }
    made.replied_ = in.byte() != 0;
    made.invited_ = in.byte() != 0;
    made.joined_ = in.byte() != 0;
    if (!in.ended()) return corrupt();
    return made;
}

Bytes Acceptance::state() const {
    Bytes state{state_version};
    append_piece(state, text_);
    state.push_back(static_cast<std::uint8_t>(service_));
    append_piece(state, guest_.uid);
    append_piece(state, guest_.alias);
    append(state, own_.recovery.view());
    append(state, own_.key.view());
    append_piece(state, answer_);
    append_u64(state, static_cast<std::uint64_t>(sent_ms_));
    append_u64(state, sent_again_);
    state.push_back(verdict_ ? static_cast<std::uint8_t>(*verdict_) : std::uint8_t{0});
    state.push_back(replied_);
    state.push_back(invited_);
    state.push_back(joined_);
    return state;
}

AcceptanceActions Acceptance::received(const std::string& from_uid, const Letter& letter) {
    if (from_uid != service().uid) return {};
    auto verdict = open_reply(letter, card_, service(), guest_, own_);
    const bool is_reply = verdict.has_value();
    if (!is_reply) verdict = open_refusal(letter, card_, service(), guest_);
    if (!verdict || (verdict_ == Verdict::accepted && (replied_ || verdict != Verdict::accepted))) return {};
    // Who refuses may not have heard of the card yet: the device that made it has the last word.
    if ((replied_ && !is_reply) || (verdict_ == verdict && replied_ == is_reply)) return {};
    AcceptanceActions actions;
    if (*verdict == Verdict::accepted) actions.push_back(BefriendIssuer{});
    verdict_ = verdict;
    replied_ = is_reply;
    actions.push_back(Keep{});
    join_if_due(actions);
    return actions;
}

AcceptanceActions Acceptance::told(const Letter& letter) {
    const auto verdict = open_reply(letter, card_, service(), guest_, own_);
    if (!verdict || replied_ || verdict_ == Verdict::accepted) return {};
    AcceptanceActions actions;
    if (*verdict == Verdict::accepted) actions.push_back(BefriendIssuer{false});
    verdict_ = verdict;
    actions.push_back(Keep{});
    join_if_due(actions);
    return actions;
}

AcceptanceActions Acceptance::invited(const std::string& from_uid, const std::string& group) {
    if (from_uid != service().uid || group.empty() || group != service().group || invited_) return {};
    invited_ = true;
    AcceptanceActions actions{Keep{}};
    join_if_due(actions);
    return actions;
}

void Acceptance::join_if_due(AcceptanceActions& actions) {
    if (!invited_ || joined_ || verdict_ != Verdict::accepted) return;
    joined_ = true;
    actions.push_back(JoinGroup{});
}

AcceptanceActions Acceptance::tick(Now now) {
    if (replied_ || sent_again_ >= limits::answers_again) return {};
    // A clock that was set back starts the wait anew.
    if (now.unix_ms >= sent_ms_ && now.unix_ms - sent_ms_ < limits::answer_again_ms) return {};
    sent_ms_ = now.unix_ms;
    ++sent_again_;
    return {Keep{}, Answer{answer_}};
}

}  // namespace kith::invite
