#include "app/meeting.h"

#include <utility>

#include "base/limits.h"
#include "control/time_text.h"
#include "invite/limits.h"

namespace kith::app {

using control::Json;
using invite::GreetingFrom;

void Meeting::add_methods(const Invitations::Add& add) {
    add("meet.open", [this](const Request& request) { host(request); });
    add("meet.join", [this](const Request& request) { join(request); });
}

void Meeting::stop() {
    doors_.reset();
    entering_.reset();
    finding_ = false;
    around_.hide_offer(pairing::OfferKind::invitation);
    auto request = std::move(request_);
    request_ = nullptr;
    if (request) request->fail({Fault::cancelled, "the meeting was broken off", ""});
}

// Reads what this side says of itself.
Result<> Meeting::prepare(const Request& request, wire::Fields& fields) {
    const bool gives = fields.has("give") && fields.flag("give");
    const bool accepts = !fields.has("accept") || fields.flag("accept");
    const auto services = fields.has("services") ? fields.texts("services", limits::card_services, 300)
                                                 : std::vector<std::string>();
    const auto group = fields.text_or_empty("group", limits::tmtp_text),
               note = fields.text_or_empty("note", limits::tmtp_text),
               alias = fields.text_or_empty("alias", limits::tmtp_text),
               sign_in = fields.text_or_empty("sign_in", limits::tmtp_text),
               who = fields.text_or_empty("who", limits::tmtp_text),
               service = fields.text_or_empty("service", limits::tmtp_text);
    if (auto read = fields.finish(request->method()); !read) return fail(Fault::invalid, read.error().what);
    if (!gives && !(services.empty() && group.empty() && note.empty()))
        return fail(Fault::invalid, "nothing is given, and so there is nothing to say of it", "");
    if (open())
        return fail(Fault::refused, "a meeting is under way already",
                    "finish that one, or end it with Ctrl-C");
    if (!profile_.identity()) return fail(Fault::refused, "this person has no identity key", "");
    const auto* self = profile_.roster().find(profile_.device());
    if (!self || self->state != roster::DeviceState::active)
        return fail(Fault::forbidden, "a device that is not active meets nobody",
                    "'kith device list' says why");
    named_.reset();
    if (!who.empty()) {
        KITH_TRY_VALUE(contact, invitations_.find_contact(service, who));
        named_ = NamedContact{contact.first.id, contact.second.uid};
    }
    card_.clear();
    gives_ = gives;
    accepts_ = accepts;
    services_ = services;
    group_ = group;
    note_ = note;
    alias_ = alias;
    sign_in_ = sign_in;
    theirs_.reset();
    told_ = false;
    replies_.clear();
    verified_.clear();
    kept_ = false;
    return {};
}

// The one that is to be given, if one is.
Result<> Meeting::make_card(std::int64_t wait_s) {
    if (!gives_) return {};
    KITH_TRY_VALUE(card, invitations_.give(services_, group_, note_, wait_s));
    card_ = std::move(card);
    return {};
}

void Meeting::take_card_back() {
    if (!card_.empty()) invitations_.take_back(card_);
}

Bytes Meeting::greeting(GreetingFrom from, const LinkPublic& door, const roster::Identity* to,
                        std::vector<invite::ToldAnswer> answers) const {
    return invite::write_greeting({*profile_.identity(), card_, std::move(answers)}, from, door, to,
                                  profile_.identity_key());
}

Result<> Meeting::take(invite::Greeting greeting) {
    if (greeting.identity.person() == profile_.person())
        return fail(Fault::refused, "this is another device of your own",
                    "'kith device list' shows who belongs to you");
    theirs_ = std::move(greeting);
    return {};
}

// Durable when it returns.
Result<> Meeting::keep() {
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY_VALUE(verified, verify(profile_, theirs_->identity, named_, loop_.now()));
    if (!card_.empty()) KITH_TRY(invitations_.given_to(card_, theirs_->identity));
    KITH_TRY(tx.commit());
    verified_ = std::move(verified);
    kept_ = true;
    on_history_();
    return {};
}

void Meeting::tell(std::string_view event, Json fields) const {
    if (request_) request_->event(event, std::move(fields));
}

void Meeting::host(const Request& request) {
    auto fields = request->fields();
    const auto seconds = fields.has("expires") ? fields.u64("expires") : limits::offer_valid_ms / 1000;
    if (seconds < 10 || seconds > 3600)
        return request->fail({Fault::invalid, "a meeting waits for 10 seconds to an hour", ""});
    if (auto prepared = prepare(request, fields); !prepared) return request->fail(prepared.error());
    if (auto made = make_card(static_cast<std::int64_t>(seconds)); !made) return request->fail(made.error());
    Doors::Events events;
    events.on_code_wanted = [this](int digits) {
        if (request_) request_->ask("code", {{"digits", digits}});
    };
    events.on_code_wrong = [this](int left) { tell("wrong_code", {{"left", left}}); };
    events.on_warning = [this](const std::string& what) { tell("warning", {{"text", what}}); };
    events.on_nearby_over = [this] { around_.hide_offer(pairing::OfferKind::invitation); };
    events.introduction = [this](const LinkPublic& door) {
        return greeting(GreetingFrom::host, door, nullptr);
    };
    events.replied = [this](ByteView reply, const LinkPublic& door) -> Result<Bytes> {
        KITH_TRY_VALUE(theirs,
                       invite::read_greeting(reply, GreetingFrom::joiner, door, &*profile_.identity()));
        KITH_TRY(take(std::move(theirs)));
        KITH_TRY(keep());
        // Without the service, and before the ping that follows.
        return invite::write_replies(
            invitations_.answered_beside(card_, theirs_->identity, theirs_->answers));
    };
    events.on_end = [this](Result<> result) { ended(std::move(result), false); };
    auto opened =
        Doors::open(loop_, curve_, random_, pairing::OfferKind::invitation,
                    static_cast<std::int64_t>(seconds) * 1000, around_.possible(), std::move(events));
    if (!opened) {
        take_card_back();
        return request->fail(opened.error());
    }
    doors_ = std::move(*opened);
    request_ = request;
    request->on_answer([this](std::string_view name, std::string_view value) {
        if (name == "code" && doors_) doors_->code_typed(value);
    });
    request->on_cancelled([this](control::Cancelled) {
        if (doors_) doors_->cancel();
    });
    Json offer{{"text", doors_->text()}, {"expires", control::to_time_text(doors_->expires_unix_ms())}};
    if (const auto nearby = doors_->nearby())
        offer["nearby"] =
            around_.show_offer(pairing::OfferKind::invitation, nearby->server_key, nearby->port);
    tell("offer", std::move(offer));
}

void Meeting::join(const Request& request) {
    auto fields = request->fields();
    const bool nearby = fields.has("nearby");
    const auto words = nearby ? fields.text("nearby", limits::name_bytes) : std::string();
    const auto offer = nearby ? std::string() : fields.text("text", limits::input_line);
    // What is no offer must not even make a card.
    if (!nearby)
        if (auto read = pairing::decode_offer(offer, pairing::OfferKind::invitation); !read)
            return request->fail(read.error());
    if (nearby)
        if (auto possible = around_.check_possible(); !possible) return request->fail(possible.error());
    if (auto prepared = prepare(request, fields); !prepared) return request->fail(prepared.error());
    request->on_cancelled([this](control::Cancelled) {
        if (entering_) entering_->cancel();
        if (!std::exchange(finding_, false)) return;
        around_.stop_finding();
        auto ended = std::move(request_);
        request_ = nullptr;
        ended->fail({Fault::cancelled, "cancelled", ""});
    });
    if (nearby) return find(request, words);
    enter(request, offer);
}

void Meeting::find(const Request& request, const std::string& words) {
    finding_ = true;
    request_ = request;
    around_.find_offer(pairing::OfferKind::invitation, words, [this](Result<FoundOffer> found) {
        if (!std::exchange(finding_, false)) return;
        auto asked = std::move(request_);
        request_ = nullptr;
        if (!found) return asked->fail(found.error());
        asked->event("found", {{"name", found->words}});
        enter(asked, *found);
    });
}

template <class Offer>
void Meeting::enter(const Request& request, const Offer& offer) {
    if (auto made = make_card(0); !made) return request->fail(made.error());
    Entering::Events events;
    events.on_code = [this](const std::string& code) { tell("code", {{"code", code}}); };
    events.on_code_wrong = [this](int left) { tell("warning", {{"text", another_code_text(left)}}); };
    events.introduced = [this](ByteView introduction, const std::string&) -> Result<Bytes> {
        const auto& door = entering_->server_key();
        KITH_TRY_VALUE(theirs, invite::read_greeting(introduction, GreetingFrom::host, door, nullptr));
        KITH_TRY(take(std::move(theirs)));
        auto answers = accepts_ ? invitations_.tell(theirs_->card) : std::vector<invite::ToldAnswer>();
        told_ = !answers.empty();
        return greeting(GreetingFrom::joiner, door, &theirs_->identity, std::move(answers));
    };
    events.accepted = [this](ByteView verdict) {
        replies_ = invite::read_replies(verdict);
        return keep();
    };
    events.on_end = [this](Result<> result, bool undecided) { ended(std::move(result), undecided); };
    auto started =
        Entering::start(loop_, curve_, random_, pairing::OfferKind::invitation, offer, std::move(events));
    if (!started) {
        take_card_back();
        return request->fail(started.error());
    }
    entering_ = std::move(*started);
    request_ = request;
}

void Meeting::ended(Result<> result, bool undecided) {
    doors_.reset();
    entering_.reset();
    around_.hide_offer(pairing::OfferKind::invitation);
    auto request = std::move(request_);
    request_ = nullptr;
    if (!result && !kept_) {
        // The other side may have the card, and may be who he says: then it is as good as one that was sent.
        if (!undecided) take_card_back();
        if (told_ && undecided) invitations_.send_told(theirs_->card);
        if (told_ && !undecided) invitations_.untell(theirs_->card);
        auto error = result.error();
        if (undecided)
            error.hint = "meet again: the other side may have noted this meeting, this one has not";
        if (request) request->fail(error);
        return;
    }
    Json met{{"person", theirs_->identity.person().hex()},
             {"verified", Json::array()},
             {"services", Json::array()}};
    for (const auto& [account, one] : verified_)
        met["verified"].push_back({{"alias", one.alias}, {"uid", one.uid}});
    if (theirs_->card.empty()) {
        if (request) request->finish(std::move(met));
        return;
    }
    invitations_.note_met(theirs_->card);
    if (!accepts_) {
        met["invitation"] = theirs_->card;
        if (request) request->finish(std::move(met));
        return;
    }
    invitations_.accept_met(request, theirs_->card, alias_, sign_in_,
                            [this, request, met, card = theirs_->card,
                             replies = std::move(replies_)](Result<Json> services) mutable {
                                // What was told counts, whatever became of the rest, and whoever listens.
                                if (!services) invitations_.send_told(card);
                                const auto accepted = invitations_.replied_beside(card, replies);
                                if (!request) return;
                                if (services) {
                                    met["services"] = std::move(*services);
                                    const auto read = invite::decode_card(card);
                                    for (const auto at : accepted)
                                        for (auto& service : met["services"])
                                            if (service["address"] == read->services[at].address)
                                                service["state"] = "accepted";
                                } else {
                                    // It can still be accepted.
                                    met["invitation"] = card;
                                    met["why"] = services.error().what;
                                }
                                request->finish(std::move(met));
                            });
}

}  // namespace kith::app
