// The two machines against each other, over links that break at any byte and a server that restarts.
#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "memory_store.h"
#include "tmtp/client.h"
#include "tmtp/server.h"

using namespace kith;
using namespace kith::tmtp;

namespace {

// One device: a client machine and what it has stored durably.
struct Device {
    Client client;
    LinkId link = 0;  // 0: none
    Bytes to_server, to_client;
    bool caught_up = false;
    std::map<std::string, Bytes> stored;       // by msgid
    std::map<std::string, std::string> nodes;  // label, nodeid
    std::vector<std::string> to_store;         // handed out, storing
    std::map<std::string, RequestResult::Outcome> results;
    std::string uid;
};

struct World {
    MemoryStore store;
    SeededRandom random;
    std::unique_ptr<Hub> hub;
    Now now{1000, 1'795'289'105'920};
    std::vector<std::unique_ptr<Device>> devices;
    LinkId next_link = 1;
    std::uint64_t breaks = 0;

    explicit World(std::uint64_t seed) : random(seed) { start(); }
    void start() {
        hub = std::make_unique<Hub>("site", store, random);
        REQUIRE(hub->start(now));
    }
    std::size_t dice(std::size_t sides) {
        std::uint8_t bytes[2];
        random.fill(bytes);
        return (bytes[0] * 256u + bytes[1]) % sides;
    }
    Device* by_link(LinkId link) {
        for (auto& device : devices)
            if (device->link == link) return device.get();
        return nullptr;
    }
    void from_hub(HubActions actions) {
        for (auto& action : actions) {
            if (auto* send = std::get_if<Send>(&action)) {
                if (auto* device = by_link(send->link)) append(device->to_client, send->bytes);
            } else if (auto* close = std::get_if<Close>(&action)) {
                if (auto* device = by_link(close->link))
                    closing.insert(device->link);
                else if (dead.erase(close->link) > 0)
                    from_hub(hub->closed(close->link, now));
            } else if (auto* probe = std::get_if<Probe>(&action)) {
                if (!dead.contains(probe->link)) from_hub(hub->alive(probe->link, now));
            }
        }
    }
    void from_client(Device& device, ClientActions actions) {
        for (auto& action : actions) {
            if (auto* send = std::get_if<SendBytes>(&action)) {
                append(device.to_server, send->bytes);
            } else if (auto* got = std::get_if<Delivered>(&action)) {
                auto [at, fresh] = device.stored.try_emplace(got->msgid, got->raw);
                CHECK(at->second == got->raw);
                device.to_store.push_back(got->msgid);
            } else if (auto* node = std::get_if<NodeAdded>(&action)) {
                auto text = std::string(as_text(node->nodeid.view()));
                auto [at, fresh] = device.nodes.try_emplace(node->label, text);
                CHECK(at->second == text);  // one label, one node
                device.to_store.push_back(node->msgid);
            } else if (auto* result = std::get_if<RequestResult>(&action)) {
                CHECK(device.results.try_emplace(result->local_id, result->outcome).second);
            } else if (auto* registered = std::get_if<Registered>(&action)) {
                device.uid = registered->uid;
            } else if (std::holds_alternative<CaughtUp>(action)) {
                device.caught_up = true;
            } else if (std::holds_alternative<NodeHeld>(action)) {
                FAIL("somebody else is thought to hold the node of ", device.uid);
            } else if (auto* failed = std::get_if<Failed>(&action)) {
                CHECK_FALSE(failed->permanent);
                lost.insert(&device);
            }
        }
    }
    void cut(Device& device) {
        LinkId link = device.link;
        if (!link) return;
        device.link = 0;
        device.to_server.clear();
        device.to_client.clear();
        device.caught_up = false;
        closing.erase(link);
        from_hub(hub->closed(link, now));
        from_client(device, device.client.disconnected(now));
    }
    // The path is dead: the client gives up, and the server hears nothing of it.
    void lose(Device& device) {
        if (!device.link) return;
        dead.insert(device.link);
        device.link = 0;
        device.to_server.clear();
        device.to_client.clear();
        device.caught_up = false;
        from_client(device, device.client.disconnected(now));
    }
    void pass(std::int64_t ms) {
        now.mono_ms += ms;
        now.unix_ms += ms;
        from_hub(hub->tick(now));
        for (auto& one : devices) from_client(*one, one->client.tick(now));
    }
    void connect(Device& device) {
        device.link = next_link++;
        from_hub(hub->opened(device.link, now));
        from_client(device, device.client.connected(now));
    }
    // Moves some bytes of one device, stores something, or breaks something.
    void step(bool trouble) { step_one(*devices[dice(devices.size())], trouble); }
    void step_one(Device& device, bool trouble = false) {
        if (trouble && dice(60) == 0 && !device.uid.empty()) cut(device), ++breaks;
        if (trouble && dice(400) == 0) {
            for (auto& one : devices) cut(*one);
            start();
            ++breaks;
        }
        if (!device.link) connect(device);
        if (lost.erase(&device)) cut(device);
        if (!device.link) return;
        if (!device.to_server.empty() && !closing.contains(device.link)) {
            std::size_t count = std::min(device.to_server.size(), 1 + dice(400));
            Bytes part(device.to_server.begin(),
                       device.to_server.begin() + static_cast<std::ptrdiff_t>(count));
            device.to_server.erase(device.to_server.begin(),
                                   device.to_server.begin() + static_cast<std::ptrdiff_t>(count));
            from_hub(hub->received(device.link, part, now));
        }
        if (!device.to_client.empty()) {
            std::size_t count = std::min(device.to_client.size(), 1 + dice(400));
            Bytes part(device.to_client.begin(),
                       device.to_client.begin() + static_cast<std::ptrdiff_t>(count));
            device.to_client.erase(device.to_client.begin(),
                                   device.to_client.begin() + static_cast<std::ptrdiff_t>(count));
            from_client(device, device.client.received(part, now));
            if (device.link && device.to_client.empty()) from_hub(hub->drained(device.link, now));
        } else if (closing.contains(device.link)) {
            cut(device);
        }
        if (!device.to_store.empty() && dice(3) == 0) {
            auto msgid = device.to_store.front();
            device.to_store.erase(device.to_store.begin());
            from_client(device, device.client.acked(msgid, now));
        }
        pass(20);
    }
    template <class Done>
    void run_until(Done done) {
        for (int i = 0; i < 200'000 && !done(); ++i) step(false);
        REQUIRE(done());
    }
    std::set<LinkId> closing;
    std::set<LinkId> dead;  // that the server still takes for links
    std::set<Device*> lost;
};

Device& add(World& world, Client client) {
    auto device = std::make_unique<Device>(Device{std::move(client), 0, {}, {}, false, {}, {}, {}, {}, {}});
    device->uid = device->client.uid();
    world.devices.push_back(std::move(device));
    return *world.devices.back();
}

void one_story(std::uint64_t seed) {
    CAPTURE(seed);
    World world(seed);
    Device& alice = add(world, Client::registering("Alice Adams", "a1"));
    Device& bob = add(world, Client::registering("Bobby Brown", "b1"));
    world.run_until([&] {
        return alice.client.state() == Client::State::online && bob.client.state() == Client::State::online;
    });

    world.from_client(alice, alice.client.add_node("second", false, world.now));
    std::set<std::string> waiting;
    std::size_t posted = 0;
    auto post = [&](Device& from, Device& to) {
        if (from.client.state() != Client::State::online) return;
        Draft draft;
        std::string body = "message " + std::to_string(posted) + std::string(world.dice(600), '.');
        draft.body = body;
        draft.recipients = {to.uid};
        std::string id = "post" + std::to_string(posted++);
        world.from_client(from, from.client.ask(id, *compose(draft, from.uid), world.now));
    };
    for (int i = 0; i < 1500; ++i) {
        world.step(true);
        if (i % 30 == 0) post(bob, alice);
        if (i % 70 == 0) post(alice, bob);
    }
    // The second device, made in the middle of it all.
    world.run_until([&] { return alice.nodes.contains("second"); });
    CHECK(world.store.all_nodes.size() == 3);  // the node was made once, whatever was lost
    Device& second = add(world, Client::login(alice.uid, SecretBytes(as_bytes(alice.nodes["second"]))));
    for (int i = 0; i < 500; ++i) {
        world.step(true);
        if (i % 30 == 0) post(bob, alice);
        if (i % 50 == 0) post(second, bob);
    }
    auto quiet = [&] {
        for (auto& [ref, node] : world.store.all_nodes)
            if (!node.queue.empty()) return false;
        for (auto& device : world.devices)
            if (!device->caught_up || !device->to_server.empty() || !device->to_client.empty()) return false;
        return true;
    };
    world.run_until(quiet);
    CHECK(world.breaks > 0);
    CHECK(world.store.messages.empty());
    CHECK(world.store.pieces.empty());
    // Every post that was accepted, or may have been, is either everywhere or nowhere; accepted ones are
    // there.
    std::size_t accepted = 0;
    for (auto* device : {&alice, &bob, &second})
        for (auto& [id, outcome] : device->results) accepted += outcome == RequestResult::Outcome::accepted;
    auto count = [](const Device& device) {
        std::size_t deliveries = 0;
        for (auto& [id, raw] : device.stored)
            deliveries += as_text(raw).find("\"op\":\"delivery\"") != std::string::npos;
        return deliveries;
    };
    CHECK(count(bob) >= accepted);
    CHECK(count(bob) == count(alice));
    CHECK(count(bob) <= posted);
    for (auto& [id, raw] : second.stored)
        if (alice.stored.contains(id)) CHECK(alice.stored[id] == raw);
    CHECK(count(second) > 0);
}

}  // namespace

TEST_CASE("nothing is lost and nothing doubled over links that break and a server that restarts") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) one_story(seed);
}

