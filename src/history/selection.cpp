#include "history/selection.h"

#include <nlohmann/json.hpp>

#include "base/limits.h"

namespace kith::history {

void append_selection(nlohmann::json& head, const Selection& selection) {
    if (selection.since_ms > 0) head["since"] = selection.since_ms;
    if (selection.blob_bytes != UINT64_MAX) head["largest"] = selection.blob_bytes;
    if (!selection.accounts) return;
    head["accounts"] = nlohmann::json::array();
    for (const auto& account : *selection.accounts) head["accounts"].push_back(account.hex());
}

Selection read_selection(wire::Fields& head) {
    Selection selection;
    if (head.has("since")) selection.since_ms = head.u64("since");
    if (head.has("largest")) selection.blob_bytes = head.u64("largest");
    if (head.has("accounts")) selection.accounts = head.ids<AccountId>("accounts", limits::accounts);
    return selection;
}

}  // namespace kith::history
