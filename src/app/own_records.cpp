#include "app/own_records.h"

#include <nlohmann/json.hpp>

#include "app/inbox.h"
#include "history/signed_record.h"
#include "wire/fields.h"

namespace kith::app {
namespace {

using Json = nlohmann::json;

// A JSON object's inside, without its braces.
std::string inside(const Json& object) {
    auto text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
    return text.substr(1, text.size() - 2);
}

}  // namespace

Result<> keep_own_record(Profile& profile, std::string_view kind, const AccountId& account,
                         std::int64_t time_ms, const Json& fields) {
    auto time = time_ms < 0 ? 0 : static_cast<std::uint64_t>(time_ms);
    auto record = new_record(
        history::make_signed(kind, account, time, profile.device(), profile.device_key(), inside(fields)));
    return profile.history().add({&record, 1}).map([](const auto&) {});
}

std::optional<wire::Fields> read_own_record(const Profile& profile, const history::Record& record) {
    auto content = history::read_signed(record);
    if (!content) return std::nullopt;
    const auto* signer = profile.roster().find(content->device);
    if (!signer || signer->state != roster::DeviceState::active || !content->signed_by(signer->device_key))
        return std::nullopt;
    return wire::Fields::parse(content->head);
}

Result<> keep_account_record(Profile& profile, const store::Account& account, Now now) {
    return keep_own_record(profile, history::kind::account, account.id, now.unix_ms,
                           {{"address", account.address},
                            {"identity", account.identity},
                            {"pin", to_hex(account.pin)},
                            {"site", account.site},
                            {"alias", account.alias},
                            {"uid", account.uid}});
}

Result<> keep_recipients_record(Profile& profile, const AccountId& account, const std::string& msgid,
                                const std::string& recipients_json, std::int64_t time_ms) {
    return keep_own_record(profile, history::kind::recipients, account, time_ms,
                           {{"msgid", msgid}, {"for", Json::parse(recipients_json, nullptr, false)}});
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
