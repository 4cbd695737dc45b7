#include "account/log.h"

#include "crypto/hash.h"
#include "roster/recovery.h"
#include "roster/roster.h"
#include "tmtp/server.h"

namespace kith::account {
namespace {

// Every node is called so: names are for the person's own devices.
constexpr std::string_view node_name = "node";

}  // namespace

Mark mark_of(const AccountId& account, const DeviceId& device) {
    const std::uint8_t zero = 0;
    const Key key(crypto::Hasher().add("kith.account").add({&zero, 1}).add(account.view()).finish());
    const Key mark = crypto::derive(key, "kith.account.mark", device.view());
    return *Mark::from(mark.view().first(Mark::size));
}

crypto::SignKey act_key(const Key& seed, const PersonId& roster) {
    return crypto::SignKey(crypto::derive(seed, "kith.account.act", roster.view()));
}

crypto::SignKey device_key(const Key& seed, const PersonId& roster) {
    return crypto::SignKey(crypto::derive(seed, "kith.account.device", roster.view()));
}

namespace {

Bytes claim_bytes(const Claim& claim) {
    Bytes bytes = to_bytes("kith.account.claim");
    bytes.push_back(0);
    append(bytes, claim.account.view());
    append(bytes, claim.roster.view());
    append(bytes, claim.device.view());
    append(bytes, claim.key.view());
    return bytes;
}

}  // namespace

Claim make_claim(const AccountId& account, const PersonId& roster, const DeviceId& device,
                 const crypto::SignKey& everyday_key) {
    Claim claim{account, roster, device, device_key(everyday_key.seed(), roster).public_key(), {}};
    claim.proof = everyday_key.sign(claim_bytes(claim));
    return claim;
}

bool claim_holds(const Claim& claim, const SignPublic& signer) {
    return crypto::verify(signer, claim_bytes(claim), claim.proof);
}

SecretBytes make_nodeid(Random& random) {
    Bytes code(40);
    random.fill(code);
    for (auto& byte : code) byte = static_cast<std::uint8_t>(tmtp::code_alphabet[byte & 31]);
    return SecretBytes(std::move(code));
}

LinkPublic hash_of(const SecretBytes& nodeid) {
    return crypto::hash_id<LinkPublic>(nodeid.view());
}

Result<roster::SignedRequest> make_request(const PersonId& roster, const AccountId& account,
                                           const DeviceId& device, const Key& act_seed,
                                           const Key& device_seed, const LinkPublic& nodeid_hash) {
    return roster::make_request(roster, node_name, device_key(device_seed, roster), act_key(act_seed, roster),
                                nodeid_hash, mark_of(account, device));
}

NewRoster begin(Random& random) {
    const Key seed = crypto::random_secret(random);
    auto genesis = roster::make_genesis(seed);
    return {roster::person_of(genesis.id), roster::recovery_key(seed), std::move(genesis)};
}

Result<std::vector<roster::Entry>> found(const NewRoster& begun,
                                         std::span<const roster::SignedRequest> requests,
                                         const SignPublic& recovery) {
    std::vector<roster::Entry> entries{begun.genesis};
    KITH_TRY_VALUE(state, roster::fold(begun.id, entries));
    const auto take = [&](Result<roster::Entry> entry) -> Result<> {
        KITH_TRY(entry);
        entries.push_back(std::move(*entry));
        KITH_TRY_VALUE(next, roster::fold(begun.id, entries));
        state = std::move(next);
        return {};
    };
    // No times: they would tell of two services that they were set up together.
    for (const auto& request : requests)
        KITH_TRY(take(roster::make_add(state, std::nullopt, begun.founder, request, 0)));
    KITH_TRY(take(roster::make_recover(state, begun.founder, {recovery, {}, {}}, 0)));
    return entries;
}

}  // namespace kith::account
