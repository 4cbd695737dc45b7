// The methods of the control protocol for invitations, and for contacts that came by them.
#include <algorithm>

#include "app/acquaintances.h"
#include "app/card_records.h"
#include "app/contacts.h"
#include "app/groups.h"
#include "app/invitations.h"
#include "app/limits.h"
#include "base/limits.h"
#include "control/time_text.h"
#include "invite/limits.h"

namespace kith::app {

using control::Json;

namespace {

Error unreadable(const Error& error) {
    return {Fault::invalid, error.what, ""};
}

// Names of services are what the service says, of any length; a card has room for the first part.
std::string fit(std::string text, std::size_t most) {
    if (text.size() <= most) return text;
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
    return text.substr(0, most);
}

std::string expiry_text(std::int64_t unix_ms) {
    return control::to_time_text(unix_ms);
}

Error no_identity() {
    return {Fault::refused, "this person was made by an earlier version of kith and has no identity key",
            "invitations need one: begin anew with 'kith init' in another folder"};
}

Json service_json(const invite::CardService& service) {
    Json json{
        {"address", service.address}, {"site", service.site}, {"alias", service.alias}, {"uid", service.uid}};
    if (!service.pin.empty()) json["pin"] = to_hex(service.pin);
    if (!service.group.empty()) json["group"] = service.group;
    return json;
}

}  // namespace

void Invitations::add_methods(const Add& add) {
    using Answers = Result<Json> (Invitations::*)(const Request&);
    auto add_answer = [&](const char* name, Answers method) {
        add(name, [this, method](const Request& request) {
            auto result = (this->*method)(request);
            if (!result) return request->fail(result.error());
            request->finish(std::move(*result));
        });
    };
    add_answer("invite.new", &Invitations::make);
    add_answer("invite.look", &Invitations::look);
    add("invite.accept", [this](const Request& request) { accept(request); });
    add_answer("invite.list", &Invitations::list);
    add_answer("invite.withdraw", &Invitations::withdraw);
    add_answer("contact.show", &Invitations::show);
    add_answer("contact.remove", &Invitations::remove);
}

Result<std::vector<invite::CardService>> Invitations::services_of_card(
    const std::vector<std::string>& names, const std::string& group, std::vector<AccountId>& accounts) const {
    std::vector<invite::CardService> services;
    for (const auto& name : names.empty() ? std::vector<std::string>{""} : names) {
        KITH_TRY_VALUE(named, services_().named(name));
        const auto* account = &named;
        if (account->uid.empty() || account->alias.empty())
            return fail(Fault::refused, "the account at " + account->address + " has no alias to be found by",
                        "give it one with 'kith service add ADDRESS --alias A'");
        const bool pinned = account->address.starts_with('=');
        if (pinned && account->pin.empty())
            return fail(Fault::unavailable, "the key of " + account->address + " is not known yet",
                        "try again when the service has been reached");
        services.push_back({account->address, pinned ? account->pin : Bytes(),
                            fit(account->site, limits::card_name_bytes), account->alias, group,
                            account->uid});
        accounts.push_back(account->id);
    }
    return services;
}

Result<Json> Invitations::make(const Request& request) {
    auto fields = request->fields();
    auto names = fields.has("services") ? fields.texts("services", limits::card_services, 300)
                                        : std::vector<std::string>();
    auto group = fields.text_or_empty("group", limits::tmtp_text),
         note = fields.text_or_empty("note", limits::tmtp_text);
    const auto uses = fields.has("uses") ? fields.u64("uses") : 1;
    const auto seconds = fields.has("expires") ? fields.u64("expires")
                                               : static_cast<std::uint64_t>(limits::invitation_valid_s);
    if (auto read = fields.finish("invite.new"); !read) return fail(unreadable(read.error()));
    if (uses < 1 || uses > 255) return fail(Fault::invalid, "an invitation is for 1 to 255 people", "");
    if (seconds < 1 || seconds > static_cast<std::uint64_t>(limits::invitation_valid_max_s))
        return fail(Fault::invalid, "an invitation is good for a year at most", "");
    KITH_TRY_VALUE(given, issue(names, group, note, uses, static_cast<std::int64_t>(seconds)));
    const auto& card = given->issuer.card();
    Json result{{"text", given->issuer.text()},
                {"expires", expiry_text(std::int64_t{card.expires_unix_s} * 1000)},
                {"card", card.id().hex()},
                {"uses", uses},
                {"services", Json::array()}};
    for (const auto& service : card.services) result["services"].push_back(service_json(service));
    return result;
}

Result<Invitations::Given*> Invitations::issue(const std::vector<std::string>& names,
                                               const std::string& group, const std::string& note,
                                               std::uint64_t uses, std::int64_t valid_s) {
    if (!profile_.identity()) return fail(no_identity());
    if (!is_active())
        return fail(Fault::forbidden, "a device that is not active invites nobody",
                    "'kith device list' says why");
    if (!group.empty()) KITH_TRY(possible_group(group));
    if (!group.empty() && names.size() > 1)
        return fail(Fault::invalid, "a group belongs to one service", "name that one alone");
    forget_old();
    if (given_.size() >= limits::invitations)
        return fail(Fault::refused, "this device has made too many invitations lately",
                    "wait until some are long over");
    std::vector<AccountId> accounts;
    KITH_TRY_VALUE(services, services_of_card(names, group, accounts));
    const auto card =
        invite::make_card(*profile_.identity(), std::move(services), note, static_cast<std::uint8_t>(uses),
                          valid_s * 1000, loop_.now(), random_);
    KITH_TRY_VALUE(written, invite::encode_card(card, profile_.identity_key()));
    KITH_TRY_VALUE(issuer, invite::Issuer::issue(std::move(written)));
    given_.push_back(std::make_unique<Given>(Given{std::move(accounts), std::move(issuer), {}}));
    if (auto kept = carry_out(*given_.back(), {invite::Keep{}}); !kept) {
        given_.pop_back();
        return fail(kept.error());
    }
    arm();
    return given_.back().get();
}

Result<std::string> Invitations::give(const std::vector<std::string>& services, const std::string& group,
                                      const std::string& note, std::int64_t wait_s) {
    KITH_TRY_VALUE(given, issue(services, group, note, 1, wait_s + limits::invitation_met_s));
    return given->issuer.text();
}

Result<> Invitations::given_to(const std::string& written, const roster::Identity& whom) {
    for (auto& given : given_)
        if (given->issuer.text() == written) given->met = whom;
    return keep_given();
}

std::vector<invite::ToldAnswer> Invitations::tell(const std::string& written) {
    std::vector<invite::ToldAnswer> answers;
    const auto card = invite::decode_card(written);
    if (!card || !profile_.identity()) return answers;
    std::vector<std::pair<std::size_t, const store::Account*>> at;
    for (std::size_t i = 0; i < card->services.size(); ++i) {
        const auto member = member_at(card->services[i]);
        if (!member || !*member || (*member)->uid.empty() || (*member)->alias.empty()) continue;
        // What must not be accepted is not answered anywhere.
        if (!check_person(**member, card->services[i], card->identity)) return answers;
        at.emplace_back(i, *member);
    }
    for (const auto& [service, account] : at) {
        const auto taken = take(written, service, *account, true);
        if (!taken || (*taken)->acceptance.verdict()) continue;
        answers.push_back({service, (*taken)->acceptance.guest(), (*taken)->acceptance.answer()});
    }
    if (answers.empty() || keep_taken()) return answers;
    if (auto again = start(); !again) events_.log(again.error().what);
    return {};
}

void Invitations::send_told(const std::string& written) {
    const auto card = invite::decode_card(written);
    if (!card) return;
    for (auto& taken : taken_) {
        if (taken->acceptance.card().id() != card->id() || taken->acceptance.verdict()) continue;
        // If it cannot be sent now, it is when the answer is due again.
        if (auto number = carry_out(*taken, taken->acceptance.start()); number && *number)
            sent({{taken->account, **number}});
    }
    arm();
}

void Invitations::untell(const std::string& written) {
    const auto card = invite::decode_card(written);
    if (!card) return;
    const auto gone = std::erase_if(taken_, [&](const auto& taken) {
        return taken->acceptance.card().id() == card->id() && !taken->acceptance.verdict();
    });
    if (gone == 0 || keep_taken()) return;
    if (auto again = start(); !again) events_.log(again.error().what);
}

std::vector<invite::ToldReply> Invitations::answered_beside(const std::string& written,
                                                            const roster::Identity& by,
                                                            const std::vector<invite::ToldAnswer>& answers) {
    std::vector<invite::ToldReply> replies;
    for (auto& given : given_) {
        if (given->issuer.text() != written) continue;
        for (const auto& answer : answers) {
            const auto letter = invite::read_letter(answer.letter);
            if (!letter || letter->card != given->issuer.card().id() ||
                answer.service >= given->accounts.size())
                continue;
            Result<> read;
            auto told = given->issuer.told(answer.service, answer.guest, by, *letter,
                                           known_at(given->accounts[answer.service], read),
                                           profile_.identity_key(), loop_.now(), random_);
            const auto kept = read ? carry_out(*given, told.actions) : read;
            if (!kept) {
                events_.log("an answer waits for its ping: " + kept.error().what);
                if (auto again = start(); !again) events_.log(again.error().what);
                return {};
            }
            if (!told.reply.empty()) replies.push_back({answer.service, std::move(told.reply)});
        }
        break;
    }
    return replies;
}

std::set<std::size_t> Invitations::replied_beside(const std::string& written,
                                                  const std::vector<invite::ToldReply>& replies) {
    std::set<std::size_t> accepted;
    const auto card = invite::decode_card(written);
    if (!card) return accepted;
    for (const auto& reply : replies) {
        const auto letter = invite::read_letter(reply.letter);
        if (!letter || reply.service >= card->services.size()) continue;
        for (auto& taken : taken_) {
            auto& one = taken->acceptance;
            if (one.card().id() != card->id() || one.service() != card->services[reply.service]) continue;
            if (auto kept = carry_out(*taken, one.told(*letter)); !kept) {
                events_.log("a reply waits for its ping: " + kept.error().what);
                if (auto again = start(); !again) events_.log(again.error().what);
                return accepted;
            }
            if (one.verdict() == invite::Verdict::accepted) accepted.insert(reply.service);
            break;
        }
    }
    return accepted;
}

void Invitations::note_met(const std::string& written) {
    if (met_.size() >= limits::cards_met) met_.pop_front();
    met_.push_back(written);
}

void Invitations::take_back(const std::string& written) {
    for (auto& given : given_)
        if (given->issuer.text() == written)
            if (auto kept = carry_out(*given, given->issuer.withdraw(loop_.now())); !kept) {
                events_.log("an invitation could not be withdrawn: " + kept.error().what);
                if (auto again = start(); !again) events_.log(again.error().what);
                return;
            }
}

// The account that this person has at a card's service. Fault::refused when the card shows another key for
// it.
Result<const store::Account*> Invitations::member_at(const invite::CardService& service) const {
    const store::Account* found = nullptr;
    for (const auto& status : services_().list()) {
        if (status.moved_to) continue;
        const auto* account = services_().find(status.account.id);
        const bool same_key = !service.pin.empty() && account->pin == service.pin;
        if (account->address != service.address && !same_key) continue;
        if (!service.pin.empty() && !account->pin.empty() && !same_key)
            return fail(Fault::refused,
                        "the invitation has another key for " + service.address + " than this device",
                        "somebody may stand in between: ask the service's operator which is right");
        if (!found || account->address == service.address) found = account;
    }
    return found;
}

Result<Json> Invitations::look(const Request& request) {
    auto fields = request->fields();
    auto written = fields.text("text", limits::card_text);
    if (auto read = fields.finish("invite.look"); !read) return fail(unreadable(read.error()));
    KITH_TRY_VALUE(card, invite::decode_card(written));
    const auto expires_ms = std::int64_t{card.expires_unix_s} * 1000;
    Json result{{"card", card.id().hex()},
                {"person", card.identity.person().hex()},
                {"own", profile_.identity() && card.identity == *profile_.identity()},
                {"note", card.note},
                {"uses", card.uses},
                {"expires", expiry_text(expires_ms)},
                {"over", loop_.now().unix_ms >= expires_ms},
                {"services", Json::array()}};
    for (const auto& service : card.services) {
        Json json = service_json(service);
        KITH_TRY_VALUE(account, member_at(service));
        json["member"] = account != nullptr;
        if (account) {
            json["as"] = account->alias;
            KITH_TRY_VALUE(known, acquaintances(profile_, account->id));
            if (auto at = known.find(service.uid); at != known.end() && at->second.trust != Trust::removed)
                json["trust"] = trust_name(at->second.trust);
            KITH_TRY_VALUE(identity, known_identity(profile_, account->id, service.uid));
            // Anybody can write another's alias and uid into a card of his own.
            if (identity && *identity != card.identity) json["other_person"] = true;
        }
        result["services"].push_back(std::move(json));
    }
    return result;
}

void Invitations::accept(const Request& request) {
    auto fields = request->fields();
    auto accepting = std::make_shared<Accepting>();
    accepting->request = request;
    accepting->text = fields.text("text", limits::card_text);
    accepting->alias = fields.text_or_empty("alias", limits::tmtp_text);
    accepting->sign_in = fields.text_or_empty("sign_in", limits::tmtp_text);
    accepting->done = [request](Result<Json> services) {
        if (!services) return request->fail(services.error());
        request->finish({{"services", std::move(*services)}});
    };
    const auto only = fields.text_or_empty("service", 300);
    if (auto read = fields.finish("invite.accept"); !read) return request->fail(unreadable(read.error()));
    accepting->met = std::find(met_.begin(), met_.end(), accepting->text) != met_.end();
    begin(accepting, only);
}

void Invitations::accept_met(const Request& request, const std::string& written, const std::string& alias,
                             const std::string& sign_in, std::function<void(Result<Json>)> done) {
    auto accepting = std::make_shared<Accepting>();
    accepting->request = request;
    accepting->text = written;
    accepting->alias = alias;
    accepting->sign_in = sign_in;
    accepting->met = true;
    accepting->done = std::move(done);
    begin(accepting, {});
}

// Before anything is done: what cannot end well is not begun.
void Invitations::begin(const std::shared_ptr<Accepting>& accepting, const std::string& only) {
    const auto& done = accepting->done;
    auto card = invite::decode_card(accepting->text);
    if (!card) return done(fail(card.error()));
    if (!profile_.identity()) return done(fail(no_identity()));
    if (!is_active())
        return done(fail(Fault::forbidden, "a device that is not active accepts no invitation",
                         "'kith device list' says why"));
    if (card->identity.person() == profile_.person())
        return done(fail(Fault::refused, "this invitation is your own", "give it to somebody else"));
    for (std::size_t i = card->services.size(); i-- > 0;) {
        const auto& service = card->services[i];
        if (!only.empty() && service.address != only && service.site != only) continue;
        auto member = member_at(service);
        if (!member) return done(fail(member.error()));
        if ((!*member || (*member)->alias.empty()) && accepting->alias.size() < 8)
            return done(fail(Fault::invalid,
                             accepting->alias.empty() ? "an alias is needed at " + service.address
                                                      : "an alias has at least 8 characters",
                             "choose one with --alias"));
        if (*member)
            if (auto same = check_person(**member, service, card->identity); !same)
                return done(fail(same.error()));
        accepting->services.push_back(i);
    }
    if (accepting->services.empty())
        return done(fail(Fault::not_found, "the invitation names no service " + only,
                         "without --service all of them are accepted"));
    accept_next(accepting);
}

// That the account which a card names is not known as somebody else's. A card proves nothing about that
// account, so it does not make the contact `changed` either: that takes an answer which came from the
// account.
Result<> Invitations::check_person(const store::Account& account, const invite::CardService& service,
                                   const roster::Identity& identity) const {
    KITH_TRY_VALUE(known, known_identity(profile_, account.id, service.uid));
    if (!known || *known == identity) return {};
    return fail(Fault::refused,
                "you know " + service.alias + " under another identity than this invitation has",
                "it may be somebody else's: meet, and find out. 'kith contact remove' forgets who you know");
}

// Registers where it must, answers, and goes on with the next service.
void Invitations::accept_next(std::shared_ptr<Accepting> accepting) {
    if (accepting->services.empty()) {
        if (!accepting->any) return accepting->done(fail(*accepting->failed));
        return accepting->done(std::move(accepting->told));
    }
    const auto at = accepting->services.back();
    accepting->services.pop_back();
    const auto card = invite::decode_card(accepting->text);
    const auto service = card->services[at];
    auto member = member_at(service);
    if (!member) return accepted_one(accepting, service, fail(member.error()));
    // One whose alias the service has refused before gets another one.
    const bool nameless = *member && (*member)->alias.empty() && !accepting->alias.empty();
    if (*member && !nameless) return answer(accepting, at, **member);
    auto address = parse_address(service.address);
    if (!address) return accepted_one(accepting, service, fail(address.error()));
    std::optional<net::Pin> pin;
    if (!service.pin.empty()) pin = net::Pin::from(service.pin);
    services_().add(*address, accepting->alias, pin,
                    events_.signing_in(accepting->request, accepting->sign_in),
                    [this, accepting, at, service](Result<ServiceStatus> added) {
                        if (!added) return accepted_one(accepting, service, fail(added.error()));
                        events_.on_service();
                        answer(accepting, at, added->account);
                    });
}

void Invitations::accepted_one(const std::shared_ptr<Accepting>& accepting,
                               const invite::CardService& service, Result<std::string> state) {
    Json json{{"address", service.address}, {"site", service.site}, {"alias", service.alias}};
    if (state) {
        accepting->any = true;
        json["state"] = *state;
    } else {
        if (!accepting->failed) accepting->failed = state.error();
        json["state"] = "failed";
        json["why"] = state.error().what;
    }
    accepting->told.push_back(std::move(json));
    accept_next(accepting);
}

// What this device keeps of the card at this service: what it kept before, unless that was refused.
Result<Invitations::Taken*> Invitations::take(const std::string& written, std::size_t service,
                                              const store::Account& account, bool met) {
    KITH_TRY_VALUE(card, invite::decode_card(written));
    for (auto& taken : taken_)
        if (taken->account == account.id && taken->acceptance.card().id() == card.id()) {
            const auto& other = taken->acceptance.card();
            // Who has copied a card can make one of his own with its token, and so with its id.
            if (other.identity != card.identity || other.services != card.services)
                return fail(Fault::refused, "another invitation was made from this one, and accepted here",
                            "one of the two is not by who it seems to be: ask for a new one, face to face");
            if (taken->acceptance.guest() == invite::Guest{account.uid, account.alias} &&
                taken->acceptance.verdict().value_or(invite::Verdict::accepted) == invite::Verdict::accepted)
                return taken.get();
        }
    forget_old();
    if (taken_.size() >= limits::invitations)
        return fail(Fault::refused, "this device has accepted too many invitations lately",
                    "wait until some are long over");
    KITH_TRY_VALUE(
        made, invite::Acceptance::accept(written, service, {account.uid, account.alias}, *profile_.identity(),
                                         profile_.identity_key(), loop_.now(), random_));
    std::erase_if(taken_, [&](const auto& taken) {
        return taken->account == account.id && taken->acceptance.card().id() == card.id();
    });
    taken_.push_back(std::make_unique<Taken>(Taken{account.id, std::move(made), met}));
    return taken_.back().get();
}

void Invitations::answer(const std::shared_ptr<Accepting>& accepting, std::size_t at,
                         const store::Account& account) {
    const auto id = account.id;
    const auto card = invite::decode_card(accepting->text);
    const auto service = card->services[at];
    // Again: it may have changed while this device was registered.
    if (auto same = check_person(account, service, card->identity); !same)
        return accepted_one(accepting, service, fail(same.error()));
    auto taken = take(accepting->text, at, account, accepting->met);
    if (!taken) return accepted_one(accepting, service, fail(taken.error()));
    if ((*taken)->acceptance.verdict()) {
        auto known = acquaintances(profile_, id);
        if (!known) return accepted_one(accepting, service, fail(known.error()));
        if (const auto found = known->find(service.uid);
            found != known->end() && found->second.trust == Trust::removed)
            return accepted_one(accepting, service,
                                fail(Fault::refused, "you have removed this contact since",
                                     "an invitation makes a contact once: ask for a new one"));
        return accepted_one(accepting, service, std::string("accepted"));
    }
    auto number = carry_out(**taken, (*taken)->acceptance.start());
    if (!number || !*number) {
        // It may have been kept before, and then goes on.
        if (auto again = start(); !again) events_.log(again.error().what);
        return accepted_one(
            accepting, service,
            number ? fail(Fault::unavailable, "the answer could not be kept") : fail(number.error()));
    }
    arm();
    events_.on_history();
    services_().send(id, **number, [this, accepting, service](Result<Services::Outcome> outcome) {
        if (!outcome)
            return accepted_one(
                accepting, service,
                fail(Fault::refused, "the service passes on no answer: " + outcome.error().what,
                     "whoever invited you may have another alias now: ask for a new invitation"));
        accepted_one(accepting, service, std::move(outcome->state));
    });
}

Result<Json> Invitations::list(const Request& request) {
    auto fields = request->fields();
    if (auto read = fields.finish("invite.list"); !read) return fail(unreadable(read.error()));
    KITH_TRY_VALUE(records, card_records(profile_));
    Json list = Json::array();
    for (const auto& record : records) {
        const auto* device = profile_.roster().find(record.device);
        Json json{{"card", record.card.hex()},
                  {"way", record.taken ? "taken" : "given"},
                  {"state", record.state},
                  {"services", record.services},
                  {"device", device ? device->name : ""}};
        if (record.taken) {
            json["alias"] = record.alias;
        } else {
            json["expires"] = expiry_text(record.expires_ms);
            json["uses"] = record.uses;
            json["used"] = record.used;
            if (!record.group.empty()) json["group"] = record.group;
            if (!record.note.empty()) json["note"] = record.note;
        }
        if (!record.why.empty()) json["why"] = record.why;
        // Only the device that made a card knows by whom it was used.
        for (const auto& given : given_) {
            if (record.taken || given->issuer.card().id() != record.card) continue;
            json["guests"] = Json::array();
            for (const auto& use : given->issuer.uses())
                json["guests"].push_back({{"alias", use.guest.alias},
                                          {"uid", use.guest.uid},
                                          {"address", given->issuer.card().services[use.service].address}});
        }
        list.push_back(std::move(json));
    }
    return list;
}

Result<Json> Invitations::withdraw(const Request& request) {
    auto fields = request->fields();
    const auto named = fields.text("card", 64);
    if (auto read = fields.finish("invite.withdraw"); !read) return fail(unreadable(read.error()));
    KITH_TRY_VALUE(records, card_records(profile_));
    const CardRecord* found = nullptr;
    for (const auto& record : records) {
        if (record.taken || named.size() < 8 || !record.card.hex().starts_with(named)) continue;
        if (found) return fail(Fault::invalid, "two invitations begin like that", "give more digits");
        found = &record;
    }
    if (!found) return fail(Fault::not_found, "there is no such invitation", "'kith invite list' shows them");
    const auto over = [](std::string_view state) {
        return fail(Fault::refused, "this invitation is over: it is " + std::string(state),
                    "who became a contact by it is removed with 'kith contact remove'");
    };
    // What this device made it knows best.
    for (auto& given : given_) {
        if (given->issuer.card().id() != found->card) continue;
        const auto standing = given->issuer.standing();
        if (standing == invite::Issuer::Standing::used_up || standing == invite::Issuer::Standing::expired)
            return over(invite::standing_name(standing));
        if (auto kept = carry_out(*given, given->issuer.withdraw(loop_.now())); !kept) {
            (void)start();
            return fail(kept.error());
        }
        return Json::object();
    }
    if (found->ended) return Json::object();
    if (found->state == card_state::used_up || found->state == card_state::expired) return over(found->state);
    // The device that made it acts when it hears of this; also one that is suspended, and may come back.
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(keep_withdrawal(profile_, found->card, loop_.now()));
    KITH_TRY(tx.commit());
    events_.on_history();
    return Json::object();
}

Result<std::pair<store::Account, Contact>> Invitations::contact_in(const Request& request) const {
    auto fields = request->fields();
    const auto service = fields.text_or_empty("service", 300), who = fields.text("who", limits::tmtp_text);
    if (auto read = fields.finish(request->method()); !read) return fail(unreadable(read.error()));
    return find_contact(service, who);
}

Result<std::pair<store::Account, Contact>> Invitations::find_contact(const std::string& service,
                                                                     const std::string& who) const {
    KITH_TRY_VALUE(all, contacts(profile_));
    std::optional<store::Account> named;
    if (!service.empty()) {
        KITH_TRY_VALUE(account, services_().named(service));
        named = std::move(account);
    }
    std::optional<Contact> found;
    for (const auto& one : all) {
        if ((one.alias != who && one.uid != who) || (named && one.account != named->id)) continue;
        // One account under two aliases is one contact.
        if (found && (found->uid != one.uid || found->account != one.account))
            return fail(Fault::refused, "more than one contact is called '" + who + "'",
                        "give the uid, and --service: 'kith contact list' shows them");
        if (!found || one.trust) found = one;
    }
    const auto* account = found ? services_().find(found->account) : nullptr;
    if (!account)
        return fail(Fault::not_found, "there is no contact '" + who + "'", "'kith contact list' shows them");
    return std::pair(*account, *found);
}

Result<Json> Invitations::show(const Request& request) {
    KITH_TRY_VALUE(found, contact_in(request));
    const auto& [account, contact] = found;
    KITH_TRY_VALUE(known, acquaintances(profile_, account.id));
    Json result{{"alias", contact.alias},
                {"uid", contact.uid},
                {"service", account.site.empty() ? account.address : account.site},
                {"trust", nullptr}};
    if (auto at = known.find(contact.uid); at != known.end()) {
        result["trust"] = trust_name(at->second.trust);
        result["person"] = at->second.identity.person().hex();
        result["since"] = control::to_time_text(static_cast<std::int64_t>(at->second.time_ms));
        if (at->second.offered) result["offered_person"] = at->second.offered->person().hex();
    }
    return result;
}

Result<Json> Invitations::remove(const Request& request) {
    KITH_TRY_VALUE(found, contact_in(request));
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(
        remove_acquaintance(profile_, found.first.id, {found.second.uid, found.second.alias}, loop_.now()));
    KITH_TRY(tx.commit());
    events_.on_history();
    return Json::object();
}

}  // namespace kith::app
