// What a placed log means: which entries are void, and in which state each device is. README.md has the
// rules.
#include <algorithm>
#include <deque>
#include <set>

#include "base/limits.h"
#include "roster/log.h"
#include "roster/roster.h"

namespace kith::roster {
namespace {

// Entries void entries, so who voids whom is settled from those that nobody disputes outwards. Every step
// rests on what is certain already and is never taken back, so their order makes no difference. What stays
// open is in conflict: then a bar has its effect, and all else waits, so that nobody gets in by starting a
// quarrel.
class Fold {
  public:
    Fold(const PersonId& person, std::span<const Entry> entries, Memory& memory)
        : log_(person, entries, memory) {
        state_.person = person;
    }

    // `placed`: the entries of State::lines, in their order.
    State run(std::vector<const Entry*>* placed = nullptr) {
        if (!log_.placed().empty()) {
            state_.founded = true;
            collect();
            settle();
            describe_devices();
            describe_log();
        }
        if (placed) {
            placed->clear();
            for (Number n : order_) placed->push_back(at(n).entry);
        }
        state_.pending = std::move(log_.pending);
        state_.refused = std::move(log_.refused);
        return std::move(state_);
    }

  private:
    using Number = std::size_t;
    const Placed& at(Number n) const { return log_.placed()[n]; }
    std::size_t count() const { return log_.placed().size(); }
    bool counts(Number n) const { return standing_[n] == Standing::counts; }
    bool is_void(Number n) const { return standing_[n] == Standing::is_void; }

    void collect();
    void collect_recover(Number r, const Recover& recover);
    void collect_contest(Number c, const Contest& contest);
    void voids(Number by, Number n);
    void holds(Number contest, Number n);
    void settle();
    void settle_once();
    Standing judge(Number n) const;
    bool is_down(Number contest) const;
    std::map<DeviceId, std::uint64_t> forks() const;
    Standing standing_of_adds(const DeviceId& device) const;
    Standing standing_of_key(Number n) const;
    void describe_devices();
    void describe_state(Device& device) const;
    void describe_log();
    void describe_recovery();
    void describe_bars();
    void describe_heads();

    // What is known of an entry before anything is decided.
    struct Ties {
        std::vector<Number> voiders;   // what makes it void, when that counts
        std::vector<Number> holders;   // contests that keep it open while they are up
        std::vector<Number> settlers;  // of a contest: what ends it, when that counts
        std::vector<Number> rest;      // what is to be looked at again when this one is decided
    };

