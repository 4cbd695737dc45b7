// The store of tmtpd, against what server_store.h promises.
#include "sql_store.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "base/limits.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

using namespace kith;
using namespace kith::tmtp;
using tmtpd::SqlStore;

namespace {

struct Rig {
    std::filesystem::path folder;
    Key key;
    std::unique_ptr<SqlStore> store;
    SecretBytes first{as_bytes("NODE1")}, second{as_bytes("NODE2")};

    Rig() {
        REQUIRE(crypto::start());
        std::string name = (std::filesystem::temp_directory_path() / "kith-sql-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()));
        folder = name;
        open();
    }
    ~Rig() {
        store.reset();
        std::filesystem::remove_all(folder);
    }
    void open() {
        store.reset();
        auto opened = SqlStore::open(folder / "db", key);
        REQUIRE(opened);
        store = std::move(*opened);
    }
};

}  // namespace

TEST_CASE("accounts, nodes and aliases are found again after a restart") {
    Rig rig;
    auto node = rig.store->add_account("U", rig.first, "label");
    REQUIRE(node);
    REQUIRE(rig.store->add_alias("U", "Alice Adams", nullptr));
    REQUIRE(rig.store->add_alias("U", "Alice Adams", nullptr));
    CHECK_FALSE(rig.store->add_account("U", rig.second, "twice"));
    CHECK_FALSE(rig.store->add_alias("NOBODY", "Nobody At All", nullptr));
    rig.open();
    CHECK(*rig.store->find_node("U", rig.first) == *node);
    CHECK_FALSE(rig.store->find_node("U", rig.second)->has_value());
    CHECK_FALSE(rig.store->find_node("V", rig.first)->has_value());
    CHECK(*rig.store->owner_of("Alice Adams") == "U");
    CHECK_FALSE(rig.store->owner_of("alice adams")->has_value());
    CHECK(rig.store->nodes("U")->size() == 1);
    CHECK(rig.store->nodes("V")->empty());
}

TEST_CASE("a message stays until the last node has it, its data included") {
    Rig rig;
    auto node = *rig.store->add_account("U", rig.first, "one");
    Bytes piece(limits::tmtp_piece, 7), rest(10, 8);
    REQUIRE(rig.store->put_piece(5, 0, piece));
    REQUIRE(rig.store->put_piece(5, 1, rest));
    StoredMessage message{5, "0008{\"é\":1}", piece.size() + rest.size()};
    REQUIRE(rig.store->enqueue({{message, {node}}}));
    REQUIRE(rig.store->add_node("U", rig.second, "two", node, {9, "news", 0}));
    auto other = **rig.store->find_node("U", rig.second);
    auto weight = message.head.size() + message.datalen + 4;
    CHECK(*rig.store->queue_bytes("U") == weight);
    rig.open();
    CHECK(*rig.store->last_id() == 9);
    CHECK((*rig.store->first(other))->id == 5);
    CHECK((*rig.store->first(other))->head == message.head);
    REQUIRE(rig.store->remove(node, 5));
    REQUIRE(rig.store->remove(node, 5));
    REQUIRE(rig.store->remove(node, 9));
    CHECK(*rig.store->queue_bytes("U") == weight);  // the fullest queue counts
    CHECK(*rig.store->piece(5, 0) == piece);
    CHECK(*rig.store->piece(5, 1) == rest);
    REQUIRE(rig.store->remove(other, 5));
    REQUIRE(rig.store->flush());
    CHECK_FALSE(rig.store->piece(5, 0));
    REQUIRE(rig.store->remove(other, 9));
    CHECK_FALSE(rig.store->first(other)->has_value());
    CHECK(*rig.store->queue_bytes("U") == 0);
    CHECK(*rig.store->last_id() == 9);
}

TEST_CASE("messages to many nodes are not left for one long flush") {
    Rig rig;
    std::vector<NodeRef> nodes;
    for (int i = 0; i < 101; ++i)
        nodes.push_back(*rig.store->add_account("U" + std::to_string(i), rig.first, "one"));
    for (std::uint64_t id = 1; id < 100; ++id) REQUIRE(rig.store->enqueue({{{id, "head", 0}, nodes}}));
    CHECK_FALSE(rig.store->full());
    REQUIRE(rig.store->enqueue({{{100, "head", 0}, nodes}}));
    CHECK(rig.store->full());
    for (NodeRef node : nodes) REQUIRE(rig.store->remove(node, 1));
    CHECK_FALSE(rig.store->full());
    REQUIRE(rig.store->enqueue({{{101, "head", 0}, nodes}}));
    CHECK(rig.store->full());
    REQUIRE(rig.store->flush());
    CHECK_FALSE(rig.store->full());
}

TEST_CASE("an upload that was cut off leaves nothing") {
    Rig rig;
    auto node = *rig.store->add_account("U", rig.first, "one");
    Bytes piece(limits::tmtp_piece, 7);
    for (std::uint32_t i = 0; i < 3; ++i) REQUIRE(rig.store->put_piece(5, i, piece));
    CHECK(rig.store->piece(5, 1));
    SUBCASE("by the client") {
        rig.store->drop_pieces(5);
    }
    SUBCASE("by the end of the process") {
        rig.open();
    }
    CHECK_FALSE(rig.store->piece(5, 0));
    CHECK_FALSE(rig.store->piece(5, 1));
    CHECK_FALSE(rig.store->first(node)->has_value());
}

TEST_CASE("queues go out by rising id, from the journal and from the database") {
    Rig rig;
    auto node = *rig.store->add_account("U", rig.first, "one");
    for (std::uint64_t id : {7u, 3u, 5u}) REQUIRE(rig.store->enqueue({{{id, "head", 0}, {node}}}));
    REQUIRE(rig.store->flush());
    for (std::uint64_t id : {6u, 2u, 9u}) REQUIRE(rig.store->enqueue({{{id, "head", 0}, {node}}}));
    for (std::uint64_t id : {2u, 3u, 5u, 6u, 7u, 9u}) {
        CHECK((*rig.store->first(node))->id == id);
        REQUIRE(rig.store->remove(node, id));
        REQUIRE(rig.store->remove(node, id));
        if (id == 5) REQUIRE(rig.store->enqueue({{{4, "late", 0}, {node}}}));
        if (id == 5) {
            CHECK((*rig.store->first(node))->id == 4);
            REQUIRE(rig.store->remove(node, 4));
        }
        if (id == 6) REQUIRE(rig.store->flush());
    }
    CHECK_FALSE(rig.store->first(node)->has_value());
    CHECK(*rig.store->queue_bytes("U") == 0);
}

TEST_CASE("what was committed is there after a crash, acknowledgements included") {
    Rig rig;
    auto one = *rig.store->add_account("U", rig.first, "one"),
         two = *rig.store->add_account("V", rig.second, "one");
    REQUIRE(rig.store->put_piece(5, 0, Bytes(10, 7)));
    REQUIRE(rig.store->enqueue({{{5, "0008{\"a\":1}", 10}, {one, two}}, {{6, "0008{\"b\":1}", 0}, {two}}}));
    REQUIRE(rig.store->remove(one, 5));
    REQUIRE(rig.store->commit());
    const auto weight = *rig.store->queue_bytes("V");
    REQUIRE(rig.store->enqueue({{{7, "0008{\"c\":1}", 0}, {two}}}));  // nobody is told of this one
    rig.open();
    CHECK_FALSE(rig.store->first(one)->has_value());
    CHECK(*rig.store->queue_bytes("U") == 0);
    CHECK(*rig.store->queue_bytes("V") == weight);
    CHECK((*rig.store->first(two))->head == "0008{\"a\":1}");
    CHECK(*rig.store->piece(5, 0) == Bytes(10, 7));
    CHECK(*rig.store->last_id() == 6);
    REQUIRE(rig.store->remove(two, 5));  // in the database by now
    REQUIRE(rig.store->commit());
    rig.open();
    CHECK((*rig.store->first(two))->id == 6);
}

TEST_CASE("a full database refuses, keeps what it has, and takes more when there is room") {
    Rig rig;
    auto node = *rig.store->add_account("U", rig.first, "one");
    REQUIRE(rig.store->limit_size(400'000));
    std::uint64_t id = 0;
    for (int i = 0; i < 20; ++i) {
        REQUIRE(rig.store->put_piece(++id, 0, Bytes(20'000, 1)));
        REQUIRE(rig.store->enqueue({{{id, "head", 20'000}, {node}}}));
    }
    REQUIRE(rig.store->commit());
    CHECK(rig.store->flush().error().kind == Fault::disk_full);
    CHECK((*rig.store->first(node))->id == 1);
    CHECK(*rig.store->piece(1, 0) == Bytes(20'000, 1));
    for (std::uint64_t gone = 1; gone < 18; ++gone) REQUIRE(rig.store->remove(node, gone));
    REQUIRE(rig.store->flush());
    CHECK((*rig.store->first(node))->id == 18);
    CHECK(rig.store->add_node("U", rig.second, "two", node, {99, "news", 0}));
}

TEST_CASE("who met whom is kept, for so many and no more") {
    Rig rig;
    for (const char* uid : {"A", "B", "C", "D"}) REQUIRE(rig.store->add_account(uid, rig.first, "one"));
    CHECK_FALSE(*rig.store->met("A", "B"));
    CHECK(*rig.store->meet("A", "B", 1));
    CHECK(*rig.store->meet("A", "B", 1));
    CHECK_FALSE(*rig.store->meet("A", "C", 1));
    rig.open();
    CHECK(*rig.store->met("A", "B"));
    CHECK(*rig.store->met("B", "A"));
    CHECK_FALSE(*rig.store->met("A", "C"));
    REQUIRE(rig.store->put_members("Our Group",
                                   {{"A", "Alice", Member::joined}, {"C", "Carol", Member::invited}}, {}));
    CHECK_FALSE(*rig.store->met("A", "C"));
    REQUIRE(rig.store->put_members("Our Group", {{"C", "Carol", Member::joined}}, {}));
    CHECK(*rig.store->met("A", "C"));
    CHECK(*rig.store->met("C", "A"));
    CHECK_FALSE(*rig.store->met("D", "A"));
    CHECK(*rig.store->accounts() == 4);
    REQUIRE(rig.store->add_alias("A", "Alice Adams", nullptr));
    CHECK(*rig.store->aliases_of("A") == 1);
}

TEST_CASE("a group's members and the news of them are kept together") {
    Rig rig;
    auto node = *rig.store->add_account("U", rig.first, "one");
    REQUIRE(rig.store->add_account("V", rig.second, "one"));
    CHECK_FALSE(rig.store->group("Our Group")->has_value());
    std::vector<Member> members{{"U", "Alice Adams", Member::joined}, {"V", "Bobby Brown", Member::invited}};
    REQUIRE(rig.store->put_members("Our Group", members, {{{7, "head", 0}, {node}}}));
    CHECK_FALSE(
        rig.store->put_members("Our Group", {{"NOBODY", "x", Member::joined}}, {{{8, "head", 0}, {node}}}));
    rig.open();
    CHECK(**rig.store->group("Our Group") == members);
    CHECK(*rig.store->groups_of("U") == 1);
    CHECK(*rig.store->groups_of("V") == 0);
    CHECK(*rig.store->last_id() == 7);
    members[1] = {"V", "Bob", Member::joined};
    REQUIRE(rig.store->put_members("Our Group", {members[1]}, {}));
    CHECK(**rig.store->group("Our Group") == members);
    CHECK(*rig.store->groups_of("V") == 1);
}

TEST_CASE("a change of an account's roster is kept whole, with the nodes that follow from it") {
    Rig rig;
    const Bytes device(32, 1), other(32, 2);
    auto hash = [](const SecretBytes& nodeid) {
        auto sum = crypto::hash(nodeid.view());
        return Bytes(sum.begin(), sum.end());
    };
    auto node = *rig.store->add_ruled_account("U", {device, hash(rig.first), "one", 0}, to_bytes("log"));
    CHECK(*rig.store->find_node("U", rig.first) == node);
    REQUIRE(rig.store->enqueue({{{5, "0008{\"a\":1}", 0}, {node}}}));
    CHECK(rig.store->roster("NOBODY")->log.empty());

    RosterChange change;
    change.uid = "U";
    change.log = to_bytes("a longer log");
    change.added.push_back({other, hash(rig.second), "two", node});
    change.news = StoredMessage{7, "news", 3};
    change.news_data = to_bytes("abc");
    REQUIRE(rig.store->change_roster(change));
    rig.open();
    CHECK(as_text(rig.store->roster("U")->log) == "a longer log");
    const auto second = **rig.store->find_node("U", rig.second);
    CHECK((*rig.store->first(second))->id == 5);  // a copy of the queue
    REQUIRE(rig.store->remove(second, 5));
    CHECK((*rig.store->first(second))->id == 7);
    CHECK(as_text(*rig.store->piece(7, 0)) == "abc");

    change = {};
    change.uid = "U";
    change.held.emplace_back(second, 1000);
    change.news = StoredMessage{9, "held", 0};
    REQUIRE(rig.store->change_roster(change));
    CHECK(*rig.store->is_held(second));
    CHECK((*rig.store->first(second))->id == 7);  // the queue waits, and the news is for the others
    const auto nodes = *rig.store->controlled("U");
    REQUIRE(nodes.size() == 2);
    CHECK(nodes[0].knows);
    CHECK_FALSE(nodes[1].knows);
    CHECK(nodes[1].held_ms == 1000);
    CHECK(nodes[1].device == other);
    CHECK(nodes[1].secret_hash == hash(rig.second));
    CHECK(rig.store->rosters_due(5000, 999)->empty());
    CHECK(*rig.store->rosters_due(5000, 1000) == std::vector<std::string>{"U"});

    change = {};
    change.uid = "U";
    change.dropped = {second};
    change.proposal = AccountRoster{{}, to_bytes("proposal"), 4000};
    REQUIRE(rig.store->change_roster(change));
    rig.open();
    CHECK_FALSE(rig.store->find_node("U", rig.second)->has_value());
    CHECK(rig.store->nodes("U")->size() == 1);
    CHECK(*rig.store->rosters_due(4000, 0) == std::vector<std::string>{"U"});
    CHECK(as_text(rig.store->roster("U")->proposed) == "proposal");
    change.uid = "NOBODY";
    CHECK_FALSE(rig.store->change_roster(change));
    for (auto id : {5u, 7u, 9u}) REQUIRE(rig.store->remove(node, id));
    CHECK(*rig.store->queue_bytes("U") == 0);
}

TEST_CASE("of two nodes with one secret the one that is not held logs in, else the older one") {
    Rig rig;
    const auto sum = crypto::hash(rig.first.view());
    const Bytes hash(sum.begin(), sum.end());
    const auto older = *rig.store->add_ruled_account("U", {Bytes(32, 1), hash, "one", 0}, to_bytes("log"));
    RosterChange change;
    change.uid = "U";
    change.added.push_back({Bytes(32, 2), hash, "two", 0});
    REQUIRE(rig.store->change_roster(change));
    const auto newer = rig.store->controlled("U")->back().node;
    REQUIRE(newer != older);
    CHECK(*rig.store->find_node("U", rig.first) == older);
    change = {};
    change.uid = "U";
    change.held = {{older, 1000}};
    REQUIRE(rig.store->change_roster(change));
    CHECK(*rig.store->find_node("U", rig.first) == newer);
    change.held = {{newer, 2000}};
    REQUIRE(rig.store->change_roster(change));
    CHECK(*rig.store->find_node("U", rig.first) == older);
}

TEST_CASE("a node can begin with what any node of its account has still to get, while these are dropped") {
    Rig rig;
    auto one = *rig.store->add_account("U", rig.first, "one");
    REQUIRE(rig.store->put_piece(5, 0, Bytes(1000, 1)));
    REQUIRE(rig.store->enqueue({{{5, "0008{\"a\":1}", 1000}, {one}}}));
    REQUIRE(rig.store->add_node("U", rig.second, "two", one, {6, "news", 0}));
    auto two = **rig.store->find_node("U", rig.second);
    REQUIRE(rig.store->remove(two, 5));
    REQUIRE(rig.store->put_piece(7, 0, Bytes(100, 2)));
    REQUIRE(rig.store->enqueue({{{7, "0008{\"b\":1}", 100}, {two}}}));
    REQUIRE(rig.store->remove(one, 6));
    CHECK(*rig.store->queue_bytes(one) == 11 + 1000);
    CHECK(*rig.store->queue_bytes(two) == 4 + 11 + 100);
    CHECK(rig.store->alias_of("U")->empty());
    REQUIRE(rig.store->add_alias("U", "Zoe of Zion", nullptr));
    REQUIRE(rig.store->add_alias("U", "Alice Adams", nullptr));
    CHECK(*rig.store->alias_of("U") == "Alice Adams");
    CHECK(rig.store->alias_of("NOBODY")->empty());
    REQUIRE(rig.store->knows_control(one, true));
    CHECK(rig.store->controlled("U")->front().knows);
    REQUIRE(rig.store->knows_control(one, false));
    CHECK_FALSE(rig.store->controlled("U")->front().knows);

    const SecretBytes secret{as_bytes("NODE3")};
    auto sum = crypto::hash(secret.view());
    RosterChange change;
    change.uid = "U";
    change.log = to_bytes("log");
    change.added.push_back({Bytes(32, 3), Bytes(sum.begin(), sum.end()), "node", every_queue});
    change.dropped = {one, two};
    REQUIRE(rig.store->change_roster(change));
    rig.open();
    auto node = **rig.store->find_node("U", secret);
    CHECK(*rig.store->nodes("U") == std::vector<NodeRef>{node});
    CHECK(*rig.store->queue_bytes(node) == 11 + 1000 + 4 + 11 + 100);
    for (const auto& [id, size] : {std::pair{5u, 1000u}, {6u, 0u}, {7u, 100u}}) {
        auto message = *rig.store->first(node);
        REQUIRE(message);
        CHECK(message->id == id);
        if (size > 0) CHECK(rig.store->piece(id, 0)->size() == size);
        REQUIRE(rig.store->remove(node, id));
    }
    CHECK(*rig.store->queue_bytes("U") == 0);
}
