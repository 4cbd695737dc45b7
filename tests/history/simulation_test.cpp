// Two devices and a service in one thread, with a clock of their own: links that break and lose what was on
// the way, crashes before and after every kind of action, a disk that is full for a while, messages that
// arrive meanwhile. All from a seed, which is printed when a run fails: KITH_SEED=n runs that one alone,
// KITH_RUNS how many there are.
#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>

#include "base/limits.h"
#include "history/transfer.h"
#include "memory_set.h"
#include "wire/fields.h"

using namespace kith;
using namespace kith::history;

namespace {

struct Crash {};

// A disk: what is durable outlives a crash, pieces of blobs that were not synced may not.
class SimulatedVault : public Vault {
  public:
    MemorySet set;
    std::function<void()> fault;  // throws Crash, now or at another call
    bool full = false;
    std::map<history::Key, int> added;  // how often each record became new here

    Result<Totals> totals() const override {
        Totals totals;
        totals.records = set.rows.size();
        for (const auto& [key, canonical] : set.rows)
            totals.record_bytes += set.stubs.contains(key) ? set.stubs.at(key).size : canonical.size();
        totals.absent = set.stubs.size();
        totals.blobs_missing = set.missing_blobs.size();
        for (const auto& [id, size] : set.missing_blobs) totals.bytes_missing += size;
        totals.blobs = set.blobs.size() + set.missing_blobs.size();
        for (const auto& [id, bytes] : set.blobs) totals.blob_bytes += bytes.size();
        totals.blob_bytes += totals.bytes_missing;
        return totals;
    }
    Result<std::uint64_t> free_space() const override { return std::uint64_t{1} << 40; }
    Result<std::uint64_t> add(std::vector<Arrived> records) override {
        fault();
        if (full) return fail(Fault::disk_full, "full", "");
        std::uint64_t fresh = 0;
        for (const auto& arrived : records) {
            bool is_new = set.take(arrived);
            fresh += is_new;
            if (is_new && arrived.stored.here()) ++added[arrived.stored.key];
        }
        fault();
        return fresh;
    }
    Result<Fingerprint> fingerprint(const Range& range) const override { return set.fingerprint(range); }
    Result<std::vector<Range>> split(const Range& range) const override { return set.split(range); }
    Result<std::vector<history::Key>> keys(const Range& range, std::size_t max) const override {
        return set.keys(range, max);
    }
    Result<std::vector<history::Key>> lacking(std::span<const history::Key> keys) const override {
        return set.lacking(keys);
    }
    Result<Page> newest(const Range& range, const Selection& selection, Budget budget) const override {
        return set.newest(range, selection, budget);
    }
    Result<Got> get(std::span<const history::Key> keys, const Selection& selection,
                    Budget budget) const override {
        return set.get(keys, selection, budget);
    }
    Result<std::vector<history::Key>> wanted(const Selection& selection, const history::Key& before,
                                             std::size_t max) const override {
        return set.wanted(selection, before, max);
    }
    Result<std::vector<BlobWant>> missing(std::uint64_t largest, std::size_t max) const override {
        return set.missing(largest, max);
    }
    Result<Bytes> piece_hashes(const BlobId& id) const override { return set.piece_hashes(id); }
    Result<Bytes> piece(const BlobId& id, std::uint64_t index) const override { return set.piece(id, index); }
    Result<std::optional<std::vector<std::uint64_t>>> begun(const BlobId& id) const override {
        return set.begun(id);
    }
    Result<> begin(const BlobId& id, std::uint64_t size, ByteView hashes) override {
        fault();
        return set.begin(id, size, hashes);
    }
    Result<> put_piece(const BlobId& id, std::uint64_t index, const Piece& piece) override {
        fault();
        if (full) return fail(Fault::disk_full, "full", "");
        return set.put_piece(id, index, piece);
    }
    Result<> finish(std::span<const BlobId> ids) override {
        fault();
        auto finished = set.finish(ids);
        fault();
        return finished;
    }
    void lose_unsynced(std::mt19937_64& random) {
        for (auto at = set.partial.begin(); at != set.partial.end();) {
            std::erase_if(at->second.second, [&](const auto&) { return random() % 2 == 0; });
            at = random() % 2 == 0 ? set.partial.erase(at) : std::next(at);
        }
    }
};

// One device: what is durable, and what a crash takes with it.
struct Device {
    SimulatedVault vault;
    Selection selection;
    std::unique_ptr<Transfer> transfer;  // nothing: it is down
    bool linked = false;
    std::uint64_t link = 0;
};

class World {
  public:
    explicit World(std::uint64_t seed) : random_(seed) {
        for (auto& device : devices_) {
            device.vault.fault = [this] { maybe_crash(); };
            device.transfer = std::make_unique<Transfer>(device.vault);
        }
        std::size_t count = below(30) == 0 ? 300 + below(900) : below(80);
        for (std::size_t i = 0; i < count; ++i) {
            auto record = some_record();
            // Mostly a full device and an empty one, or two that have drifted apart.
            auto where = seed % 3 == 0 ? below(3) : 0;
            if (where != 1) devices_[0].vault.set.add(record);
            if (where != 0) devices_[1].vault.set.add(record);
            note(record);
        }
        if (seed % 5 == 0) {
            devices_[1].selection.since_ms = below(time_span);
            if (below(2) == 0) devices_[1].selection.accounts = std::vector<AccountId>{account(1)};
            if (below(2) == 0) devices_[1].selection.blob_bytes = 100'000;
        }
    }

