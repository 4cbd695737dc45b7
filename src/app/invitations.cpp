#include "app/invitations.h"

#include <algorithm>

#include "app/acquaintances.h"
#include "app/card_records.h"
#include "app/limits.h"
#include "invite/limits.h"
#include "invite/reader.h"

namespace kith::app {
namespace {

constexpr std::string_view given_setting = "invitations_given", taken_setting = "invitations_taken";

Result<Bytes> kept_under(Profile& profile, std::string_view name) {
    KITH_TRY_VALUE(kept, profile.store().setting(name));
    return kept ? to_bytes(kept->view()) : Bytes();
}

Error damaged() {
    return {Fault::corrupt, "what is kept of invitations is damaged", ""};
}

}  // namespace

Result<> Invitations::start() {
    stop();
    KITH_TRY_VALUE(given, kept_under(profile_, given_setting));
    KITH_TRY_VALUE(taken, kept_under(profile_, taken_setting));
    invite::Reader in{given};
    while (!in.rest.empty() && in.good) {
        auto issuer = invite::Issuer::restore(as_bytes(in.piece()));
        if (!issuer) return fail(issuer.error());
        auto one = std::make_unique<Given>(Given{{}, std::move(*issuer), {}});
        for (std::size_t i = 0; i < one->issuer.card().services.size(); ++i)
            one->accounts.push_back(in.id<AccountId>());
        if (in.byte() != 0) one->met = roster::Identity{in.id<SignPublic>(), in.id<SignPublic>()};
        given_.push_back(std::move(one));
    }
    invite::Reader also{taken};
    while (!also.rest.empty() && also.good) {
        const auto account = also.id<AccountId>();
        const bool met = also.byte() != 0;
        auto acceptance = invite::Acceptance::restore(as_bytes(also.piece()));
        if (!acceptance) return fail(acceptance.error());
        taken_.push_back(std::make_unique<Taken>(Taken{account, std::move(*acceptance), met}));
    }
    if (!in.good || !also.good) return fail(damaged());
    wipe(given);
    wipe(taken);
    running_ = true;
    history_changed();
    arm();
    return {};
}

void Invitations::stop() {
    running_ = false;
    timer_.cancel();
    records_timer_.cancel();
    given_.clear();
    taken_.clear();
    strays_.clear();
    met_.clear();
    due_.clear();
}

Result<> Invitations::keep_given() {
    Bytes all;
    for (const auto& one : given_) {
        Bytes state = one->issuer.state();
        invite::append_piece(all, as_text(state));
        for (const auto& account : one->accounts) append(all, account.view());
        all.push_back(one->met.has_value());
        if (one->met) append(all, one->met->recovery.view());
        if (one->met) append(all, one->met->key.view());
        wipe(state);
    }
    auto kept = profile_.store().put_setting(given_setting, all);
    wipe(all);
    return kept;
}

Result<> Invitations::keep_taken() {
    Bytes all;
    for (const auto& one : taken_) {
        Bytes state = one->acceptance.state();
        append(all, one->account.view());
        all.push_back(one->met);
        invite::append_piece(all, as_text(state));
        wipe(state);
    }
    auto kept = profile_.store().put_setting(taken_setting, all);
    wipe(all);
    return kept;
}

Result<> Invitations::record(const Given& given) {
    const auto& card = given.issuer.card();
    CardRecord record;
    record.card = card.id();
    record.state = standing_name(given.issuer.standing());
    record.expires_ms = std::int64_t{card.expires_unix_s} * 1000;
    record.uses = card.uses;
    record.used = given.issuer.used();
    for (const auto& service : card.services) record.services.push_back(service.address);
    record.group = card.services[0].group;
    record.note = card.note;
    return keep_card_record(profile_, record, loop_.now());
}

Result<> Invitations::record(const Taken& taken) {
    CardRecord record;
    record.card = taken.acceptance.card().id();
    record.taken = true;
    const auto& verdict = taken.acceptance.verdict();
    record.state = !verdict                                ? card_state::pending
                   : *verdict == invite::Verdict::accepted ? card_state::accepted
                                                           : card_state::refused;
    if (verdict && *verdict != invite::Verdict::accepted) record.why = invite::error_of(*verdict).what;
    record.services = {taken.acceptance.service().address};
    record.alias = taken.acceptance.service().alias;
    return keep_card_record(profile_, record, loop_.now());
}

const store::Account* Invitations::account(const AccountId& id) const {
    return services_().find(id);
}

bool Invitations::is_active() const {
    const auto* self = profile_.roster().find(profile_.device());
    return self && self->state == roster::DeviceState::active && profile_.identity();
}

Result<std::int64_t> Invitations::queue_ping(const AccountId& id, const std::string& from,
                                             const std::string& to, const std::string& text) {
    return services_().queue(id, {tmtp::Ping{{}, from, to, 0}, to_bytes(text)});
}

// The machine has moved on in memory; when this fails it must be restored from what is kept: start().
Result<> Invitations::carry_out(Given& given, const invite::IssuerActions& actions) {
    if (actions.empty()) return {};
    Queued queued;
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    for (const auto& action : actions) {
        if (const auto* contact = std::get_if<invite::Befriend>(&action)) {
            const bool met = given.met == contact->identity && contact->vouched;
            KITH_TRY(befriend(profile_, given.accounts[contact->service], contact->guest, contact->identity,
                              met ? Trust::verified : Trust::introduced, loop_.now()));
        } else if (const auto* other = std::get_if<invite::Flag>(&action)) {
            KITH_TRY(befriend(profile_, given.accounts[other->service], other->guest, other->identity,
                              Trust::introduced, loop_.now()));
        } else if (std::holds_alternative<invite::Keep>(action)) {
            KITH_TRY(keep_given());
            KITH_TRY(record(given));
        } else if (const auto* say = std::get_if<invite::Say>(&action)) {
            const auto& at = given.accounts[say->service];
            const auto* from = account(at);
            if (!from) return fail(Fault::not_found, "the account of an invitation is gone");
            KITH_TRY_VALUE(id, queue_ping(at, from->alias, say->guest.alias, say->text));
            queued.emplace_back(at, id);
        } else if (const auto* group = std::get_if<invite::InviteToGroup>(&action)) {
            const auto& at = given.accounts[group->service];
            if (const auto* from = account(at)) {
                const auto& name = given.issuer.card().services[group->service].group;
                KITH_TRY_VALUE(
                    id, services_().queue(
                            at, {tmtp::GroupInvite{{}, name, from->alias, group->guest.alias, 0}, {}}));
                queued.emplace_back(at, id);
            }
        }
    }
    KITH_TRY(tx.commit());
    sent(queued);
    return {};
}

// The number of an answer in the outbox, for who wants to know what becomes of it; other things are sent.
Result<std::optional<std::int64_t>> Invitations::carry_out(Taken& taken,
                                                           const invite::AcceptanceActions& actions) {
    std::optional<std::int64_t> answer;
    if (actions.empty()) return answer;
    Queued queued;
    const auto& service = taken.acceptance.service();
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    for (const auto& action : actions) {
        if (const auto* contact = std::get_if<invite::BefriendIssuer>(&action)) {
            KITH_TRY(befriend(
                profile_, taken.account, {service.uid, service.alias}, taken.acceptance.card().identity,
                taken.met && contact->vouched ? Trust::verified : Trust::introduced, loop_.now()));
        } else if (std::holds_alternative<invite::Keep>(action)) {
            KITH_TRY(keep_taken());
            KITH_TRY(record(taken));
        } else if (const auto* said = std::get_if<invite::Answer>(&action)) {
            KITH_TRY_VALUE(
                id, queue_ping(taken.account, taken.acceptance.guest().alias, service.alias, said->text));
            answer = id;
        } else if (std::holds_alternative<invite::JoinGroup>(action)) {
            KITH_TRY_VALUE(id, services_().queue(taken.account,
                                                 {tmtp::GroupEdit{{}, "join", service.group, {}, {}}, {}}));
            queued.emplace_back(taken.account, id);
        }
    }
    KITH_TRY(tx.commit());
    sent(queued);
    return answer;
}

// After the present callback: a service that hands out a message must not be asked within it.
void Invitations::sent(const Queued& queued) {
    loop_.defer([this, queued, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired() || !running_) return;
        for (const auto& [account, id] : queued) services_().send(account, id);
        events_.on_history();
    });
}

