#include "app/moving.h"

#include <algorithm>
#include <map>

#include "app/acquaintances.h"
#include "app/contacts.h"
#include "app/drafting.h"
#include "app/labels.h"
#include "app/limits.h"
#include "app/node_labels.h"
#include "app/own_records.h"
#include "base/limits.h"
#include "tmtp/message.h"
#include "wire/json.h"

namespace kith::app {
namespace {

using control::Json;

// The groups that the new account is to join: by name, {"alias": the former account's there, "joined"}.
std::string setting_of(const AccountId& from, const AccountId& to) {
    return "moving/" + from.hex() + "/" + to.hex();
}

// The words of a ping or an invitation, which are short.
Bytes words(const std::string& alias) {
    const std::string text = "I was " + alias + " here, and have this account now.";
    return to_bytes(text.size() <= limits::tmtpd_ping_units ? text : "I have a new account here, this one.");
}

std::string letter(const store::Account& to) {
    return "I have a new account at this service: " + to.alias +
           "\n\nPlease write to that one from now on. Somebody else may be able to read my former account, "
           "from "
           "which this message comes, and to write from it. If you want to be sure that the new account is "
           "mine, "
           "ask me in person.\n";
}

}  // namespace

// Whom the account knows, those first that matter most.
struct Moving::Contacts {
    struct One {
        std::string uid;
        std::vector<std::string> aliases;
        std::string vouched;  // an alias that the service has said
        int rank = 0;         // lower: rather
    };
    std::vector<One> told;
    std::uint64_t left_out = 0;
};

Result<Moving::Contacts> Moving::contacts_of(const store::Account& account) const {
    constexpr int by_service = store::pinged | store::invited | store::shares_group;
    KITH_TRY_VALUE(all, contacts(profile_));
    KITH_TRY_VALUE(known, acquaintances(profile_, account.id));
    std::map<std::string, Contacts::One> found;
    std::map<std::string, bool> knows;  // more than a group
    const auto of = [&](const std::string& uid) -> const Acquaintance* {
        auto at = known.find(uid);
        return at == known.end() || at->second.doubtful ? nullptr : &at->second;
    };
    for (const auto& one : all) {
        // What only a device that is out has said must not become this one's word.
        const bool doubtful = known.contains(one.uid) && !of(one.uid);
        if (one.account != account.id || (doubtful && one.met == 0)) continue;
        auto& told = found[one.uid];
        told.uid = one.uid;
        const bool vouched = one.met & by_service;
        if (vouched) told.vouched = one.alias;
        told.aliases.insert(vouched ? told.aliases.begin() : told.aliases.end(), one.alias);
        knows[one.uid] = knows[one.uid] || of(one.uid) || one.met != store::shares_group;
    }
    Contacts contacts;
    for (auto& [uid, one] : found) {
        if (!knows[uid]) continue;
        if (of(uid)) one.vouched = of(uid)->alias;
        one.rank = of(uid) ? 0 : one.vouched.empty() ? 2 : 1;
        if (one.aliases.size() > limits::moved_aliases) one.aliases.resize(limits::moved_aliases);
        contacts.told.push_back(std::move(one));
    }
    std::stable_sort(contacts.told.begin(), contacts.told.end(),
                     [](const auto& a, const auto& b) { return a.rank < b.rank; });
    if (contacts.told.size() > limits::moved_contacts) {
        contacts.left_out = contacts.told.size() - limits::moved_contacts;
        contacts.told.resize(limits::moved_contacts);
    }
    return contacts;
}

// The account that is meant: the one that has not this alias, which may be there from a former try.
Result<store::Account> Moving::former(const std::string& service, const std::string& alias) const {
    std::vector<store::Account> found;
    for (const auto& status : services_().list()) {
        const auto& account = status.account;
        if (account.uid == service) return account;
        if (!status.moved_to && !account.alias.empty() && account.alias != alias &&
            (account.address == service || account.site == service))
            found.push_back(account);
    }
    if (found.size() == 1) return found.front();
    if (found.empty())
        return fail(Fault::not_found, "there is no account at " + service + " that could move",
                    "'kith service list' shows them");
    return fail(Fault::invalid, "there are several accounts at " + service,
                "name the one that is to be left by its uid: 'kith service list --json' shows it");
}

Result<> Moving::may_move(const store::Account& account, const std::string& alias) const {
    for (const auto& status : services_().list()) {
        if (status.account.id != account.id) continue;
        if (status.moved_to)
            return fail(Fault::refused, "this account moved already", "'kith service list' shows where");
        if (status.state == ServiceState::barred || !services_().has_node(account.id))
            return fail(Fault::refused,
                        "this device has no access to that account, and could tell nobody about the move",
                        "move it from a device that has");
    }
    if (account.alias.empty())
        return fail(Fault::refused, "this account has no alias that anybody could know", "leave it as it is");
    if (account.alias == alias)
        return fail(Fault::invalid, "the account has this alias already",
                    "choose another --alias: names are given once at a service");
    return {};
}

// One that was there before may be in the same hands as the other: nobody can be dropped there either.
Result<> Moving::may_take(const store::Account& account) const {
    const auto is_out = [&](const DeviceId& device) {
        const auto* known = profile_.roster().find(device);
        return known && known->state != roster::DeviceState::active;
    };
    KITH_TRY_VALUE(labels, node_labels(profile_));
    bool out = std::any_of(labels[account.id].begin(), labels[account.id].end(),
                           [&](const auto& node) { return is_out(node.first); });
    KITH_TRY(profile_.history().for_each_of_kind(
        history::kind::account, [&](const history::Key&, const history::Record& record) -> Result<> {
            if (record.account != account.id) return {};
            const auto said = read_former_record(profile_, record);
            out = out || (said && !said->active);
            return {};
        }));
    if (!out) return {};
    return fail(Fault::refused,
                "a device that is barred may have access to the account " + account.alias + ", too",
                "choose another --alias, for a new account");
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
    if (auto may = may_move(*from, alias); !may) return request->fail(may.error());
    auto address = parse_address(from->address);
    if (!address) return request->fail(address.error());
    services_().add(
        *address, alias, net::Pin::from(from->pin), events_.signing_in(request, label),
        [this, request, from = *from, alias](Result<ServiceStatus> added) {
            if (!added) return request->fail(added.error());
            events_.on_service();
            // Signing in takes its time, in which another device may have done the same.
            auto told = may_move(from, alias)
                            .and_then([&] { return may_take(added->account); })
                            .and_then([&] { return tell(from, added->account); })
                            .map_error([](Error error) {
                                error.what = "nobody was told: " + error.what;
                                return error;
                            });
            if (!told) return request->fail(told.error());
            request->finish(std::move(*told));
        },
        from->id);
}

Result<Json> Moving::tell(const store::Account& from, const store::Account& to) {
    const auto now = loop_.now();
    const auto queue = [&](const store::Account& account, tmtp::Asking asking) {
        return services_().queue(account.id, std::move(asking)).map([](auto) {});
    };
    KITH_TRY_VALUE(contacts, contacts_of(from));
    KITH_TRY_VALUE(groups, groups_of(profile_, from));
    auto left_out = contacts.left_out;
    if (groups.size() > limits::moved_groups) {
        left_out += groups.size() - limits::moved_groups;
        groups.resize(limits::moved_groups);
    }
    KITH_TRY_VALUE(shown, services_().shown_to(from.id));
    KITH_TRY_VALUE(totals, profile_.history().totals());
    KITH_TRY_VALUE(jobs, profile_.store().jobs());
    const bool partial =
        totals.absent > 0 || std::any_of(jobs.begin(), jobs.end(), [](const store::Job& job) {
            return job.role == "joiner" && job.ended_ms == 0;
        });

    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(keep_account_record(profile_, to, now));
    KITH_TRY(keep_account_moved(profile_, from, to.id, now));
    KITH_TRY_VALUE(withdrawn, invitations_.withdraw_at(from));
    KITH_TRY(inherit_acquaintances(profile_, from.id, to.id, now));
    // The groups first: whoever else reads what contacts are told has less time to get ahead of it.
    Json names = Json::array(), waiting = Json::object();
    for (const auto& [group, alias] : groups) {
        KITH_TRY(queue(from, {tmtp::GroupInvite{{}, group, alias, to.alias, 0}, words(from.alias)}));
        names.push_back(group);
        waiting[group] = {{"alias", alias}, {"joined", false}};
    }
    if (!groups.empty())
        KITH_TRY(
            profile_.store().put_setting(setting_of(from.id, to.id), as_bytes(wire::json_text(waiting))));
    std::vector<store::NewRecord> noted;
    std::uint64_t pinged = 0;
    for (const auto& contact : contacts.told) {
        for (const auto& alias : contact.aliases)
            noted.push_back(
                contact_record(profile_, to.id, alias, contact.uid, static_cast<std::uint64_t>(now.unix_ms)));
        tmtp::Draft draft;
        draft.key = message_key(profile_);
        draft.alias = from.alias;
        draft.subject = "My new account: " + to.alias;
        draft.recipients = {contact.uid};
        const auto body = letter(to);
        draft.body = body;
        KITH_TRY_VALUE(post, tmtp::compose(draft, from.uid));
        KITH_TRY(queue(from, std::move(post)));
        if (contact.vouched.empty()) continue;
        KITH_TRY(queue(to, {tmtp::Ping{{}, to.alias, contact.vouched, 0}, words(from.alias)}));
        ++pinged;
    }
    KITH_TRY(profile_.history().add(noted));
    KITH_TRY(services_().inherit_presence(to.id, shown));
    KITH_TRY(tx.commit());

    if (auto read = services_().read_moves(); !read) events_.log(read.error().what);
    if (!shown.empty())
        if (auto told = services_().show_to(to.id, shown, true); !told) events_.log(told.error().what);
    for (const auto* account : {&from, &to}) services_().send_all(account->id);
    invitations_.history_changed();
    events_.on_history();

    Json devices = Json::array();
    for (const auto& device : profile_.roster().devices)
        if (device.state == roster::DeviceState::active && device.id != profile_.device())
            devices.push_back(device.name);
    return Json{{"address", to.address},  {"alias", to.alias},    {"uid", to.uid},
                {"from", from.alias},     {"from_uid", from.uid}, {"contacts", contacts.told.size()},
                {"left_out", left_out},   {"pinged", pinged},     {"groups", std::move(names)},
                {"withdrawn", withdrawn}, {"partial", partial},   {"devices", std::move(devices)}};
}

Result<> Moving::received(const AccountId& account, const tmtp::Delivered& message) {
    if (message.kind != tmtp::Kind::invite && message.kind != tmtp::Kind::member) return {};
    const auto* to = services_().find(account);
    if (!to) return {};
    for (const auto& status : services_().list())
        if (status.moved_to == account) KITH_TRY(follow(status.account, *to, message));
    return {};
}

// Invited by the former account, the new one joins; when it has joined, it says who it is and drops the
// former one, by whatever alias that has by then, as often as it comes back.
Result<> Moving::follow(const store::Account& from, const store::Account& to,
                        const tmtp::Delivered& message) {
    KITH_TRY_VALUE(kept, profile_.store().setting(setting_of(from.id, to.id)));
    if (!kept) return {};
    const auto text = as_text(kept->view());
    auto waiting = Json::parse(text.begin(), text.end(), nullptr, false);
    const auto at = waiting.is_object() ? waiting.find(message.gid) : waiting.end();
    if (at == waiting.end() || !at->is_object() || !at->contains("joined") || !at->contains("alias") ||
        !(*at)["joined"].is_boolean() || !(*at)["alias"].is_string())
        return {};
    const auto joined = (*at)["joined"].get<bool>();
    auto alias = (*at)["alias"].get<std::string>();
    const auto queue = [&](tmtp::Asking asking) { return services_().queue(to.id, std::move(asking)); };
    std::optional<std::int64_t> dropping;
    const auto drop = [&]() -> Result<> {
        KITH_TRY_VALUE(id, queue({tmtp::GroupEdit{{}, "drop", message.gid, {}, alias}, {}}));
        dropping = id;
        return {};
    };

    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    if (message.kind == tmtp::Kind::invite) {
        if (message.from != from.uid || joined) return {};
        KITH_TRY(queue({tmtp::GroupEdit{{}, "join", message.gid, {}, {}}, {}}));
    } else if (message.act == "join" && message.from == to.uid) {
        (*at)["joined"] = true;
        tmtp::Draft draft;
        draft.key = message_key(profile_);
        draft.alias = to.alias;
        draft.subject = "My new account: " + to.alias;
        const auto body = std::string(as_text(words(from.alias))) + "\n";
        draft.body = body;
        draft.groups = {message.gid};
        KITH_TRY_VALUE(post, tmtp::compose(draft, to.uid));
        if (!joined) KITH_TRY(queue(std::move(post)));
        KITH_TRY(drop());
    } else if (message.from == from.uid && (message.act == "alias" || message.act == "join")) {
        alias = message.act == "alias" ? message.newalias : message.alias;
        if (alias.empty()) alias = from.alias;
        (*at)["alias"] = alias;
        if (joined) KITH_TRY(drop());
    } else {
        return {};
    }
    KITH_TRY(profile_.store().put_setting(setting_of(from.id, to.id), as_bytes(wire::json_text(waiting))));
    KITH_TRY(tx.commit());
    // A drop that is refused is nothing for the owner: that account is called otherwise by now, and the
    // service will say how.
    if (dropping) services_().send(to.id, *dropping, [](const auto&) {});
    services_().send_all(to.id);
    return {};
}

}  // namespace kith::app