    void run() {
        chaos_ = true;
        at(0, [this] { connect(); });
        auto events = 3 + below(25);
        for (std::uint64_t i = 0; i < events; ++i) at(below(3000), [this] { disturb(); });
        play(3000 + below(2000));
        chaos_ = false;
        for (std::size_t i = 0; i < 2; ++i) {
            devices_[i].vault.full = false;
            if (!devices_[i].transfer) start(i);
        }
        if (!up_) connect();
        play(now_ + 200'000);
        check();
    }

  private:
    static constexpr std::uint64_t time_span = 100'000;
    struct Event {
        std::uint64_t time, order;
        std::function<void()> run;
        bool operator<(const Event& other) const {
            return std::tie(time, order) > std::tie(other.time, other.order);
        }
    };

    std::uint64_t below(std::uint64_t end) { return random_() % end; }
    static AccountId account(std::uint8_t n) {
        AccountId id;
        id.bytes[0] = n;
        return id;
    }
    void at(std::uint64_t delay, std::function<void()> run) {
        events_.push({now_ + delay, ++order_, std::move(run)});
    }
    // Until nothing is left to do, or the time has come.
    void play(std::uint64_t until) {
        while (!events_.empty() && events_.top().time <= until) {
            auto event = events_.top();
            events_.pop();
            now_ = event.time;
            REQUIRE(++steps_ < 200'000);
            event.run();
        }
        now_ = std::max(now_, until);
    }

    Record some_record() {
        auto record = text_record(below(8) == 0 ? "contact" : "message", below(time_span),
                                  std::to_string(++made_) + std::string(below(40) == 0 ? 5000 : 10, 'x'));
        record.account = account(static_cast<std::uint8_t>(below(3)));
        if (below(15) == 0) {
            auto size = below(60) == 0 ? limits::blob_piece * 3 + 5 : 66'000 + below(90'000);
            Bytes bytes(size, static_cast<std::uint8_t>(made_));
            append_u64(bytes, made_);
            BlobHasher hasher;
            hasher.add(bytes);
            auto named = hasher.finish();
            record.parts.push_back({true, {}, named.id, named.size});
            blobs_.emplace(record.parts.back().blob, std::pair(std::move(named), std::move(bytes)));
        }
        return record;
    }
    // A record comes to a device from elsewhere, with its blobs.
    void note(const Record& record) {
        auto canonical = encode(record);
        all_[key_of(record, canonical)] = canonical;
        for (auto& device : devices_)
            if (device.vault.set.rows.contains(key_of(record, canonical)))
                for (const auto& part : record.parts)
                    if (part.is_blob) add_blob(device.vault.set, part.blob);
    }
    void add_blob(MemorySet& set, const BlobId& id) const {
        const auto& [named, bytes] = blobs_.at(id);
        set.add_blob(named, bytes);
    }
    // The service delivers to both, or an import adds to one.
    void deliver() {
        auto record = some_record();
        auto where = below(3);
        for (std::size_t i = 0; i < 2; ++i) {
            if (where == 1 - i) continue;
            devices_[i].vault.set.add(record);
            at(below(300), [this, i] { act(i, [](Transfer& transfer) { return transfer.changed(); }); });
        }
        note(record);
    }

    void disturb() {
        if (!chaos_) return;
        auto one = below(2);
        switch (below(6)) {
            case 0:
                return cut();
            case 1:
                return crash(one);
            case 2:
                crash_after_ = 1 + below(40);  // of the calls to the disks
                return;
            case 3:
                devices_[one].vault.full = true;
                return at(below(500), [this, one] { devices_[one].vault.full = false; });
            case 4:
                if (devices_[1].selection == Selection{}) return deliver();
                devices_[1].selection = {};  // the owner wants everything after all
                return act(1, [](Transfer& transfer) { return transfer.select({}); });
            default:
                return deliver();
        }
    }
    void maybe_crash() {
        if (chaos_ && crash_after_ > 0 && --crash_after_ == 0) throw Crash{};
    }

    void connect() {
        if (up_) return;
        up_ = true;
        ++link_;
        for (auto& queue : on_the_way_) queue.clear();
        for (std::size_t i = 0; i < 2; ++i)
            at(1 + below(20), [this, i, link = link_] {
                auto& device = devices_[i];
                if (link != link_ || !up_ || !device.transfer) return;
                device.linked = true;
                device.link = link;
                trace(i, "link up");
                act(i, [](Transfer& transfer) { return transfer.start(); });
                act(i, [&](Transfer& transfer) { return transfer.select(device.selection); });
            });
    }
    void cut() {
        if (!up_) return;
        up_ = false;
        for (std::size_t i = 0; i < 2; ++i) {
            on_the_way_[i].clear();
            // Each side learns of it in its own time.
            at(below(50), [this, i, link = link_] {
                auto& device = devices_[i];
                if (device.link != link || !device.linked) return;
                device.linked = false;
                if (device.transfer) device.transfer->stop();
            });
        }
        at(60 + below(500), [this] { connect(); });
    }
    void crash(std::size_t i) {
        trace(i, "crash");
        auto& device = devices_[i];
        if (!device.transfer) return;
        device.transfer.reset();
        device.linked = false;
        device.vault.lose_unsynced(random_);
        cut();
        at(10 + below(300), [this, i] { start(i); });
    }
    void start(std::size_t i) {
        auto& device = devices_[i];
        if (device.transfer) return;
        device.transfer = std::make_unique<Transfer>(device.vault);
        // The link that stands may be one that this device knows nothing of.
        cut();
    }

    // What a session does with a transfer (src/app/peer_session.cpp).
    void act(std::size_t i, const std::function<Transfer::Outcome(Transfer&)>& call) {
        auto& device = devices_[i];
        if (!device.transfer || !device.linked) return;
        try {
            auto outcome = call(*device.transfer);
            if (!outcome && outcome.error().kind == Fault::disk_full) {
                device.transfer->stop();
                trace(i, "disk full");
                return at(100, [this, i] {
                    act(i, [](Transfer& transfer) { return transfer.start(); });
                    cut();  // as by a new hello: both begin anew
                });
            }
            REQUIRE_MESSAGE(outcome, outcome.error().what);
            for (auto& frame : outcome->send) send(i, std::move(frame));
            if (outcome->added)
                at(20, [this, i] { act(i, [](Transfer& transfer) { return transfer.changed(); }); });
            if (device.transfer->has_work()) at(below(3), [this, i] { work(i); });
        } catch (const Crash&) {
            crash(i);
        }
    }
    void work(std::size_t i) {
        auto& device = devices_[i];
        if (!device.transfer || !device.linked || !device.transfer->has_work()) return;
        auto frame = device.transfer->work();
        REQUIRE_MESSAGE(frame, frame.error().what);
        if (*frame) send(i, std::move(**frame));
        if (device.transfer->has_work()) at(below(3), [this, i] { work(i); });
    }
    // With one seed alone: what happens.
    void trace(std::size_t device, const std::string& what) const {
        if (traced_) MESSAGE(now_, " ", device, " ", what);
    }
    void send(std::size_t from, wire::Frame frame) {
        trace(from, frame.head);
        if (!up_ || devices_[from].link != link_) return;  // into the void
        auto to = 1 - from;
        on_the_way_[to].push_back(std::move(frame));
        at(1 + below(10), [this, to, link = link_] { receive(to, link); });
    }
    // The frames of one link arrive in order; one that is there before this side knows of the link waits for
    // it.
    void receive(std::size_t to, std::uint64_t link) {
        if (link != link_ || !up_ || on_the_way_[to].empty()) return;
        if (!devices_[to].linked || devices_[to].link != link)
            return at(5, [this, to, link] { receive(to, link); });
        auto frame = std::move(on_the_way_[to].front());
        on_the_way_[to].pop_front();
        auto head = wire::Fields::parse(frame.head);
        auto op = head.text("op", 32);
        act(to, [&](Transfer& transfer) { return transfer.on_frame(op, head, frame.body); });
    }

    void check() {
        for (std::size_t i = 0; i < 2; ++i) {
            CAPTURE(i);
            const auto& device = devices_[i];
            const auto& set = device.vault.set;
            CHECK(set.rows.size() == all_.size());
            std::size_t absent = 0, other = 0, blobs_absent = 0, twice = 0;
            for (const auto& [key, canonical] : all_) {
                auto row = set.rows.find(key);
                absent += row == set.rows.end();
                auto record = *decode(canonical);
                if (row == set.rows.end() ||
                    !device.selection.takes(record.kind, record.time_ms, record.account))
                    continue;
                other += row->second != canonical;
                for (const auto& part : record.parts)
                    blobs_absent += part.is_blob && device.selection.takes_blob(part.size) &&
                                    !set.blobs.contains(part.blob);
            }
            for (const auto& [key, times] : device.vault.added) twice += times != 1;
            CHECK(absent == 0);
            CHECK(other == 0);
            CHECK(blobs_absent == 0);
            CHECK(twice == 0);
            REQUIRE(device.transfer);
            CHECK(*device.transfer->complete());
        }
    }

    std::mt19937_64 random_;
    std::array<Device, 2> devices_;
    std::map<history::Key, Bytes> all_;
    std::map<BlobId, std::pair<BlobHasher::Named, Bytes>> blobs_;
    std::priority_queue<Event> events_;
    std::array<std::deque<wire::Frame>, 2> on_the_way_;
    std::uint64_t now_ = 0, order_ = 0, steps_ = 0, made_ = 0, link_ = 0, crash_after_ = 0;
    bool up_ = false, chaos_ = false, traced_ = std::getenv("KITH_SEED") != nullptr;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("whatever breaks, both devices end with all there is, once") {
    if (auto seed = number_from("KITH_SEED", 0)) {
        World(seed).run();
        return;
    }
#if defined(KITH_SANITIZED) || !defined(NDEBUG)
    const auto runs = number_from("KITH_RUNS", 500);
#else
    const auto runs = number_from("KITH_RUNS", 10'000);
#endif
    for (std::uint64_t seed = 1; seed <= runs; ++seed) {
        CAPTURE(seed);
        INFO("KITH_SEED=", seed, " runs this one alone");
        World(seed).run();
    }
}
