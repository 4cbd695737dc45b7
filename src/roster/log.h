// The log as a graph: which entries have all their predecessors, are signed by whom they say, and fit what
// they follow. Each such decision rests on an entry's predecessors alone, so it never changes when more
// entries come. Of use to src/roster alone.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/id.h"
#include "roster/entry.h"
#include "roster/memory.h"
#include "roster/roster.h"

namespace kith::roster {

// Placed entries are numbered in the order of placing, so a predecessor has a lower number.
struct Placed {
    const Entry* entry = nullptr;
    std::size_t depth = 0;                 // longest way to the genesis
    std::vector<std::uint64_t> ancestors;  // a bit for each entry with a lower number
    std::optional<Request> request;        // of an `add`
    // Of what the recovery key signed: the `recover` that brought that key; absent: it is the genesis'.
    std::optional<std::size_t> renewal;
    std::vector<std::size_t> decides;  // of a bar: the contests that it settles, by an uninvolved elder

    const EntryId& id() const { return entry->id; }
    const Signer& signer() const { return entry->body.signer; }
    template <class ActType>
    const ActType* as() const {
        return std::get_if<ActType>(&entry->body.act);
    }
};

class Log {
  public:
    Log(const PersonId& person, std::span<const Entry> entries, Memory& memory);

    const std::vector<Placed>& placed() const { return placed_; }
    std::optional<std::size_t> find(const EntryId& id) const;
    // Whether `earlier` is known to `later`'s signer.
    bool before(std::size_t earlier, std::size_t later) const;
    // Whether `entry` is `last` or comes before it; nothing does when `last` is absent.
    bool within(std::size_t entry, const std::optional<EntryId>& last) const;
    // What this signer signed, in the order of placing.
    const std::vector<std::size_t>& of(const Signer& signer) const;

    std::vector<EntryId> pending, refused;

  private:
    bool judge(Placed& candidate) const;
    bool fits_recovery_key(Placed& candidate) const;
    bool fits_counter(const Placed& candidate) const;
    bool fits_act(const Placed& candidate) const;
    bool fits_bar(const Bar& bar, const Placed& candidate) const;
    bool fits_contest(const Contest& contest, const Placed& candidate) const;
    bool fits_lift(const Lift& lift, const Placed& candidate) const;
    bool fits_recover(const Recover& recover, const Placed& candidate) const;
    const Placed* bar_before(const EntryId& id, const Placed& candidate) const;
    bool older(const DeviceId& elder, const DeviceId& device, const Placed& candidate) const;
    std::vector<std::size_t> contests_decided(const Bar& bar, const Placed& candidate) const;
    std::optional<std::size_t> added_before(const DeviceId& device, const Placed& candidate) const;
    bool is_before(std::size_t earlier, const Placed& candidate) const;
    Placed gather(const Entry& entry) const;
    void place(Placed candidate);

    PersonId person_;
    Memory& memory_;
    std::vector<Placed> placed_;
    std::map<EntryId, std::size_t> numbers_;
    std::map<DeviceId, std::vector<std::size_t>> adds_;
    std::map<Signer, std::vector<std::size_t>> by_signer_;
};

// fold(), and besides which of several copies of each entry was placed, in the order of State::lines.
State fold_placed(const PersonId& person, std::span<const Entry> entries, Memory& memory,
                  std::vector<const Entry*>& placed);

}  // namespace kith::roster
