// The recorded exchanges against our server: the same messages, on the same links, in the same order. On a
// store in memory, and on tmtpd's own, which is opened anew where the recorded server was started again.
#include <doctest/doctest.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "memory_store.h"
#include "sql_store.h"
#include "tmtp/server.h"

using namespace kith;
using namespace kith::tmtp;
using Json = nlohmann::json;

namespace {

// What the server keeps, from one start to the next.
struct Shelf {
    virtual ~Shelf() = default;
    virtual ServerStore& open() = 0;
    virtual void commit() {}
};
struct InMemory : Shelf {
    ServerStore& open() override { return store; }
    MemoryStore store;
};
struct InFolder : Shelf {
    InFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "kith-replay-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()));
        folder = name;
    }
    ~InFolder() override {
        store.reset();
        std::filesystem::remove_all(folder);
    }
    ServerStore& open() override {
        store.reset();
        auto opened = tmtpd::SqlStore::open(folder / "db", key);
        REQUIRE(opened);
        store = std::move(*opened);
        return *store;
    }
    void commit() override { REQUIRE(store->commit()); }
    std::filesystem::path folder;
    Key key;
    std::unique_ptr<tmtpd::SqlStore> store;
};

struct Came {
    Json head;
    std::string data;
};

struct Replay {
    std::unique_ptr<Shelf> shelf;
    SeededRandom random;
    std::optional<Hub> hub;
    Now now{0, 1'795'289'100'000};
    LinkId next = 1;
    std::map<std::string, LinkId> links;  // by the recording's names
    std::map<LinkId, FrameReader> readers;
    std::map<LinkId, std::deque<Came>> came;
    std::set<LinkId> closed;
    std::map<std::string, std::string> ours;  // of the recording's uids, nodeids and message ids

    explicit Replay(std::unique_ptr<Shelf> on) : shelf(std::move(on)) { restart(); }
    void restart() {
        hub.reset();
        hub.emplace("lab-site", shelf->open(), random);
        REQUIRE(hub->start(now));
        links.clear();
    }

    void take(HubActions actions) {
        shelf->commit();
        std::set<LinkId> drained;
        for (auto& action : actions) {
            if (auto* close = std::get_if<Close>(&action)) {
                closed.insert(close->link);
                continue;
            }
            if (auto* probe = std::get_if<Probe>(&action)) take(hub->alive(probe->link, now));
            if (!std::holds_alternative<Send>(action)) continue;
            auto& send = std::get<Send>(action);
            ByteView bytes = send.bytes;
            auto& reader = readers[send.link];
            for (bool more = false; !more;) switch (reader.next(bytes)) {
                    case FrameReader::Got::more:
                        more = true;
                        break;
                    case FrameReader::Got::head:
                        came[send.link].push_back({Json::parse(reader.raw().substr(4)), ""});
                        break;
                    case FrameReader::Got::data:
                        came[send.link].back().data += as_text(reader.data());
                        break;
                    case FrameReader::Got::end:
                        break;
                    default:
                        FAIL("what came is not TMTP");
                }
            drained.insert(send.link);
        }
        for (LinkId link : drained) take(hub->drained(link, now));
    }

    LinkId fresh(const std::string& name) {
        if (auto at = links.find(name); at != links.end()) take(hub->closed(at->second, now));
        links[name] = next;
        take(hub->opened(next, now));
        return next++;
    }

    // The recording's ids in a value, as ours.
    Json mapped(const Json& value) const {
        if (value.is_string()) {
            auto at = ours.find(value.get<std::string>());
            return at == ours.end() ? value : Json(at->second);
        }
        if (!value.is_structured()) return value;
        Json copy = value;
        for (auto& item : copy) item = mapped(item);
        return copy;
    }
    std::string mapped_text(std::string text) const {
        for (const auto& [theirs, own] : ours)
            for (auto at = text.find(theirs); at != std::string::npos;
                 at = text.find(theirs, at + own.size()))
                text.replace(at, theirs.size(), own);
        return text;
    }

    void send(LinkId link, const std::string& head, const std::string& data) {
        char size[5];
        std::snprintf(size, sizeof size, "%04zx", head.size());
        take(hub->received(link, as_bytes(size + head + data), now));
    }

    bool fits(const Came& one, const Json& expected) const {
        if (one.head["op"] != expected["op"]) return false;
        if (expected.contains("id") && one.head.contains("id")) {
            auto known = ours.find(expected["id"].get<std::string>());
            if (known != ours.end()) return one.head["id"] == known->second;
        }
        for (const char* key : {"newnode", "newalias", "act", "alias"})
            if (expected.contains(key) && one.head.value(key, "") != expected[key]) return false;
        return true;
    }

