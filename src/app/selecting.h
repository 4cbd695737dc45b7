// What the owner wants to hold on this device, as chosen by names, kept with the profile; and what it comes
// to once the accounts are known.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/profile.h"
#include "history/selection.h"
#include "wire/fields.h"

namespace kith::app {

struct Choice {
    std::optional<std::vector<std::string>> accounts;  // nothing: all
    std::uint64_t since_ms = 0;
    std::uint64_t largest = UINT64_MAX;  // the largest attachment, in bytes
    bool operator==(const Choice&) const = default;
    bool all() const { return *this == Choice{}; }
};

// What imported mail is called among accounts.
inline constexpr std::string_view imported_mail = "mail";

// From "accounts" (texts), "since" (YYYY-MM-DD) and "largest" (bytes), each of which may be missing;
// Fault::invalid for anything else.
Result<Choice> read_choice(wire::Fields& fields);
bool has_choice(const wire::Fields& fields);

Result<> keep_choice(Profile& profile, const Choice& choice);
Result<Choice> kept_choice(Profile& profile);

// An account, as far as one needs to know it to choose it.
struct AccountName {
    AccountId id;
    std::string address, site, alias;
};
// Each name is an address, a host, a site's name or an alias. Fault::not_found names what there is instead.
Result<history::Selection> resolve(const Choice& choice, const std::vector<AccountName>& known);

// "messages of example.org since 2024-01-01, attachments up to 1.0 MB"; "everything".
std::string describe(const Choice& choice);

}  // namespace kith::app
