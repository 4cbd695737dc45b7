// What of a person's history a device wants to hold. The set of records is the same on all devices; of those
// that a selection leaves out a device keeps the key, the account and the size, so that sets still compare
// equal and what was left out can be had later.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "history/record.h"
#include "wire/fields.h"

namespace kith::history {

struct Selection {
    std::optional<std::vector<AccountId>> accounts;  // nothing: all; the zero account: imported mail
    std::uint64_t since_ms = 0;
    std::uint64_t blob_bytes = UINT64_MAX;  // the largest blob that is wanted
    bool operator==(const Selection&) const = default;

    bool all() const { return *this == Selection{}; }
    // What kith made itself is always wanted, and so is what this version does not know.
    bool takes(std::string_view kind, std::uint64_t time_ms, const AccountId& account) const {
        return (kind != kind::mail && kind != kind::message) || takes(time_ms, account);
    }
    // A mail or message of this time and account.
    bool takes(std::uint64_t time_ms, const AccountId& account) const {
        return time_ms >= since_ms &&
               (!accounts || std::find(accounts->begin(), accounts->end(), account) != accounts->end());
    }
    bool takes_blob(std::uint64_t size) const { return size <= blob_bytes; }
};

// As fields of a head: `since`, `accounts`, `largest`; one that leaves nothing out is not written.
void append_selection(nlohmann::json& head, const Selection& selection);
Selection read_selection(wire::Fields& head);

}  // namespace kith::history
