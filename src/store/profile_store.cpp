#include "store/profile_store.h"

namespace kith::store {
namespace {

constexpr std::string_view pairing_setting = "pairing";

std::string join_lines(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) text += line + "\n";
    return text;
}

std::vector<std::string> split_lines(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find('\n', start), text.size());
        lines.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return lines;
}

// Reads all rows, one value each.
template <class Read>
auto read_all(Statement rows, Read read) -> Result<std::vector<decltype(read(rows))>> {
    std::vector<decltype(read(rows))> list;
    while (true) {
        KITH_TRY_VALUE(row, rows.next());
        if (!row) return list;
        list.push_back(read(rows));
    }
}

// Reads the only row, if there is one.
template <class Read>
auto read_one(Statement rows, Read read) -> Result<std::optional<decltype(read(rows))>> {
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return std::optional<decltype(read(rows))>();
    return std::optional(read(rows));
}

SecretBytes read_secret(Statement& row) {
    return SecretBytes(row.bytes(0));
}

Account read_account(Statement& row) {
    return {row.id<AccountId>(0), row.text(1), row.text(2), to_bytes(row.bytes(3)),
            row.text(4),          row.text(5), row.text(6), row.text(7)};
}

Asked read_asked(Statement& row) {
    return {row.number(0), row.id<AccountId>(1), to_bytes(row.bytes(2)), {}, row.text(3), row.number(5),
            row.text(4),   row.count(6)};
}

Provision read_provision(Statement& row) {
    return {row.id<AccountId>(0),      row.id<DeviceId>(1), row.text(2),
            SecretBytes(row.bytes(3)), row.text(4),         row.text(5)};
}

}  // namespace

Result<> ProfileStore::put_setting(std::string_view name, ByteView value) {
    KITH_TRY(db_.run("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", name, value));
    return {};
}

Result<std::optional<SecretBytes>> ProfileStore::setting(std::string_view name) const {
    return read_one(db_.query("SELECT value FROM setting WHERE name = ?", name), read_secret);
}

Result<> ProfileStore::remove_setting(std::string_view name) {
    KITH_TRY(db_.run("DELETE FROM setting WHERE name = ?", name));
    return {};
}

Result<std::vector<std::string>> ProfileStore::settings(std::string_view prefix) const {
    return read_all(db_.query("SELECT name FROM setting WHERE substr(name, 1, ?) = ? ORDER BY name",
                              static_cast<std::int64_t>(prefix.size()), prefix),
                    [](Statement& row) { return row.text(0); });
}

Result<bool> ProfileStore::add_entry(const RosterEntry& entry) {
    KITH_TRY_VALUE(
        count,
        db_.run("INSERT INTO entry (id, body, signature, seen_ms) VALUES (?, ?, ?, ?) ON CONFLICT (id) "
                "DO UPDATE SET signature = excluded.signature WHERE signature <> excluded.signature",
                entry.id, entry.body, entry.signature, entry.seen_ms));
    return count > 0;
}

Result<std::vector<RosterEntry>> ProfileStore::entries() const {
    return read_all(db_.query("SELECT id, body, signature, seen_ms FROM entry ORDER BY seq"), [](Statement&
                                                                                                     row) {
        return RosterEntry{row.id<EntryId>(0), to_bytes(row.bytes(1)), to_bytes(row.bytes(2)), row.number(3)};
    });
}

Result<> ProfileStore::remove_entries() {
    KITH_TRY(db_.run("DELETE FROM entry"));
    return {};
}

Result<> ProfileStore::put_account(const Account& account) {
    // Not INSERT OR REPLACE: that would take the account's node and posts with it.
    KITH_TRY(
        db_.run("INSERT INTO account (id, address, identity, pin, site, alias, uid, state) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET address = excluded.address, "
                "identity = excluded.identity, pin = excluded.pin, site = excluded.site, "
                "alias = excluded.alias, uid = excluded.uid, state = excluded.state",
                account.id, account.address, account.identity, account.pin, account.site, account.alias,
                account.uid, account.state));
    return {};
}

Result<std::optional<Account>> ProfileStore::account(const AccountId& id) const {
    return read_one(
        db_.query("SELECT id, address, identity, pin, site, alias, uid, state FROM account WHERE id = ?", id),
        read_account);
}

Result<std::vector<Account>> ProfileStore::accounts() const {
    return read_all(
        db_.query("SELECT id, address, identity, pin, site, alias, uid, state FROM account ORDER BY id"),
        read_account);
}

Result<> ProfileStore::remove_account(const AccountId& id) {
    KITH_TRY(db_.run("DELETE FROM account WHERE id = ?", id));
    return {};
}

Result<> ProfileStore::put_node(const AccountId& account, const SecretBytes& nodeid) {
    KITH_TRY(db_.run("INSERT OR REPLACE INTO node (account, nodeid) VALUES (?, ?)", account, nodeid));
    return {};
}

Result<std::optional<SecretBytes>> ProfileStore::node(const AccountId& account) const {
    return read_one(db_.query("SELECT nodeid FROM node WHERE account = ?", account), read_secret);
}

Result<> ProfileStore::put_provision(const Provision& provision) {
    KITH_TRY(
        db_.run("INSERT OR REPLACE INTO provision (account, device, label, nodeid, state, msgid) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                provision.account, provision.device, provision.label, provision.nodeid, provision.state,
                provision.msgid));
    return {};
}

Result<std::optional<Provision>> ProfileStore::provision(const AccountId& account,
                                                         const DeviceId& device) const {
    return read_one(db_.query("SELECT account, device, label, nodeid, state, msgid FROM provision "
                              "WHERE account = ? AND device = ?",
                              account, device),
                    read_provision);
}

