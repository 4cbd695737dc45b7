#include "app/meeting.h"

#include "base/limits.h"
#include "control/time_text.h"
#include "invite/limits.h"

namespace kith::app {

using control::Json;
using invite::GreetingFrom;

namespace {}  // namespace

void Meeting::add_methods(const Invitations::Add& add) {
    add("meet.open", [this](const Request& request) { host(request); });
    add("meet.join", [this](const Request& request) { join(request); });
}

void Meeting::stop() {
    doors_.reset();
    entering_.reset();
    auto request = std::move(request_);
    request_ = nullptr;
    if (request) request->fail({Fault::cancelled, "the meeting was broken off", ""});
}

// Reads what both sides say of themselves, and makes the card that is to be given.
Result<> Meeting::prepare(const Request& request, wire::Fields& fields) {
    const bool gives = fields.has("give") && fields.flag("give");
    const auto services = fields.has("services") ? fields.texts("services", limits::card_services, 300)
                                                 : std::vector<std::string>();
    const auto alias = fields.text_or_empty("alias", limits::tmtp_text),
               sign_in = fields.text_or_empty("sign_in", limits::tmtp_text),
               who = fields.text_or_empty("who", limits::tmtp_text),
               service = fields.text_or_empty("service", limits::tmtp_text);
    if (auto read = fields.finish(request->method()); !read) return fail(Fault::invalid, read.error().what);
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
    if (gives) {
        KITH_TRY_VALUE(card, invitations_.give(services));
        card_ = std::move(card);
    }
    alias_ = alias;
    sign_in_ = sign_in;
    theirs_.reset();
    verified_.clear();
    kept_ = false;
    return {};
}

Bytes Meeting::greeting(GreetingFrom from, const LinkPublic& door, const roster::Identity* to) const {
    return invite::write_greeting({*profile_.identity(), card_}, from, door, to, profile_.identity_key());
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
    Doors::Events events;
    events.on_code_wanted = [this](int digits) {
        if (request_) request_->ask("code", {{"digits", digits}});
    };
    events.on_code_wrong = [this](int left) { tell("wrong_code", {{"left", left}}); };
    events.on_warning = [this](const std::string& what) { tell("warning", {{"text", what}}); };
    events.introduction = [this](const LinkPublic& door) {
        return greeting(GreetingFrom::host, door, nullptr);
    };
    events.replied = [this](ByteView reply, const LinkPublic& door) -> Result<Bytes> {
        KITH_TRY_VALUE(theirs,
                       invite::read_greeting(reply, GreetingFrom::joiner, door, &*profile_.identity()));
        KITH_TRY(take(std::move(theirs)));
        KITH_TRY(keep());
        return Bytes();
    };
    events.on_end = [this](Result<> result) { ended(std::move(result), false); };
    auto opened = Doors::open(loop_, curve_, random_, pairing::OfferKind::invitation,
                              static_cast<std::int64_t>(seconds) * 1000, false, std::move(events));
    if (!opened) {
        if (!card_.empty()) invitations_.take_back(card_);
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
    tell("offer", {{"text", doors_->text()}, {"expires", control::to_time_text(doors_->expires_unix_ms())}});
}

void Meeting::join(const Request& request) {
    auto fields = request->fields();
    const auto offer = fields.text("text", limits::input_line);
    // What is no offer must not even make a card.
    if (auto read = pairing::decode_offer(offer, pairing::OfferKind::invitation); !read)
        return request->fail(read.error());
    if (auto prepared = prepare(request, fields); !prepared) return request->fail(prepared.error());
    Entering::Events events;
    events.on_code = [this](const std::string& code) { tell("code", {{"code", code}}); };
    events.on_code_wrong = [this](int left) {
        tell("warning", {{"text", "another code was typed; " + std::to_string(left) + " tries are left"}});
    };
    events.introduced = [this](ByteView introduction, const std::string&) -> Result<Bytes> {
        const auto& door = entering_->server_key();
        KITH_TRY_VALUE(theirs, invite::read_greeting(introduction, GreetingFrom::host, door, nullptr));
        KITH_TRY(take(std::move(theirs)));
        return greeting(GreetingFrom::joiner, door, &theirs_->identity);
    };
    events.accepted = [this](ByteView) { return keep(); };
    events.on_end = [this](Result<> result, bool undecided) { ended(std::move(result), undecided); };
    auto started =
        Entering::start(loop_, curve_, random_, pairing::OfferKind::invitation, offer, std::move(events));
    if (!started) {
        if (!card_.empty()) invitations_.take_back(card_);
        return request->fail(started.error());
    }
    entering_ = std::move(*started);
    request_ = request;
    request->on_cancelled([this](control::Cancelled) {
        if (entering_) entering_->cancel();
    });
}

void Meeting::ended(Result<> result, bool undecided) {
    doors_.reset();
    entering_.reset();
    auto request = std::move(request_);
    request_ = nullptr;
    if (!result && !kept_) {
        // The other side may have the card, and may be who he says: then it is as good as one that was sent.
        if (!card_.empty() && !undecided) invitations_.take_back(card_);
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
    invitations_.accept(request, theirs_->card, alias_, sign_in_, true,
                        [request, met, card = theirs_->card](Result<Json> services) mutable {
                            if (!request) return;
                            if (services) {
                                met["services"] = std::move(*services);
                            } else {
                                // It can still be accepted; then as one that was sent.
                                met["invitation"] = card;
                                met["why"] = services.error().what;
                            }
                            request->finish(std::move(met));
                        });
}

}  // namespace kith::app
