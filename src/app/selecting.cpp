#include "app/selecting.h"

#include <nlohmann/json.hpp>
#include <set>

#include "app/address.h"
#include "base/limits.h"
#include "control/time_text.h"
#include "wire/json.h"

namespace kith::app {
namespace {

using Json = nlohmann::json;
constexpr std::string_view selection_setting = "selection";

bool is_named(const AccountName& account, const std::string& name) {
    auto address = parse_address(account.address);
    return name == account.address || name == account.site || name == account.alias ||
           (address && (name == address->host || name == address->text()));
}

std::string size_text(std::uint64_t bytes) {
    if (bytes >= 1'000'000) return std::to_string(bytes / 1'000'000) + " MB";
    return bytes >= 1000 ? std::to_string(bytes / 1000) + " kB" : std::to_string(bytes) + " bytes";
}

}  // namespace

bool has_choice(const wire::Fields& fields) {
    return fields.has("accounts") || fields.has("since") || fields.has("largest");
}

Result<Choice> read_choice(wire::Fields& fields) {
    Choice choice;
    if (fields.has("accounts")) {
        choice.accounts = fields.texts("accounts", limits::accounts, limits::name_bytes * 8);
        if (choice.accounts->empty())
            return fail(Fault::invalid, "no account is chosen", "name one, or leave the option out for all");
    }
    if (fields.has("largest")) choice.largest = fields.u64("largest");
    if (fields.has("since")) {
        auto text = fields.text("since", 32);
        auto time = control::from_time_text(text.size() == 10 ? text + "T00:00:00Z" : text);
        if (!time || *time < 0)
            return fail(Fault::invalid, "'" + text + "' is not a date", "write it as 2024-12-31");
        choice.since_ms = static_cast<std::uint64_t>(*time);
    }
    return choice;
}

Result<> keep_choice(Profile& profile, const Choice& choice) {
    if (choice.all()) return profile.store().remove_setting(selection_setting);
    Json json{{"v", 1}, {"since", choice.since_ms}};
    if (choice.largest != UINT64_MAX) json["largest"] = choice.largest;
    if (choice.accounts) json["accounts"] = *choice.accounts;
    return profile.store().put_setting(selection_setting, wire::json_bytes(json));
}

Result<Choice> kept_choice(Profile& profile) {
    KITH_TRY_VALUE(kept, profile.store().setting(selection_setting));
    Choice choice;
    if (!kept) return choice;
    auto fields = wire::Fields::parse(kept->view());
    auto version = fields.u64("v");
    choice.since_ms = fields.u64("since");
    if (fields.has("largest")) choice.largest = fields.u64("largest");
    if (fields.has("accounts"))
        choice.accounts = fields.texts("accounts", limits::accounts, limits::name_bytes * 8);
    if (!fields.ok() || version != 1)
        return fail(Fault::corrupt, "what was chosen for this device cannot be read",
                    "choose again: kith history select");
    return choice;
}

Result<history::Selection> resolve(const Choice& choice, const std::vector<AccountName>& known) {
    history::Selection selection;
    selection.since_ms = choice.since_ms;
    selection.blob_bytes = choice.largest;
    if (!choice.accounts) return selection;
    selection.accounts.emplace();
    for (const auto& name : *choice.accounts) {
        bool found = name == imported_mail;
        if (found) selection.accounts->push_back(AccountId{});
        for (const auto& account : known) {
            if (!is_named(account, name)) continue;
            selection.accounts->push_back(account.id);
            found = true;
        }
        if (found) continue;
        std::set<std::string> names;
        for (const auto& account : known) names.insert(account.site.empty() ? account.address : account.site);
        std::string there(imported_mail);
        for (const auto& known_name : names) there += ", " + known_name;
        return fail(Fault::not_found, "there is no account '" + name + "'; there are: " + there,
                    "choose among these: kith history select --account NAME");
    }
    std::sort(selection.accounts->begin(), selection.accounts->end());
    selection.accounts->erase(std::unique(selection.accounts->begin(), selection.accounts->end()),
                              selection.accounts->end());
    return selection;
}

std::string describe(const Choice& choice) {
    if (choice.all()) return "everything";
    std::string text = "messages";
    if (choice.accounts) {
        for (std::size_t i = 0; i < choice.accounts->size(); ++i)
            text += (i == 0 ? " of " : ", ") + (*choice.accounts)[i];
    }
    if (choice.since_ms > 0)
        text += " since " + control::to_time_text(static_cast<std::int64_t>(choice.since_ms)).substr(0, 10);
    if (choice.largest == 0) text += ", no attachments that are kept apart";
    if (choice.largest != 0 && choice.largest != UINT64_MAX)
        text += ", attachments up to " + size_text(choice.largest);
    return text;
}

}  // namespace kith::app
