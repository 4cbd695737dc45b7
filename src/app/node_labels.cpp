#include "app/node_labels.h"

#include <nlohmann/json.hpp>

#include "app/trust_limits.h"
#include "wire/json.h"

namespace kith::app {
namespace {

using Json = nlohmann::json;

constexpr std::string_view labels_setting = "node_labels";

}  // namespace

Result<NodeLabels> node_labels(Profile& profile) {
    NodeLabels labels;
    KITH_TRY_VALUE(kept, profile.store().setting(labels_setting));
    if (kept) {
        auto json = Json::parse(as_text(kept->view()), nullptr, false);
        if (json.is_array())
            for (const auto& row : json) {
                if (!row.is_array() || row.size() != 3) continue;
                auto account = AccountId::from_hex(row[0].get<std::string>());
                auto device = DeviceId::from_hex(row[1].get<std::string>());
                if (account && device) labels[*account][*device] = row[2].get<std::string>();
            }
    }
    KITH_TRY_VALUE(provisions, profile.store().provisions());
    for (const auto& provision : provisions)
        if (provision.state == "asked" || provision.state == "made" || provision.state == "done")
            labels[provision.account].emplace(provision.device, provision.label);
    return labels;
}

Result<bool> keep_node_labels(Profile& profile, const NodeLabels& told) {
    KITH_TRY_VALUE(labels, node_labels(profile));
    bool news = false;
    for (const auto& [account, devices] : told)
        for (const auto& [device, label] : devices)
            if (profile.roster().find(device) && !label.empty() && label.size() <= limits::node_label_bytes &&
                (labels.contains(account) || labels.size() < limits::accounts))
                news = labels[account].emplace(device, label).second || news;
    if (!news) return false;
    Json rows = Json::array();
    for (const auto& [account, devices] : labels)
        for (const auto& [device, label] : devices) rows.push_back({account.hex(), device.hex(), label});
    KITH_TRY(profile.store().put_setting(labels_setting, as_bytes(wire::json_text(rows))));
    return true;
}

}  // namespace kith::app
