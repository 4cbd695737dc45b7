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

// The nodeid's hash: who reads the database cannot log in with it. (25 random bytes need no stretching.)
Bytes hash_of(const SecretBytes& nodeid) {
    auto hash = crypto::hash(nodeid.view());
    return Bytes(hash.begin(), hash.end());
}

std::uint64_t weight(const StoredMessage& message) {
    return message.head.size() + message.datalen;
}

}  // namespace

Result<std::unique_ptr<SqlStore>> SqlStore::open(const std::filesystem::path& file, const Key& key) {
    KITH_TRY_VALUE(db, store::Database::open(file, key, {schema_1, schema_2}));
    KITH_TRY(db->run("DELETE FROM piece WHERE message NOT IN (SELECT id FROM message)"));
    return std::unique_ptr<SqlStore>(new SqlStore(std::move(db)));
}

Result<std::uint64_t> SqlStore::last_id() {
    auto row = db_->query("SELECT value FROM counter WHERE name = 'last_id'");
    KITH_TRY(row.next());
    return row.count(0);
}

Result<NodeRef> SqlStore::add_account(const std::string& uid, const SecretBytes& nodeid,
                                      const std::string& label) {
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY(db_->run("INSERT INTO account (uid) VALUES (?)", uid));
    KITH_TRY_VALUE(node, insert_node(db_->last_row(), nodeid, label));
    KITH_TRY(tx.commit());
    return node;
}

Result<std::optional<NodeRef>> SqlStore::find_node(const std::string& uid, const SecretBytes& nodeid) {
    auto row = db_->query(
        "SELECT node.id FROM node JOIN account ON account.id = account WHERE uid = ? AND secret = ?", uid,
        hash_of(nodeid));
    KITH_TRY_VALUE(found, row.next());
    if (!found) return std::nullopt;
    return row.number(0);
}

Result<std::vector<NodeRef>> SqlStore::nodes(const std::string& uid) {
    std::vector<NodeRef> list;
    auto row = db_->query(
        "SELECT node.id FROM node JOIN account ON account.id = account WHERE uid = ? ORDER BY node.id", uid);
    for (;;) {
        KITH_TRY_VALUE(more, row.next());
        if (!more) return list;
        list.push_back(row.number(0));
    }
}

Result<std::optional<std::string>> SqlStore::owner_of(const std::string& alias) {
    auto row = db_->query("SELECT uid FROM alias JOIN account ON account.id = account WHERE name = ?", alias);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return std::nullopt;
    return row.text(0);
}

Result<> SqlStore::add_alias(const std::string& uid, const std::string& alias, const StoredMessage* news) {
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY_VALUE(owner, account(uid));
    KITH_TRY(db_->run("INSERT OR IGNORE INTO alias VALUES (?, ?)", alias, owner));
    if (news) {
        KITH_TRY_VALUE(all, nodes(uid));
        KITH_TRY(queue({*news, all}));
    }
    return tx.commit();
}

Result<> SqlStore::add_node(const std::string& uid, const SecretBytes& nodeid, const std::string& label,
                            NodeRef from, const StoredMessage& news) {
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY_VALUE(owner, account(uid));
    KITH_TRY_VALUE(node, insert_node(owner, nodeid, label));
    KITH_TRY(db_->run("INSERT INTO queue SELECT ?, message FROM queue WHERE node = ?", node, from));
    KITH_TRY(
        db_->run("UPDATE node SET queued = (SELECT queued FROM node WHERE id = ?) WHERE id = ?", from, node));
    KITH_TRY_VALUE(all, nodes(uid));
    KITH_TRY(queue({news, all}));
    return tx.commit();
}

Result<> SqlStore::put_piece(std::uint64_t id, std::uint32_t number, ByteView piece) {
    auto& held = held_[id];
    if (!held.bytes.empty()) KITH_TRY(write_piece(id, held));
    held = {number, to_bytes(piece)};
    return {};
}

// What cannot be removed now is removed at the next start.
void SqlStore::drop_pieces(std::uint64_t id) {
    auto held = held_.find(id);
    bool written = held == held_.end() || held->second.number > 0;
    if (held != held_.end()) held_.erase(held);
    if (written) (void)db_->run("DELETE FROM piece WHERE message = ?", id);
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
    for (const auto& outgoing : messages) KITH_TRY(queue(outgoing));
    KITH_TRY(tx.commit());
    for (const auto& outgoing : messages) held_.erase(outgoing.message.id);
    return {};
}

Result<> SqlStore::enqueue(const std::vector<tmtp::Outgoing>& messages) {
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    for (const auto& outgoing : messages) KITH_TRY(queue(outgoing));
    KITH_TRY(tx.commit());
    for (const auto& outgoing : messages) held_.erase(outgoing.message.id);
    return {};
}

// Within a transaction of the caller's.
Result<> SqlStore::queue(const tmtp::Outgoing& outgoing) {
    const auto& [message, to] = outgoing;
    if (auto held = held_.find(message.id); held != held_.end())
        KITH_TRY(write_piece(message.id, held->second));
    KITH_TRY(db_->run("INSERT INTO message VALUES (?, ?, ?)", message.id, message.head, message.datalen));
    for (NodeRef node : to) {
        KITH_TRY(db_->run("INSERT INTO queue VALUES (?, ?)", node, message.id));
        KITH_TRY(db_->run("UPDATE node SET queued = queued + ? WHERE id = ?", weight(message), node));
    }
    KITH_TRY(db_->run("UPDATE counter SET value = max(value, ?) WHERE name = 'last_id'", message.id));
    return {};
}

Result<std::optional<StoredMessage>> SqlStore::first(NodeRef node) {
    auto row = db_->query(
        "SELECT id, head, datalen FROM queue JOIN message ON id = message WHERE node = ? ORDER BY message "
        "LIMIT 1",
        node);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return std::nullopt;
    return StoredMessage{row.count(0), row.text(1), row.count(2)};
}

Result<Bytes> SqlStore::piece(std::uint64_t id, std::uint32_t number) {
    auto row = db_->query("SELECT bytes FROM piece WHERE message = ? AND number = ?", id, number);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return fail(Fault::corrupt, "a part of a message is missing");
    return to_bytes(row.bytes(0));
}

Result<> SqlStore::remove(NodeRef node, std::uint64_t id) {
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    KITH_TRY_VALUE(gone, db_->run("DELETE FROM queue WHERE node = ? AND message = ?", node, id));
    if (gone == 0) return tx.commit();
    KITH_TRY(
        db_->run("UPDATE node SET queued = queued - (SELECT length(CAST(head AS BLOB)) + datalen FROM "
                 "message WHERE id = ?)"
                 " WHERE id = ?",
                 id, node));
    KITH_TRY_VALUE(last, db_->run("DELETE FROM message WHERE id = ? AND NOT EXISTS"
                                  " (SELECT 1 FROM queue WHERE message = message.id)",
                                  id));
    if (last) KITH_TRY(db_->run("DELETE FROM piece WHERE message = ?", id));
    return tx.commit();
}

Result<std::uint64_t> SqlStore::queue_bytes(const std::string& uid) {
    auto row =
        db_->query("SELECT max(queued) FROM node JOIN account ON account.id = account WHERE uid = ?", uid);
    KITH_TRY(row.next());
    return row.count(0);
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

Result<> SqlStore::write_piece(std::uint64_t id, const Held& held) {
    KITH_TRY(db_->run("INSERT INTO piece VALUES (?, ?, ?)", id, held.number, held.bytes));
    return {};
}

}  // namespace kith::tmtpd
