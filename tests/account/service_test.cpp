// Node control between the client machines and the server machine: what a service does with entries, and what
// a thief who holds a node can still do.
#include <doctest/doctest.h>

#include "account/log.h"
#include "account/project.h"
#include "account/rules.h"
#include "base/limits.h"
#include "crypto/hash.h"
#include "roster/people.h"
#include "tmtp/client.h"
#include "tmtp/limits.h"
#include "tmtp/memory_store.h"
#include "tmtp/server.h"

using namespace kith;
using namespace kith::tmtp;

namespace {

constexpr std::int64_t day_ms = 24ll * 3600 * 1000;

// One device of the account's owner: its client machine, and what it holds.
struct Node {
    Key act, sign;
    DeviceId device;
    SecretBytes nodeid;
    std::optional<Client> client;
    LinkId link = 0;
    std::string uid, failed;
    bool online = false, held = false, permanent = false, founded = false;
    std::optional<RequestResult> result;
    std::vector<Delivered> got;
    std::vector<std::string> asked;  // refused requests' errors
    std::function<Bytes(const ProofWanted&)> prove;
    std::optional<std::string> alias;  // of what it restores
};

struct World {
    MemoryStore store;
    SeededRandom random{3};
    SeededRandom other{5};
    account::Rules rules;
    std::unique_ptr<Hub> hub;
    Now now{1000, 1'795'289'105'920};
    std::map<LinkId, Node*> links;
    std::set<LinkId> closing;
    LinkId next_link = 1;
    AccountId account = crypto::random_id<AccountId>(other);
    account::NewRoster begun = account::begin(other);
    Key recovery = crypto::random_secret(other);
    std::vector<roster::Entry> log;
    bool control = true;
    const Bytes service_key = Bytes(32, 7);

