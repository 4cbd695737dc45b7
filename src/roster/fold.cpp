// What a placed log means: which entries are void, and in which state each device is. README.md has the
// rules.
#include <algorithm>
#include <set>

#include "base/limits.h"
#include "roster/log.h"
#include "roster/roster.h"

namespace kith::roster {
namespace {

// Whether an entry counts. Bars void entries, and bars are entries: who voids whom is settled from those that
// nobody disputes outwards. What stays open is in conflict (two devices that bar each other, each without
// knowing of the other's bar), and then a bar has its effect, and all else waits: nobody gets in by starting
// a quarrel.
enum class Standing { open, counts, is_void };

class Fold {
  public:
    Fold(const PersonId& person, std::span<const Entry> entries) : log_(person, entries) {
        state_.person = person;
    }

    State run() {
        if (!log_.placed().empty()) {
            state_.founded = true;
            state_.recovery = log_.placed().front().as<Genesis>()->recovery;
            collect();
            settle();
            describe_devices();
            describe_log();
        }
        state_.pending = std::move(log_.pending);
        state_.refused = std::move(log_.refused);
        return std::move(state_);
    }

  private:
    using Number = std::size_t;
    const Placed& at(Number n) const { return log_.placed()[n]; }
    std::size_t count() const { return log_.placed().size(); }

    void collect();
    void settle();
    void settle_once();
    std::map<DeviceId, std::uint64_t> forks() const;
    Standing standing_of_adds(const DeviceId& device) const;
    void describe_devices();
    void describe_state(Device& device) const;
    void describe_log();
    bool before_heads(Number n) const;

