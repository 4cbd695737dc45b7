#include "operator.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "service_files.h"
#include "shown.h"
#include "wire/json.h"

namespace kith::tmtpd {
namespace {

using Json = nlohmann::json;

constexpr std::size_t sent_at_once = 256 * 1024;

Json error_of(const Error& error) {
    Json value{{"error", error.what}};
    if (!error.hint.empty()) value["hint"] = error.hint;
    return value;
}

std::string socket_path(const std::string& dir) {
    return dir + "/control";
}

// Names come from clients: nothing of them may move the cursor of whoever reads the list.
std::string cell(const Json& value) {
    std::string text;
    if (value.is_array()) {
        for (const auto& one : value) text += (text.empty() ? "" : ", ") + one.get<std::string>();
    } else {
        text = value.is_string()    ? value.get<std::string>()
               : value.is_boolean() ? value ? "yes" : "no"
                                    : value.dump();
    }
    return shown(text);
}

void print(const Json& row, bool& first) {
    std::string head, line;
    for (const char* key : {"node", "uid", "gid", "online", "nodes", "joined", "invited", "messages", "bytes",
                            "label", "aliases"}) {
        if (!row.contains(key)) continue;
        head += (head.empty() ? "" : "\t") + std::string(key);
        line += (line.empty() ? "" : "\t") + cell(row[key]);
    }
    if (std::exchange(first, false)) std::printf("%s\n", head.c_str());
    std::printf("%s\n", line.c_str());
}

// Handles one line of an answer. The exit code, once it is the last one.
std::optional<int> take(const std::string& line, bool json, bool& first) {
    auto row = Json::parse(line, nullptr, false);
    if (!row.is_object()) {
        std::fprintf(stderr, "tmtpd: the service answered what this tmtpd does not understand\n");
        return 1;
    }
    if (row.contains("error")) {
        if (json) std::printf("%s\n", line.c_str());
        std::fprintf(stderr, "tmtpd: %s\n", cell(row["error"]).c_str());
        if (row.contains("hint")) std::fprintf(stderr, "%s\n", cell(row["hint"]).c_str());
        return 1;
    }
    if (json)
        std::printf("%s\n", line.c_str());
    else if (!row.contains("done"))
        print(row, first);
    return row.contains("done") ? std::optional(0) : std::nullopt;
}

int failed(const Error& error, bool json) {
    bool first = true;
    return *take(wire::json_text(error_of(error)), json, first);
}

}  // namespace

std::vector<std::string> answer_operator(std::string_view request, SqlStore& store,
                                         const OperatorHooks& hooks) {
    std::vector<std::string> lines;
    auto add = [&](const Json& row) { lines.push_back(wire::json_text(row)); };
    auto asked = Json::parse(request, nullptr, false);
    const std::string what = asked.is_object() ? asked.value("do", std::string()) : std::string();
    Result<> done;
    if (what == "users") {
        done = store.users([&](const UserRow& user) {
            add({{"uid", user.uid}, {"aliases", user.aliases}, {"nodes", user.nodes}});
        });
    } else if (what == "nodes") {
        done = store.all_nodes([&](const NodeRow& node) {
            add({{"node", node.node},
                 {"uid", node.uid},
                 {"label", node.label},
                 {"online", hooks.online(node.node)},
                 {"messages", node.messages},
                 {"bytes", node.bytes}});
        });
    } else if (what == "groups") {
        done = store.groups([&](const GroupRow& group) {
            add({{"gid", group.gid}, {"joined", group.joined}, {"invited", group.invited}});
        });
    } else if (what == "drop_node" && asked["node"].is_number_integer()) {
        const auto node = asked["node"].get<tmtp::NodeRef>();
        auto gone = store.drop_node(node);
        if (gone && *gone) hooks.dropped(node);
        if (!gone)
            done = fail(gone.error());
        else if (!*gone)
            done = fail(Fault::not_found, "there is no node " + std::to_string(node),
                        "tmtpd node list tells them");
    } else {
        done = fail(Fault::invalid, "the request is not understood", "use the tmtpd that runs");
    }
    add(done ? Json{{"done", true}} : error_of(done.error()));
    return lines;
}

Result<std::unique_ptr<OperatorSocket>> OperatorSocket::listen(net::Loop& loop, const std::string& dir,
                                                               SqlStore& store, OperatorHooks hooks) {
    std::unique_ptr<OperatorSocket> self(new OperatorSocket);
    net::LocalServer::Events events;
    auto* raw = self.get();
    events.on_line = [raw, &store, hooks = std::move(hooks)](net::LocalPeer peer, std::string_view line) {
        if (raw->answers_.contains(peer)) return raw->server_->close(peer);  // one at a time
        raw->answers_[peer] = {answer_operator(line, store, hooks), 0};
        raw->send(peer);
    };
    events.on_drained = [raw](net::LocalPeer peer) { raw->send(peer); };
    events.on_closed = [raw](net::LocalPeer peer) { raw->answers_.erase(peer); };
    KITH_TRY_VALUE(server, net::LocalServer::listen(loop, socket_path(dir), std::move(events)));
    self->server_ = std::move(server);
    return self;
}

void OperatorSocket::send(net::LocalPeer peer) {
    auto at = answers_.find(peer);
    if (at == answers_.end()) return;
    auto& [lines, next] = at->second;
    while (next < lines.size() && server_->queued(peer) < sent_at_once)
        if (!server_->send(peer, lines[next++])) return server_->close(peer);
    if (next == lines.size()) answers_.erase(at);
}

int run_operator(const std::string& dir, const std::string& request, bool json) {
    bool first = true;
    auto service = net::LocalCaller::connect(socket_path(dir));
    if (service) {
        if (auto sent = service->send_line(request); !sent) return failed(sent.error(), json);
        for (;;) {
            auto line = service->read_line(-1);
            if (!line) return failed(line.error(), json);
            if (auto code = take(*line, json, first)) return *code;
        }
    }
    if (service.error().kind != Fault::not_found) return failed(service.error(), json);
    if (!std::filesystem::exists(dir + "/tmtpd.db"))
        return failed({Fault::not_found, dir + " holds no service", "give the service's folder with --dir"},
                      json);
    auto lock = lock_folder(dir);
    if (!lock) return failed(lock.error(), json);
    auto store = open_store(dir);
    if (!store) return failed(store.error(), json);
    for (const auto& line : answer_operator(request, **store, {}))
        if (auto code = take(line, json, first)) return *code;
    return 1;
}

}  // namespace kith::tmtpd