    World() {
        REQUIRE(crypto::start());
        store.hash = [](ByteView bytes) {
            auto sum = crypto::hash(bytes);
            return Bytes(sum.begin(), sum.end());
        };
        start();
    }
    void start() {
        hub = std::make_unique<Hub>("site", store, random);
        if (control) hub->govern(rules);
        hub->show_key(service_key);
        REQUIRE(hub->start(now));
    }
    Node make() {
        Node node;
        node.act = crypto::random_secret(other);
        node.sign = crypto::random_secret(other);
        node.device = crypto::random_id<DeviceId>(other);
        node.nodeid = account::make_nodeid(other);
        return node;
    }
    roster::SignedRequest request(const Node& node) {
        return *account::make_request(begun.id, account, node.device, node.act, node.sign,
                                      account::hash_of(node.nodeid));
    }
    Bytes founding(const Node& node) {
        const auto asked = request(node);
        log = *account::found(begun, {&asked, 1}, roster::recovery_account_key(recovery, 0).public_key());
        return roster::pack_entries(log);
    }
    void enrol(Node& node) {
        node.client =
            Client::registering("_", "first", {}, Client::Founding{founding(node), node.nodeid.copy()});
        connect(node);
    }
    void log_in(Node& node, const std::string& uid) {
        node.client = Client::login(uid, node.nodeid.copy());
        connect(node);
    }
    void restore(Node& node, const std::string& uid) {
        node.client = Client::restoring(uid);
        connect(node);
    }
    Bytes proof(const ProofWanted& wanted, const std::string& uid) {
        CHECK(wanted.key == to_bytes(recovery_key().public_key().view()));
        return to_bytes(recovery_key().sign(restore_challenge(wanted.nonce, service_key, uid)).view());
    }
    void connect(Node& node) {
        if (const auto old = std::exchange(node.link, 0)) {
            links.erase(old);
            from_hub(hub->closed(old, now));
        }
        node.online = node.held = node.permanent = false;
        node.failed.clear();
        node.link = next_link++;
        links[node.link] = &node;
        to_node(node, node.client->disconnected(now));
        from_hub(hub->opened(node.link, now));
        to_node(node, node.client->connected(now));
    }
    void from_hub(HubActions actions) {
        for (auto& action : actions) {
            if (auto* send = std::get_if<Send>(&action)) {
                auto at = links.find(send->link);
                if (at != links.end()) to_node(*at->second, at->second->client->received(send->bytes, now));
                from_hub(hub->drained(send->link, now));
            } else if (auto* close = std::get_if<Close>(&action)) {
                closing.insert(close->link);
            } else if (auto* probe = std::get_if<Probe>(&action)) {
                from_hub(hub->alive(probe->link, now));
            }
        }
        for (const LinkId link : std::exchange(closing, {})) {
            if (auto at = links.find(link); at != links.end()) {
                auto& node = *at->second;
                links.erase(at);
                node.link = 0;
                node.online = node.held = false;
                to_node(node, node.client->disconnected(now));
            }
            from_hub(hub->closed(link, now));
        }
    }
    void to_node(Node& node, ClientActions actions) {
        for (auto& action : actions) {
            if (auto* send = std::get_if<SendBytes>(&action)) {
                if (node.link) from_hub(hub->received(node.link, send->bytes, now));
            } else if (auto* registered = std::get_if<Registered>(&action)) {
                node.uid = registered->uid;
                node.founded = registered->founded;
                if (!node.founded) node.nodeid = registered->nodeid.copy();
            } else if (std::get_if<Online>(&action)) {
                node.online = true;
            } else if (std::get_if<Held>(&action)) {
                node.held = true;
            } else if (auto* wanted = std::get_if<ProofWanted>(&action)) {
                if (node.prove) to_node(node, node.client->prove(node.prove(*wanted), now));
            } else if (auto* restoring = std::get_if<Restoring>(&action)) {
                node.alias = restoring->alias;
            } else if (auto* message = std::get_if<Delivered>(&action)) {
                const auto id = message->msgid;
                node.got.push_back(std::move(*message));
                to_node(node, node.client->acked(id, now));
            } else if (auto* added = std::get_if<NodeAdded>(&action)) {
                to_node(node, node.client->acked(added->msgid, now));
            } else if (auto* refused = std::get_if<NodeRefused>(&action)) {
                node.asked.push_back(refused->error.what);
            } else if (auto* result = std::get_if<RequestResult>(&action)) {
                node.result = std::move(*result);
            } else if (auto* failed = std::get_if<Failed>(&action)) {
                node.failed = failed->error.what;
                node.permanent = failed->permanent;
            }
        }
    }
    void wait(std::int64_t ms) {
        now.mono_ms += ms;
        now.unix_ms += ms;
        // Nobody sends a Pulse here: their links would end of it.
        for (auto& [link, node] : std::map(links)) to_node(*node, node->client->tick(now));
        from_hub(hub->tick(now));
    }
    // What the service says to it.
    RequestResult roster(Node& node, const std::string& act, ByteView data = {}) {
        node.result.reset();
        to_node(node, node.client->ask("r", {Roster{{}, act, 0}, to_bytes(data)}, now));
        REQUIRE(node.result);
        return std::move(*node.result);
    }
    RequestResult bring(Node& node, const std::vector<roster::Entry>& entries) {
        return roster(node, "add", roster::pack_entries(entries));
    }
    roster::State state() { return *roster::fold(begun.id, log); }
    DeviceId name(const Node& node) { return request(node).id(); }
    crypto::SignKey act(const Node& node) { return account::act_key(node.act, begun.id); }
    roster::Entry keep(Result<roster::Entry> entry) {
        REQUIRE(entry);
        log.push_back(*entry);
        return *entry;
    }
    roster::Entry add(const Node& by, const Node& added) {
        return keep(roster::make_add(state(), name(by), act(by), request(added), 0));
    }
    roster::Entry bar(const Node& by, const Node& target) {
        return keep(roster::make_bar(state(), name(by), act(by), name(target), false, 0));
    }
    crypto::SignKey recovery_key() { return roster::recovery_account_key(recovery, 0); }
    void post(Node& from, const std::string& uid, const std::string& text) {
        Post post{{}, {{uid, Recipient::uid}}, 0, 0, {}};
        from.result.reset();
        to_node(from, from.client->ask("p", {post, to_bytes(text)}, now));
        REQUIRE(from.result);
        CHECK(from.result->outcome == RequestResult::Outcome::accepted);
    }
    static std::size_t count(const Node& node, const std::string& text) {
        return static_cast<std::size_t>(std::count_if(
            node.got.begin(), node.got.end(),
            [&](const Delivered& one) { return one.kind == Kind::delivery && as_text(one.data()) == text; }));
    }
    std::size_t nodes() { return store.all_nodes.size(); }
};

}  // namespace