Result<> Invitations::received(const AccountId& id, const tmtp::Delivered& message) {
    if (!running_ || !is_active()) return {};
    bool own = false;  // an answer to a card of this device
    auto kept = [&]() -> Result<> {
        if (message.kind == tmtp::Kind::invite) {
            for (auto& taken : taken_)
                if (taken->account == id)
                    KITH_TRY(carry_out(*taken, taken->acceptance.invited(message.from, message.gid)));
            return {};
        }
        const auto letter = invite::read_letter(as_text(message.data()));
        if (!letter) return {};
        if (letter->kind != invite::LetterKind::answer) {
            for (auto& taken : taken_)
                if (taken->account == id)
                    KITH_TRY(carry_out(*taken, taken->acceptance.received(message.from, *letter)));
            return {};
        }
        const invite::Guest from{message.from, message.alias};
        const auto* self = account(id);
        if (self && from.uid == self->uid) return {};
        for (auto& given : given_) {
            if (given->issuer.card().id() != letter->card) continue;
            own = true;
            for (std::size_t i = 0; i < given->accounts.size(); ++i)
                if (given->accounts[i] == id)
                    KITH_TRY(carry_out(
                        *given, given->issuer.answered(i, from, message.msgid, message.posted_ms, *letter)));
        }
        const auto here = std::count_if(strays_.begin(), strays_.end(),
                                        [&](const Stray& stray) { return stray.account == id; });
        if (!own && static_cast<std::size_t>(here) < limits::stray_answers)
            strays_.push_back({id, letter->card, from, loop_.now().mono_ms});
        due_.insert(id);
        return {};
    }();
    if (!kept) {
        // What is in memory may be ahead of what is kept.
        if (auto again = start(); !again) events_.log(again.error().what);
        return kept;
    }
    loop_.defer([this, own, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired() || !running_) return;
        if (own) take_withdrawn();  // what another device withdrew a moment ago counts
        settle_all();
    });
    arm();
    return {};
}