    Log log_;
    State state_;
    std::vector<Number> order_;                     // all entries, by depth and id
    std::map<DeviceId, std::vector<Number>> adds_;  // in this order
    std::vector<Ties> ties_;
    std::vector<Standing> standing_;
    std::map<DeviceId, std::uint64_t> forked_;  // the lowest counter used twice
};

void Fold::voids(Number by, Number n) {
    ties_[n].voiders.push_back(by);
    ties_[by].rest.push_back(n);
}

void Fold::holds(Number contest, Number n) {
    ties_[n].holders.push_back(contest);
    ties_[contest].rest.push_back(n);
    for (Number settler : ties_[contest].settlers) ties_[settler].rest.push_back(n);
    ties_[*log_.find(at(contest).as<Contest>()->bar)].rest.push_back(n);
}

void Fold::collect() {
    for (Number n = 0; n < count(); ++n) order_.push_back(n);
    std::sort(order_.begin(), order_.end(), [&](Number a, Number b) {
        return std::pair(at(a).depth, at(a).id()) < std::pair(at(b).depth, at(b).id());
    });
    ties_.resize(count());
    for (Number n : order_)
        if (const auto* add = at(n).as<Add>()) adds_[add->request.id()].push_back(n);
    for (Number n : order_) {
        if (const auto& signer = at(n).signer()) {
            for (Number add : adds_.at(*signer)) ties_[add].rest.push_back(n);
        } else if (at(n).renewal) {
            ties_[*at(n).renewal].rest.push_back(n);
        }
        if (const auto* bar = at(n).as<Bar>()) {
            // A contest is the one thing that a barred device may still sign.
            for (Number other : log_.of(bar->device))
                if (other != n && !at(other).as<Contest>() && !log_.within(other, bar->last)) voids(n, other);
            for (Number contest : at(n).decides) ties_[contest].settlers.push_back(n);
            if (!at(n).signer())
                for (Number other : log_.of(bar->device))
                    if (at(other).as<Contest>()) ties_[other].settlers.push_back(n);
        } else if (const auto* lift = at(n).as<Lift>()) {
            voids(n, *log_.find(lift->bar));
        } else if (const auto* recover = at(n).as<Recover>()) {
            collect_recover(n, *recover);
        }
    }
    for (Number n : order_)
        if (const auto* contest = at(n).as<Contest>()) collect_contest(n, *contest);
}

void Fold::collect_recover(Number r, const Recover& recover) {
    for (const auto& cut : recover.cuts)
        for (Number n : log_.of(cut.device))
            if (!log_.within(n, cut.last) && !log_.before(r, n)) voids(r, n);
    for (const auto& device : recover.bars)
        for (Number n : log_.of(device)) {
            if (!log_.before(n, r)) voids(r, n);
            if (at(n).as<Contest>()) ties_[n].settlers.push_back(r);
        }
    if (recover.recovery)
        for (Number n : log_.of(std::nullopt))
            if (n != r && !log_.before(n, r) && !log_.before(r, n)) voids(r, n);
}

// The bar, and what its signer signs that the contest does not know: who barred cannot go on as if nothing
// had been said against it.
void Fold::collect_contest(Number c, const Contest& contest) {
    const Number bar = *log_.find(contest.bar);
    holds(c, bar);
    for (Number n : log_.of(at(bar).signer()))
        if (n != bar && !log_.before(n, c)) holds(c, n);
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
    std::deque<Number> queue(order_.begin(), order_.end());
    while (!queue.empty()) {
        const Number n = queue.front();
        queue.pop_front();
        if (standing_[n] != Standing::open) continue;
        standing_[n] = judge(n);
        if (standing_[n] == Standing::open) continue;
        const auto& rest = ties_[n].rest;
        queue.insert(queue.end(), rest.begin(), rest.end());
    }
}

Standing Fold::judge(Number n) const {
    const auto& ties = ties_[n];
    const auto& signer = at(n).signer();
    const Standing backing = signer ? standing_of_adds(*signer) : standing_of_key(n);
    if (backing == Standing::is_void ||
        std::any_of(ties.voiders.begin(), ties.voiders.end(), [&](Number v) { return counts(v); }))
        return Standing::is_void;
    const auto fork = signer ? forked_.find(*signer) : forked_.end();
    const bool doubtful = fork != forked_.end() && at(n).entry->body.counter >= fork->second &&
                          !at(n).as<Bar>() && !at(n).as<Contest>();
    const bool clear =
        backing == Standing::counts && !doubtful &&
        std::all_of(ties.voiders.begin(), ties.voiders.end(), [&](Number v) { return is_void(v); }) &&
        std::all_of(ties.holders.begin(), ties.holders.end(), [&](Number c) { return is_down(c); });
    return clear ? Standing::counts : Standing::open;
}

// For certain without effect: void, settled, or about a bar that is void.
bool Fold::is_down(Number contest) const {
    const auto& settlers = ties_[contest].settlers;
    return is_void(contest) || is_void(*log_.find(at(contest).as<Contest>()->bar)) ||
           std::any_of(settlers.begin(), settlers.end(), [&](Number s) { return counts(s); });
}

Standing Fold::standing_of_adds(const DeviceId& device) const {
    const auto& adds = adds_.at(device);
    if (std::any_of(adds.begin(), adds.end(), [&](Number n) { return counts(n); })) return Standing::counts;
    if (std::all_of(adds.begin(), adds.end(), [&](Number n) { return is_void(n); })) return Standing::is_void;
    return Standing::open;
}

Standing Fold::standing_of_key(Number n) const {
    return at(n).renewal ? standing_[*at(n).renewal] : Standing::counts;
}

std::map<DeviceId, std::uint64_t> Fold::forks() const {
    std::map<DeviceId, std::uint64_t> found;
    std::set<std::pair<DeviceId, std::uint64_t>> seen;
    for (Number n : order_) {
        if (!at(n).signer() || is_void(n)) continue;
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
        auto shown = std::find_if(adds.begin(), adds.end(), [&](Number a) { return !is_void(a); });
        const Placed& by = at(shown == adds.end() ? adds.front() : *shown);
        Device device;
        device.id = add->request.id();
        device.name = by.request->name;
        device.device_key = by.request->device_key;
        device.act_key = by.request->act_key;
        device.link_key = by.request->link_key;
        device.nonce = by.request->nonce;
        device.added_ms = by.entry->body.time_ms;
        device.added_by = by.signer();
        state_.devices.push_back(std::move(device));
    }
    std::map<DeviceId, Device*> known;
    for (auto& device : state_.devices) known[device.id] = &device;
    for (Number n : order_)
        if (const auto* rename = at(n).as<Rename>(); rename && counts(n))
            known.at(rename->device)->name = rename->name;
    for (auto& device : state_.devices) describe_state(device);
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
        if (is_void(n)) continue;
        if (const auto* bar = at(n).as<Bar>(); bar && bar->device == device.id) {
            const auto& held = ties_[n].holders;
            const bool contested = std::any_of(held.begin(), held.end(), [&](Number c) {
                return !is_down(c) && at(c).as<Contest>()->bar == at(n).id();
            });
            if (counts(n))
                say(DeviceState::barred, "it was barred");
            else if (contested)
                say(DeviceState::suspended, "it was barred, and contests that");
            else
                say(DeviceState::suspended, "it was barred by a device that is in doubt");
            device.erase = device.erase || (bar->erase && counts(n));
        }
        if (const auto* contest = at(n).as<Contest>()) {
            const Number bar = *log_.find(contest->bar);
            if (at(bar).signer() == device.id && !is_down(n))
                say(DeviceState::suspended, "a device that it barred contests this");
        }
        if (const auto* recover = at(n).as<Recover>())
            if (std::find(recover->bars.begin(), recover->bars.end(), device.id) != recover->bars.end())
                say(counts(n) ? DeviceState::barred : DeviceState::suspended,
                    "it was barred with the recovery key");
    }
}

void Fold::describe_log() {
    std::vector<std::uint32_t> lines(count());
    for (Number n : order_) {
        lines[n] = static_cast<std::uint32_t>(state_.lines.size());
        Line line{at(n).id(), at(n).signer(), at(n).entry->body.counter, standing_[n], {}, {}};
        if (const auto* add = at(n).as<Add>()) line.adds = add->request.id();
        for (const auto& head : at(n).entry->body.heads) line.heads.push_back(lines[*log_.find(head)]);
        state_.lines.push_back(std::move(line));
        auto& highest = state_.counters[at(n).signer()];
        highest = std::max(highest, at(n).entry->body.counter);
    }
    describe_recovery();
    describe_bars();
    describe_heads();
}

void Fold::describe_recovery() {
    state_.recovery = log_.placed().front().as<Genesis>()->recovery;
    for (Number n : order_) {
        const auto* recover = at(n).as<Recover>();
        if (!recover || !recover->recovery || is_void(n)) continue;
        if (counts(n))
            state_.recovery = *recover->recovery;
        else
            state_.recovery_disputed = true;
    }
}

void Fold::describe_bars() {
    for (Number n : order_) {
        if (is_void(n)) continue;
        if (const auto* recover = at(n).as<Recover>(); recover && !counts(n))
            state_.unresolved.push_back({at(n).id(), "recover"});
        if (at(n).as<Contest>() && !is_down(n)) state_.unresolved.push_back({at(n).id(), "contest"});
        const auto* bar = at(n).as<Bar>();
        if (!bar) continue;
        if (!counts(n)) state_.unresolved.push_back({at(n).id(), "bar"});
        Barring barring{at(n).id(), at(n).signer(), bar->device, standing_[n]};
        for (Number c : log_.of(bar->device)) {
            const auto* contest = at(c).as<Contest>();
            barring.contested = barring.contested || (contest && contest->bar == at(n).id());
        }
        barring.is_final = !at(n).signer() || !at(n).decides.empty();
        barring.erase = bar->erase;
        state_.bars.push_back(barring);
    }
}

// The newest of each signer first, so that a device with many ends (a clone) cannot push others off the list.
void Fold::describe_heads() {
    std::set<Number> named;
    for (Number n : order_)
        if (!is_void(n))
            for (const auto& head : at(n).entry->body.heads) named.insert(*log_.find(head));
    std::map<Signer, std::size_t> ranks;
    std::vector<std::pair<std::size_t, Number>> ends;
    for (auto n = order_.rbegin(); n != order_.rend(); ++n)
        if (!is_void(*n) && !named.contains(*n)) ends.emplace_back(ranks[at(*n).signer()]++, *n);
    std::stable_sort(ends.begin(), ends.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    if (ends.size() > limits::roster_heads) ends.resize(limits::roster_heads);
    for (const auto& [rank, n] : ends) state_.heads.push_back(at(n).id());
    std::sort(state_.heads.begin(), state_.heads.end());
}

}  // namespace

State fold_placed(const PersonId& person, std::span<const Entry> entries, Memory& memory,
                  std::vector<const Entry*>& placed) {
    return Fold(person, entries, memory).run(&placed);
}

Result<State> fold(const PersonId& person, std::span<const Entry> entries, Memory& memory) {
    if (entries.size() > limits::roster_entries)
        return fail(Fault::invalid, "there are too many entries in this person's list of devices");
    return Fold(person, entries, memory).run();
}

Result<State> fold(const PersonId& person, std::span<const Entry> entries) {
    Memory memory;
    return fold(person, entries, memory);
}

}  // namespace kith::roster
