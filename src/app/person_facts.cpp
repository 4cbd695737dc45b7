#include "app/person_facts.h"

#include <nlohmann/json.hpp>

#include "app/trust_limits.h"
#include "base/limits.h"
#include "wire/fields.h"
#include "wire/json.h"

namespace kith::app {

using Json = nlohmann::json;

Result<Bytes> pack_secrets(const Profile& profile) {
    KITH_TRY_VALUE(accounts, profile.signed_recovery_accounts());
    std::string text = "{\"v\":1,\"term_number\":" + std::to_string(profile.term_version().number) +
                       ",\"term_key\":\"" + to_hex(profile.term_key()->view()) +
                       "\",\"recovery_accounts\":\"" + to_hex(accounts) + "\"";
    if (profile.identity()) text += ",\"identity\":\"" + to_hex(profile.identity_key().seed().view()) + "\"";
    text += "}";
    auto body = to_bytes(text);
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return body;
}

Result<PersonSecrets> read_secrets(ByteView body) {
    auto fields = wire::Fields::parse(body);
    const auto version = fields.u64("v");
    const auto term_key = SecretBytes(fields.hex("term_key", 32));
    PersonSecrets secrets;
    secrets.recovery_accounts = fields.hex("recovery_accounts", 256 * 32 + Signature::size);
    secrets.number = fields.has("term_number") ? fields.u64("term_number") : 0;
    std::optional<SecretBytes> identity;
    if (fields.has("identity")) identity = SecretBytes(fields.hex("identity", Key::size()));
    KITH_TRY(fields.finish("secrets"));
    if (version != 1 || term_key.size() != Key::size() || (identity && identity->size() != Key::size()))
        return fail(Fault::protocol, "the person's secrets are malformed");
    secrets.term_key = Key(term_key.view().first<32>());
    if (identity) secrets.identity = Key(identity->view().first<32>());
    return secrets;
}

Result<Bytes> pack_accounts(Profile& profile) {
    KITH_TRY_VALUE(accounts, profile.store().accounts());
    KITH_TRY_VALUE(labels, node_labels(profile));
    KITH_TRY_VALUE(claims, node_claims(profile));
    Json list = Json::array();
    for (const auto& account : accounts) {
        if (list.size() >= limits::accounts || account.uid.empty()) continue;
        Json nodes = Json::array();
        for (const auto& [device, label] : labels[account.id])
            nodes.push_back({{"device", device.hex()}, {"label", label}});
        Json keys = Json::array();
        for (const auto& claim : claims)
            if (claim.account == account.id)
                keys.push_back({{"device", claim.device.hex()},
                                {"roster", claim.roster.hex()},
                                {"key", claim.key.hex()},
                                {"proof", claim.proof.hex()}});
        list.push_back({{"account", account.id.hex()},
                        {"address", account.address},
                        {"site", account.site},
                        {"alias", account.alias},
                        {"nodes", nodes},
                        {"keys", keys}});
    }
    // Names and sites are as others wrote them.
    return wire::json_list(list);
}

Result<AccountList> read_accounts(ByteView body) {
    auto told = wire::Fields::parse(body);
    AccountList list;
    for (auto& item : told.objects("list", limits::accounts)) {
        list.accounts.push_back({item.id<AccountId>("account"), item.text("address", 300),
                                 item.text("site", 4096), item.text("alias", 4096)});
        if (item.has("nodes"))
            for (auto& node : item.objects("nodes", limits::roster_devices + limits::roster_heads)) {
                list.labels[list.accounts.back().id][node.id<DeviceId>("device")] =
                    node.text("label", limits::node_label_bytes);
                KITH_TRY(node.finish("accounts"));
            }
        if (item.has("keys"))
            for (auto& key : item.objects(
                     "keys", limits::claimed_rosters * (limits::roster_devices + limits::roster_heads))) {
                list.claims.push_back({list.accounts.back().id, key.id<PersonId>("roster"),
                                       key.id<DeviceId>("device"), key.id<SignPublic>("key"),
                                       key.id<Signature>("proof")});
                KITH_TRY(key.finish("accounts"));
            }
        KITH_TRY(item.finish("accounts"));
    }
    KITH_TRY(told.finish("accounts"));
    return list;
}

Result<std::vector<AccountName>> known_accounts(Profile& profile) {
    KITH_TRY_VALUE(accounts, profile.store().accounts());
    std::vector<AccountName> known;
    for (const auto& account : accounts)
        known.push_back({account.id, account.address, account.site, account.alias});
    return known;
}

}  // namespace kith::app
