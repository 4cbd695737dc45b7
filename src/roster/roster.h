// A person's roster: what a set of entries means. Folding is a pure function of the set: the order in which
// entries arrived, and entries that are garbage, make no difference. Where the rules leave something open,
// the result is the safe one: a device is kept out rather than let in. src/roster/README.md has the rules.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "crypto/keys.h"
#include "roster/entry.h"

namespace kith::roster {

enum class DeviceState {
    active,
    suspended,  // kept out until it is decided: cloned, in conflict, or named by what this version cannot
                // decide
    barred,     // for good; to come back it needs a new request
};
std::string_view device_state_name(DeviceState state);

struct Device {
    DeviceId id;
    std::string name;
    SignPublic device_key;
    SignPublic act_key;
    LinkPublic link_key;
    DeviceState state = DeviceState::active;
    std::string why;              // empty when active; a short reason, for people
    std::int64_t added_ms = 0;    // what the adding entry says
    Signer added_by;              // absent: the recovery key
    std::optional<EntryId> last;  // its last entry before the heads: what a bar has to name
    bool erase = false;           // barred with the wish that it erases its keys
};

// An act that is kept and passed on, and whose full effect this version does not decide.
struct Unresolved {
    EntryId entry;
    std::string what;
};

struct State {
    PersonId person;
    bool founded = false;  // the genesis is here; without it everything is pending
    SignPublic recovery;
    std::vector<Device> devices;  // in the order they were added
    std::vector<EntryId> heads;   // what a new entry names
    std::vector<EntryId> placed;  // all entries with all their predecessors here, void ones included
    std::vector<EntryId> voided;  // placed, but signed by a barred device after its cut, and what rests on it
    std::vector<EntryId> pending;  // wait for an entry that is not here
    std::vector<EntryId> refused;  // garbage: of another person, badly signed, or against the form of the log
    std::vector<Unresolved> unresolved;
    std::map<Signer, std::uint64_t> counters;  // highest counter seen of each signer

    const Device* find(const DeviceId& id) const;
    // The active device with this link key: the peer link's allow-list. Null: refuse the connection.
    const Device* link_allowed(const LinkPublic& key) const;
    std::uint64_t next_counter(const Signer& signer) const;
};

// The entries must come from read_entry or sign_entry; signatures are checked here. Fails only when there are
// more than limits::roster_entries.
Result<State> fold(const PersonId& person, std::span<const Entry> entries);

// Whether a store should keep `entry`, which came from outside: false for the wrong person and for more than
// its signer's share (limits::roster_signer_entries), so that no device can drown the others' entries.
// Duplicates are the caller's to drop.
bool worth_keeping(const State& state, std::span<const Entry> kept, const Entry& entry);

// Entries that follow `state`, with counter and heads as they must be.
// The genesis of the person whose recovery seed this is: always the same bytes, so that the sheet alone gives
// it.
Entry make_genesis(const Key& recovery_seed);
// `key` is the signer's act key, or the recovery key. Refused when the signer is not active or the key is not
// its.
Result<Entry> make_add(const State& state, const Signer& signer, const crypto::SignKey& key,
                       const SignedRequest& request, std::int64_t time_ms);
Result<Entry> make_rename(const State& state, const Signer& signer, const crypto::SignKey& key,
                          const DeviceId& device, std::string_view name, std::int64_t time_ms);
Result<Entry> make_bar(const State& state, const Signer& signer, const crypto::SignKey& key,
                       const DeviceId& device, bool erase, std::int64_t time_ms);

// The joiner's check of what the host introduces itself with: the first entry is the genesis of the person,
// the rest folds, and the device with these two keys is active. Says nothing of whether the log is the newest
// there is: a second source must confirm it.
Result<State> check_introduction(std::span<const Entry> entries, const LinkPublic& link_key,
                                 const SignPublic& act_key);

}  // namespace kith::roster
