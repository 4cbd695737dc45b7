#include "sql_store.h"

#include "crypto/hash.h"

namespace kith::tmtpd {
namespace {

using store::Transaction;
using tmtp::NodeRef;
using tmtp::StoredMessage;

constexpr std::string_view schema_1 = R"(
CREATE TABLE account (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE);
CREATE TABLE alias (name TEXT PRIMARY KEY, account INTEGER NOT NULL REFERENCES account) WITHOUT ROWID;
CREATE TABLE node (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account,
    secret BLOB NOT NULL,
    label TEXT NOT NULL,
    queued INTEGER NOT NULL DEFAULT 0);
CREATE INDEX node_account ON node(account, id);
CREATE TABLE message (id INTEGER PRIMARY KEY, head TEXT NOT NULL, datalen INTEGER NOT NULL);
CREATE TABLE piece (message INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE UNIQUE INDEX piece_place ON piece(message, number);
CREATE TABLE queue (node INTEGER NOT NULL, message INTEGER NOT NULL, PRIMARY KEY (node, message)) WITHOUT ROWID;
CREATE INDEX queue_message ON queue(message);
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES ('last_id', 0);
)";

constexpr std::string_view schema_2 = R"(
CREATE TABLE circle (id INTEGER PRIMARY KEY, gid TEXT NOT NULL UNIQUE);
CREATE TABLE member (
    circle INTEGER NOT NULL REFERENCES circle,
    account INTEGER NOT NULL REFERENCES account,
    alias TEXT NOT NULL,
    state INTEGER NOT NULL);
CREATE UNIQUE INDEX member_place ON member(circle, account);
CREATE INDEX member_account ON member(account, state);
)";

constexpr std::string_view schema_3 = R"(
CREATE TABLE met (account INTEGER NOT NULL, other INTEGER NOT NULL, PRIMARY KEY (account, other)) WITHOUT ROWID;
CREATE INDEX alias_account ON alias(account);
CREATE TABLE journal (key BLOB NOT NULL);
INSERT INTO journal VALUES (zeroblob(32));
)";

constexpr std::string_view schema_4 = R"(
ALTER TABLE node ADD COLUMN device BLOB;
ALTER TABLE node ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN knows INTEGER NOT NULL DEFAULT 0;
CREATE INDEX node_held ON node(held) WHERE held > 0;
CREATE TABLE roster (
    account INTEGER PRIMARY KEY REFERENCES account,
    log BLOB NOT NULL,
    proposed BLOB NOT NULL,
    due INTEGER NOT NULL);
CREATE INDEX roster_due ON roster(due) WHERE due > 0;
)";

// Of an account's nodes and a node's queue, what is kept at hand: more is read again.
constexpr std::size_t most_cached = 20'000;

// The nodeid's hash: who reads the database cannot log in with it. (25 random bytes need no stretching.)
Bytes hash_of(const SecretBytes& nodeid) {
    auto hash = crypto::hash(nodeid.view());
    return Bytes(hash.begin(), hash.end());
}

}  // namespace

Result<std::unique_ptr<SqlStore>> SqlStore::open(const std::filesystem::path& file, const Key& key) {
    KITH_TRY_VALUE(db, store::Database::open(file, key, {schema_1, schema_2, schema_3, schema_4}));
    KITH_TRY(db->run("PRAGMA secure_delete = ON"));
    KITH_TRY(db->run("DELETE FROM piece WHERE message NOT IN (SELECT id FROM message)"));
    auto beside = file;
    KITH_TRY_VALUE(journal, Journal::open(beside.replace_extension(".journal")));
    std::unique_ptr<SqlStore> store(new SqlStore(std::move(db), std::move(journal)));
    KITH_TRY(store->replay());
    // Also when nothing was left: no key is used twice.
    KITH_TRY(store->flush());
    return store;
}

Result<std::uint64_t> SqlStore::accounts() {
    auto row = db_->query("SELECT count(*) FROM account");
    KITH_TRY(row.next());
    return row.count(0);
}

Result<NodeRef> SqlStore::add_account(const std::string& uid, const SecretBytes& nodeid,
                                      const std::string& label) {
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY(db_->run("INSERT INTO account (uid) VALUES (?)", uid));
    KITH_TRY_VALUE(node, insert_node(db_->last_row(), nodeid, label));
    KITH_TRY(tx.commit());
    nodes_.erase(uid);
    return node;
}

