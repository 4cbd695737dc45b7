// Whatever happens, each message that was accepted reaches every node that was entitled to it, and then
// leaves nothing behind: the server machine over its real store, with links that break, bytes that come in
// parts, nodes that acknowledge late, never or the wrong thing, and a server whose power is cut. All from a
// printed seed.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "base/limits.h"
#include "base/seeded_random.h"
#include "memory_store.h"
#include "sql_store.h"
#include "tmtp/limits.h"
#include "tmtp/server.h"

using namespace kith;
using namespace kith::tmtp;

namespace {

struct Device {
    std::string uid, nodeid;
    LinkId link = 0;  // as the device sees it; 0: none
    FrameReader reader;
    std::string head;      // of what is coming in
    bool welcome = false;  // it was let in
    Bytes to_server;       // what the link has not carried yet
    std::vector<std::string> unacked;
    std::set<std::string> got, acked;  // by msgid: seen on the wire; acknowledgement handed to the server
};

struct Message {
    std::set<std::size_t> entitled;
    bool accepted = false;  // its sender was told
};

struct World {
    std::filesystem::path folder;
    Key key;
    std::unique_ptr<tmtpd::SqlStore> store;
    std::unique_ptr<Hub> hub;
    SeededRandom random;
    Now now{1000, 1'795'289'105'920};
    LinkId next_link = 1;
    HubActions waiting;  // for the commit
    std::vector<std::unique_ptr<Device>> devices;
    std::map<std::string, Message> messages;  // by msgid
    std::map<LinkId, std::size_t> owner;
    // Label of a node that was made and is not known yet: uid. An answer that waits behind a delivery is not
    // seen here, and such a node is only entitled to what is accepted once it is known.
    std::map<std::string, std::string> joining;
    std::set<std::string> known;
    std::map<std::string, std::set<std::string>>
        inherited;  // label: messages it is entitled to from its birth on
    std::size_t crashes = 0, takeovers = 0, labels = 0;

