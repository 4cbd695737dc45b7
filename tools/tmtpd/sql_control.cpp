// Node control: accounts' rosters, and the nodes that they name.
#include "sql_store.h"

namespace kith::tmtpd {
namespace {

using store::Transaction;
using tmtp::NodeRef;

}  // namespace

Result<NodeRef> SqlStore::add_ruled_account(const std::string& uid, const tmtp::RosterChange::NewNode& node,
                                            const Bytes& log) {
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY(db_->run("INSERT INTO account (uid) VALUES (?)", uid));
    const auto owner = db_->last_row();
    KITH_TRY_VALUE(ref, insert_ruled(owner, node));
    KITH_TRY(db_->run("UPDATE node SET knows = 1 WHERE id = ?", ref));
    KITH_TRY(db_->run("INSERT INTO roster VALUES (?, ?, x'', 0)", owner, log));
    KITH_TRY(tx.commit());
    nodes_.erase(uid);
    return ref;
}

Result<NodeRef> SqlStore::insert_ruled(std::int64_t owner, const tmtp::RosterChange::NewNode& node) {
    KITH_TRY(db_->run("INSERT INTO node (account, secret, label, device) VALUES (?, ?, ?, ?)", owner,
                      node.secret_hash, node.label, node.device));
    const auto ref = db_->last_row();
    if (node.from == 0) return ref;
    if (node.from == tmtp::every_queue) {
        KITH_TRY(db_->run(
            "INSERT INTO queue SELECT DISTINCT ?, message FROM queue WHERE node IN (SELECT id FROM node WHERE"
            " account = ?)",
            ref, owner));
        KITH_TRY(
            db_->run("UPDATE node SET queued = (SELECT coalesce(sum(length(CAST(head AS BLOB)) + datalen), "
                     "0) FROM queue"
                     " JOIN message ON message.id = queue.message WHERE node = ?) WHERE id = ?",
                     ref, ref));
        return ref;
    }
    KITH_TRY(db_->run("INSERT INTO queue SELECT ?, message FROM queue WHERE node = ?", ref, node.from));
    KITH_TRY(db_->run("UPDATE node SET queued = (SELECT queued FROM node WHERE id = ?) WHERE id = ?",
                      node.from, ref));
    return ref;
}

Result<tmtp::AccountRoster> SqlStore::roster(const std::string& uid) {
    auto row = db_->query(
        "SELECT log, proposed, due FROM roster JOIN account ON account.id = account WHERE uid = ?", uid);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return tmtp::AccountRoster{};
    return tmtp::AccountRoster{to_bytes(row.bytes(0)), to_bytes(row.bytes(1)), row.number(2)};
}

Result<std::vector<tmtp::ControlledNode>> SqlStore::controlled(const std::string& uid) {
    std::vector<tmtp::ControlledNode> list;
    auto row = db_->query(
        "SELECT node.id, device, secret, held, knows FROM node JOIN account ON account.id = account"
        " WHERE uid = ? ORDER BY node.id",
        uid);
    for (;;) {
        KITH_TRY_VALUE(more, row.next());
        if (!more) return list;
        list.push_back({row.number(0), to_bytes(row.bytes(1)), to_bytes(row.bytes(2)), row.number(3),
                        row.number(4) != 0});
    }
}

Result<bool> SqlStore::is_held(NodeRef node) {
    auto row = db_->query("SELECT held FROM node WHERE id = ?", node);
    KITH_TRY_VALUE(found, row.next());
    return found && row.number(0) != 0;
}

Result<> SqlStore::knows_control(NodeRef node, bool knows) {
    const std::int64_t value = knows ? 1 : 0;
    KITH_TRY(db_->run("UPDATE node SET knows = ? WHERE id = ? AND knows <> ?", value, node, value));
    return {};
}

Result<std::string> SqlStore::alias_of(const std::string& uid) {
    auto row =
        db_->query("SELECT min(name) FROM alias JOIN account ON account.id = account WHERE uid = ?", uid);
    KITH_TRY_VALUE(found, row.next());
    return found ? row.text(0) : std::string();
}

Result<> SqlStore::change_roster(const tmtp::RosterChange& change) {
    KITH_TRY(flush());  // then the queues that are copied or dropped are in the database
    std::vector<tmtp::Outgoing> messages;
    auto done = [&]() -> Result<> {
        KITH_TRY_VALUE(tx, Transaction::begin(*db_));
        KITH_TRY_VALUE(owner, account(change.uid));
        KITH_TRY(db_->run("INSERT OR IGNORE INTO roster VALUES (?, x'', x'', 0)", owner));
        if (change.log) KITH_TRY(db_->run("UPDATE roster SET log = ? WHERE account = ?", *change.log, owner));
        if (const auto& proposal = change.proposal)
            KITH_TRY(db_->run("UPDATE roster SET proposed = ?, due = ? WHERE account = ?", proposal->proposed,
                              proposal->due_ms, owner));
        for (const auto& [node, since] : change.held)
            KITH_TRY(db_->run("UPDATE node SET held = ? WHERE id = ?", since, node));
        for (const auto& node : change.added) KITH_TRY(insert_ruled(owner, node));
        for (NodeRef node : change.dropped) KITH_TRY(remove_node(node));
        if (change.news) {
            tmtp::Outgoing news{*change.news, {}};
            auto row = db_->query("SELECT id FROM node WHERE account = ? AND held = 0 ORDER BY id", owner);
            for (;;) {
                KITH_TRY_VALUE(more, row.next());
                if (!more) break;
                news.to.push_back(row.number(0));
            }
            if (!change.news_data.empty() && !news.to.empty()) held_[news.message.id] = {0, change.news_data};
            KITH_TRY(write(news));
            messages.push_back(std::move(news));
        }
        return tx.commit();
    }();
    nodes_.erase(change.uid);
    if (!done && change.news) held_.erase(change.news->id);
    KITH_TRY(std::move(done));
    for (NodeRef node : change.dropped) queues_.erase(node);
    if (!change.dropped.empty()) dirty_ = true;
    wrote(messages);
    return {};
}

Result<std::vector<std::string>> SqlStore::rosters_due(std::int64_t due_ms, std::int64_t held_ms) {
    std::vector<std::string> uids;
    auto row = db_->query(
        "SELECT uid FROM account WHERE id IN (SELECT account FROM roster WHERE due > 0 AND due <= ?)"
        " OR id IN (SELECT account FROM node WHERE held > 0 AND held <= ?)",
        due_ms, held_ms);
    for (;;) {
        KITH_TRY_VALUE(more, row.next());
        if (!more) return uids;
        uids.push_back(row.text(0));
    }
}

// With its queue, within a transaction of the caller's. False: there is none.
Result<bool> SqlStore::remove_node(NodeRef node) {
    std::set<std::uint64_t> queued;
    auto row = db_->query("SELECT message FROM queue WHERE node = ?", node);
    for (;;) {
        KITH_TRY_VALUE(more, row.next());
        if (!more) break;
        queued.insert(row.count(0));
    }
    KITH_TRY(db_->run("DELETE FROM queue WHERE node = ?", node));
    KITH_TRY(erase(queued));
    KITH_TRY_VALUE(gone, db_->run("DELETE FROM node WHERE id = ?", node));
    return gone > 0;
}

}  // namespace kith::tmtpd
