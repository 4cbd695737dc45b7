// What a profile keeps besides history: settings, the roster's entries, accounts and their nodes, the outbox,
// peers, jobs and receipts. Thin and typed: what the states mean is up to the layer above.
//
// All of it is in the same database as history, so that one Transaction can span, say, a delivered message
// and the note that it is to be acknowledged.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "store/database.h"

namespace kith::store {

struct RosterEntry {
    EntryId id;
    Bytes body;  // the exact bytes that were signed
    Bytes signature;
    std::int64_t seen_ms = 0;  // when it came
};

struct Account {
    AccountId id;
    std::string address;   // "=host:port" or "+host:port"
    std::string identity;  // of the service; (identity, uid) is unique once there is a uid
    Bytes pin;             // the service's public key, for "=" addresses
    std::string site;      // what the service calls itself
    std::string alias;
    std::string uid;  // empty: not registered yet
    std::string state;
};

// The job of giving one device its node for one account.
struct Provision {
    AccountId account;
    DeviceId device;
    std::string label;   // what the service knows the node by
    SecretBytes nodeid;  // empty: not made yet
    std::string state;
    std::string msgid;  // of the request or its answer
};

// A request to a service that is not answered yet: as it goes over the wire.
struct Asked {
    std::int64_t id = 0;  // given by ask(), rising
    AccountId account;
    Bytes head;
    Bytes body;  // only to add one: see asked_body()
    std::string state;
    std::int64_t made_ms = 0;
    std::string why;  // of a refused one
    std::uint64_t body_size = 0;
};

struct Peer {
    DeviceId device;
    std::vector<std::string> endpoints;  // without line breaks
    std::int64_t seen_ms = 0;
};

struct Job {
    std::string role;  // "host" or "joiner"
    DeviceId peer;
    std::string state;
    std::int64_t started_ms = 0;
    std::int64_t ended_ms = 0;  // 0: not yet
    std::uint64_t records_total = 0;
    std::uint64_t bytes_total = 0;
};

struct Receipt {
    DeviceId peer;
    std::int64_t made_ms = 0;
    Bytes body;  // the exact bytes that both signed
    Signature own;
    Signature theirs;
};

// Which requests of the outbox: those of one of these states, or all; at most `most`.
struct AskedOf {
    std::string_view state = {}, or_state = {};
    std::size_t most = 1'000'000;
};

// On a database with profile_schema(), which must outlive this. `put_` adds or replaces, and `remove_` of
// what is not there does no harm.
class ProfileStore {
  public:
    explicit ProfileStore(Database& db) : db_(db) {}

    Result<> put_setting(std::string_view name, ByteView value);
    Result<std::optional<SecretBytes>> setting(std::string_view name) const;
    Result<> remove_setting(std::string_view name);
    // Names that begin so.
    Result<std::vector<std::string>> settings(std::string_view prefix) const;

    // False: it was here already, with this signature; another one is replaced. Listed in the order of
    // arrival.
    Result<bool> add_entry(const RosterEntry& entry);
    Result<std::vector<RosterEntry>> entries() const;
    Result<> remove_entries();  // a device that joins another person drops its own

    // Fault::refused when another account has the same identity and uid.
    Result<> put_account(const Account& account);
    Result<std::optional<Account>> account(const AccountId& id) const;
    Result<std::vector<Account>> accounts() const;
    Result<> remove_account(const AccountId& id);  // with its node, provisions and outbox

    // This device's own nodeid at an account.
    Result<> put_node(const AccountId& account, const SecretBytes& nodeid);
    Result<std::optional<SecretBytes>> node(const AccountId& account) const;

    Result<> put_provision(const Provision& provision);
    Result<std::optional<Provision>> provision(const AccountId& account, const DeviceId& device) const;
    Result<std::vector<Provision>> provisions() const;
    Result<> remove_provision(const AccountId& account, const DeviceId& device);

    // The outbox.
    Result<std::int64_t> ask(const Asked& asked);
    Result<> set_asked(std::int64_t id, std::string_view state, std::string_view why = {});
    // Oldest first, without bodies.
    Result<std::vector<Asked>> asked(const AccountId& account, const AskedOf& of = {}) const;
    Result<std::optional<Asked>> asked(std::int64_t id) const;
    Result<Bytes> asked_body(std::int64_t id) const;
    Result<> remove_asked(std::int64_t id);

    Result<> put_peer(const Peer& peer);
    Result<std::vector<Peer>> peers() const;
    Result<> remove_peer(const DeviceId& device);

    // The state of a pairing under way: one, as bytes that its machine understands.
    Result<> put_pairing(ByteView state);
    Result<std::optional<SecretBytes>> pairing() const;
    Result<> remove_pairing();

    Result<> put_job(const Job& job);  // one for each (role, peer)
    Result<std::vector<Job>> jobs() const;
    Result<> remove_job(std::string_view role, const DeviceId& peer);

    Result<> add_receipt(const Receipt& receipt);
    Result<std::vector<Receipt>> receipts() const;  // oldest first

  private:
    Database& db_;
};

}  // namespace kith::store
