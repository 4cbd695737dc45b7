#include "store/profile_store.h"

#include "store/support.h"

using namespace kith;
using namespace kith::store;
using namespace kith::store::test;

namespace {

template <class IdType>
IdType id_of(std::uint8_t byte) {
    IdType id;
    id.bytes.fill(byte);
    return id;
}

Account account_of(std::uint8_t byte, std::string uid) {
    return {id_of<AccountId>(byte), "=127.0.0.1:443", "pin:abc", {1, 2, 3}, "example",
            "alice in town",        std::move(uid),   "offline"};
}

struct Fixture {
    TempFolder folder;
    Profile profile{folder.path};
    ProfileStore store{*profile.db};
};

}  // namespace

TEST_CASE("a setting is put, replaced and removed") {
    Fixture f;
    CHECK_FALSE(must(f.store.setting("name")));
    must(f.store.put_setting("name", as_bytes("laptop")));
    must(f.store.put_setting("name", as_bytes("desk")));
    CHECK(as_text(must(f.store.setting("name"))->view()) == "desk");
    must(f.store.remove_setting("name"));
    must(f.store.remove_setting("name"));
    CHECK_FALSE(must(f.store.setting("name")));
    must(f.store.put_pairing(as_bytes("state")));
    CHECK(as_text(must(f.store.pairing())->view()) == "state");
    must(f.store.remove_pairing());
    CHECK_FALSE(must(f.store.pairing()));
}

TEST_CASE("roster entries are kept once, in the order of arrival") {
    Fixture f;
    CHECK(must(f.store.add_entry({id_of<EntryId>(9), to_bytes("genesis"), to_bytes("s1")})));
    CHECK(must(f.store.add_entry({id_of<EntryId>(3), to_bytes("add"), to_bytes("s2"), 7})));
    CHECK_FALSE(must(f.store.add_entry({id_of<EntryId>(9), to_bytes("genesis"), to_bytes("s1"), 8})));
    CHECK(must(f.store.add_entry({id_of<EntryId>(3), to_bytes("add"), to_bytes("a better one"), 9})));
    auto entries = must(f.store.entries());
    REQUIRE(entries.size() == 2);
    CHECK(as_text(entries[0].body) == "genesis");
    CHECK(as_text(entries[0].signature) == "s1");
    CHECK(entries[1].id == id_of<EntryId>(3));
    CHECK(as_text(entries[1].signature) == "a better one");
    CHECK(entries[1].seen_ms == 7);
    must(f.store.remove_entries());
    CHECK(must(f.store.entries()).empty());
}

TEST_CASE("an account keeps its node and posts when it is changed, and takes them along when removed") {
    Fixture f;
    auto account = account_of(1, "");
    must(f.store.put_account(account));
    must(f.store.put_node(account.id, secret("node secret")));
    must(f.store.put_provision({account.id, id_of<DeviceId>(5), "kith 5", {}, "pending", ""}));
    const auto post = must(f.store.ask({0, account.id, to_bytes("{}"), to_bytes("hello"), "queued", 77, {}}));
    account.uid = "UID";
    account.address = "+example.org:443";
    account.state = "online";
    must(f.store.put_account(account));
    auto back = must(f.store.account(account.id));
    REQUIRE(back);
    CHECK(back->uid == "UID");
    CHECK(back->address == "+example.org:443");
    CHECK(back->pin == Bytes{1, 2, 3});
    CHECK(back->state == "online");
    CHECK(back->alias == "alice in town");
    CHECK(as_text(must(f.store.node(account.id))->view()) == "node secret");
    CHECK(must(f.store.asked(account.id)).size() == 1);
    CHECK(must(f.store.asked(account.id))[0].id == post);

    must(f.store.remove_account(account.id));
    CHECK_FALSE(must(f.store.account(account.id)));
    CHECK_FALSE(must(f.store.node(account.id)));
    CHECK(must(f.store.provisions()).empty());
    CHECK(must(f.store.asked(account.id)).empty());
}

TEST_CASE("one membership is one account, but several may be unregistered") {
    Fixture f;
    must(f.store.put_account(account_of(1, "")));
    must(f.store.put_account(account_of(2, "")));
    must(f.store.put_account(account_of(3, "UID")));
    CHECK(fault_of(f.store.put_account(account_of(4, "UID"))) == Fault::refused);
    CHECK(must(f.store.accounts()).size() == 3);
}