Result<std::vector<Provision>> ProfileStore::provisions() const {
    return read_all(db_.query("SELECT account, device, label, nodeid, state, msgid FROM provision "
                              "ORDER BY account, device"),
                    read_provision);
}

Result<> ProfileStore::remove_provision(const AccountId& account, const DeviceId& device) {
    KITH_TRY(db_.run("DELETE FROM provision WHERE account = ? AND device = ?", account, device));
    return {};
}

Result<std::int64_t> ProfileStore::ask(const Asked& asked) {
    KITH_TRY(
        db_.run("INSERT INTO outbox (account, head, state, why, made_ms, body) VALUES (?, ?, ?, ?, ?, ?)",
                asked.account, asked.head, asked.state, asked.why, asked.made_ms, asked.body));
    return db_.last_row();
}

Result<> ProfileStore::set_asked(std::int64_t id, std::string_view state, std::string_view why) {
    KITH_TRY_VALUE(count, db_.run("UPDATE outbox SET state = ?, why = ? WHERE id = ?", state, why, id));
    if (count == 0)
        return fail(Fault::not_found, "no such request in the outbox", "'kith outbox list' shows them");
    return {};
}

Result<std::vector<Asked>> ProfileStore::asked(const AccountId& account, const AskedOf& of) const {
    return read_all(
        db_.query("SELECT id, account, head, state, why, made_ms, length(body) FROM outbox "
                  "WHERE account = ?1 AND (?2 = '' OR state = ?2 OR state = ?3) ORDER BY id LIMIT ?4",
                  account, of.state, of.or_state, of.most),
        read_asked);
}

Result<std::optional<Asked>> ProfileStore::asked(std::int64_t id) const {
    auto rows =
        db_.query("SELECT id, account, head, state, why, made_ms, length(body) FROM outbox WHERE id = ?", id);
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return std::optional<Asked>();
    return std::optional(read_asked(rows));
}

Result<Bytes> ProfileStore::asked_body(std::int64_t id) const {
    auto rows = db_.query("SELECT body FROM outbox WHERE id = ?", id);
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return fail(Fault::not_found, "no such request in the outbox", "'kith outbox list' shows them");
    return to_bytes(rows.bytes(0));
}

Result<> ProfileStore::remove_asked(std::int64_t id) {
    KITH_TRY(db_.run("DELETE FROM outbox WHERE id = ?", id));
    return {};
}

Result<> ProfileStore::put_peer(const Peer& peer) {
    for (const auto& endpoint : peer.endpoints)
        if (endpoint.empty() || endpoint.find('\n') != std::string::npos)
            return fail(Fault::invalid, "a peer's address is empty or has a line break");
    KITH_TRY(db_.run("INSERT OR REPLACE INTO peer (device, endpoints, seen_ms) VALUES (?, ?, ?)", peer.device,
                     join_lines(peer.endpoints), peer.seen_ms));
    return {};
}

Result<std::vector<Peer>> ProfileStore::peers() const {
    return read_all(db_.query("SELECT device, endpoints, seen_ms FROM peer ORDER BY device"),
                    [](Statement& row) {
                        return Peer{row.id<DeviceId>(0), split_lines(row.text(1)), row.number(2)};
                    });
}

Result<> ProfileStore::remove_peer(const DeviceId& device) {
    KITH_TRY(db_.run("DELETE FROM peer WHERE device = ?", device));
    return {};
}

Result<> ProfileStore::put_pairing(ByteView state) {
    return put_setting(pairing_setting, state);
}
Result<std::optional<SecretBytes>> ProfileStore::pairing() const {
    return setting(pairing_setting);
}
Result<> ProfileStore::remove_pairing() {
    return remove_setting(pairing_setting);
}

Result<> ProfileStore::put_job(const Job& job) {
    KITH_TRY(db_.run(
        "INSERT OR REPLACE INTO job (role, peer, state, started_ms, ended_ms, records_total, bytes_total) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        job.role, job.peer, job.state, job.started_ms, job.ended_ms, job.records_total, job.bytes_total));
    return {};
}

Result<std::vector<Job>> ProfileStore::jobs() const {
    return read_all(
        db_.query("SELECT role, peer, state, started_ms, ended_ms, records_total, bytes_total FROM job "
                  "ORDER BY started_ms, role, peer"),
        [](Statement& row) {
            return Job{row.text(0),   row.id<DeviceId>(1), row.text(2), row.number(3),
                       row.number(4), row.count(5),        row.count(6)};
        });
}

Result<> ProfileStore::remove_job(std::string_view role, const DeviceId& peer) {
    KITH_TRY(db_.run("DELETE FROM job WHERE role = ? AND peer = ?", role, peer));
    return {};
}

Result<> ProfileStore::add_receipt(const Receipt& receipt) {
    KITH_TRY(db_.run("INSERT INTO receipt (peer, made_ms, body, own, theirs) VALUES (?, ?, ?, ?, ?)",
                     receipt.peer, receipt.made_ms, receipt.body, receipt.own, receipt.theirs));
    return {};
}

Result<std::vector<Receipt>> ProfileStore::receipts() const {
    return read_all(db_.query("SELECT peer, made_ms, body, own, theirs FROM receipt ORDER BY seq"),
                    [](Statement& row) {
                        return Receipt{row.id<DeviceId>(0), row.number(1), to_bytes(row.bytes(2)),
                                       row.id<Signature>(3), row.id<Signature>(4)};
                    });
}

}  // namespace kith::store
