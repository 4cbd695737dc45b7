#include "tmtp/replies.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "tmtp/frame.h"
#include "tmtp/json_text.h"

namespace kith::tmtp {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 9> kind_names = {"delivery", "notify", "ping",    "invite", "member",
                                                        "user",     "login",  "ohiedit", "roster"};

std::string text(const Head& head, std::string_view key) {
    return head.text(key).value_or(std::string());
}
std::uint64_t size(const Head& head, std::string_view key) {
    auto value = head.number(key).value_or(0);
    return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}
int small(const Head& head, std::string_view key) {
    auto value = head.number(key).value_or(0);
    return value < 0 || value > 1000 ? 0 : static_cast<int>(value);
}

// The lists in messages are for information: one that is too long is left out, the message stands.
constexpr std::size_t max_list = 10'000;

TmtpRevReply read_tmtprev(const Head& head) {
    TmtpRevReply reply{text(head, "id"), text(head, "name"), small(head, "auth"), {}};
    reply.control = small(head, "control") == 1;
    if (auto list = head.objects("authby", 100))
        for (const auto& item : *list)
            reply.authby.push_back({text(item, "label"),
                                    item.texts("login", 10).value_or(std::vector<std::string>{}),
                                    item.texts("token", 10).value_or(std::vector<std::string>{})});
    return reply;
}

Queued read_queued(const Head& head, std::string op) {
    Queued message;
    message.op = std::move(op);
    for (std::size_t i = 0; i < kind_names.size(); ++i)
        if (message.op == kind_names[i]) message.kind = static_cast<Kind>(i);
    message.id = text(head, "id");
    message.from = text(head, "from");
    message.posted = text(head, "posted");
    message.datalen = size(head, "datalen");
    message.datahead = size(head, "datahead");
    if (auto sum = head.number("datasum")) message.datasum = static_cast<std::uint32_t>(*sum);
    message.notify = small(head, "notify");
    message.postid = text(head, "postid");
    message.alias = text(head, "alias");
    message.to = text(head, "to");
    message.gid = text(head, "gid");
    message.act = text(head, "act");
    message.due_ms = parse_posted(text(head, "due")).value_or(0);
    message.newalias = text(head, "newalias");
    message.newnode = text(head, "newnode");
    message.nodeid = SecretBytes(as_bytes(text(head, "nodeid")));
    message.node = text(head, "node");
    message.type = text(head, "type");
    if (auto list = head.objects("for", max_list))
        for (const auto& item : *list) message.recipients.push_back({text(item, "id"), small(item, "type")});
    return message;
}

Json to_json(const TmtpRevReply& reply) {
    Json json{{"op", "tmtprev"}, {"id", reply.id}, {"name", reply.name}};
    if (reply.auth) json["auth"] = reply.auth;
    if (reply.control) json["control"] = 1;
    for (const auto& by : reply.authby)
        json["authby"].push_back({{"label", by.label}, {"login", by.login}, {"token", by.token}});
    return json;
}
Json to_json(const RegisteredReply& reply) {
    Json json{{"op", "registered"}, {"uid", reply.uid}};
    if (!reply.nodeid.empty()) json["nodeid"] = as_text(reply.nodeid.view());
    put(json, "error", reply.error);
    return json;
}
Json to_json(const InfoReply& reply) {
    Json json{{"op", "info"}, {"info", reply.info}};
    if (!reply.ohi.empty()) json["ohi"] = reply.ohi;
    return json;
}
Json to_json(const AckReply& reply) {
    Json json{{"op", "ack"}, {"id", reply.id}};
    put(json, "msgid", reply.msgid);
    put(json, "posted", reply.posted);
    put(json, "error", reply.error);
    return json;
}
Json to_json(const QuitReply& reply) {
    return {{"op", "quit"}, {"error", reply.error}};
}
Json to_json(const OhiReply& reply) {
    return {{"op", "ohi"}, {"from", reply.from}, {"status", reply.status}};
}
Json to_json(const RosterReply& reply) {
    Json json{{"op", "roster"}, {"id", reply.id}, {"state", reply.state}, {"datalen", reply.datalen}};
    if (reply.due_ms) json["due"] = format_posted(reply.due_ms);
    put(json, "error", reply.error);
    return json;
}
Json to_json(const RestoreReply& reply) {
    Json json{{"op", "restore"}, {"id", reply.id}};
    if (!reply.nonce.empty()) json["nonce"] = to_hex(reply.nonce);
    if (!reply.key.empty()) json["key"] = to_hex(reply.key);
    put(json, "alias", reply.alias);
    return json;
}
Json to_json(const Queued& message) {
    Json json{{"op", message.kind == Kind::other ? message.op : std::string(kind_name(message.kind))},
              {"id", message.id},
              {"from", message.from},
              {"posted", message.posted},
              {"datalen", message.datalen}};
    if (message.datahead) json["datahead"] = message.datahead;
    if (message.datasum) json["datasum"] = *message.datasum;
    if (message.notify) json["notify"] = message.notify;
    put(json, "postid", message.postid);
    put(json, "alias", message.alias);
    put(json, "to", message.to);
    put(json, "gid", message.gid);
    put(json, "act", message.act);
    if (message.due_ms) json["due"] = format_posted(message.due_ms);
    put(json, "newalias", message.newalias);
    put(json, "newnode", message.newnode);
    if (!message.nodeid.empty()) json["nodeid"] = as_text(message.nodeid.view());
    put(json, "node", message.node);
    put(json, "type", message.type);
    for (const auto& one : message.recipients) json["for"].push_back({{"Id", one.id}, {"Type", one.type}});
    return json;
}

// Days since 1970 of a date of the proleptic Gregorian calendar, and back (H. Hinnant, "chrono-compatible
// low-level date algorithms").
std::int64_t days_from(std::int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    auto year_of_era = static_cast<unsigned>(year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + static_cast<std::int64_t>(day_of_era) - 719468;
}

struct Date {
    std::int64_t year;
    unsigned month, day;
};
Date date_of(std::int64_t days) {
    days += 719468;
    std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    auto day_of_era = static_cast<unsigned>(days - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;
    unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    return {static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2), month,
            day_of_year - (153 * shifted + 2) / 5 + 1};
}

}  // namespace

std::string_view kind_name(Kind kind) {
    auto index = static_cast<std::size_t>(kind);
    return index < kind_names.size() ? kind_names[index] : "other";
}

Result<Reply> parse_reply(const Head& head) {
    std::string op = text(head, "op");
    auto parsed = [&]() -> std::optional<Reply> {
        if (op == "tmtprev") return read_tmtprev(head);
        if (op == "registered")
            return RegisteredReply{text(head, "uid"), SecretBytes(as_bytes(text(head, "nodeid"))),
                                   text(head, "error")};
        if (op == "info")
            return InfoReply{text(head, "info"),
                             head.texts("ohi", max_list).value_or(std::vector<std::string>{})};
        if (op == "ack")
            return AckReply{text(head, "id"), text(head, "msgid"), text(head, "posted"), text(head, "error")};
        if (op == "quit") return QuitReply{text(head, "error")};
        if (op == "ohi") return OhiReply{text(head, "from"), small(head, "status")};
        if (head.has("id") && head.has("posted")) return read_queued(head, op);
        if (op == "roster")
            return RosterReply{text(head, "id"), text(head, "state"),
                               parse_posted(text(head, "due")).value_or(0), text(head, "error"),
                               size(head, "datalen")};
        if (op == "restore")
            return RestoreReply{text(head, "id"), from_hex(text(head, "nonce")).value_or(Bytes()),
                                from_hex(text(head, "key")).value_or(Bytes()), text(head, "alias")};
        return std::nullopt;
    }();
    if (!head.ok() || op.empty())
        return fail(Fault::protocol, "the service sent a header with a field of the wrong type");
    if (!parsed) return fail(Fault::unavailable, "the service sent a message of an unknown kind");
    return std::move(*parsed);
}

std::string encode(const Reply& reply) {
    if (auto* message = std::get_if<Queued>(&reply)) return encode(*message);
    return with_length(json_text(std::visit([](const auto& one) { return to_json(one); }, reply)));
}

std::string encode(const Queued& message) {
    Json json = to_json(message);
    json["headsum"] = crc32c(as_bytes(with_length(json_text(json))));
    return with_length(json_text(json));
}

std::string format_posted(std::int64_t unix_ms) {
    std::int64_t days = unix_ms / 86'400'000, rest = unix_ms % 86'400'000;
    if (rest < 0) rest += 86'400'000, --days;
    Date date = date_of(days);
    auto ms = static_cast<unsigned>(rest);
    char text[64];
    std::snprintf(text, sizeof text, "%04lld-%02u-%02uT%02u:%02u:%02u.%03uZ",
                  static_cast<long long>(date.year), date.month, date.day, ms / 3'600'000, ms / 60'000 % 60,
                  ms / 1000 % 60, ms % 1000);
    return text;
}

std::optional<std::int64_t> parse_posted(std::string_view text) {
    constexpr std::string_view form = "0000-00-00T00:00:00";
    if (text.size() < form.size() + 1 || text.back() != 'Z') return std::nullopt;
    for (std::size_t i = 0; i < form.size(); ++i) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !digit : text[i] != form[i]) return std::nullopt;
    }
    auto number = [&](std::size_t from, std::size_t count) {
        unsigned value = 0;
        for (char c : text.substr(from, count)) value = value * 10 + static_cast<unsigned>(c - '0');
        return value;
    };
    unsigned month = number(5, 2), day = number(8, 2), hour = number(11, 2), minute = number(14, 2),
             second = number(17, 2);
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return std::nullopt;
    std::int64_t ms = 0;
    std::string_view fraction = text.substr(form.size(), text.size() - form.size() - 1);
    if (!fraction.empty()) {
        if (fraction.front() != '.' || fraction.size() < 2 || fraction.size() > 10) return std::nullopt;
        std::int64_t weight = 100;
        for (char c : fraction.substr(1)) {
            if (c < '0' || c > '9') return std::nullopt;
            ms += (c - '0') * weight;
            weight /= 10;
        }
    }
    std::int64_t seconds = days_from(number(0, 4), month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return seconds * 1000 + ms;
}

}  // namespace kith::tmtp