Result<std::optional<NodeRef>> SqlStore::find_node(const std::string& uid, const SecretBytes& nodeid) {
    auto row = db_->query(
        "SELECT node.id FROM node JOIN account ON account.id = account WHERE uid = ? AND secret = ?"
        // A node may be there that somebody else has made with a hash that was seen in another's request.
        // It has no secret of its own to log in with, and where it is held it must not keep that one out.
        " ORDER BY held <> 0, node.id",
        uid, hash_of(nodeid));
    KITH_TRY_VALUE(found, row.next());
    if (!found) return std::nullopt;
    return row.number(0);
}

Result<std::vector<NodeRef>> SqlStore::nodes(const std::string& uid) {
    if (auto known = nodes_.find(uid); known != nodes_.end()) return known->second;
    std::vector<NodeRef> list;
    auto row = db_->query(
        "SELECT node.id FROM node JOIN account ON account.id = account WHERE uid = ? ORDER BY node.id", uid);
    for (;;) {
        KITH_TRY_VALUE(more, row.next());
        if (!more) break;
        list.push_back(row.number(0));
    }
    // Of accounts that do not exist nothing is kept: anybody may ask.
    if (nodes_.size() >= most_cached) nodes_.clear();
    if (!list.empty()) nodes_[uid] = list;
    return list;
}

Result<std::optional<std::string>> SqlStore::owner_of(const std::string& alias) {
    auto row = db_->query("SELECT uid FROM alias JOIN account ON account.id = account WHERE name = ?", alias);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return std::nullopt;
    return row.text(0);
}

Result<std::uint64_t> SqlStore::aliases_of(const std::string& uid) {
    auto row =
        db_->query("SELECT count(*) FROM alias JOIN account ON account.id = account WHERE uid = ?", uid);
    KITH_TRY(row.next());
    return row.count(0);
}

Result<> SqlStore::add_alias(const std::string& uid, const std::string& alias, const StoredMessage* news) {
    std::vector<tmtp::Outgoing> messages;
    if (news) {
        KITH_TRY_VALUE(all, nodes(uid));
        messages.push_back({*news, std::move(all)});
    }
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY_VALUE(owner, account(uid));
    KITH_TRY(db_->run("INSERT OR IGNORE INTO alias VALUES (?, ?)", alias, owner));
    for (const auto& one : messages) KITH_TRY(write(one));
    KITH_TRY(tx.commit());
    wrote(messages);
    return {};
}

Result<> SqlStore::add_node(const std::string& uid, const SecretBytes& nodeid, const std::string& label,
                            NodeRef from, const StoredMessage& news) {
    KITH_TRY(flush());  // then the queue that is copied is in the database
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY_VALUE(owner, account(uid));
    KITH_TRY_VALUE(node, insert_node(owner, nodeid, label));
    KITH_TRY(db_->run("INSERT INTO queue SELECT ?, message FROM queue WHERE node = ?", node, from));
    KITH_TRY(
        db_->run("UPDATE node SET queued = (SELECT queued FROM node WHERE id = ?) WHERE id = ?", from, node));
    nodes_.erase(uid);
    KITH_TRY_VALUE(all, nodes(uid));
    const std::vector<tmtp::Outgoing> messages{{news, std::move(all)}};
    auto written = write(messages.front());
    if (written) written = tx.commit();
    if (!written) nodes_.erase(uid);
    KITH_TRY(std::move(written));
    wrote(messages);
    return {};
}

Result<bool> SqlStore::meet(const std::string& uid, const std::string& other, std::uint64_t most) {
    KITH_TRY_VALUE(one, account(uid));
    KITH_TRY_VALUE(two, account(other));
    auto known = db_->query("SELECT 1 FROM met WHERE account = ? AND other = ?", one, two);
    KITH_TRY_VALUE(already, known.next());
    if (already) return true;
    auto count = db_->query("SELECT count(*) FROM met WHERE account = ?", one);
    KITH_TRY(count.next());
    if (count.count(0) >= most) return false;
    KITH_TRY(db_->run("INSERT INTO met VALUES (?, ?)", one, two));
    return true;
}

Result<bool> SqlStore::met(const std::string& uid, const std::string& other) {
    KITH_TRY_VALUE(one, account(uid));
    KITH_TRY_VALUE(two, account(other));
    auto known =
        db_->query("SELECT 1 FROM met WHERE (account = ? AND other = ?) OR (account = ? AND other = ?)", one,
                   two, two, one);
    KITH_TRY_VALUE(directly, known.next());
    if (directly) return true;
    const auto joined = static_cast<std::int64_t>(tmtp::Member::joined);
    auto together = db_->query(
        "SELECT 1 FROM member AS ours JOIN member AS theirs ON theirs.circle = ours.circle"
        " WHERE ours.account = ? AND ours.state = ? AND theirs.account = ? AND theirs.state = ?",
        one, joined, two, joined);
    return together.next();
}