void Invitations::service_changed(const AccountId& id) {
    if (!running_) return;
    due_.insert(id);
    loop_.defer([this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired() && running_) settle_all();
    });
}

void Invitations::settle_all() {
    for (const auto& id : std::exchange(due_, {})) settle(id);
}

// `read`: what went wrong, if anything did.
invite::Issuer::Known Invitations::known_at(const AccountId& id, Result<>& read) const {
    return [this, id, &read](std::size_t, const std::string& uid) -> std::optional<roster::Identity> {
        auto known = known_identity(profile_, id, uid);
        if (known) return *known;
        read = fail(known.error());
        return std::nullopt;
    };
}

void Invitations::settle(const AccountId& id) {
    if (!services_().drained(id) || !is_active()) return;
    auto settled = [&]() -> Result<> {
        // Read when it is asked for: mostly there is nothing to decide.
        Result<> read;
        const auto identity = known_at(id, read);
        for (auto& given : given_) {
            for (std::size_t i = 0; i < given->accounts.size(); ++i) {
                if (given->accounts[i] != id) continue;
                auto actions =
                    given->issuer.drained(i, identity, profile_.identity_key(), loop_.now(), random_);
                KITH_TRY(read);
                KITH_TRY(carry_out(*given, actions));
            }
        }
        for (auto& taken : taken_) {
            if (taken->account != id) continue;
            KITH_TRY_VALUE(answer, carry_out(*taken, taken->acceptance.tick(loop_.now())));
            if (answer) sent({{id, *answer}});
        }
        return {};
    }();
    if (!settled) {
        events_.log("an invitation waits: " + settled.error().what);
        if (auto again = start(); !again) events_.log(again.error().what);
        return;
    }
    answer_strays(id);
    arm();
}