    explicit World(std::uint64_t seed) : random(seed) {
        std::string name = (std::filesystem::temp_directory_path() / "kith-entitled-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()));
        folder = name;
        start();
    }
    ~World() {
        hub.reset();
        store.reset();
        std::filesystem::remove_all(folder);
    }
    std::size_t dice(std::size_t sides) {
        std::uint8_t bytes[2];
        random.fill(bytes);
        return (bytes[0] * 256u + bytes[1]) % sides;
    }
    void start() {
        auto opened = tmtpd::SqlStore::open(folder / "db", key);
        REQUIRE(opened);
        store = std::move(*opened);
        hub = std::make_unique<Hub>("site", *store, random);
        REQUIRE(hub->start(now));
    }

    // The power goes: what was not synced is there, in part there, or not.
    void crash() {
        ++crashes;
        const auto synced = store->journal().synced(), end = store->journal().size();
        hub.reset();
        store.reset();
        waiting.clear();
        if (end > synced) {
            const auto from = synced + dice(static_cast<std::size_t>(end - synced));
            std::fstream file(folder / "db.journal", std::ios::in | std::ios::out | std::ios::binary);
            file.seekp(static_cast<std::streamoff>(from));
            const std::string zeros(static_cast<std::size_t>(end - from), '\0');
            file.write(zeros.data(), static_cast<std::streamsize>(zeros.size()));
        }
        for (auto& device : devices) lose(*device);
        owner.clear();
        now.mono_ms += 1000;
        now.unix_ms += 1000;
        start();
    }
    void lose(Device& device) {
        device.link = 0;
        device.welcome = false;
        device.to_server.clear();
        device.reader = {};
        device.unacked.clear();
    }

    // --- the server's side ---
    void note(HubActions actions) {
        for (auto& action : actions) waiting.push_back(std::move(action));
    }
    void commit() {
        REQUIRE(store->commit());
        for (auto& action : std::exchange(waiting, {})) {
            if (auto* send = std::get_if<Send>(&action)) {
                if (auto at = owner.find(send->link);
                    at != owner.end() && devices[at->second]->link == send->link)
                    read(at->second, send->bytes);
                note(hub->drained(send->link, now));
            } else if (auto* close = std::get_if<Close>(&action)) {
                if (auto at = owner.find(close->link); at != owner.end()) {
                    if (devices[at->second]->link == close->link) lose(*devices[at->second]);
                    owner.erase(at);
                }
                note(hub->closed(close->link, now));
            } else if (auto* probe = std::get_if<Probe>(&action)) {
                auto at = owner.find(probe->link);
                if (at != owner.end() && devices[at->second]->link == probe->link)
                    note(hub->alive(probe->link, now));
            } else if (auto* login = std::get_if<LoggedIn>(&action);
                       login && login->how == LoggedIn::How::takeover) {
                ++takeovers;
            }
        }
    }
    void pass(std::int64_t ms) {
        now.mono_ms += ms;
        now.unix_ms += ms;
        note(hub->tick(now));
    }

    // --- the devices' side ---
    void connect(std::size_t index) {
        Device& device = *devices[index];
        device.link = next_link++;
        owner[device.link] = index;
        note(hub->opened(device.link, now));
        say(device, TmtpRev{});
        if (device.uid.empty())
            say(device, Register{"first", "_", ""});
        else
            say(device, Login{device.uid, SecretBytes(as_bytes(device.nodeid))});
    }
    void say(Device& device, const Op& op, std::size_t data = 0) {
        append(device.to_server, *encode(op));
        for (std::size_t i = 0; i < data; ++i) device.to_server.push_back(static_cast<std::uint8_t>(i * 31));
    }
    // Some of what the device has said reaches the server.
    void carry(std::size_t index, std::size_t most) {
        Device& device = *devices[index];
        const auto size = std::min(most, device.to_server.size());
        if (device.link == 0 || size == 0) return;
        const Bytes part(device.to_server.begin(),
                         device.to_server.begin() + static_cast<std::ptrdiff_t>(size));
        device.to_server.erase(device.to_server.begin(),
                               device.to_server.begin() + static_cast<std::ptrdiff_t>(size));
        hear(index, part);
    }
    void hear(std::size_t index, ByteView part) {
        auto actions = hub->received(devices[index]->link, part, now);
        // What the server has decided now, whether or not anybody will be told: who is entitled.
        for (const auto& action : actions)
            if (auto* send = std::get_if<Send>(&action)) look(index, *send);
        note(std::move(actions));
    }
    // Finds the acknowledgements among what goes to the sender: ids and nodes are as of now.
    void look(std::size_t index, const Send& send) {
        if (send.link != devices[index]->link) return;
        const auto text = as_text(send.bytes);
        if (text.find("\"op\":\"ack\"") == std::string_view::npos) return;
        const auto id = text.find("\"id\":\"");
        const auto label = std::string(text.substr(id + 6, text.find('"', id + 6) - id - 6));
        if (text.find("\"error\"") != std::string_view::npos) return;
        if (label.starts_with("n")) {
            joining[label] = devices[index]->uid;
            for (auto& [msgid, message] : messages)
                if (message.entitled.contains(index) && !devices[index]->acked.contains(msgid))
                    inherited[label].insert(msgid);
            return;
        }
        const auto at = text.find("\"msgid\":\"");
        if (at == std::string_view::npos) return;
        auto& message = messages[std::string(text.substr(at + 9, 16))];
        const auto to = devices.at(static_cast<std::size_t>(std::stoi(label.substr(1))))->uid;
        for (std::size_t i = 0; i < devices.size(); ++i) {
            const auto& one = *devices[i];
            if (one.uid.empty()) continue;
            if (one.uid == to || (one.uid == devices[index]->uid && i != index)) message.entitled.insert(i);
        }
        for (auto& [asked, uid] : joining)
            if (uid == to || uid == devices[index]->uid)
                inherited[asked].insert(std::string(text.substr(at + 9, 16)));
    }
    void read(std::size_t index, ByteView bytes) {
        Device& device = *devices[index];
        for (;;) {
            const auto got = device.reader.next(bytes);
            if (got == FrameReader::Got::more) return;
            if (got == FrameReader::Got::head) device.head = device.reader.raw();
            REQUIRE(got != FrameReader::Got::bad_header);
            REQUIRE(got != FrameReader::Got::bad_length);
            if (got != FrameReader::Got::end) continue;
            auto reply = parse_reply(device.reader.head());
            REQUIRE(reply);
            if (auto* registered = std::get_if<RegisteredReply>(&*reply)) {
                device.uid = registered->uid;
                device.nodeid = as_text(registered->nodeid.view());
            } else if (std::get_if<InfoReply>(&*reply)) {
                device.welcome = true;
            } else if (auto* ack = std::get_if<AckReply>(&*reply)) {
                if (!ack->msgid.empty()) messages[ack->msgid].accepted = true;
            } else if (auto* queued = std::get_if<Queued>(&*reply)) {
                device.got.insert(queued->id);
                device.unacked.push_back(queued->id);
                // All nodes of the account hear of it.
                if (queued->kind == Kind::user && known.insert(queued->newnode).second) {
                    joining.erase(queued->newnode);
                    devices.push_back(std::make_unique<Device>());
                    devices.back()->uid = queued->from;
                    devices.back()->nodeid = as_text(queued->nodeid.view());
                    for (const auto& id : inherited[queued->newnode])
                        messages[id].entitled.insert(devices.size() - 1);
                    return read(index, bytes);  // `device` may have moved
                }
            }
        }
    }
    void acknowledge(std::size_t index) {
        Device& device = *devices[index];
        if (device.unacked.empty()) return;
        const auto id = device.unacked.front();
        device.unacked.erase(device.unacked.begin());
        say(device, Ack{id, "ok"});
        device.acked.insert(id);  // early is on the safe side: a node that is made now may get it or not
    }

    void something() {
        const auto index = dice(devices.size());
        Device& device = *devices[index];
        switch (dice(20)) {
            case 0:
                if (dice(12) == 0) crash();
                return;
            case 1:  // the link is lost: the server hears of it, or not yet
                if (device.link == 0) return;
                if (dice(2)) {
                    owner.erase(device.link);
                    note(hub->closed(device.link, now));
                }
                return lose(device);
            case 2:
                return pass(dice(2) ? 100 : 31'000);
            case 3:
                if (dice(3) == 0) CHECK(store->flush());
                return;
            case 4:
                if (device.welcome && devices.size() < 12 && dice(5) == 0) {
                    const auto label = "n" + std::to_string(++labels);
                    say(device, UserEdit{label, label, ""});
                }
                return;
            case 5:  // what nobody asked for
                if (device.welcome) say(device, Ack{"0123456789abcdef", "ok"});
                return;
            case 6:
            case 7:
            case 8:
            case 9:
                return acknowledge(index);
            case 10:
            case 11:
            case 12: {
                if (!device.welcome) return;
                const auto to = dice(devices.size());
                if (devices[to]->uid.empty()) return;
                const std::size_t sizes[] = {
                    0, 10, 10, 300, 300, limits::tmtp_piece, limits::tmtp_piece + 5, 600'000};
                const auto size = sizes[dice(dice(10) == 0 ? 8 : 5)];
                return say(device,
                           Post{"p" + std::to_string(to), {{devices[to]->uid, Recipient::uid}}, size, 0, {}},
                           size);
            }
            case 13:
            case 14:
                return commit();
            default:
                if (device.link == 0) return connect(index);
                return carry(index, dice(5) == 0 ? dice(100) : 1'000'000);
        }
    }

    // Everybody is there, reads and acknowledges, until nothing more comes.
    void settle() {
        for (std::size_t quiet = 0, round = 0; quiet < 4; ++round) {
            REQUIRE(round < 2000);
            bool busy = false;
            for (std::size_t i = 0; i < devices.size(); ++i) {
                if (devices[i]->link == 0) {
                    connect(i);
                    busy = true;
                }
                while (!devices[i]->unacked.empty()) {
                    acknowledge(i);
                    busy = true;
                }
                busy = busy || !devices[i]->to_server.empty();
                carry(i, 1'000'000'000);
                commit();
            }
            if (!busy) {
                pass(31'000);
                for (std::size_t i = 0; i < devices.size(); ++i) {
                    say(*devices[i], Pulse{});
                    carry(i, 1'000'000'000);
                }
            }
            quiet = busy ? 0 : quiet + 1;
            commit();
        }
    }
};

std::uint64_t first_seed() {
    if (const char* given = std::getenv("KITH_SEED")) return std::strtoull(given, nullptr, 10);
    return 1;
}

}  // namespace

TEST_CASE("every accepted message reaches every node that was entitled to it, and leaves nothing behind") {
    REQUIRE(crypto::start());
    const char* runs = std::getenv("KITH_RUNS");
    const auto count = std::getenv("KITH_SEED") ? 1u : runs ? std::strtoul(runs, nullptr, 10) : seeds(25);
    std::size_t crashes = 0, takeovers = 0, accepted = 0, nodes = 0;
    for (std::uint64_t seed = first_seed(); seed < first_seed() + count; ++seed) {
        INFO("KITH_SEED=", seed);
        World world(seed);
        for (int i = 0; i < 3; ++i) world.devices.push_back(std::make_unique<Device>());
        for (int step = 0; step < 1500; ++step) world.something();
        world.settle();
        for (const auto& entry : world.messages) {
            const auto& message = entry.second;
            if (!message.accepted) continue;
            ++accepted;
            for (auto index : message.entitled) {
                INFO("message ", entry.first, " and node ", index);
                CHECK(world.devices[index]->got.contains(entry.first));
            }
        }
        crashes += world.crashes;
        takeovers += world.takeovers;
        nodes += world.devices.size();
        CHECK(world.store->flush());
        world.hub.reset();
        world.store.reset();
        auto db = store::Database::open(world.folder / "db", world.key, {"", "", "", ""});
        REQUIRE(db);
        for (const char* table : {"message", "piece", "queue"}) {
            auto row = (*db)->query("SELECT count(*) FROM " + std::string(table));
            REQUIRE(row.next());
            CAPTURE(table);
            CHECK(row.count(0) == 0);
        }
        auto queued = (*db)->query("SELECT sum(queued) FROM node");
        REQUIRE(queued.next());
        CHECK(queued.count(0) == 0);
    }
    MESSAGE(accepted, " messages, ", nodes, " nodes, ", crashes, " crashes, ", takeovers, " takeovers");
    if (count < 5) return;
    CHECK(crashes > count);
    CHECK(takeovers > 0);
    CHECK(nodes > 3 * count);
}
