#include "app/moving.h"

#include <algorithm>
#include <map>

#include "app/acquaintances.h"
#include "app/contacts.h"
#include "app/groups.h"
#include "app/labels.h"
#include "app/own_records.h"
#include "base/limits.h"
#include "tmtp/message.h"
#include "wire/json.h"

namespace kith::app {
namespace {

using control::Json;

// Of the new account: which groups it will be invited to, by the former one.
std::string setting_of(const AccountId& account) {
    return "moving/" + account.hex();
}

// The words of a ping or an invitation, which are short.
Bytes words(const std::string& alias) {
    const std::string text = "I was " + alias + " here, and have this account now.";
    return to_bytes(text.size() <= limits::tmtpd_ping_units ? text : "I have a new account here, this one.");
}

std::string letter(const store::Account& to) {
    return "I have a new account at this service: " + to.alias +
           "\n\nPlease write to that one from now on. My former account, which this message comes from, can "
           "be "
           "read, and written from, by somebody else: one of my devices is lost. If you want to be sure that "
           "the "
           "new account is mine, ask me in person.\n";
}

// A contact as the former account knows it.
struct Told {
    std::vector<std::string> aliases;
    std::string vouched;  // an alias that the service has said, if there is one
    bool knows = false;   // not only a member of one group
};

std::map<std::string, Told> contacts_of(const std::vector<Contact>& all, const AccountId& account) {
    constexpr int by_service = store::pinged | store::invited | store::shares_group;
    std::map<std::string, Told> found;
    for (const auto& one : all) {
        if (one.account != account) continue;
        auto& told = found[one.uid];
        told.aliases.push_back(one.alias);
        if ((one.met & by_service) || one.trust) told.vouched = one.alias;
        told.knows = told.knows || one.trust || one.met != store::shares_group;
    }
    return found;
}

}  // namespace

// The account that is meant: the one that has not this alias, which may be there from a former try.
Result<store::Account> Moving::former(const std::string& service, const std::string& alias) const {
    std::vector<store::Account> found;
    for (const auto& status : services_().list()) {
        const auto& account = status.account;
        if (account.uid == service) {
            if (status.moved_to)
                return fail(Fault::refused, "this account moved already", "'kith service list' shows where");
            return account;
        }
        if (!status.moved_to && !account.alias.empty() && account.alias != alias &&
            (account.address == service || account.site == service))
            found.push_back(account);
    }
    if (found.empty())
        return fail(Fault::not_found, "there is no account at " + service + " that could move",
                    "'kith service list' shows them");
    if (found.size() > 1)
        return fail(Fault::invalid, "there are several accounts at " + service,
                    "name the one that is to be left by its uid: 'kith service list --json' shows it");
    return found.front();
}

void Moving::move(const Request& request) {
    auto fields = request->fields();
    auto service = fields.text("service", 300), alias = fields.text("alias", limits::tmtp_text);
    auto label = fields.has("sign_in") ? fields.text("sign_in", limits::tmtp_text) : std::string();
    if (auto read = fields.finish("service.move"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (alias.size() < 8)
        return request->fail(
            {Fault::invalid, "an alias has at least 8 characters", "choose a longer --alias"});
    auto from = former(service, alias);
    if (!from) return request->fail(from.error());
    auto address = parse_address(from->address);
    if (!address) return request->fail(address.error());
    services_().add(
        *address, alias, net::Pin::from(from->pin), events_.signing_in(request, label),
        [this, request, from = *from](Result<ServiceStatus> added) {
            if (!added) return request->fail(added.error());
            auto told = tell(from, added->account);
            events_.on_service();
            if (!told)
                return request->fail({told.error().kind,
                                      "the new account is there, but nobody was told: " + told.error().what,
                                      "run the same command again"});
            request->finish(std::move(*told));
        },
        from->id);
}

Result<Json> Moving::tell(const store::Account& from, const store::Account& to) {
    std::vector<std::pair<AccountId, std::int64_t>> queued;
    const auto queue = [&](const store::Account& account, tmtp::Asking asking) -> Result<> {
        KITH_TRY_VALUE(id, services_().queue(account.id, std::move(asking)));
        queued.emplace_back(account.id, id);
        return {};
    };
    const auto post = [&](tmtp::Draft draft, const std::string& body) -> Result<> {
        draft.alias = from.alias;
        draft.subject = "My new account: " + to.alias;
        draft.body = body;
        KITH_TRY_VALUE(asking, tmtp::compose(draft, from.uid));
        return queue(from, std::move(asking));
    };
    const auto body = letter(to);
    const auto now = loop_.now();
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(keep_account_moved(profile_, from, to.id, now));
    KITH_TRY_VALUE(withdrawn, invitations_.withdraw_at(from));
    KITH_TRY(inherit_acquaintances(profile_, from.id, to.id, now));

    KITH_TRY_VALUE(known, contacts(profile_));
    std::vector<store::NewRecord> noted;
    std::uint64_t told = 0, pinged = 0;
    for (const auto& [uid, contact] : contacts_of(known, from.id)) {
        if (!contact.knows) continue;
        for (const auto& alias : contact.aliases)
            noted.push_back(
                contact_record(profile_, to.id, alias, uid, static_cast<std::uint64_t>(now.unix_ms)));
        tmtp::Draft draft;
        draft.recipients = {uid};
        KITH_TRY(post(std::move(draft), body));
        ++told;
        if (contact.vouched.empty()) continue;
        KITH_TRY(queue(to, {tmtp::Ping{{}, to.alias, contact.vouched, 0}, words(from.alias)}));
        ++pinged;
    }
    KITH_TRY(profile_.history().add(noted));

    KITH_TRY_VALUE(groups, groups_of(profile_, from));
    Json names = Json::array(), waiting = Json::object();
    for (const auto& [group, alias] : groups) {
        KITH_TRY(queue(from, {tmtp::GroupInvite{{}, group, alias, to.alias, 0}, words(from.alias)}));
        tmtp::Draft draft;
        draft.groups = {group};
        KITH_TRY(post(std::move(draft), body));
        names.push_back(group);
        waiting[group] = alias;
    }
    if (!groups.empty())
        KITH_TRY(profile_.store().put_setting(
            setting_of(to.id),
            as_bytes(wire::json_text(Json{{"from", from.uid}, {"groups", std::move(waiting)}}))));
    KITH_TRY(tx.commit());

    KITH_TRY(services_().read_moves());
    // Who hears when this person's devices come and go.
    if (auto shown = services_().shown_to(from.id); shown && !shown->empty())
        KITH_TRY(services_().show_to(to.id, *shown, true));
    for (const auto& [account, id] : queued) services_().send(account, id);
    invitations_.history_changed();
    events_.on_history();

    Json devices = Json::array();
    for (const auto& device : profile_.roster().devices)
        if (device.state == roster::DeviceState::active && device.id != profile_.device())
            devices.push_back(device.name);
    return Json{{"address", to.address},  {"alias", to.alias},
                {"uid", to.uid},          {"from", from.alias},
                {"from_uid", from.uid},   {"contacts", told},
                {"pinged", pinged},       {"groups", std::move(names)},
                {"withdrawn", withdrawn}, {"devices", std::move(devices)}};
}

Result<> Moving::received(const AccountId& account, const tmtp::Delivered& message) {
    if (message.kind != tmtp::Kind::invite) return {};
    KITH_TRY_VALUE(kept, profile_.store().setting(setting_of(account)));
    if (!kept) return {};
    const auto text = as_text(kept->view());
    auto waiting = Json::parse(text.begin(), text.end(), nullptr, false);
    if (!waiting.is_object() || waiting.value("from", "") != message.from) return {};
    auto& groups = waiting["groups"];
    auto at = groups.find(message.gid);
    if (at == groups.end()) return {};
    const auto former = at->get<std::string>();
    groups.erase(at);

    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY_VALUE(join, services_().queue(account, {tmtp::GroupEdit{{}, "join", message.gid, {}, {}}, {}}));
    // By the new one, so that it goes out behind the join.
    KITH_TRY_VALUE(drop,
                   services_().queue(account, {tmtp::GroupEdit{{}, "drop", message.gid, {}, former}, {}}));
    if (groups.empty())
        KITH_TRY(profile_.store().remove_setting(setting_of(account)));
    else
        KITH_TRY(profile_.store().put_setting(setting_of(account), as_bytes(wire::json_text(waiting))));
    KITH_TRY(tx.commit());
    services_().send(account, join);
    services_().send(account, drop);
    return {};
}

}  // namespace kith::app