Result<std::optional<std::vector<tmtp::Member>>> SqlStore::group(const std::string& gid) {
    auto row = db_->query("SELECT id FROM circle WHERE gid = ?", gid);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return std::nullopt;
    std::vector<tmtp::Member> list;
    auto member = db_->query(
        "SELECT uid, alias, state FROM member JOIN account ON account.id = account WHERE circle = ?"
        " ORDER BY member.rowid",
        row.number(0));
    for (;;) {
        KITH_TRY_VALUE(more, member.next());
        if (!more) return list;
        list.push_back({member.text(0), member.text(1), static_cast<tmtp::Member::State>(member.number(2))});
    }
}

Result<std::uint64_t> SqlStore::groups_of(const std::string& uid) {
    auto row = db_->query(
        "SELECT count(*) FROM member JOIN account ON account.id = account WHERE uid = ? AND state = ?", uid,
        static_cast<std::int64_t>(tmtp::Member::joined));
    KITH_TRY(row.next());
    return row.count(0);
}

Result<> SqlStore::put_members(const std::string& gid, const std::vector<tmtp::Member>& members,
                               const std::vector<tmtp::Outgoing>& messages) {
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY(db_->run("INSERT OR IGNORE INTO circle (gid) VALUES (?)", gid));
    for (const auto& member : members) {
        KITH_TRY_VALUE(owner, account(member.uid));
        KITH_TRY(
            db_->run("INSERT INTO member (circle, account, alias, state)"
                     " SELECT id, ?, ?, ? FROM circle WHERE gid = ?"
                     " ON CONFLICT (circle, account) DO UPDATE SET alias = excluded.alias,"
                     " state = excluded.state",
                     owner, member.alias, static_cast<std::int64_t>(member.state), gid));
    }
    for (const auto& outgoing : messages) KITH_TRY(write(outgoing));
    KITH_TRY(tx.commit());
    wrote(messages);
    return {};
}

Result<std::int64_t> SqlStore::account(const std::string& uid) {
    auto row = db_->query("SELECT id FROM account WHERE uid = ?", uid);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return fail(Fault::not_found, "no such account");
    return row.number(0);
}

Result<NodeRef> SqlStore::insert_node(std::int64_t owner, const SecretBytes& nodeid,
                                      const std::string& label) {
    KITH_TRY(db_->run("INSERT INTO node (account, secret, label) VALUES (?, ?, ?)", owner, hash_of(nodeid),
                      label));
    return db_->last_row();
}

// --- for the operator ---

Result<> SqlStore::users(const std::function<void(const UserRow&)>& row) {
    auto list = db_->query(
        "SELECT uid, id, (SELECT count(*) FROM node WHERE account = account.id) FROM account ORDER BY id");
    for (;;) {
        KITH_TRY_VALUE(more, list.next());
        if (!more) return {};
        UserRow user{list.text(0), {}, list.count(2)};
        auto alias = db_->query("SELECT name FROM alias WHERE account = ? ORDER BY name", list.number(1));
        for (;;) {
            KITH_TRY_VALUE(another, alias.next());
            if (!another) break;
            user.aliases.push_back(alias.text(0));
        }
        row(user);
    }
}

Result<> SqlStore::all_nodes(const std::function<void(const NodeRow&)>& row) {
    KITH_TRY(flush());
    auto list = db_->query(
        "SELECT node.id, uid, label, (SELECT count(*) FROM queue WHERE node = node.id), queued"
        " FROM node JOIN account ON account.id = account ORDER BY node.id");
    for (;;) {
        KITH_TRY_VALUE(more, list.next());
        if (!more) return {};
        row({list.number(0), list.text(1), list.text(2), list.count(3), list.count(4)});
    }
}

Result<> SqlStore::groups(const std::function<void(const GroupRow&)>& row) {
    auto list = db_->query(
        "SELECT gid, (SELECT count(*) FROM member WHERE circle = circle.id AND state = ?),"
        " (SELECT count(*) FROM member WHERE circle = circle.id AND state = ?) FROM circle ORDER BY gid",
        static_cast<std::int64_t>(tmtp::Member::joined), static_cast<std::int64_t>(tmtp::Member::invited));
    for (;;) {
        KITH_TRY_VALUE(more, list.next());
        if (!more) return {};
        row({list.text(0), list.count(1), list.count(2)});
    }
}

Result<bool> SqlStore::drop_node(NodeRef node) {
    KITH_TRY(flush());
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY_VALUE(gone, remove_node(node));
    KITH_TRY(tx.commit());
    queues_.erase(node);
    nodes_.clear();
    dirty_ = true;
    return gone;
}

}  // namespace kith::tmtpd