TEST_CASE("a node, provision or post needs its account") {
    Fixture f;
    CHECK(fault_of(f.store.put_node(id_of<AccountId>(1), secret("x"))) == Fault::refused);
    CHECK(fault_of(f.store.put_provision({id_of<AccountId>(1), {}, "", {}, "", ""})) == Fault::refused);
    CHECK(fault_of(f.store.ask({0, id_of<AccountId>(1), {}, {}, "", 0, {}})) == Fault::refused);
}

TEST_CASE("a provision goes through its states") {
    Fixture f;
    must(f.store.put_account(account_of(1, "UID")));
    const auto device = id_of<DeviceId>(5);
    must(f.store.put_provision({id_of<AccountId>(1), device, "kith 5", {}, "pending", ""}));
    must(f.store.put_provision({id_of<AccountId>(1), device, "kith 5", secret("nodeid"), "made", "0001"}));
    auto back = must(f.store.provision(id_of<AccountId>(1), device));
    REQUIRE(back);
    CHECK(back->state == "made");
    CHECK(back->msgid == "0001");
    CHECK(as_text(back->nodeid.view()) == "nodeid");
    CHECK(must(f.store.provisions()).size() == 1);
    must(f.store.remove_provision(id_of<AccountId>(1), device));
    CHECK_FALSE(must(f.store.provision(id_of<AccountId>(1), device)));
}

TEST_CASE("the outbox is a queue whose numbers are never given twice") {
    Fixture f;
    must(f.store.put_account(account_of(1, "UID")));
    auto post = [&](std::string_view text) {
        return must(f.store.ask({0, id_of<AccountId>(1), to_bytes("{}"), to_bytes(text), "queued", 1, {}}));
    };
    const auto first = post("one"), second = post("two");
    must(f.store.set_asked(second, "sent"));
    auto posts = must(f.store.asked(id_of<AccountId>(1)));
    REQUIRE(posts.size() == 2);
    CHECK(posts[0].body_size == 3);
    CHECK(as_text(must(f.store.asked_body(first))) == "one");
    CHECK(posts[1].state == "sent");
    must(f.store.remove_asked(first));
    must(f.store.remove_asked(second));
    CHECK(post("three") > second);
    CHECK(fault_of(f.store.set_asked(second, "sent")) == Fault::not_found);
}

TEST_CASE("peers keep their endpoints, in order") {
    Fixture f;
    must(f.store.put_peer({id_of<DeviceId>(1), {"tcp://10.0.0.1:5", "tcp://[::1]:6"}, 5}));
    must(f.store.put_peer({id_of<DeviceId>(2), {}, 0}));
    auto peers = must(f.store.peers());
    REQUIRE(peers.size() == 2);
    CHECK(peers[0].endpoints == std::vector<std::string>{"tcp://10.0.0.1:5", "tcp://[::1]:6"});
    CHECK(peers[0].seen_ms == 5);
    CHECK(peers[1].endpoints.empty());
    CHECK(fault_of(f.store.put_peer({id_of<DeviceId>(3), {"two\nlines"}, 0})) == Fault::invalid);
    must(f.store.remove_peer(id_of<DeviceId>(1)));
    CHECK(must(f.store.peers()).size() == 1);
}

TEST_CASE("jobs are one for each role and peer, receipts are all kept") {
    Fixture f;
    must(f.store.put_job({"host", id_of<DeviceId>(1), "moving", 5, 0, 100, 1000}));
    must(f.store.put_job({"host", id_of<DeviceId>(1), "done", 5, 9, 100, 1000}));
    auto jobs = must(f.store.jobs());
    REQUIRE(jobs.size() == 1);
    CHECK(jobs[0].state == "done");
    CHECK(jobs[0].ended_ms == 9);
    CHECK(jobs[0].bytes_total == 1000);
    must(f.store.remove_job("host", id_of<DeviceId>(1)));
    CHECK(must(f.store.jobs()).empty());

    must(f.store.add_receipt(
        {id_of<DeviceId>(1), 7, to_bytes("{}"), id_of<Signature>(1), id_of<Signature>(2)}));
    must(f.store.add_receipt(
        {id_of<DeviceId>(1), 8, to_bytes("{}"), id_of<Signature>(3), id_of<Signature>(4)}));
    auto receipts = must(f.store.receipts());
    REQUIRE(receipts.size() == 2);
    CHECK(receipts[0].made_ms == 7);
    CHECK(receipts[1].theirs == id_of<Signature>(4));
}