// Devices in trains and lifts, for a day: links are cut, or just go dead, every few minutes, and dialed again
// after the usual waits.
TEST_CASE("a day of flapping links delivers everything, once, and raises no alarm") {
    World world(24);
    Device& alice = add(world, Client::registering("Alice Adams", "a1"));
    Device& bob = add(world, Client::registering("Bobby Brown", "b1"));
    auto online = [&] {
        return alice.client.state() == Client::State::online && bob.client.state() == Client::State::online;
    };
    world.run_until(online);
    constexpr std::int64_t day_ms = 24 * 3600 * 1000;
    const auto end = world.now.mono_ms + day_ms;
    std::size_t posted = 0, cuts = 0, deaths = 0;
    std::map<Device*, std::int64_t> dial_at;
    while (world.now.mono_ms < end) {
        // A burst of traffic, then minutes of nothing.
        for (int i = 0; i < 12; ++i)
            for (auto& device : world.devices)
                if (device->link || world.now.mono_ms >= dial_at[device.get()]) {
                    bool had = device->link != 0;
                    world.step_one(*device);
                    if (had && !device->link)
                        dial_at[device.get()] =
                            world.now.mono_ms + 1000 + static_cast<std::int64_t>(world.dice(60'000));
                }
        for (auto* from : {&alice, &bob}) {
            if (from->client.state() != Client::State::online || world.dice(4) != 0) continue;
            Draft draft;
            std::string body = "message " + std::to_string(posted);
            draft.body = body;
            draft.recipients = {from == &alice ? bob.uid : alice.uid};
            world.from_client(*from, from->client.ask("post" + std::to_string(posted++),
                                                      *compose(draft, from->uid), world.now));
        }
        for (auto& device : world.devices) {
            if (!device->link || world.dice(10) != 0) continue;
            if (world.dice(2) == 0)
                world.cut(*device), ++cuts;
            else
                world.lose(*device), ++deaths;
            dial_at[device.get()] = world.now.mono_ms + 1000 + static_cast<std::int64_t>(world.dice(60'000));
        }
        world.pass(static_cast<std::int64_t>(world.dice(40'000)));
    }
    CHECK(posted > 200);
    CHECK(cuts > 50);
    CHECK(deaths > 50);
    for (int i = 0; i < 60; ++i) world.pass(5000);  // what is dead is noticed
    world.run_until([&] {
        for (auto& [ref, node] : world.store.all_nodes)
            if (!node.queue.empty()) return false;
        return online();
    });
    CHECK(world.store.messages.empty());
    CHECK(world.store.pieces.empty());
    auto count = [](const Device& device) {
        std::size_t deliveries = 0;
        for (auto& [id, raw] : device.stored)
            deliveries += as_text(raw).find("\"op\":\"delivery\"") != std::string::npos;
        return deliveries;
    };
    std::size_t accepted = 0;
    for (auto* device : {&alice, &bob})
        for (auto& [id, outcome] : device->results) accepted += outcome == RequestResult::Outcome::accepted;
    CHECK(count(alice) == count(bob));
    CHECK(count(bob) >= accepted);
    CHECK(count(bob) <= posted);
    CHECK(alice.results.size() + bob.results.size() == posted);
}