    // Matches what the recording received with what came here next. A node that comes back gets what was
    // queued in another order there: what stands before it is acknowledged until it comes.
    void expect(const std::string& name, const Json& expected, const std::string& data) {
        const auto link = links[name];
        auto& list = came[link];
        auto find = [&] {
            return std::find_if(list.begin(), list.end(),
                                [&](const Came& one) { return fits(one, expected); });
        };
        auto at = find();
        // The reference server answers a request and tells the asker's own nodes of it in either order.
        if (at != list.end())
            CHECK(std::all_of(list.begin(), at, [](const Came& one) { return one.head["op"] == "ack"; }));
        for (int i = 0; i < 100 && at == list.end(); ++i) {
            auto waiting = std::find_if(list.rbegin(), list.rend(), [](const Came& one) {
                return one.head.contains("posted") && one.head["op"] != "ack";
            });
            if (waiting == list.rend()) break;
            send(link, Json{{"op", 10}, {"id", waiting->head["id"]}, {"type", "ok"}}.dump(), "");
            at = find();
        }
        INFO("expected on ", name, ": ", expected.dump());
        REQUIRE(at != list.end());
        Json head = at->head;
        head.erase("headsum");
        head.erase("posted");
        for (const char* key : {"uid", "nodeid", "msgid", "id"})
            if (expected.contains(key) && head.contains(key) && expected[key].is_string() &&
                (std::string_view(key) != "id" || head.contains("from")))
                ours.try_emplace(expected[key].get<std::string>(), head[key].get<std::string>());
        Json wanted = mapped(expected);
        if (wanted.contains("error")) wanted["error"] = mapped_text(wanted["error"].get<std::string>());
        CHECK(head == wanted);
        if (!data.empty()) CHECK(at->data == data);  // longer ones were not recorded
        list.erase(at);
    }
};

void replay_all(const std::function<std::unique_ptr<Shelf>()>& shelf) {
    std::ifstream file(KITH_VECTORS "/tmtp/exchanges.jsonl");
    std::vector<Json> rows;
    for (std::string line; std::getline(file, line);) rows.push_back(Json::parse(line));
    REQUIRE(rows.size() > 1500);
    std::unique_ptr<Replay> replay;
    std::string recording, note;
    int matched = 0;
    std::multiset<std::pair<std::string, std::string>> left;
    auto note_left = [&] {
        if (!replay) return;
        for (const auto& [link, list] : replay->came)
            for (const auto& one : list) left.emplace(recording, one.head["op"].get<std::string>());
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto& row = rows[i];
        if (row.contains("recording")) {
            note_left();
            replay = std::make_unique<Replay>(shelf());
            recording = row["recording"];
            note.clear();
            continue;
        }
        if (row.contains("note")) {
            note = row["note"];
            continue;
        }
        INFO(recording, ", ", note, ", at ", row["ms"].get<int>(), " ms");
        const std::string name = row.value("link", "");
        const auto later = row["ms"].get<std::int64_t>() - replay->now.mono_ms;
        replay->now.mono_ms += later;
        replay->now.unix_ms += later;
        replay->take(replay->hub->tick(replay->now));
        if (row.contains("restart")) {
            replay->restart();
        } else if (row.contains("opened")) {
            replay->fresh(name);
        } else if (row.contains("cut")) {
            replay->take(replay->hub->closed(replay->links.at(name), replay->now));
            replay->links.erase(name);
        } else if (row.contains("came")) {
            replay->expect(name, row["came"], row.value("data", ""));
            ++matched;
        } else if (row.contains("closed")) {
            CHECK(replay->closed.contains(replay->links[name]));
        } else {
            // A probe that begins anew says nothing of the end of its former link.
            bool greets = row.contains("sent") && row["sent"].value("Op", -1) == 0;
            bool again = false;
            for (std::size_t j = i + 1; greets && j < rows.size(); ++j) {
                if (rows[j].value("link", "") != name || rows[j].contains("sent")) continue;
                again = rows[j].contains("came") && rows[j]["came"]["op"] == "tmtprev";
                break;
            }
            auto link = replay->links.contains(name) ? replay->links[name] : 0;
            if (link == 0 || replay->closed.contains(link) || again) link = replay->fresh(name);
            std::string data = row.value("data", "");
            if (row.contains("fill")) data = std::string(row["fill"].get<std::size_t>(), 'x');
            if (row.contains("not_utf8")) data = std::string(row["not_utf8"].get<std::size_t>(), '\xff');
            if (row.contains("sent_raw"))
                replay->take(replay->hub->received(
                    link, as_bytes(replay->mapped_text(row["sent_raw"].get<std::string>())), replay->now));
            else
                replay->send(link, replay->mapped(row["sent"]).dump(), data);
        }
    }
    CHECK(matched > 700);
    note_left();
    // Nothing came that was not recorded, but what the recordings' clients did not stay for.
    const std::multiset<std::pair<std::string, std::string>> unheard{
        {"01-rev-register-login", "quit"},     {"02b-split-pipeline-big", "delivery"},
        {"03-useredit-multinode", "delivery"}, {"03-useredit-multinode", "login"},
        {"03-useredit-multinode", "login"},    {"03-useredit-multinode", "login"}};
    CHECK(left == unheard);
}

}  // namespace

TEST_CASE("what the reference server did, ours does") {
    replay_all([] { return std::make_unique<InMemory>(); });
}

TEST_CASE("what the reference server did, ours does with tmtpd's store") {
    REQUIRE(crypto::start());
    replay_all([] { return std::make_unique<InFolder>(); });
}