// Somebody answers a card that this device did not make. Its maker decides; but when that is out, or nobody
// knows the card, one of the other devices says so.
void Invitations::answer_strays(const AccountId& id) {
    std::vector<Stray> strays;
    for (auto& stray : std::exchange(strays_, {}))
        (stray.account == id ? strays : strays_).push_back(std::move(stray));
    const auto& devices = profile_.roster().devices;
    const bool is_lowest = std::none_of(devices.begin(), devices.end(), [&](const auto& device) {
        return device.state == roster::DeviceState::active && device.id < profile_.device();
    });
    const auto* self = account(id);
    if (!self) return;
    const auto now = loop_.now().mono_ms;
    const bool others = std::any_of(devices.begin(), devices.end(), [&](const auto& device) {
        return device.state == roster::DeviceState::active && device.id != profile_.device();
    });
    for (auto& stray : strays) {
        if (refused_ == 0 || now - refused_from_ms_ > limits::refusals_window_ms) {
            refused_from_ms_ = now;
            refused_ = 0;
        }
        if (refused_ >= limits::refusals) continue;
        auto records = card_records(profile_, &stray.card);
        if (!records) continue;
        auto verdict = invite::Verdict::unknown;
        bool is_ours = is_lowest, forgotten = false;
        for (const auto& record : *records) {
            if (record.taken) continue;
            if (record.out) verdict = invite::Verdict::withdrawn;
            // Of this device: it has forgotten it, long after its end.
            else
                is_ours = forgotten = record.device == profile_.device();
        }
        if (!is_ours) continue;
        // Another device may have made it, and not told this one yet: then it is that device's to answer.
        if (verdict == invite::Verdict::unknown && others && !forgotten &&
            (!events_.all_linked() || now - stray.since_ms < limits::stray_patience_ms)) {
            if (now - stray.since_ms < limits::stray_kept_ms) strays_.push_back(std::move(stray));
            continue;
        }
        ++refused_;
        const auto text =
            invite::write_refusal(stray.card, self->uid, stray.from.uid, verdict, profile_.identity_key());
        if (auto queued = queue_ping(id, self->alias, stray.from.alias, text)) sent({{id, *queued}});
    }
}

void Invitations::history_changed() {
    if (!running_ || given_.empty() || records_timer_.armed()) return;
    records_timer_ = loop_.after(limits::card_records_look_ms, [this] { take_withdrawn(); });
}

Result<std::uint64_t> Invitations::withdraw_at(const store::Account& account) {
    std::uint64_t ended = 0;
    KITH_TRY_VALUE(records, card_records(profile_));
    for (const auto& record : records) {
        const auto& at = record.services;
        if (record.taken || record.state != card_state::open ||
            std::find(at.begin(), at.end(), account.address) == at.end())
            continue;
        KITH_TRY(keep_withdrawal(profile_, record.card, loop_.now()));
        ++ended;
    }
    return ended;
}

// Withdrawn by another device of the person.
void Invitations::take_withdrawn() {
    for (auto& given : given_) {
        if (given->issuer.standing() != invite::Issuer::Standing::open) continue;
        const auto id = given->issuer.card().id();
        auto records = card_records(profile_, &id);
        if (!records) return;
        const bool withdrawn =
            std::any_of(records->begin(), records->end(),
                        [](const CardRecord& record) { return !record.taken && record.ended; }) ||
            std::any_of(given->accounts.begin(), given->accounts.end(),
                        [&](const AccountId& at) { return services_().current(at) != services_().find(at); });
        if (!withdrawn) continue;
        if (auto kept = carry_out(*given, given->issuer.withdraw(loop_.now())); !kept) {
            events_.log("an invitation could not be withdrawn: " + kept.error().what);
            if (auto again = start(); !again) events_.log(again.error().what);
            return;
        }
    }
}

// What is over is told for a while, and then forgotten.
void Invitations::forget_old() {
    const auto before = loop_.now().unix_ms - limits::card_kept_ms;
    const auto given = std::erase_if(given_, [&](const auto& one) {
        // One that expired at a service that is never reached again comes to no end of its own.
        const auto expired_ms = std::int64_t{one->issuer.card().expires_unix_s} * 1000;
        return one->issuer.ended_ms().value_or(expired_ms) < before;
    });
    const auto taken =
        std::erase_if(taken_, [&](const auto& one) { return one->acceptance.sent_ms() < before; });
    if (given > 0) (void)keep_given();
    if (taken > 0) (void)keep_taken();
}

// Now and then, while there is something: cards expire, and answers are sent again.
void Invitations::arm() {
    if (!running_ || timer_.armed() || (given_.empty() && taken_.empty() && strays_.empty())) return;
    timer_ = loop_.after(strays_.empty() ? limits::invitations_look_ms : limits::stray_patience_ms, [this] {
        forget_old();
        for (const auto& status : services_().list()) settle(status.account.id);
        arm();
    });
}

}  // namespace kith::app
