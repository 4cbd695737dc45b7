// A ServerStore in memory, for tests and fuzzing: keeps what it is given as long as it lives, so a new Hub
// over it is a restarted server. `broken` makes every change fail, as a full disk does.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>

#include "base/env.h"
#include "base/seeded_random.h"
#include "tmtp/server_store.h"

namespace kith::tmtp {

class MemoryStore : public ServerStore {
  public:
    struct Node {
        std::string uid, nodeid, label;
        std::deque<std::uint64_t> queue;
        Bytes device = {}, secret_hash = {};
        std::int64_t held_ms = 0;
        bool knows = false;
    };
    // Of nodeids: for tests of node control.
    std::function<Bytes(ByteView)> hash = [](ByteView bytes) { return to_bytes(bytes); };
    std::map<std::string, AccountRoster> rosters;
    bool broken = false;
    std::map<NodeRef, Node> all_nodes;
    std::map<std::string, std::string> aliases;
    std::map<std::string, std::vector<Member>> groups;
    std::map<std::uint64_t, StoredMessage> messages;
    std::map<std::uint64_t, std::map<std::uint32_t, Bytes>> pieces;
    std::uint64_t highest = 0;

    std::map<std::string, std::set<std::string>> known;

    Result<std::uint64_t> last_id() override { return highest; }
    Result<std::uint64_t> accounts() override {
        std::set<std::string> uids;
        for (const auto& [ref, node] : all_nodes) uids.insert(node.uid);
        return uids.size();
    }
    Result<std::uint64_t> aliases_of(const std::string& uid) override {
        return static_cast<std::uint64_t>(
            std::count_if(aliases.begin(), aliases.end(), [&](auto& one) { return one.second == uid; }));
    }
    Result<std::string> alias_of(const std::string& uid) override {
        for (const auto& [alias, owner] : aliases)
            if (owner == uid) return alias;
        return std::string();
    }
    Result<bool> meet(const std::string& uid, const std::string& other, std::uint64_t most) override {
        if (broken) return full();
        auto& list = known[uid];
        if (!list.contains(other) && list.size() >= most) return false;
        list.insert(other);
        return true;
    }
    Result<bool> met(const std::string& uid, const std::string& other) override {
        if (known[uid].contains(other) || known[other].contains(uid)) return true;
        for (const auto& [gid, members] : groups) {
            auto joined = [&, list = &members](const std::string& who) {
                return std::any_of(list->begin(), list->end(), [&](const Member& one) {
                    return one.uid == who && one.state == Member::joined;
                });
            };
            if (joined(uid) && joined(other)) return true;
        }
        return false;
    }
    Result<NodeRef> add_account(const std::string& uid, const SecretBytes& nodeid,
                                const std::string& label) override {
        if (broken) return full();
        return insert(uid, nodeid, label);
    }
    Result<std::optional<NodeRef>> find_node(const std::string& uid, const SecretBytes& nodeid) override {
        std::optional<NodeRef> held;
        for (const auto& [ref, node] : all_nodes) {
            if (node.uid != uid || (node.secret_hash.empty() ? node.nodeid != as_text(nodeid.view())
                                                             : node.secret_hash != hash(nodeid.view())))
                continue;
            if (node.held_ms == 0) return ref;
            if (!held) held = ref;
        }
        return held;
    }
    Result<std::vector<NodeRef>> nodes(const std::string& uid) override {
        std::vector<NodeRef> list;
        for (const auto& [ref, node] : all_nodes)
            if (node.uid == uid) list.push_back(ref);
        return list;
    }
    Result<std::optional<std::string>> owner_of(const std::string& alias) override {
        auto at = aliases.find(alias);
        if (at == aliases.end()) return std::nullopt;
        return at->second;
    }
    Result<> add_alias(const std::string& uid, const std::string& alias, const StoredMessage* news) override {
        if (broken) return full();
        aliases[alias] = uid;
        return news ? enqueue({{*news, *nodes(uid)}}) : Result<>{};
    }
    Result<> add_node(const std::string& uid, const SecretBytes& nodeid, const std::string& label,
                      NodeRef from, const StoredMessage& news) override {
        if (broken) return full();
        all_nodes[insert(uid, nodeid, label)].queue = all_nodes[from].queue;
        return enqueue({{news, *nodes(uid)}});
    }
    Result<> put_piece(std::uint64_t id, std::uint32_t number, ByteView piece) override {
        if (broken) return full();
        pieces[id][number] = to_bytes(piece);
        return {};
    }
    void drop_pieces(std::uint64_t id) override { pieces.erase(id); }
    Result<std::optional<std::vector<Member>>> group(const std::string& gid) override {
        auto at = groups.find(gid);
        if (at == groups.end()) return std::nullopt;
        return at->second;
    }
    Result<std::uint64_t> groups_of(const std::string& uid) override {
        std::uint64_t count = 0;
        for (const auto& [gid, members] : groups)
            for (const auto& member : members) count += member.uid == uid && member.state == Member::joined;
        return count;
    }
    Result<> put_members(const std::string& gid, const std::vector<Member>& members,
                         const std::vector<Outgoing>& out) override {
        if (broken) return full();
        auto& list = groups[gid];
        for (const auto& member : members) {
            auto at =
                std::find_if(list.begin(), list.end(), [&](auto& one) { return one.uid == member.uid; });
            if (at == list.end())
                list.push_back(member);
            else
                *at = member;
        }
        return enqueue(out);
    }
    Result<> enqueue(const std::vector<Outgoing>& out) override {
        if (broken) return full();
        for (const auto& [message, to] : out) {
            messages[message.id] = message;
            highest = std::max(highest, message.id);
            for (NodeRef node : to) all_nodes[node].queue.push_back(message.id);
        }
        return {};
    }
    Result<std::optional<StoredMessage>> first(NodeRef node) override {
        const auto& queue = all_nodes[node].queue;
        if (queue.empty()) return std::nullopt;
        return messages[queue.front()];
    }
    Result<Bytes> piece(std::uint64_t id, std::uint32_t number) override { return pieces[id][number]; }
    Result<> remove(NodeRef node, std::uint64_t id) override {
        if (broken) return full();
        std::erase(all_nodes[node].queue, id);
        for (const auto& [ref, other] : all_nodes)
            if (std::count(other.queue.begin(), other.queue.end(), id)) return {};
        messages.erase(id);
        pieces.erase(id);
        return {};
    }
    Result<std::uint64_t> queue_bytes(const std::string& uid) override {
        std::uint64_t most = 0;
        for (const auto& [ref, node] : all_nodes) {
            if (node.uid != uid) continue;
            most = std::max(most, *queue_bytes(ref));
        }
        return most;
    }
    Result<std::uint64_t> queue_bytes(NodeRef ref) override {
        std::uint64_t sum = 0;
        for (auto id : all_nodes[ref].queue) sum += messages[id].head.size() + messages[id].datalen;
        return sum;
    }

