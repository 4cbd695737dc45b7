// tests/vectors/account/rosters.json, whose expectations are those of another implementation (account.py
// there).
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "account/folds.h"
#include "account/limits.h"
#include "account/log.h"
#include "account/rules.h"
#include "roster/recovery.h"
#include "tmtp/ops.h"

using namespace kith;
using nlohmann::json;

namespace {

json vectors() {
    std::ifstream file(std::string(KITH_VECTORS) + "/account/rosters.json");
    return json::parse(file);
}

Bytes hex(const json& value) {
    return *from_hex(value.get<std::string>());
}
Key key(const json& value) {
    return Key(ByteView(hex(value)).first<32>());
}

// Gives what it was made with.
struct FixedRandom : Random {
    Bytes bytes;
    void fill(std::span<std::uint8_t> out) override {
        REQUIRE(bytes.size() >= out.size());
        std::copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(out.size()), out.begin());
    }
};

json described(const std::vector<tmtp::RuledNode>& nodes) {
    json states = json::object();
    for (const auto& node : nodes)
        states[to_hex(node.device)] = {to_hex(node.secret_hash),
                                       node.standing == tmtp::RuledNode::active ? "active"
                                       : node.standing == tmtp::RuledNode::held ? "held"
                                                                                : "out"};
    return states;
}

}  // namespace

TEST_CASE("a founding is made of its seeds, byte by byte") {
    REQUIRE(crypto::start());
    const auto v = vectors().at("founding");
    FixedRandom random;
    random.bytes = hex(v.at("founder_seed"));
    const auto begun = account::begin(random);
    CHECK(begun.id.hex() == v.at("roster"));
    const auto account = *AccountId::from(hex(v.at("account")));
    const auto device = *DeviceId::from(hex(v.at("device")));
    CHECK(account::mark_of(account, device).hex() == v.at("mark"));
    const auto nodeid = account::hash_of(SecretBytes(hex(v.at("nodeid"))));
    auto request = account::make_request(begun.id, account, device, key(v.at("act_seed")),
                                         key(v.at("device_seed")), nodeid);
    REQUIRE(request);
    auto entries = account::found(begun, {&*request, 1}, *SignPublic::from(hex(v.at("recovery"))));
    REQUIRE(entries);
    CHECK(to_hex(roster::pack_entries(*entries)) == v.at("log"));
    const auto claim =
        account::make_claim(account, begun.id, device, crypto::SignKey(key(v.at("device_seed"))));
    CHECK(claim.proof.hex() == v.at("claim"));
}

TEST_CASE("the proof that restores an account is made of its parts, byte by byte") {
    const auto v = vectors().at("restore");
    const auto own =
        roster::recovery_account_key(key(v.at("recovery_seed")), v.at("number").get<std::uint32_t>());
    const auto challenge =
        tmtp::restore_challenge(hex(v.at("nonce")), hex(v.at("service_key")), v.at("uid").get<std::string>());
    CHECK(own.sign(challenge).hex() == v.at("proof"));
    CHECK(account::Rules().proves(own.public_key().view(), challenge, hex(v.at("proof"))));
}

TEST_CASE("foundings and later entries are ruled as another implementation rules them") {
    const auto v = vectors();
    const account::Rules rules;
    REQUIRE(v.at("foundings").size() > 10);
    for (const auto& item : v.at("foundings")) {
        CAPTURE(item.at("name").get<std::string>());
        auto ruling = rules.found(hex(item.at("log")));
        CHECK((ruling ? described(ruling->nodes) : json("refused")) == item.at("nodes"));
        if (!ruling) CHECK(ruling.error().kind == Fault::refused);
    }
    REQUIRE(v.at("rulings").size() > 15);
    for (const auto& item : v.at("rulings")) {
        CAPTURE(item.at("name").get<std::string>());
        auto ruling = rules.judge(hex(item.at("kept")), hex(item.at("fresh")));
        CHECK((ruling ? json(to_hex(ruling->fresh)) : json("refused")) == item.at("taken"));
        if (ruling) CHECK(described(ruling->nodes) == item.at("nodes"));
        if (!ruling) CHECK(ruling.error().kind == Fault::refused);
    }
}

TEST_CASE("what is remembered of rosters changes no verdict") {
    const auto v = vectors();
    const account::Rules rules;
    // Each twice, and after all others: with what it follows remembered, or not.
    for (int round = 0; round < 2; ++round)
        for (const auto& item : v.at("rulings")) {
            CAPTURE(item.at("name").get<std::string>());
            const auto kept = hex(item.at("kept")), fresh = hex(item.at("fresh"));
            for (int i = 0; i < 2; ++i) {
                const bool news = rules.brings_news(kept, fresh);
                const auto ruling = rules.judge(kept, fresh);
                const account::Rules none;
                const auto expected = none.judge(kept, fresh);
                REQUIRE(ruling.has_value() == expected.has_value());
                CHECK(news == account::Rules().brings_news(kept, fresh));
                if (!ruling) {
                    CHECK(ruling.error().what == expected.error().what);
                    continue;
                }
                CHECK(ruling->fresh == expected->fresh);
                CHECK(described(ruling->nodes) == described(expected->nodes));
                for (std::size_t n = 0; n < ruling->nodes.size(); ++n) {
                    CHECK(ruling->nodes[n].was_active == expected->nodes[n].was_active);
                    CHECK(ruling->nodes[n].contested == expected->nodes[n].contested);
                    CHECK(ruling->nodes[n].was_contested == expected->nodes[n].was_contested);
                }
                // What it grows to is remembered as it was folded, and means what its bytes do.
                Bytes grown = kept;
                append(grown, ruling->fresh);
                CHECK(described(rules.judge(grown, {})->nodes) == described(none.judge(grown, {})->nodes));
                CHECK(described(rules.judge(grown, {})->nodes) ==
                      described(account::Rules().judge(grown, {})->nodes));
                CHECK(*rules.recovery(grown) == *account::Rules().recovery(grown));
            }
        }
}

TEST_CASE("no more rosters are remembered than there is room for, and those that were wanted last") {
    REQUIRE(crypto::start());
    account::Folds folds;
    FixedRandom random;
    std::vector<Bytes> logs;
    for (std::size_t i = 0; i < limits::account_folds + 3; ++i) {
        random.bytes = Bytes(32, static_cast<std::uint8_t>(i));
        const auto begun = account::begin(random);
        logs.push_back(roster::pack_entries({&begun.genesis, 1}));
        const auto fold = folds.of(logs.back());
        REQUIRE(fold);
        CHECK(*folds.of(logs.back()) == *fold);  // the same one
        CHECK(folds.find(logs.front()));
    }
    CHECK(folds.count() == limits::account_folds);
    CHECK(folds.bytes() == limits::account_folds * logs.front().size());
    CHECK_FALSE(folds.find(logs[1]));
    CHECK(folds.find(logs.back()));
    // One that nobody would look at is not kept for its size either.
    account::Fold large{Bytes(limits::account_folds_bytes + 1, 0), {}, {}, {}};
    CHECK(folds.keep(std::move(large)));
    CHECK(folds.count() == 0);
    CHECK(folds.bytes() == 0);
    CHECK_FALSE(folds.of(Bytes(5, 1)));
    CHECK_FALSE(folds.of({}));
}
