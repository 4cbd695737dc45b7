// The recorded exchanges against our client: it says what the recorded client said, and understands all that
// came.
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/limits.h"
#include "tmtp/client.h"

using namespace kith;
using namespace kith::tmtp;
using Json = nlohmann::json;

namespace {

enum { rev, reg, login, useredit, ohiedit, groupinvite, groupedit, post, postnotify, ping, ack, pulse, quit };

std::string framed(const std::string& head) {
    char size[5];
    std::snprintf(size, sizeof size, "%04zx", head.size());
    return size + head;
}

// One link of a recording.
struct Link {
    std::optional<Client> client;
    std::map<std::string, std::string> ids;  // of the recorded requests: ours
    std::set<std::string> asked;             // ours, without an answer
    std::set<std::string> stored;            // messages
    int requests = 0;
    bool ended = false;
    Json login;  // what the recorded client says after the greeting
};

struct Replay {
    Now now{0, 1'795'289'100'000};
    std::map<std::string, Link> links;
    int said = 0, understood = 0;

    template <class T>
    static const T* find(const ClientActions& actions) {
        for (const auto& action : actions)
            if (auto* one = std::get_if<T>(&action)) return one;
        return nullptr;
    }

    // What was sent, as an op.
    static Json sent(const ClientActions& actions) {
        auto* one = find<SendBytes>(actions);
        REQUIRE(one);
        FrameReader reader;
        ByteView bytes = one->bytes;
        REQUIRE(reader.next(bytes) == FrameReader::Got::head);
        return Json::parse(reader.raw().substr(4));
    }

    // The same op, whatever its id.
    void check_said(const ClientActions& actions, const Json& recorded) {
        auto text = [](const Json& json) {
            auto op = parse_op(*Head::parse(json.dump()));
            REQUIRE(op);
            Asking asking{std::move(*op),
                          Bytes(json.value("datalen", json.value("DataLen", std::size_t{0})))};
            complete(asking, "id");
            if (auto* one = std::get_if<Ack>(&asking.op)) one->type = "ok";
            return *encode(asking.op);
        };
        CHECK(text(sent(actions)) == text(recorded));
        ++said;
    }

    // False: the recorded client probed with something that ours never sends; its link is left.
    bool say(Link& link, const Json& head, const Json& next_login, std::size_t datalen) {
        auto number = [&](const char* upper, const char* lower) {
            return head.contains(upper) ? head[upper] : head.contains(lower) ? head[lower] : Json();
        };
        auto op = number("Op", "op");
        if (!op.is_number_integer()) return false;
        const int code = op;
        if (code == rev) {
            if (number("Id", "id") != "1" || next_login.is_null()) return false;
            auto text = [&](const char* upper, const char* lower) {
                return next_login.value(upper, next_login.value(lower, std::string()));
            };
            const bool registers = next_login.value("Op", next_login.value("op", 0)) == reg;
            if (registers && (text("NewNode", "newnode").empty() || text("NewAlias", "newalias").empty()))
                return false;
            link = {};
            link.client =
                registers ? Client::registering(text("NewAlias", "newalias"), text("NewNode", "newnode"))
                          : Client::login(text("Uid", "uid"), SecretBytes(as_bytes(text("Node", "node"))));
            link.login = next_login;
            check_said(link.client->connected(now), head);
            return true;
        }
        if (!link.client || link.ended) return false;
        if (code == reg || code == login)
            return link.client->state() == Client::State::registering ||
                   link.client->state() == Client::State::logging_in;  // said by itself
        if (link.client->state() != Client::State::online) return false;
        if (code == pulse) return true;
        if (code == quit) {
            check_said(link.client->quit(now), head);
            return true;
        }
        auto parsed_head = Head::parse(head.dump());
        auto parsed = parsed_head ? parse_op(*parsed_head) : Result<Op>(fail(Fault::protocol, ""));
        if (!parsed || code > quit) return false;
        if (code == ack) {
            auto id = std::get<Ack>(*parsed).id;
            if (!link.stored.insert(id).second) return true;
            auto actions = link.client->acked(id, now);
            if (find<SendBytes>(actions)) check_said(actions, head);
            return true;
        }
        ClientActions actions;
        auto* edit = std::get_if<UserEdit>(&*parsed);
        if (edit && !edit->newnode.empty())
            actions = link.client->add_node(edit->newnode, false, now);
        else
            actions = link.client->ask("r" + std::to_string(link.requests++),
                                       {std::move(*parsed), Bytes(datalen, 'x')}, now);
        if (auto* answer = find<RequestResult>(actions)) {
            FAIL("refused by ourselves: ", answer->error.what);
            return false;
        }
        if (!find<SendBytes>(actions)) return false;  // a node of a label that was asked for before
        check_said(actions, head);
        link.ids[number("Id", "id")] = sent(actions)["id"];
        link.asked.insert(sent(actions)["id"]);
        return true;
    }

