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

namespace kith::roster {

// Placed entries are numbered in the order of placing, so a predecessor has a lower number.
struct Placed {
    const Entry* entry = nullptr;
    std::size_t depth = 0;                 // longest way to the genesis
    std::vector<std::uint64_t> ancestors;  // a bit for each entry with a lower number
    std::optional<Request> request;        // of an `add`

    const EntryId& id() const { return entry->id; }
    const Signer& signer() const { return entry->body.signer; }
    template <class ActType>
    const ActType* as() const {
        return std::get_if<ActType>(&entry->body.act);
    }
};

class Log {
  public:
    Log(const PersonId& person, std::span<const Entry> entries);

    const std::vector<Placed>& placed() const { return placed_; }
    std::optional<std::size_t> find(const EntryId& id) const;
    // Whether `earlier` is known to `later`'s signer.
    bool before(std::size_t earlier, std::size_t later) const;
    // Whether `entry` is `last` or comes before it; nothing does when `last` is absent.
    bool within(std::size_t entry, const std::optional<EntryId>& last) const;

    std::vector<EntryId> pending, refused;

  private:
    enum class Verdict { fits, waits, refused };
    Verdict judge(const Placed& candidate) const;
    bool fits_counter(const Placed& candidate) const;
    bool fits_act(const Placed& candidate) const;
    std::optional<std::size_t> added_before(const DeviceId& device, const Placed& candidate) const;
    bool is_before(std::size_t earlier, const Placed& candidate) const;
    Placed gather(const Entry& entry) const;
    void place(Placed candidate);

    PersonId person_;
    std::vector<Placed> placed_;
    std::map<EntryId, std::size_t> numbers_;
    std::map<DeviceId, std::vector<std::size_t>> adds_;
    std::map<Signer, std::vector<std::size_t>> by_signer_;
};

}  // namespace kith::roster