    Log log_;
    State state_;
    std::vector<Number> order_;                     // all entries, by depth and id
    std::map<DeviceId, std::vector<Number>> adds_;  // in this order
    std::vector<std::vector<Number>> bars_on_;      // for each entry, the bars that would void it
    std::vector<Standing> standing_;
    std::map<DeviceId, std::uint64_t> forked_;  // the lowest counter used twice
    std::vector<Number> heads_;
};

void Fold::collect() {
    for (Number n = 0; n < count(); ++n) order_.push_back(n);
    std::sort(order_.begin(), order_.end(), [&](Number a, Number b) {
        return std::pair(at(a).depth, at(a).id()) < std::pair(at(b).depth, at(b).id());
    });
    for (Number n : order_)
        if (const auto* add = at(n).as<Add>()) adds_[add->request.id()].push_back(n);
    bars_on_.resize(count());
    for (Number b : order_) {
        const auto* bar = at(b).as<Bar>();
        if (!bar) continue;
        for (Number n = 0; n < count(); ++n) {
            // A contest is the one thing that a barred device may still sign.
            if (n == b || at(n).signer() != bar->device || at(n).as<Contest>()) continue;
            if (!log_.within(n, bar->last)) bars_on_[n].push_back(b);
        }
    }
}

// A fork is seen among entries that are not void, and what it suspends can leave other entries open that were
// void: so again until nothing is new. Forks are only ever added, so it ends.
void Fold::settle() {
    for (;;) {
        settle_once();
        auto more = forked_;
        for (const auto& [device, counter] : forks()) {
            auto [found, fresh] = more.emplace(device, counter);
            if (!fresh) found->second = std::min(found->second, counter);
        }
        if (more == forked_) return;
        forked_ = std::move(more);
    }
}

void Fold::settle_once() {
    standing_.assign(count(), Standing::open);
    for (bool changed = true; changed;) {
        changed = false;
        for (Number n : order_) {
            if (standing_[n] != Standing::open) continue;
            const auto& signer = at(n).signer();
            if (!signer) {  // the recovery key outranks all
                standing_[n] = Standing::counts;
                changed = true;
                continue;
            }
            const auto& bars = bars_on_[n];
            const Standing added = standing_of_adds(*signer);
            const bool voided = std::any_of(bars.begin(), bars.end(),
                                            [&](Number b) { return standing_[b] == Standing::counts; });
            const bool untouched = std::all_of(bars.begin(), bars.end(),
                                               [&](Number b) { return standing_[b] == Standing::is_void; });
            const auto fork = forked_.find(*signer);
            const bool doubtful =
                fork != forked_.end() && at(n).entry->body.counter >= fork->second && !at(n).as<Bar>();
            if (voided || added == Standing::is_void)
                standing_[n] = Standing::is_void;
            else if (untouched && added == Standing::counts && !doubtful)
                standing_[n] = Standing::counts;
            changed = changed || standing_[n] != Standing::open;
        }
    }
}

Standing Fold::standing_of_adds(const DeviceId& device) const {
    const auto& adds = adds_.at(device);
    const auto is = [&](Standing standing) {
        return [this, standing](Number n) { return standing_[n] == standing; };
    };
    if (std::any_of(adds.begin(), adds.end(), is(Standing::counts))) return Standing::counts;
    if (std::all_of(adds.begin(), adds.end(), is(Standing::is_void))) return Standing::is_void;
    return Standing::open;
}

std::map<DeviceId, std::uint64_t> Fold::forks() const {
    std::map<DeviceId, std::uint64_t> found;
    std::set<std::pair<DeviceId, std::uint64_t>> seen;
    for (Number n : order_) {
        if (!at(n).signer() || standing_[n] == Standing::is_void) continue;
        const std::uint64_t counter = at(n).entry->body.counter;
        if (seen.emplace(*at(n).signer(), counter).second) continue;
        auto [lowest, fresh] = found.emplace(*at(n).signer(), counter);
        if (!fresh) lowest->second = std::min(lowest->second, counter);
    }
    return found;
}

void Fold::describe_devices() {
    for (Number n : order_) {
        const auto* add = at(n).as<Add>();
        if (!add || state_.find(add->request.id())) continue;
        // Of several adds, the first that counts is shown; all void, the first.
        const auto& adds = adds_.at(add->request.id());
        auto shown = std::find_if(adds.begin(), adds.end(),
                                  [&](Number a) { return standing_[a] != Standing::is_void; });
        const Placed& by = at(shown == adds.end() ? adds.front() : *shown);
        Device device;
        device.id = add->request.id();
        device.name = by.request->name;
        device.device_key = by.request->device_key;
        device.act_key = by.request->act_key;
        device.link_key = by.request->link_key;
        device.added_ms = by.entry->body.time_ms;
        device.added_by = by.signer();
        for (Number r : order_)
            if (const auto* rename = at(r).as<Rename>();
                rename && rename->device == device.id && standing_[r] == Standing::counts)
                device.name = rename->name;
        describe_state(device);
        state_.devices.push_back(std::move(device));
    }
}

// The worst that is said of it; the first reason of that kind.
void Fold::describe_state(Device& device) const {
    const auto say = [&](DeviceState state, const char* why) {
        if (device.state >= state) return;
        device.state = state;
        device.why = why;
    };
    const Standing added = standing_of_adds(device.id);
    if (added == Standing::is_void)
        say(DeviceState::barred, "it was added by a device that was barred before");
    if (added == Standing::open) say(DeviceState::suspended, "it was added by a device that is in doubt");
    if (forked_.contains(device.id)) say(DeviceState::suspended, "it was cloned: two of it signed as one");
    for (Number n : order_) {
        const auto standing = standing_[n];
        if (standing == Standing::is_void) continue;
        if (const auto* bar = at(n).as<Bar>(); bar && bar->device == device.id) {
            if (standing == Standing::counts)
                say(DeviceState::barred, "it was barred");
            else
                say(DeviceState::suspended, "it was barred by a device that is in doubt");
            device.erase = device.erase || (bar->erase && standing == Standing::counts);
        }
        if (const auto* contest = at(n).as<Contest>()) {
            const Number bar = *log_.find(contest->bar);
            if (at(bar).signer() == device.id && standing_[bar] != Standing::is_void)
                say(DeviceState::suspended, "a device that it barred contests this");
        }
        if (const auto* recover = at(n).as<Recover>()) {
            if (std::find(recover->bars.begin(), recover->bars.end(), device.id) != recover->bars.end())
                say(DeviceState::suspended, "the recovery key bars it");
            for (const auto& cut : recover->cuts) {
                const auto& adds = adds_.at(device.id);
                const bool all_cut = std::all_of(adds.begin(), adds.end(), [&](Number a) {
                    return at(a).signer() == cut.device && !log_.within(a, cut.last);
                });
                if (all_cut) say(DeviceState::suspended, "the recovery key voids its addition");
            }
        }
    }
}

void Fold::describe_log() {
    std::set<Number> named;
    for (Number n : order_) {
        state_.placed.push_back(at(n).id());
        auto& highest = state_.counters[at(n).signer()];
        highest = std::max(highest, at(n).entry->body.counter);
        if (standing_[n] == Standing::is_void) {
            state_.voided.push_back(at(n).id());
            continue;
        }
        for (const auto& head : at(n).entry->body.heads) named.insert(*log_.find(head));
        if (at(n).as<Contest>() || at(n).as<Lift>() || at(n).as<Recover>())
            state_.unresolved.push_back({at(n).id(), std::string(act_name(at(n).entry->body.act))});
    }
    // The newest of each signer first, so that a device with many ends (a clone) cannot push others off the
    // list.
    std::map<Signer, std::size_t> ranks;
    std::vector<std::pair<std::size_t, Number>> ends;
    for (auto n = order_.rbegin(); n != order_.rend(); ++n)
        if (standing_[*n] != Standing::is_void && !named.contains(*n))
            ends.emplace_back(ranks[at(*n).signer()]++, *n);
    std::stable_sort(ends.begin(), ends.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    if (ends.size() > limits::roster_heads) ends.resize(limits::roster_heads);
    for (const auto& [rank, n] : ends) {
        heads_.push_back(n);
        state_.heads.push_back(at(n).id());
    }
    std::sort(state_.heads.begin(), state_.heads.end());
    for (auto& device : state_.devices) {
        std::uint64_t highest = 0;
        for (Number n : order_) {
            const std::uint64_t counter = at(n).entry->body.counter;
            if (at(n).signer() != device.id || counter <= highest || !before_heads(n)) continue;
            highest = counter;
            device.last = at(n).id();
        }
    }
}

bool Fold::before_heads(Number n) const {
    return std::any_of(heads_.begin(), heads_.end(),
                       [&](Number head) { return head == n || log_.before(n, head); });
}

}  // namespace

Result<State> fold(const PersonId& person, std::span<const Entry> entries) {
    if (entries.size() > limits::roster_entries)
        return fail(Fault::invalid, "there are too many entries in this person's list of devices");
    return Fold(person, entries).run();
}

}  // namespace kith::roster
