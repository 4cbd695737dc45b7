#include "app/node_claims.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/trust_limits.h"
#include "wire/json.h"

namespace kith::app {
namespace {

constexpr std::string_view claims_setting = "node_claims";

std::optional<account::Claim> claim_in(const nlohmann::json& row) {
    if (!row.is_array() || row.size() != 5 ||
        !std::all_of(row.begin(), row.end(), [](const auto& cell) { return cell.is_string(); }))
        return std::nullopt;
    auto account = AccountId::from_hex(row[0].get<std::string>());
    auto roster = PersonId::from_hex(row[1].get<std::string>());
    auto device = DeviceId::from_hex(row[2].get<std::string>());
    auto key = SignPublic::from_hex(row[3].get<std::string>());
    auto proof = Signature::from_hex(row[4].get<std::string>());
    if (!account || !roster || !device || !key || !proof) return std::nullopt;
    return account::Claim{*account, *roster, *device, *key, *proof};
}

}  // namespace

Result<std::vector<account::Claim>> node_claims(Profile& profile) {
    std::vector<account::Claim> claims;
    KITH_TRY_VALUE(kept, profile.store().setting(claims_setting));
    if (!kept) return claims;
    auto json = nlohmann::json::parse(as_text(kept->view()), nullptr, false);
    for (const auto& row : json.is_array() ? json : nlohmann::json::array())
        if (auto claim = claim_in(row)) claims.push_back(*claim);
    return claims;
}

Result<bool> keep_node_claims(Profile& profile, const std::vector<account::Claim>& told) {
    KITH_TRY_VALUE(claims, node_claims(profile));
    const auto before = claims.size();
    for (const auto& claim : told) {
        // One roster of an account has one key of a device; a device must not fill the list.
        std::size_t of_account = 0;
        bool known = false;
        for (const auto& other : claims) {
            if (other.device != claim.device) continue;
            known = known || (other.account == claim.account && other.roster == claim.roster);
            of_account += other.account == claim.account;
        }
        const auto* device = profile.roster().find(claim.device);
        if (known || of_account >= limits::claimed_rosters || !device ||
            claims.size() >= limits::accounts * limits::roster_devices ||
            !account::claim_holds(claim, device->device_key))
            continue;
        claims.push_back(claim);
    }
    if (claims.size() == before) return false;
    nlohmann::json rows = nlohmann::json::array();
    for (const auto& claim : claims)
        rows.push_back({claim.account.hex(), claim.roster.hex(), claim.device.hex(), claim.key.hex(),
                        claim.proof.hex()});
    KITH_TRY(profile.store().put_setting(claims_setting, as_bytes(wire::json_text(rows))));
    return true;
}

}  // namespace kith::app