    void hear(Link& link, Json head, std::string data) {
        if (!link.client || link.ended) return;
        const std::string op = head["op"];
        if (op == "ack") {
            auto id = link.ids.find(head["id"]);
            if (id == link.ids.end()) return;
            head["id"] = id->second;
        }
        const auto datalen = head.value("datalen", std::size_t{0});
        data.resize(datalen, 'x');  // longer ones were not recorded
        auto actions = link.client->received(as_bytes(framed(head.dump()) + data), now);
        INFO("came: ", head.dump());
        ++understood;
        if (op == "tmtprev") {
            CHECK(find<SiteName>(actions));
            check_said(actions, link.login);
        }
        if (op == "registered") CHECK(find<Registered>(actions));
        if (op == "info") CHECK(find<Online>(actions));
        if (op == "ohi") CHECK(find<Presence>(actions));
        if (op == "quit") {
            CHECK((find<Failed>(actions) || find<LoggedOut>(actions)));
            link.ended = true;
        }
        if (op == "ack" && link.asked.erase(head["id"]) > 0 && head.contains("msgid")) {
            auto* answer = find<RequestResult>(actions);
            REQUIRE(answer);
            CHECK((answer->outcome == RequestResult::Outcome::accepted) == !head.contains("error"));
            CHECK(answer->msgid == head["msgid"]);
        }
        if (!head.contains("posted") || op == "ack") return;
        const std::string id = head["id"];
        auto* message = find<Delivered>(actions);
        auto* node = find<NodeAdded>(actions);
        if (link.stored.contains(id)) {  // again: acknowledged, and no more
            CHECK_FALSE(message);
            CHECK(sent(actions)["id"] == id);
        } else if (head.contains("nodeid")) {
            REQUIRE(node);
            CHECK(node->label == head["newnode"]);
            CHECK_FALSE(message);
        } else {
            REQUIRE(message);
            CHECK(message->msgid == id);
            CHECK(message->op == op);
            CHECK(message->from == head["from"]);
            CHECK(as_text(message->data()) == data);
        }
    }
};

}  // namespace

TEST_CASE("what the recorded client said, ours says, and it understands what came") {
    std::ifstream file(KITH_VECTORS "/tmtp/exchanges.jsonl");
    std::vector<Json> rows;
    for (std::string line; std::getline(file, line);) rows.push_back(Json::parse(line));
    REQUIRE(rows.size() > 900);
    Replay replay;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto& row = rows[i];
        if (row.contains("recording")) replay.links.clear();
        if (!row.contains("link")) continue;
        replay.now.mono_ms = std::max(replay.now.mono_ms, row["ms"].get<std::int64_t>());
        auto& link = replay.links[row["link"]];
        if (row.contains("came")) {
            replay.hear(link, row["came"], row.value("data", ""));
        } else if (row.contains("closed")) {
            if (link.client) link.client->disconnected(replay.now);
            link.ended = true;
        } else if (row.contains("sent")) {
            Json login_op;  // the next on this link
            for (std::size_t j = i + 1; j < rows.size() && login_op.is_null(); ++j) {
                if (rows[j].contains("recording")) break;
                if (rows[j].value("link", "") != row["link"] || !rows[j].contains("sent")) continue;
                auto code = rows[j]["sent"].value("Op", rows[j]["sent"].value("op", Json()));
                if (code != reg && code != login) break;
                login_op = rows[j]["sent"];
            }
            auto datalen = row["sent"].value("DataLen", row["sent"].value("datalen", std::size_t{0}));
            if (!replay.say(link, row["sent"], login_op, datalen)) link.ended = true;
        } else {
            link.ended = true;  // bytes that are no message
        }
    }
    CHECK(replay.said > 150);
    CHECK(replay.understood > 300);
}