TEST_CASE("an account begins with its roster, and no secret of a node is ever sent by the service") {
    World world;
    Node one = world.make(), two = world.make();
    world.enrol(one);
    REQUIRE(one.online);
    CHECK(one.founded);
    auto shown = world.roster(one, "show");
    CHECK(shown.roster->state == "bound");
    CHECK(shown.log == roster::pack_entries(world.log));
    world.post(one, one.uid, "before");
    CHECK(world.count(one, "before") == 1);

    // Not known yet: no login.
    world.log_in(two, one.uid);
    CHECK(two.permanent);
    auto answer = world.bring(one, {world.add(one, two)});
    CHECK(answer.outcome == RequestResult::Outcome::accepted);
    CHECK(answer.log == roster::pack_entries(world.log));
    world.log_in(two, one.uid);
    CHECK(two.online);
    for (const auto& node : {&one, &two})
        for (const auto& message : node->got) CHECK(message.op != "user");
    // It hears of what is added.
    CHECK(std::any_of(one.got.begin(), one.got.end(),
                      [](const Delivered& m) { return m.kind == Kind::roster && m.act == "added"; }));
    world.post(one, one.uid, "to both");
    CHECK(world.count(two, "to both") == 1);

    // Nor is a node made otherwise.
    world.to_node(one, one.client->add_node("by the old way", false, world.now));
    REQUIRE(one.asked.size() == 1);
    CHECK(one.asked[0].find("roster decides") != std::string::npos);
    CHECK(world.nodes() == 2);
    CHECK(world.bring(one, world.log).outcome == RequestResult::Outcome::accepted);  // nothing new
    CHECK(world.nodes() == 2);
}

TEST_CASE("a bar cuts the session and holds the queue at once; after 30 days it is gone") {
    World world;
    Node one = world.make(), two = world.make();
    world.enrol(one);
    world.bring(one, {world.add(one, two)});
    world.log_in(two, one.uid);
    REQUIRE(two.online);
    const auto bar = world.bar(one, two);
    CHECK(world.bring(one, {bar}).outcome == RequestResult::Outcome::accepted);
    CHECK_FALSE(two.online);
    CHECK_FALSE(two.permanent);
    world.connect(two);
    CHECK(two.held);
    world.post(one, one.uid, "after the bar");
    CHECK(world.count(two, "after the bar") == 0);
    // It learns why, and nothing else: another request ends the link.
    CHECK(world.roster(two, "show").log == roster::pack_entries(world.log));
    world.from_hub(world.hub->received(two.link, as_bytes(*encode(UserEdit{"x", "another", ""})), world.now));
    CHECK(two.link == 0);
    CHECK(two.failed.find("roster has changed") != std::string::npos);

    Node evil = world.make();
    world.connect(two);
    // What it signs now makes no node; that it does not know of the bar is no excuse.
    const auto known = std::vector(world.log.begin(), world.log.end() - 1);
    auto stale = *roster::make_add(*roster::fold(world.begun.id, known), world.name(two), world.act(two),
                                   world.request(evil), 0);
    CHECK(world.bring(two, {stale}).outcome == RequestResult::Outcome::accepted);
    world.log.push_back(stale);
    world.log_in(evil, one.uid);
    CHECK(evil.permanent);
    CHECK(world.nodes() == 2);

    world.wait(29 * day_ms);
    CHECK(world.nodes() == 2);
    world.wait(2 * day_ms);
    CHECK(world.nodes() == 1);
    world.connect(two);
    CHECK(two.permanent);
}

