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
#include "roster/memory.h"

namespace kith::roster {

enum class DeviceState {
    active,
    suspended,  // kept out until it is decided: cloned, or in conflict with another
    barred,     // for good; to come back it needs a new request
};
std::string_view device_state_name(DeviceState state);

struct Device {
    DeviceId id;
    std::string name;
    SignPublic device_key;
    SignPublic act_key;
    LinkPublic link_key;
    RequestNonce nonce;
    DeviceState state = DeviceState::active;
    std::string why;            // empty when active; a short reason, for people
    std::int64_t added_ms = 0;  // what the adding entry says
    Signer added_by;            // absent: the recovery key
    bool erase = false;         // barred with the wish that it erases its keys
};

// Whether an entry has its effect.
enum class Standing {
    open,  // not decided: it keeps devices out, and lets none in
    counts,
    is_void,
};

// A placed entry: one with all its predecessors here, that fits them.
struct Line {
    EntryId id;
    Signer signer;
    std::uint64_t counter = 0;
    Standing standing = Standing::open;
    std::vector<std::uint32_t> heads;  // numbers of lines before this one
    std::optional<DeviceId> adds;      // the device, of an `add`
};

// A bar that is not void.
struct Barring {
    EntryId entry;
    Signer by;
    DeviceId device;
    Standing standing = Standing::open;
    bool contested = false;  // by its target, whatever came of it
    bool is_final = false;   // it cannot be contested: by the recovery key, or the decision of an elder
    bool erase = false;
};

// An act that waits for a decision.
struct Unresolved {
    EntryId entry;
    std::string what;
};

struct State {
    PersonId person;
    bool founded = false;            // the genesis is here; without it everything is pending
    SignPublic recovery;             // the recovery key now
    bool recovery_disputed = false;  // renewed twice, each without knowing of the other: neither key works
    std::vector<Device> devices;     // in the order they were added
    std::vector<EntryId> heads;      // what a new entry names
    std::vector<Line> lines;         // what is placed, predecessors first
    std::vector<Barring> bars;       // in that order
    std::vector<EntryId> pending;    // wait for an entry that is not here
    std::vector<EntryId> refused;  // garbage: of another person, badly signed, or against the form of the log
    std::vector<Unresolved> unresolved;
    std::map<Signer, std::uint64_t> counters;  // highest counter placed of each signer

    const Device* find(const DeviceId& id) const;
    // The active device with this link key: the peer link's allow-list. Null: refuse the connection.
    const Device* link_allowed(const LinkPublic& key) const;
    std::uint64_t next_counter(const Signer& signer) const;
};

// The entries must come from read_entry or sign_entry; signatures are checked here. Fails only when there are
// more than limits::roster_entries.
Result<State> fold(const PersonId& person, std::span<const Entry> entries);
Result<State> fold(const PersonId& person, std::span<const Entry> entries, Memory& memory);

// What a store should keep of `fresh`, which came from outside, beside what it has `kept` (whose state is
// `current`), and what all of it means then. Garbage and what exceeds its signer's share is left out; who
// asks again with the same entries gets none. An id that is kept already stands in for the copy that is kept.
struct Taken {
    std::vector<Entry> fresh;
    State state;
};
Result<Taken> take(const State& current, std::span<const Entry> kept, std::span<const Entry> fresh,
                   Memory& memory);

// Entries that follow `state`, with counter and heads as they must be.
// The genesis of the person whose recovery seed this is: always the same bytes, so that the sheet alone gives
// it.
Entry make_genesis(const Key& recovery_seed);
// `key` is the signer's act key, or the recovery key. Fault::forbidden when the rules do not let this signer
// do so; the key being another one is refused too.
Result<Entry> make_add(const State& state, const Signer& signer, const crypto::SignKey& key,
                       const SignedRequest& request, std::int64_t time_ms);
Result<Entry> make_rename(const State& state, const Signer& signer, const crypto::SignKey& key,
                          const DeviceId& device, std::string_view name, std::int64_t time_ms);
Result<Entry> make_bar(const State& state, const Signer& signer, const crypto::SignKey& key,
                       const DeviceId& device, bool erase, std::int64_t time_ms);
// By the bar's target, barred as it is.
Result<Entry> make_contest(const State& state, const DeviceId& signer, const crypto::SignKey& key,
                           const EntryId& bar, std::int64_t time_ms);
// Whether an elder who signs this has no part in the quarrel shows when it is folded: what the rules forbid
// is refused there.
Result<Entry> make_lift(const State& state, const Signer& signer, const crypto::SignKey& key,
                        const EntryId& bar, std::int64_t time_ms);
// Of devices that no entry which is not void has added there is nothing to bar or cut: these are left out.
Result<Entry> make_recover(const State& state, const crypto::SignKey& key, const Recover& recover,
                           std::int64_t time_ms);
// The newest entry of `device` that an entry of `signer` would know: what a bar has to name.
std::optional<EntryId> last_of(const State& state, const Signer& signer, const DeviceId& device);

// What a barred device is told: the entries that put it out, and what these follow. Not the rest.
std::vector<Entry> why_barred(const State& state, std::span<const Entry> entries, const DeviceId& device);

// The joiner's check of what the host introduces itself with: the first entry is the genesis of the person,
// the rest folds, and the device with these two keys is active. Says nothing of whether the log is the newest
// there is: a second source must confirm it.
Result<State> check_introduction(std::span<const Entry> entries, const LinkPublic& link_key,
                                 const SignPublic& act_key);

}  // namespace kith::roster