    Result<NodeRef> add_ruled_account(const std::string& uid, const RosterChange::NewNode& node,
                                      const Bytes& log) override {
        if (broken) return full();
        rosters[uid].log = log;
        auto ref = insert_ruled(uid, node);
        all_nodes[ref].knows = true;
        return ref;
    }
    Result<AccountRoster> roster(const std::string& uid) override {
        auto at = rosters.find(uid);
        return at == rosters.end() ? AccountRoster{} : at->second;
    }
    Result<std::vector<ControlledNode>> controlled(const std::string& uid) override {
        std::vector<ControlledNode> list;
        for (const auto& [ref, node] : all_nodes)
            if (node.uid == uid)
                list.push_back({ref, node.device,
                                node.secret_hash.empty() ? hash(as_bytes(node.nodeid)) : node.secret_hash,
                                node.held_ms, node.knows});
        return list;
    }
    Result<bool> is_held(NodeRef node) override { return all_nodes[node].held_ms != 0; }
    Result<> knows_control(NodeRef node, bool knows) override {
        if (broken) return full();
        all_nodes[node].knows = knows;
        return {};
    }
    Result<> change_roster(const RosterChange& change) override {
        if (broken) return full();
        auto& kept = rosters[change.uid];
        if (change.log) kept.log = *change.log;
        if (change.proposal) {
            kept.proposed = change.proposal->proposed;
            kept.due_ms = change.proposal->due_ms;
        }
        for (const auto& [node, since] : change.held) all_nodes[node].held_ms = since;
        for (const auto& node : change.added) insert_ruled(change.uid, node);
        for (auto node : change.dropped) all_nodes.erase(node);
        if (!change.news) return {};
        std::vector<NodeRef> to;
        for (const auto& [ref, node] : all_nodes)
            if (node.uid == change.uid && node.held_ms == 0) to.push_back(ref);
        if (!change.news_data.empty()) pieces[change.news->id][0] = change.news_data;
        return enqueue({{*change.news, to}});
    }
    Result<std::vector<std::string>> rosters_due(std::int64_t due_ms, std::int64_t held_ms) override {
        std::set<std::string> uids;
        for (const auto& [uid, kept] : rosters)
            if (kept.due_ms > 0 && kept.due_ms <= due_ms) uids.insert(uid);
        for (const auto& [ref, node] : all_nodes)
            if (node.held_ms > 0 && node.held_ms <= held_ms) uids.insert(node.uid);
        return std::vector<std::string>(uids.begin(), uids.end());
    }

  private:
    static tl::unexpected<Error> full() { return fail(Fault::disk_full, "the disk is full"); }
    NodeRef insert(const std::string& uid, const SecretBytes& nodeid, const std::string& label) {
        NodeRef ref = ++last_node;
        all_nodes[ref] = {uid, std::string(as_text(nodeid.view())), label, {}};
        return ref;
    }
    NodeRef insert_ruled(const std::string& uid, const RosterChange::NewNode& node) {
        NodeRef ref = ++last_node;
        all_nodes[ref] = {uid, {}, node.label, {}, node.device, node.secret_hash};
        if (node.from == every_queue) {
            std::set<std::uint64_t> waiting;
            for (const auto& [other, each] : all_nodes)
                if (each.uid == uid) waiting.insert(each.queue.begin(), each.queue.end());
            all_nodes[ref].queue = {waiting.begin(), waiting.end()};
        } else if (node.from != 0) {
            all_nodes[ref].queue = all_nodes[node.from].queue;
        }
        return ref;
    }
    NodeRef last_node = 0;
};

}  // namespace kith::tmtp