TEST_CASE("a contest holds both, however long it takes; the recovery key lets in again, with what waited") {
    World world;
    Node one = world.make(), lost = world.make();
    world.enrol(one);
    world.bring(one, {world.add(one, lost)});
    world.log_in(lost, one.uid);
    // The thief is first.
    world.bring(lost, {world.bar(lost, one)});
    CHECK_FALSE(one.online);
    world.connect(one);
    REQUIRE(one.held);
    world.post(lost, one.uid, "while it was held");
    auto contest = world.keep(
        roster::make_contest(world.state(), world.name(one), world.act(one), world.log.back().id, 0));
    CHECK(world.bring(one, {contest}).outcome == RequestResult::Outcome::accepted);
    CHECK(one.held);
    CHECK_FALSE(lost.online);
    world.wait(40 * day_ms);
    CHECK(world.nodes() == 2);
    world.connect(one);
    REQUIRE(one.held);

    roster::Recover recover{std::nullopt, {}, {world.name(lost)}};
    std::vector<roster::Entry> word{
        world.keep(roster::make_recover(world.state(), world.recovery_key(), recover, 0))};
    for (const auto& against : world.state().bars)
        if (against.device == world.name(one))
            word.push_back(world.keep(
                roster::make_lift(world.state(), std::nullopt, world.recovery_key(), against.entry, 0)));
    world.bring(one, word);
    CHECK(world.nodes() == 1);  // the thief's is gone at once
    world.connect(one);
    CHECK(one.online);
    CHECK(world.count(one, "while it was held") == 1);
    world.connect(lost);
    CHECK(lost.permanent);
}

TEST_CASE("a device that was added by one that is barred falls with it") {
    World world;
    Node one = world.make(), lost = world.make(), evil = world.make();
    world.enrol(one);
    world.bring(one, {world.add(one, lost)});
    world.log_in(lost, one.uid);
    const auto before = world.log;
    world.bring(lost, {world.add(lost, evil)});
    world.log_in(evil, one.uid);
    REQUIRE(evil.online);
    // The owner has not heard of it: his bar voids the adding too.
    const auto bar = *roster::make_bar(*roster::fold(world.begun.id, before), world.name(one), world.act(one),
                                       world.name(lost), false, 0);
    world.bring(one, {bar});
    CHECK_FALSE(evil.online);
    CHECK_FALSE(lost.online);
    world.connect(evil);
    CHECK(evil.held);
}

TEST_CASE("an older account is bound after seven days in which each of its nodes could object") {
    World world;
    Node one = world.make(), two = world.make(), late = world.make();
    one.client = Client::registering("_", "first");
    world.connect(one);
    REQUIRE(one.online);
    CHECK_FALSE(one.founded);
    CHECK(world.roster(one, "show").roster->state == "none");

    // A second node, by the old way.
    world.to_node(one, one.client->add_node("second", false, world.now));
    const auto other = std::find_if(world.store.all_nodes.begin(), world.store.all_nodes.end(),
                                    [&](const auto& item) { return item.second.label == "second"; });
    REQUIRE(other != world.store.all_nodes.end());
    two.nodeid = SecretBytes(as_bytes(other->second.nodeid));
    auto proposal = world.founding(one);
    // It may be an old client, which could not object.
    world.from_hub(world.hub->tick(world.now));
    world.connect(one);
    auto refused = world.roster(one, "bind", proposal);
    CHECK(refused.error.what.find("does not know node control") != std::string::npos);
    world.log_in(two, one.uid);
    REQUIRE(two.online);
    // The other node has heard its secret, or could have.
    CHECK(world.roster(one, "bind", proposal).error.what.find("the secret of one that is there") !=
          std::string::npos);
    CHECK(world.roster(two, "bind", proposal).error.what.find("the secret of one that is there") !=
          std::string::npos);

    const SecretBytes heard = one.nodeid.copy();
    one.nodeid = account::make_nodeid(world.other);
    proposal = world.founding(one);
    auto bound = world.roster(one, "bind", proposal);
    CHECK(bound.outcome == RequestResult::Outcome::accepted);
    CHECK(bound.roster->state == "binding");
    CHECK(bound.roster->due_ms == world.now.unix_ms + limits::tmtpd_bind_ms);
    REQUIRE(!two.got.empty());
    CHECK(two.got.back().act == "binding");
    CHECK(two.got.back().due_ms == bound.roster->due_ms);
    CHECK(world.roster(one, "bind", proposal).outcome == RequestResult::Outcome::refused);
    CHECK(world.roster(two, "object").roster->state == "none");
    CHECK(one.got.back().act == "objected");
    // Nobody has to object all day.
    CHECK(world.roster(one, "bind", proposal).error.what.find("not before tomorrow") != std::string::npos);
    world.wait(8 * day_ms);
    world.connect(one);
    CHECK(world.roster(one, "show").roster->state == "none");

    CHECK(world.roster(one, "bind", proposal).roster->state == "binding");
    world.wait(6 * day_ms);
    CHECK(world.nodes() == 2);
    world.connect(one);
    world.links.erase(two.link);
    world.from_hub(world.hub->closed(std::exchange(two.link, 0), world.now));
    world.post(one, one.uid, "while it was proposed");
    CHECK(world.count(one, "while it was proposed") == 1);
    world.start();  // a restart changes nothing
    world.links.clear();
    world.wait(2 * day_ms);
    CHECK(world.nodes() == 1);  // what was not named is gone
    world.connect(one);
    CHECK(one.permanent);
    Node thief = world.make();
    thief.nodeid = heard.copy();
    world.log_in(thief, one.uid);
    CHECK(thief.permanent);
    const auto uid = one.uid;
    world.log_in(one, uid);
    REQUIRE(one.online);
    one.uid = uid;
    // What the other of the former nodes had still to get.
    CHECK(world.count(one, "while it was proposed") == 2);
    CHECK(world.roster(one, "show").roster->state == "bound");
    world.connect(two);
    CHECK(two.permanent);
    CHECK(world.bring(one, {world.add(one, late)}).outcome == RequestResult::Outcome::accepted);
    world.log_in(late, one.uid);
    CHECK(late.online);
}

