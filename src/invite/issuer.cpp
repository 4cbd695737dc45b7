#include "invite/issuer.h"

#include <algorithm>
#include <map>

#include "invite/limits.h"
#include "invite/reader.h"

namespace kith::invite {
namespace {

constexpr std::uint8_t state_version = 2;

void append_guest(Bytes& to, std::size_t service, const Guest& guest, const roster::Identity& identity) {
    to.push_back(static_cast<std::uint8_t>(service));
    append_piece(to, guest.uid);
    append_piece(to, guest.alias);
    append(to, identity.recovery.view());
    append(to, identity.key.view());
}

// Ids are digits of one length; a longer one is higher.
bool is_lower(const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace

std::string_view standing_name(Issuer::Standing standing) {
    switch (standing) {
        case Issuer::Standing::open:
            return "open";
        case Issuer::Standing::used_up:
            return "used up";
        case Issuer::Standing::withdrawn:
            return "withdrawn";
        case Issuer::Standing::expired:
            return "expired";
    }
    return "";
}

Result<Issuer> Issuer::issue(std::string text) {
    KITH_TRY_VALUE(card, decode_card(text));
    return Issuer(std::move(text), std::move(card));
}

Result<Issuer> Issuer::restore(ByteView state) {
    auto corrupt = [] { return fail(Fault::corrupt, "what is kept of an invitation is damaged"); };
    Reader in{state};
    if (in.byte() != state_version) return corrupt();
    auto issued = issue(in.piece());
    if (!issued) return corrupt();
    Issuer issuer = std::move(*issued);
    const auto services = issuer.card_.services.size();
    issuer.withdrawn_ = in.byte() != 0;
    for (std::size_t i = 0; i < services; ++i) issuer.expired_at_[i] = in.byte() != 0;
    if (in.byte() != 0) issuer.ended_ms_ = static_cast<std::int64_t>(in.u64());
    auto read = [&](auto& one) {
        one.service = in.byte();
        one.guest.uid = in.piece();
        one.guest.alias = in.piece();
        one.identity.recovery = in.id<SignPublic>();
        one.identity.key = in.id<SignPublic>();
        if (one.service >= services) in.good = false;
    };
    for (auto left = in.u32(); left > 0 && in.good; --left) {
        auto& use = issuer.uses_.emplace_back();
        read(use);
        use.vouched = in.byte() != 0;
    }
    for (auto left = in.u32(); left > 0 && in.good; --left) {
        auto& answer = issuer.waiting_.emplace_back();
        read(answer);
        answer.msgid = in.piece();
        answer.posted_ms = static_cast<std::int64_t>(in.u64());
    }
    if (!in.ended()) return corrupt();
    return issuer;
}

Bytes Issuer::state() const {
    Bytes state{state_version};
    append_piece(state, text_);
    state.push_back(withdrawn_);
    for (bool expired : expired_at_) state.push_back(expired);
    state.push_back(ended_ms_.has_value());
    if (ended_ms_) append_u64(state, static_cast<std::uint64_t>(*ended_ms_));
    append_u32(state, static_cast<std::uint32_t>(uses_.size()));
    for (const auto& use : uses_) {
        append_guest(state, use.service, use.guest, use.identity);
        state.push_back(use.vouched);
    }
    append_u32(state, static_cast<std::uint32_t>(waiting_.size()));
    for (const auto& answer : waiting_) {
        append_guest(state, answer.service, answer.guest, answer.identity);
        append_piece(state, answer.msgid);
        append_u64(state, static_cast<std::uint64_t>(answer.posted_ms));
    }
    return state;
}

Issuer::Standing Issuer::standing() const {
    if (withdrawn_) return Standing::withdrawn;
    if (used() >= card_.uses) return Standing::used_up;
    if (std::find(expired_at_.begin(), expired_at_.end(), false) == expired_at_.end())
        return Standing::expired;
    return Standing::open;
}

std::size_t Issuer::used() const {
    std::map<roster::Identity, std::vector<std::size_t>> accounts;  // of each person, at each service
    for (const auto& use : uses_) {
        auto& at = accounts[use.identity];
        at.resize(card_.services.size());
        ++at[use.service];
    }
    std::size_t used = 0;
    for (const auto& [person, at] : accounts) used += *std::max_element(at.begin(), at.end());
    return used;
}

void Issuer::look_for_end(Now now) {
    if (!ended_ms_ && standing() != Standing::open) ended_ms_ = now.unix_ms;
}

IssuerActions Issuer::answered(std::size_t service, const Guest& guest, const std::string& msgid,
                               std::int64_t posted_ms, const Letter& letter) {
    if (service >= card_.services.size()) return {};
    const auto identity = open_answer(letter, card_, card_.services[service], guest);
    if (!identity) return {};
    for (auto& answer : waiting_) {
        if (answer.service != service || answer.guest != guest || answer.identity != *identity) continue;
        if (!is_lower(msgid, answer.msgid)) return {};
        answer.msgid = msgid;
        answer.posted_ms = posted_ms;
        return {Keep{}};
    }
    if (waiting_.size() >= limits::answers_waiting) return {};
    waiting_.push_back({service, guest, *identity, msgid, posted_ms});
    return {Keep{}};
}

const Issuer::Use* Issuer::accepted_before(const Waiting& answer) const {
    const auto at = std::find_if(uses_.begin(), uses_.end(), [&](const Use& use) {
        return use.service == answer.service && use.guest.uid == answer.guest.uid &&
               use.identity == answer.identity;
    });
    return at == uses_.end() ? nullptr : &*at;
}

// Accepting it costs no use: the person was accepted through another service of the card.
bool Issuer::is_free(const Waiting& answer) const {
    const auto at = [&](std::size_t service) {
        return std::count_if(uses_.begin(), uses_.end(), [&](const Use& use) {
            return use.service == service && use.identity == answer.identity;
        });
    };
    for (std::size_t service = 0; service < card_.services.size(); ++service)
        if (at(service) > at(answer.service)) return true;
    return false;
}

Verdict Issuer::judge(const Waiting& answer, const Known& known, Now now) const {
    if (accepted_before(answer)) return Verdict::accepted;
    if (withdrawn_) return Verdict::withdrawn;
    const auto expires_ms = std::int64_t{card_.expires_unix_s} * 1000;
    if (expired_at_[answer.service] || (now.unix_ms >= expires_ms && answer.posted_ms >= expires_ms))
        return Verdict::expired;
    if (auto former = known(answer.service, answer.guest.uid); former && *former != answer.identity)
        return Verdict::other_identity;
    return is_free(answer) || used() < card_.uses ? Verdict::accepted : Verdict::used_up;
}

IssuerActions Issuer::drained(std::size_t service, const Known& known, const crypto::SignKey& key, Now now,
                              Random& random) {
    if (service >= card_.services.size()) return {};
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const Waiting& a, const Waiting& b) { return is_lower(a.msgid, b.msgid); });
    IssuerActions before, after;
    bool changed = false;
    // Who became a contact a moment ago is one that `known` does not know yet.
    std::map<std::string, roster::Identity> fresh;
    const Known known_now = [&](std::size_t at, const std::string& uid) {
        const auto found = fresh.find(uid);
        return found != fresh.end() ? std::optional(found->second) : known(at, uid);
    };
    for (const auto& answer : waiting_) {
        if (answer.service != service) continue;
        changed = true;
        const auto verdict = judge(answer, known_now, now);
        // Only then: an old answer that comes again must not bring back who was removed since.
        const auto* use = accepted_before(answer);
        const bool first = verdict == Verdict::accepted && (!use || !use->vouched);
        if (first) before.push_back(Befriend{service, answer.guest, answer.identity});
        if (first) fresh.emplace(answer.guest.uid, answer.identity);
        if (verdict == Verdict::other_identity)
            before.push_back(Flag{service, answer.guest, answer.identity});
        if (first && use)
            uses_[static_cast<std::size_t>(use - uses_.data())] = {service, answer.guest, answer.identity};
        if (first && !use) uses_.push_back({service, answer.guest, answer.identity});
        after.push_back(Say{service, answer.guest,
                            write_reply(card_, card_.services[service], answer.guest, answer.identity,
                                        verdict, key, random)});
        if (first && card_.uses == 1 && !card_.services[service].group.empty())
            after.push_back(InviteToGroup{service, answer.guest});
    }
    std::erase_if(waiting_, [&](const Waiting& answer) { return answer.service == service; });
    if (!expired_at_[service] && now.unix_ms >= std::int64_t{card_.expires_unix_s} * 1000) {
        expired_at_[service] = true;
        changed = true;
    }
    if (!changed) return {};
    look_for_end(now);
    before.push_back(Keep{});
    before.insert(before.end(), std::make_move_iterator(after.begin()), std::make_move_iterator(after.end()));
    return before;
}

Issuer::Told Issuer::told(std::size_t service, const Guest& guest, const roster::Identity& by,
                          const Letter& letter, const Known& known, const crypto::SignKey& key, Now now,
                          Random& random) {
    if (service >= card_.services.size()) return {};
    const auto identity = open_answer(letter, card_, card_.services[service], guest);
    if (identity != by) return {};
    const Waiting answer{service, guest, by, {}, now.unix_ms};
    const auto verdict = judge(answer, known, now);
    IssuerActions actions;
    if (verdict == Verdict::accepted && !accepted_before(answer)) {
        uses_.push_back({service, guest, by, false});
        look_for_end(now);
        // Should it crash in between, the ping makes the contact; the other way round nobody would count it.
        actions = {Keep{}, Befriend{service, guest, by, false}};
    }
    return {std::move(actions), write_reply(card_, card_.services[service], guest, by, verdict, key, random)};
}

IssuerActions Issuer::withdraw(Now now) {
    if (withdrawn_) return {};
    withdrawn_ = true;
    look_for_end(now);
    return {Keep{}};
}

}  // namespace kith::invite
