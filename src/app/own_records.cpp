#include "app/own_records.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/inbox.h"
#include "base/limits.h"
#include "history/signed_record.h"
#include "wire/fields.h"
#include "wire/json.h"

namespace kith::app {
namespace {

using Json = nlohmann::json;

// A JSON object's inside, without its braces.
std::string inside(const Json& object) {
    auto text = wire::json_text(object);
    return text.substr(1, text.size() - 2);
}

Json account_fields(const store::Account& account) {
    return {{"address", account.address}, {"identity", account.identity}, {"pin", to_hex(account.pin)},
            {"site", account.site},       {"alias", account.alias},       {"uid", account.uid}};
}

}  // namespace

Result<> keep_own_record(Profile& profile, std::string_view kind, const AccountId& account,
                         std::int64_t time_ms, const Json& fields) {
    auto record =
        own_record(profile, kind, account, time_ms < 0 ? 0 : static_cast<std::uint64_t>(time_ms), fields);
    return profile.history().add({&record, 1}).map([](const auto&) {});
}

store::NewRecord own_record(const Profile& profile, std::string_view kind, const AccountId& account,
                            std::uint64_t time_ms, const Json& fields) {
    return new_record(
        history::make_signed(kind, account, time_ms, profile.device(), profile.device_key(), inside(fields)));
}

bool mentions(const history::Record& record, std::string_view text) {
    return std::any_of(record.parts.begin(), record.parts.end(), [&](const history::Part& part) {
        return as_text(part.bytes).find(text) != std::string_view::npos;
    });
}

std::optional<FormerRecord> read_former_record(const Profile& profile, const history::Record& record) {
    auto content = history::read_signed(record);
    if (!content) return std::nullopt;
    const auto* signer = profile.roster().find(content->device);
    if (!signer || !content->signed_by(signer->device_key)) return std::nullopt;
    return FormerRecord{wire::Fields::parse(content->head), signer,
                        signer->state == roster::DeviceState::active};
}

std::optional<wire::Fields> read_own_record(const Profile& profile, const history::Record& record) {
    auto read = read_former_record(profile, record);
    if (!read || !read->active) return std::nullopt;
    return std::move(read->head);
}

Result<> keep_account_record(Profile& profile, const store::Account& account, Now now) {
    return keep_own_record(profile, history::kind::account, account.id, now.unix_ms, account_fields(account));
}

Result<> keep_account_moved(Profile& profile, const store::Account& account, const AccountId& to, Now now) {
    auto fields = account_fields(account);
    fields["moved"] = to.hex();
    return keep_own_record(profile, history::kind::account, account.id, now.unix_ms, fields);
}

Result<std::map<AccountId, AccountMove>> account_moves(const Profile& profile) {
    // By devices that are out, and by active ones, which are heard first. Oldest first.
    std::vector<std::pair<AccountId, AccountId>> said[2];
    std::map<AccountId, std::string> services[2];  // of the person's accounts
    KITH_TRY(profile.history().for_each_of_kind(
        history::kind::account, [&](const history::Key&, const history::Record& record) -> Result<> {
            auto read = read_former_record(profile, record);
            if (!read) return {};
            auto identity = read->head.text("identity", 300);
            if (read->head.has("moved"))
                said[read->active].emplace_back(record.account, read->head.id<AccountId>("moved"));
            if (read->head.ok()) services[read->active].try_emplace(record.account, std::move(identity));
            return {};
        }));
    const auto service_of = [&](const AccountId& account) {
        for (const bool active : {true, false})
            if (auto at = services[active].find(account); at != services[active].end()) return at->second;
        return std::string();
    };
    std::map<AccountId, AccountMove> moves;
    for (const bool active : {true, false})
        for (const auto& [from, to] : said[active]) {
            const auto service = service_of(from);
            if (service.empty() || service != service_of(to)) continue;
            if (!active && moves.contains(from)) continue;
            // None may take its own place, by way of others either: one account of each row is there to be
            // used.
            auto end = to;
            for (auto at = moves.find(end); at != moves.end() && end != from; at = moves.find(end))
                end = at->second.to;
            if (end != from) moves[from] = {to, active};
        }
    return moves;
}

Result<> keep_recipients_record(Profile& profile, const AccountId& account, const std::string& msgid,
                                const std::vector<std::string>& uids, const std::vector<std::string>& groups,
                                std::int64_t time_ms) {
    Json fields{{"msgid", msgid}, {"for", uids}};
    if (!groups.empty()) fields["groups"] = groups;
    return keep_own_record(profile, history::kind::recipients, account, time_ms, fields);
}

Result<std::optional<Recipients>> recipients_of(Profile& profile, const AccountId& account,
                                                const std::string& msgid, std::uint64_t time_ms) {
    std::optional<Recipients> found;
    // The answer to a post and its delivery may differ by a moment.
    constexpr std::uint64_t moment_ms = 10;
    KITH_TRY(profile.history().for_each_of_kind(
        history::kind::recipients, time_ms - std::min(time_ms, moment_ms), time_ms + moment_ms,
        [&](const history::Key&, const history::Record& record) -> Result<> {
            if (record.account != account) return {};
            auto head = read_own_record(profile, record);
            if (!head || head->text("msgid", limits::tmtp_id) != msgid) return {};
            Recipients to;
            to.uids = head->texts("for", limits::tmtp_recipients, limits::tmtp_text);
            if (head->has("groups"))
                to.groups = head->texts("groups", limits::tmtp_recipients, limits::tmtp_text);
            if (head->ok()) found = std::move(to);
            return {};
        }));
    return found;
}

std::optional<store::Account> read_account_record(const Profile& profile, const history::Record& record) {
    auto own = read_own_record(profile, record);
    if (!own) return std::nullopt;
    auto& head = *own;
    store::Account account;
    account.id = record.account;
    account.address = head.text("address", 300);
    account.identity = head.text("identity", 300);
    account.pin = head.hex("pin", 32);
    account.site = head.text("site", 4096);
    account.alias = head.text("alias", 4096);
    account.uid = head.text("uid", 64);
    if (!head.ok()) return std::nullopt;
    return account;
}

}  // namespace kith::app