TEST_CASE("a roster is not bound when a node cannot have objected") {
    World world;
    Node one = world.make(), two = world.make();
    one.client = Client::registering("_", "first");
    world.connect(one);
    world.connect(one);
    const auto uid = one.uid;
    one.nodeid = account::make_nodeid(world.other);
    const auto proposal = world.founding(one);
    REQUIRE(world.roster(one, "bind", proposal).roster->state == "binding");
    // Made meanwhile, for a client that knows nothing of it.
    world.to_node(one, one.client->add_node("second", false, world.now));
    CHECK(world.nodes() == 2);
    world.wait(8 * day_ms);
    CHECK(world.nodes() == 2);
    world.connect(one);
    REQUIRE(one.online);
    CHECK(world.roster(one, "show").roster->state == "none");
    // And one whose client knew of it once, and was logged in by another one since.
    world.wait(2 * day_ms);
    const auto other = std::find_if(world.store.all_nodes.begin(), world.store.all_nodes.end(),
                                    [&](const auto& item) { return item.second.label == "second"; });
    two.nodeid = SecretBytes(as_bytes(other->second.nodeid));
    world.log_in(two, uid);
    REQUIRE(two.online);
    world.connect(one);
    REQUIRE(world.roster(one, "bind", proposal).roster->state == "binding");
    world.wait(60'000);
    auto& plain = world.store.all_nodes[other->first];
    CHECK(plain.knows);
    world.hub->closed(std::exchange(two.link, 0), world.now);
    const LinkId link = world.next_link++;
    world.from_hub(world.hub->opened(link, world.now));
    world.from_hub(world.hub->received(link, as_bytes(*encode(TmtpRev{})), world.now));
    world.from_hub(
        world.hub->received(link, as_bytes(*encode(Login{uid, two.nodeid.copy(), false})), world.now));
    CHECK_FALSE(plain.knows);
    world.wait(8 * day_ms);
    CHECK(world.nodes() == 2);
}

TEST_CASE("who holds a node's link cannot keep its owner from objecting") {
    World world;
    Node thief = world.make(), two = world.make();
    thief.client = Client::registering("_", "first");
    world.connect(thief);
    const auto uid = thief.uid;
    world.to_node(thief, thief.client->add_node("second", false, world.now));
    const auto other = std::find_if(world.store.all_nodes.begin(), world.store.all_nodes.end(),
                                    [&](const auto& item) { return item.second.label == "second"; });
    two.nodeid = SecretBytes(as_bytes(other->second.nodeid));
    Node shadow = world.make();
    shadow.nodeid = two.nodeid.copy();
    world.connect(thief);
    world.log_in(shadow, uid);
    REQUIRE(shadow.online);
    world.log_in(two, uid);
    CHECK_FALSE(two.held);  // nothing is proposed: as ever
    CHECK(two.failed.find("earlier connection") != std::string::npos);
    thief.nodeid = account::make_nodeid(world.other);
    REQUIRE(world.roster(thief, "bind", world.founding(thief)).roster->state == "binding");
    world.log_in(two, uid);
    REQUIRE(two.held);
    CHECK(world.roster(two, "show").roster->state == "binding");
    CHECK(world.roster(two, "object").roster->state == "none");
    CHECK(two.link == 0);  // that was all that it was let in for
    CHECK(shadow.online);
    world.wait(8 * day_ms);
    CHECK(world.nodes() == 2);
}

TEST_CASE("an account of which no device is left is restored by the recovery key, with what waited") {
    World world;
    Node one = world.make(), two = world.make(), fresh = world.make();
    world.enrol(one);
    world.bring(one, {world.add(one, two)});
    world.store.aliases["the-owner"] = one.uid;
    world.post(one, one.uid, "waits for two");
    world.post(one, one.uid, "waits for both");
    const auto uid = one.uid;
    fresh.prove = [&](const ProofWanted& wanted) { return world.proof(wanted, uid); };
    world.restore(fresh, uid);
    REQUIRE(fresh.held);
    CHECK(fresh.alias == "the-owner");
    auto shown = world.roster(fresh, "show");
    CHECK(shown.log == roster::pack_entries(world.log));
    auto made = account::restore(world.log, world.request(fresh), world.recovery, std::nullopt);
    REQUIRE(made);
    CHECK(made->size() == 2);
    CHECK(world.bring(fresh, *made).outcome == RequestResult::Outcome::accepted);
    CHECK_FALSE(one.online);
    CHECK(world.nodes() == 1);
    world.log_in(fresh, uid);
    REQUIRE(fresh.online);
    CHECK(world.count(fresh, "waits for two") == 1);
    CHECK(world.count(fresh, "waits for both") == 1);
    for (auto* former : {&one, &two}) {
        world.log_in(*former, uid);
        CHECK(former->permanent);
    }
    // Once more, to a key of another sheet: the former one is worth nothing then.
    world.log.insert(world.log.end(), made->begin(), made->end());
    Node again = world.make();
    again.prove = fresh.prove;
    const Key other = crypto::random_secret(world.other);
    world.restore(again, uid);
    REQUIRE(again.held);
    auto more = account::restore(world.log, world.request(again), world.recovery,
                                 roster::recovery_account_key(other, 3).public_key());
    REQUIRE(more);
    CHECK(world.bring(again, *more).outcome == RequestResult::Outcome::accepted);
    world.log.insert(world.log.end(), more->begin(), more->end());
    CHECK(world.state().recovery == roster::recovery_account_key(other, 3).public_key());
    CHECK_FALSE(account::restore(world.log, world.request(world.make()), world.recovery, std::nullopt));
    CHECK(account::restore(world.log, world.request(world.make()), other, std::nullopt));
}

TEST_CASE(
    "nobody restores an account without its recovery key, or with a proof that was made for something else") {
    World world;
    Node one = world.make();
    world.enrol(one);
    const auto uid = one.uid;
    Bytes seen;
    const auto refused = [&](std::function<Bytes(const ProofWanted&)> prove, const std::string& of) {
        Node thief = world.make();
        thief.prove = std::move(prove);
        world.restore(thief, of);
        CHECK_FALSE(thief.held);
        CHECK(thief.permanent);
        CHECK(thief.link == 0);
        return thief.failed;
    };
    const auto signed_by = [&](const crypto::SignKey& key, ByteView bytes) {
        return to_bytes(key.sign(bytes).view());
    };
    const auto key = world.recovery_key();
    // What is good, once.
    Node good = world.make();
    good.prove = [&](const ProofWanted& wanted) { return seen = world.proof(wanted, uid); };
    world.restore(good, uid);
    REQUIRE(good.held);
    CHECK(refused([&](const ProofWanted&) { return seen; }, uid).find("does not hold") != std::string::npos);
    const auto other = crypto::SignKey(crypto::random_secret(world.other));
    refused(
        [&](const ProofWanted& w) {
            return signed_by(other, restore_challenge(w.nonce, world.service_key, uid));
        },
        uid);
    refused(
        [&](const ProofWanted& w) { return signed_by(key, restore_challenge(w.nonce, Bytes(32, 8), uid)); },
        uid);
    refused(
        [&](const ProofWanted& w) {
            return signed_by(key, restore_challenge(w.nonce, world.service_key, "X"));
        },
        uid);
    refused([&](const ProofWanted& w) { return signed_by(key, w.nonce); }, uid);
    refused([&](const ProofWanted&) { return Bytes(1, 0); }, uid);
    CHECK(refused({}, "NOBODY").find("no such account") != std::string::npos);
    // A proof before there is a nonce, one for another account's nonce, and a second one.
    const auto say = [&](const std::vector<Result<std::string>>& ops) {
        const LinkId link = world.next_link++;
        world.from_hub(world.hub->opened(link, world.now));
        world.from_hub(world.hub->received(link, as_bytes(*encode(TmtpRev{})), world.now));
        Bytes last;
        for (const auto& op : ops)
            for (auto& action : world.hub->received(link, as_bytes(*op), world.now))
                if (auto* send = std::get_if<Send>(&action)) last = send->bytes;
        world.hub->closed(link, world.now);
        return std::string(as_text(last));
    };
    const auto ask = encode(Restore{"1", uid, {}}), answer = encode(Restore{"2", uid, seen});
    CHECK(say({answer}).find("does not hold") != std::string::npos);
    CHECK(say({ask, answer, answer}).find("does not hold") != std::string::npos);
    CHECK(say({ask, ask}).find("asked before") != std::string::npos);
    CHECK(say({ask, encode(Roster{"2", "show", 0})}).find("unauthenticated") != std::string::npos);
    // What it is let in for is the roster alone.
    world.from_hub(
        world.hub->received(good.link, as_bytes(*encode(UserEdit{"x", "another", ""})), world.now));
    CHECK(good.link == 0);
    CHECK(one.online);
    world.control = false;
    world.start();
    world.links.clear();
    Node late = world.make();
    world.restore(late, uid);
    CHECK(late.failed.find("knows no lists") != std::string::npos);
    CHECK(world.nodes() == 1);
}

TEST_CASE("a barred node's full queue keeps nothing from the others") {
    World world;
    Node one = world.make(), lost = world.make();
    world.enrol(one);
    world.bring(one, {world.add(one, lost)});
    world.log_in(lost, one.uid);
    world.bring(one, {world.bar(one, lost)});
    const auto held = std::find_if(world.store.all_nodes.begin(), world.store.all_nodes.end(),
                                   [](const auto& item) { return item.second.held_ms != 0; });
    REQUIRE(held != world.store.all_nodes.end());
    world.store.messages[1].datalen = limits::tmtpd_queue_bytes;
    held->second.queue = {1};
    world.post(one, one.uid, "still comes");
    CHECK(world.count(one, "still comes") == 1);
    CHECK(held->second.queue.size() == 1);
}

TEST_CASE("the days of a barred node's queue begin when the contest ends") {
    World world;
    Node elder = world.make(), one = world.make(), lost = world.make();
    world.enrol(elder);
    world.bring(elder, {world.add(elder, one)});
    world.bring(elder, {world.add(elder, lost)});
    world.bring(elder, {world.bar(one, lost)});
    world.log_in(lost, elder.uid);
    REQUIRE(lost.held);
    world.bring(lost, {world.keep(roster::make_contest(world.state(), world.name(lost), world.act(lost),
                                                       world.log.back().id, 0))});
    world.wait(25 * day_ms);
    world.connect(elder);
    CHECK(world.bring(elder, {world.bar(elder, lost)}).outcome == RequestResult::Outcome::accepted);
    world.wait(20 * day_ms);
    CHECK(world.nodes() == 3);
    world.wait(11 * day_ms);
    CHECK(world.nodes() == 2);
}

TEST_CASE("garbage is refused, changes nothing, and cannot be brought without end") {
    World world;
    Node one = world.make(), two = world.make();
    world.enrol(one);
    CHECK(world.roster(one, "add", as_bytes("garbage")).outcome == RequestResult::Outcome::refused);
    auto bad = world.add(one, two);
    world.log.pop_back();
    bad.signature.bytes[3] ^= 1;
    CHECK(world.bring(one, {bad}).outcome == RequestResult::Outcome::refused);
    CHECK(world.nodes() == 1);
    CHECK(world.roster(one, "show").log == roster::pack_entries(world.log));
    for (std::size_t i = 0; i < limits::tmtpd_roster_requests && one.link; ++i)
        world.to_node(one, one.client->ask("r", {Roster{{}, "show", 0}, {}}, world.now));
    CHECK(one.link == 0);
    CHECK(one.failed.find("too many requests") != std::string::npos);

    // A founding that does not hold registers nobody.
    Node other = world.make();
    auto founding = world.founding(other);
    founding.back() ^= 1;
    other.client = Client::registering("_", "x", {}, Client::Founding{founding, other.nodeid.copy()});
    world.connect(other);
    CHECK(other.permanent);
    CHECK(other.uid.empty());
}

TEST_CASE("a full disk leaves roster and nodes as they were") {
    World world;
    Node one = world.make(), two = world.make();
    world.enrol(one);
    world.store.broken = true;
    const auto add = world.add(one, two);
    CHECK(world.bring(one, {add}).outcome == RequestResult::Outcome::refused);
    CHECK(world.nodes() == 1);
    world.store.broken = false;
    CHECK(world.bring(one, {add}).outcome == RequestResult::Outcome::accepted);
    CHECK(world.nodes() == 2);
}

TEST_CASE("where it is turned off nobody notices, and who was held stays out") {
    World world;
    Node one = world.make(), two = world.make();
    world.enrol(one);
    world.bring(one, {world.add(one, two)});
    world.bring(one, {world.bar(one, two)});
    world.control = false;
    world.start();
    world.links.clear();
    world.log_in(two, one.uid);
    CHECK_FALSE(two.held);
    CHECK_FALSE(two.online);
    one.link = 0;
    world.connect(one);
    CHECK(one.online);
    world.to_node(one, one.client->add_node("by the old way", false, world.now));
    CHECK(one.asked.size() == 1);

    Node fresh = world.make();
    world.enrol(fresh);  // makes a roster, and the service does not ask for it
    CHECK(fresh.online);
    CHECK_FALSE(fresh.founded);
}

TEST_CASE(
    "a node that was made with the hash of another's request keeps that one's device out no longer than its "
    "maker") {
    World world;
    Node one = world.make(), lost = world.make(), two = world.make(), forged = world.make();
    world.enrol(one);
    world.bring(one, {world.add(one, lost)});
    forged.nodeid = two.nodeid.copy();  // of which the thief knows the hash alone
    const auto known = world.log;
    const auto his = world.add(lost, forged);
    CHECK(world.bring(one, {his}).outcome == RequestResult::Outcome::accepted);
    // By one that has not seen it.
    const auto honest = *roster::make_add(*roster::fold(world.begun.id, known), world.name(one),
                                          world.act(one), world.request(two), 0);
    world.log.push_back(honest);
    CHECK(world.bring(one, {honest}).outcome == RequestResult::Outcome::accepted);
    CHECK(world.nodes() == 4);
    world.log_in(two, one.uid);
    REQUIRE(two.online);
    world.bring(one, {world.bar(one, forged)});
    world.connect(two);
    CHECK(two.online);
    world.post(one, one.uid, "to two");
    CHECK(world.count(two, "to two") == 1);
    // Where the signer has seen it there is no room for the other: it needs another secret.
    Node three = world.make();
    forged = world.make();
    forged.nodeid = three.nodeid.copy();
    world.bring(one, {world.add(lost, forged)});
    CHECK_FALSE(roster::make_add(world.state(), world.name(one), world.act(one), world.request(three), 0));
    three.nodeid = account::make_nodeid(world.other);
    CHECK(world.bring(one, {world.add(one, three)}).outcome == RequestResult::Outcome::accepted);
    world.log_in(three, one.uid);
    CHECK(three.online);
}

TEST_CASE("what the operator dropped stays gone") {
    World world;
    Node one = world.make(), two = world.make(), three = world.make();
    world.enrol(one);
    world.bring(one, {world.add(one, two)});
    world.log_in(two, one.uid);
    const auto ref = world.store.all_nodes.rbegin()->first;
    world.store.all_nodes.erase(ref);
    world.from_hub(world.hub->node_dropped(ref, world.now));
    CHECK(two.link == 0);
    world.bring(one, {world.add(one, three)});
    CHECK(world.nodes() == 2);
    world.connect(two);
    CHECK(two.permanent);
}
