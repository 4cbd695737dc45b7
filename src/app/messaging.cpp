#include "app/messaging.h"

#include <algorithm>
#include <map>

#include "app/contacts.h"
#include "app/drafting.h"
#include "app/groups.h"
#include "app/inbox.h"
#include "base/limits.h"
#include "control/time_text.h"
#include "history/mime_text.h"

namespace kith::app {
namespace {

using control::Json;

Error unreadable(const Error& error) {
    return {Fault::invalid, error.what, ""};
}

std::vector<std::string> names(wire::Fields& fields, std::string_view key) {
    return fields.has(key) ? fields.texts(key, limits::tmtp_recipients, limits::tmtp_text)
                           : std::vector<std::string>();
}
// What a request of the outbox is about.
Json outbox_json(const Outbox::Item& item, const std::string& service) {
    Json json{{"number", item.id},
              {"service", service},
              {"state", outbox_state_name(item.state)},
              {"made", control::to_time_text(item.made_ms)},
              {"bytes", item.size}};
    if (!item.why.empty()) json["why"] = item.why;
    if (const auto* post = post_in(item.op)) {
        json["what"] = "message";
        Json to = Json::array();
        for (std::size_t i = 1; i < post->recipients.size(); ++i) to.push_back(post->recipients[i].id);
        json["to"] = std::move(to);
    } else if (const auto* ping = std::get_if<tmtp::Ping>(&item.op)) {
        json["what"] = "ping";
        json["to"] = {ping->to};
    } else if (const auto* invite = std::get_if<tmtp::GroupInvite>(&item.op)) {
        json["what"] = "invitation to " + invite->gid;
        json["to"] = {invite->to};
    } else if (const auto* edit = std::get_if<tmtp::GroupEdit>(&item.op)) {
        json["what"] = (edit->act == "join" ? "joining " : "leaving ") + edit->gid;
        json["to"] = Json::array();
    } else {
        json["what"] = "unreadable";
        json["to"] = Json::array();
    }
    return json;
}

// The words of a ping or an invitation: the protocol counts UTF-16 units.
Result<Bytes> short_text(const std::string& text) {
    std::size_t units = 0;
    for (unsigned char c : text) units += (c & 0xC0) != 0x80 ? 1 + (c >= 0xF0) : 0;
    if (units > limits::tmtpd_ping_units)
        return fail(Fault::invalid,
                    "the text takes at most " + std::to_string(limits::tmtpd_ping_units) + " characters",
                    "shorten it");
    return to_bytes(text);
}

Error no_alias() {
    return {Fault::refused, "this account has no alias to write under",
            "give it one with 'kith service add ADDRESS --alias A'"};
}

}  // namespace

void Messaging::add_methods(const Add& add) {
    using Answer = Result<Json> (Messaging::*)(const Request&);
    auto add_answer = [&](const char* name, Answer answer) {
        add(name, [this, answer](const Request& request) {
            auto result = (this->*answer)(request);
            if (!result) return request->fail(result.error());
            request->finish(std::move(*result));
        });
    };
    add("message.send", [this](const Request& request) { send(request); });
    add_answer("message.list", &Messaging::list);
    add_answer("outbox.list", &Messaging::outbox);
    add_answer("outbox.retry", &Messaging::retry);
    add_answer("outbox.drop", &Messaging::drop);
    add_answer("contact.list", &Messaging::contact_list);
    add("contact.ping", [this](const Request& request) { ping(request); });
    add_answer("group.list", &Messaging::group_list);
    add("group.invite", [this](const Request& request) { invite(request); });
    add("group.join", [this](const Request& request) { join(request); });
    add("group.leave", [this](const Request& request) { leave(request); });
    add_answer("presence.list", &Messaging::presence);
    for (bool shows : {true, false})
        add(shows ? "presence.show" : "presence.hide", [this, shows](const Request& request) {
            auto result = show(request, shows);
            if (!result) return request->fail(result.error());
            request->finish(std::move(*result));
        });
}

std::string Messaging::service_name(const AccountId& account) const {
    for (const auto& status : services_().list())
        if (status.account.id == account)
            return status.account.site.empty() ? status.account.address : status.account.site;
    return {};
}

void Messaging::ask(const Request& request, const store::Account& account, tmtp::Asking asking) {
    services_().ask(account.id, std::move(asking), [request](Result<Services::Outcome> outcome) {
        if (!outcome) return request->fail(outcome.error());
        Json result{{"state", outcome->state}};
        if (!outcome->msgid.empty()) result["id"] = outcome->msgid;
        request->finish(std::move(result));
    });
}

// The account that a message goes out by; of an answer, the one that it came by or that took its place.
Result<store::Account> Messaging::account_for(const std::string& service, const std::string& reply,
                                              DraftedMessage& draft) const {
    if (reply.empty()) return services_().named(service);
    KITH_TRY_VALUE(came_by, answer_to(profile_, reply, draft));
    const auto* account = services_().current(came_by);
    if (!account) return fail(Fault::not_found, "the account that this message came by is gone");
    if (draft.to.empty() && draft.groups.empty()) draft.to = {account->uid};  // a note to oneself
    if (service.empty()) return *account;
    KITH_TRY_VALUE(named, services_().named(service));
    if (named.id != account->id && named.id != came_by)
        return fail(Fault::invalid, "the message that is answered came by another service",
                    "leave out --service");
    return named;
}

void Messaging::send(const Request& request) {
    auto fields = request->fields();
    auto service = fields.text_or_empty("service", 300);
    DraftedMessage draft;
    draft.to = names(fields, "to");
    draft.groups = names(fields, "groups");
    draft.notify = names(fields, "notify");
    draft.note = fields.text_or_empty("note", limits::control_request_bytes);
    auto reply = fields.text_or_empty("reply", 64);
    draft.to_all = fields.has("all") && fields.flag("all");
    draft.subject = fields.text_or_empty("subject", limits::tmtp_text);
    draft.body = fields.text_or_empty("body", limits::control_request_bytes);
    if (fields.has("attach")) draft.attach = fields.texts("attach", limits::tmtp_attachments, 4096);
    if (auto read = fields.finish("message.send"); !read) return request->fail(unreadable(read.error()));
    auto made = [&]() -> Result<std::pair<store::Account, tmtp::Asking>> {
        KITH_TRY_VALUE(account, account_for(service, reply, draft));
        KITH_TRY_VALUE(asking, compose(profile_, account, draft, loop_.now()));
        return std::pair(std::move(account), std::move(asking));
    }();
    if (!made) return request->fail(made.error());
    ask(request, made->first, std::move(made->second));
}

Result<Json> Messaging::list(const Request& request) {
    auto fields = request->fields();
    auto limit = fields.u64("limit");
    auto before_text = fields.text_or_empty("before", 64), service = fields.text_or_empty("service", 300),
         thread = fields.text_or_empty("thread", 64);
    if (auto read = fields.finish("message.list"); !read) return fail(unreadable(read.error()));
    std::optional<history::Key> before;
    if (!before_text.empty()) {
        KITH_TRY_VALUE(key, profile_.history().find(before_text));
        before = key;
    }
    store::HistoryStore::Messages of;
    if (!service.empty()) {
        KITH_TRY_VALUE(account, services_().named(service));
        of.account = account.id;
    }
    if (!thread.empty()) {
        KITH_TRY_VALUE(key, profile_.history().find(thread));
        KITH_TRY_VALUE(record, profile_.history().read(key));
        of.thread = listing_of(record).thread;
        of.account = record.account;
        if (of.thread.empty())
            return fail(Fault::invalid, "this is no message of a thread", "'kith message list' shows some");
    }
    KITH_TRY_VALUE(rows, profile_.history().list_messages(
                             of, std::clamp<std::size_t>(limit, 1, limits::control_list), before));
    Json list = Json::array();
    for (const auto& row : rows) {
        auto record = profile_.history().read(row.key);
        auto listing = record ? listing_of(*record) : store::Listing();
        list.push_back({{"id", row.key.id.hex()},
                        {"time", control::to_time_text(static_cast<std::int64_t>(row.key.time_ms))},
                        {"service", service_name(row.account)},
                        {"from", row.from},
                        {"uid", listing.uid},
                        {"subject", row.subject},
                        {"thread", listing.thread}});
    }
    return list;
}

Result<Json> Messaging::outbox(const Request& request) {
    auto fields = request->fields();
    if (auto read = fields.finish("outbox.list"); !read) return fail(unreadable(read.error()));
    Json list = Json::array();
    for (const auto& status : services_().list()) {
        KITH_TRY_VALUE(items, services_().outbox().list(status.account.id));
        for (const auto& item : items) list.push_back(outbox_json(item, service_name(status.account.id)));
    }
    return list;
}

Result<std::pair<store::Account, Outbox::Item>> Messaging::outbox_item(const Request& request) {
    auto fields = request->fields();
    auto number = fields.u64("number");
    if (auto read = fields.finish(request->method()); !read) return fail(unreadable(read.error()));
    for (const auto& status : services_().list()) {
        KITH_TRY_VALUE(item, services_().outbox().find(status.account.id, static_cast<std::int64_t>(number)));
        if (item) return std::pair(status.account, std::move(*item));
    }
    return fail(Fault::not_found, "the outbox has no number " + std::to_string(number),
                "'kith outbox list' shows what is there");
}

Result<Json> Messaging::retry(const Request& request) {
    KITH_TRY_VALUE(found, outbox_item(request));
    KITH_TRY(services_().ask_again(found.first.id, found.second.id));
    return Json::object();
}

Result<Json> Messaging::drop(const Request& request) {
    KITH_TRY_VALUE(found, outbox_item(request));
    KITH_TRY(services_().take_back(found.first.id, found.second.id));
    return Json::object();
}

Result<Json> Messaging::contact_list(const Request& request) {
    auto fields = request->fields();
    if (auto read = fields.finish("contact.list"); !read) return fail(unreadable(read.error()));
    KITH_TRY_VALUE(all, contacts(profile_));
    Json list = Json::array();
    for (const auto& one : all) {
        Json met = Json::array();
        for (auto [bit, word] : {std::pair{store::wrote, "wrote"},
                                 {store::pinged, "pinged"},
                                 {store::invited, "invited"},
                                 {store::shares_group, "group"}})
            if (one.met & bit) met.push_back(word);
        list.push_back({{"alias", one.alias},
                        {"uid", one.uid},
                        {"service", service_name(one.account)},
                        {"trust", one.trust ? Json(trust_name(*one.trust)) : Json()},
                        {"met", met}});
    }
    return list;
}

Result<Json> Messaging::group_list(const Request& request) {
    auto fields = request->fields();
    if (auto read = fields.finish("group.list"); !read) return fail(unreadable(read.error()));
    Json list = Json::array();
    for (const auto& status : services_().list()) {
        KITH_TRY_VALUE(groups, groups_of(profile_, status.account));
        for (const auto& one : groups)
            list.push_back(
                {{"group", one.group}, {"alias", one.alias}, {"service", service_name(status.account.id)}});
    }
    return list;
}

void Messaging::ping(const Request& request) {
    auto fields = request->fields();
    auto service = fields.text_or_empty("service", 300), to = fields.text("to", limits::tmtp_text),
         words = fields.text_or_empty("text", limits::tmtp_text);
    if (auto read = fields.finish("contact.ping"); !read) return request->fail(unreadable(read.error()));
    auto account = services_().named(service);
    if (!account) return request->fail(account.error());
    if (account->alias.empty()) return request->fail(no_alias());
    auto data = short_text(words);
    if (!data) return request->fail(data.error());
    ask(request, *account, {tmtp::Ping{{}, account->alias, to, 0}, std::move(*data)});
}

void Messaging::invite(const Request& request) {
    auto fields = request->fields();
    auto service = fields.text_or_empty("service", 300), group = fields.text("group", limits::tmtp_text),
         to = fields.text("to", limits::tmtp_text), words = fields.text_or_empty("text", limits::tmtp_text);
    if (auto read = fields.finish("group.invite"); !read) return request->fail(unreadable(read.error()));
    auto account = services_().named(service);
    if (!account) return request->fail(account.error());
    if (account->alias.empty()) return request->fail(no_alias());
    if (auto possible = possible_group(group); !possible) return request->fail(possible.error());
    auto data = short_text(words);
    if (!data) return request->fail(data.error());
    ask(request, *account, {tmtp::GroupInvite{{}, group, account->alias, to, 0}, std::move(*data)});
}

void Messaging::join(const Request& request) {
    auto fields = request->fields();
    auto service = fields.text_or_empty("service", 300), group = fields.text("group", limits::tmtp_text),
         alias = fields.text_or_empty("alias", limits::tmtp_text);
    if (auto read = fields.finish("group.join"); !read) return request->fail(unreadable(read.error()));
    auto account = services_().named(service);
    if (!account) return request->fail(account.error());
    ask(request, *account, {tmtp::GroupEdit{{}, "join", group, alias, {}}, {}});
}

void Messaging::leave(const Request& request) {
    auto fields = request->fields();
    auto service = fields.text_or_empty("service", 300), group = fields.text("group", limits::tmtp_text),
         alias = fields.text_or_empty("alias", limits::tmtp_text);
    if (auto read = fields.finish("group.leave"); !read) return request->fail(unreadable(read.error()));
    auto account = services_().named(service);
    if (!account) return request->fail(account.error());
    if (alias.empty()) alias = account->alias;
    if (alias.empty()) return request->fail(no_alias());
    ask(request, *account, {tmtp::GroupEdit{{}, "drop", group, {}, alias}, {}});
}

Result<Json> Messaging::presence(const Request& request) {
    auto fields = request->fields();
    if (auto read = fields.finish("presence.list"); !read) return fail(unreadable(read.error()));
    KITH_TRY_VALUE(all, contacts(profile_));
    auto named = [&](const AccountId& account, const std::set<std::string>& uids) {
        Json list = Json::array();
        for (const auto& uid : uids) {
            Json one{{"uid", uid}};
            auto known = std::find_if(all.begin(), all.end(), [&](const auto& each) {
                return each.account == account && each.uid == uid;
            });
            if (known != all.end()) one["alias"] = known->alias;
            list.push_back(std::move(one));
        }
        return list;
    };
    Json list = Json::array();
    for (const auto& status : services_().list()) {
        const auto& id = status.account.id;
        KITH_TRY_VALUE(shown, services_().shown_to(id));
        list.push_back({{"service", service_name(id)},
                        {"present", named(id, status.present)},
                        {"shown_to", named(id, shown)}});
    }
    return list;
}

Result<Json> Messaging::show(const Request& request, bool show) {
    auto fields = request->fields();
    auto service = fields.text_or_empty("service", 300);
    auto to = fields.texts("to", limits::tmtp_recipients, limits::tmtp_text);
    if (auto read = fields.finish(request->method()); !read) return fail(unreadable(read.error()));
    KITH_TRY_VALUE(account, services_().named(service));
    std::set<std::string> uids;
    for (const auto& who : to) {
        KITH_TRY_VALUE(uid, find_uid(profile_, account, who));
        uids.insert(uid);
    }
    KITH_TRY(services_().show_to(account.id, uids, show));
    return Json::object();
}

}  // namespace kith::app
