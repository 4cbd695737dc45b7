// A profile on a disk that fails, fills up and loses its power: what was acknowledged is there afterwards,
// and what was not is there as a whole or not at all.
//
// Runs are drawn from seeds. A failed one prints its seed; KITH_SEED=number repeats it alone,
// KITH_RUNS=number makes that many. Where an operation is chosen, one of several writes in a row stands for
// them, unless KITH_EACH is set (fault_disk.h).
#include <cstdlib>
#include <set>

#include "base/limits.h"
#include "crypto/hash.h"
#include "store/fault_run.h"
#include "store/fault_steps.h"

using namespace kith;
using namespace kith::store;
using namespace kith::store::test;

namespace {

// The disk of a profile that has some history, and what is in it.
struct Begun {
    FaultDisk::Image image;
    State state;
};

Begun begin(const std::filesystem::path& folder) {
    Run run(folder, 1);
    run.play({reopen_step(), add_step(5, 6), profile_step(1), write_blob_step(5)});
    run.store.reset();
    return {run.disk.image(), run.certain()};
}

// With the trouble at each operation in turn, until a run has no operation left for it. How many runs that
// were.
std::uint64_t at_each_operation(const std::function<bool(std::uint64_t number)>& run) {
    std::uint64_t number = 0;
    while (run(number)) ++number;
    return number;
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}
std::uint64_t first_seed() {
    return number_from("KITH_SEED", 1);
}
std::uint64_t end_of_seeds(std::uint64_t count) {
    return std::getenv("KITH_SEED") ? first_seed() + 1 : number_from("KITH_RUNS", count) + 1;
}

}  // namespace

TEST_CASE("whichever operation of the disk fails, the store says so and goes on when it is well again") {
    TempFolder folder;
    const auto begun = begin(folder.path);
    for (auto trouble : {Trouble::error, Trouble::full}) {
        const auto runs = at_each_operation([&](std::uint64_t number) {
            INFO("trouble ", static_cast<int>(trouble), " at turn ", number);
            Run run(folder.path, number, begun.image);
            run.know(begun.state);
            run.disk.plan(trouble, number);
            run.play({reopen_step()});
            run.play(small_script());
            const bool met = run.disk.met();
            run.cut_power();
            return met;
        });
        CHECK(runs > 100);
    }
}

TEST_CASE("at whichever operation the power is cut or the program killed, what was acknowledged is there") {
    TempFolder folder;
    const auto begun = begin(folder.path);
    for (auto stop : {Trouble::power_cut, Trouble::killed}) {
        const auto runs = at_each_operation([&](std::uint64_t number) {
            INFO("stop ", static_cast<int>(stop), " at turn ", number);
            bool met = false;
            Run run(folder.path, number, begun.image);
            run.know(begun.state);
            auto when_back = [&] {
                met = true;
                // And once more while the store recovers.
                if (number % 2 == 0) run.disk.plan(Trouble::power_cut, run.disk.below(20));
            };
            run.disk.plan(stop, number);
            run.play({reopen_step()}, when_back);
            run.play(small_script(), when_back);
            run.cut_power();
            return met;
        });
        CHECK(runs > 100);
    }
}

// SQLite takes a commit in the log for good when it can be read, though its sync failed, and Linux says that
// it is synced from then on.
TEST_CASE("nothing is lost that was built on a commit whose sync failed before the program was killed") {
    TempFolder folder;
    const auto begun = begin(folder.path);
    for (std::uint64_t seed = 1; seed <= seeds(20); ++seed) {
        const auto runs = at_each_operation([&](std::uint64_t number) {
            INFO("error at turn ", number, ", seed ", seed);
            Run run(folder.path, number * 16 + seed, begun.image);
            run.know(begun.state);
            run.play({reopen_step(), add_step(50, 1)});  // or the log would be empty, and go with the closing
            run.disk.plan(Trouble::error, number);
            const bool met = run.play_once(add_step(60, 3), Trouble::killed);
            run.play({add_step(70, 3)});
            run.cut_power();
            return met;
        });
        CHECK(runs > 2);
    }
}

TEST_CASE("of a database that was opened no file is lost, whichever operation of making it failed before") {
    TempFolder folder;
    const auto file = folder.path / "kith.db";
    const std::vector<std::string_view> schema{"CREATE TABLE note (text TEXT NOT NULL) STRICT"};
    for (std::uint64_t seed = 1; seed <= seeds(5); ++seed) {
        const auto runs = at_each_operation([&](std::uint64_t number) {
            INFO("error at turn ", number, ", seed ", seed);
            FaultDisk disk(number * 16 + seed);
            FaultVfs vfs(disk);
            FaultFiles files(disk, folder.path);
            disk.plan(Trouble::error, number);
            auto db = Database::open(file, key_of_byte(7), schema);
            while (!db) {
                REQUIRE(disk.met());
                db = Database::open(file, key_of_byte(7), schema);
            }
            const bool met = disk.met();
            disk.plan(Trouble::none);
            must((*db)->run("INSERT INTO note VALUES ('kept')"));
            disk.plan(Trouble::power_cut);
            db = Result<std::unique_ptr<Database>>(nullptr);
            files.restart();
            auto after = must(Database::open(file, key_of_byte(7), schema));
            auto notes = after->query("SELECT text FROM note");
            CHECK(must(notes.next()));
            return met;
        });
        CHECK(runs > 10);
    }
}

TEST_CASE("a blob that is complete can be read, whatever happened before and whatever is lost after") {
    TempFolder folder;
    const auto begun = begin(folder.path);
    // What a power cut leaves is a matter of luck: each operation is tried several times.
    auto try_all = [&](Trouble trouble, const Step& step, bool until_done) {
        for (std::uint64_t seed = 1; seed <= seeds(3); ++seed)
            at_each_operation([&](std::uint64_t number) {
                INFO("trouble ", static_cast<int>(trouble), " at turn ", number, ", seed ", seed);
                Run run(folder.path, number * 16 + seed, begun.image);
                run.know(begun.state);
                run.play({reopen_step()});
                bool met = false;
                run.disk.plan(trouble, number);
                if (until_done)
                    run.play({step}, [&] { met = true; });
                else
                    met = run.play_once(step);
                met = met || run.disk.met();
                run.cut_power();
                return met;
            });
    };
    for (const auto& step : {write_blob_step(300), receive_step(300)}) {
        try_all(Trouble::error, step, true);
        try_all(Trouble::error, step, false);
        try_all(Trouble::killed, step, true);
    }
}

TEST_CASE("of a large blob that is received through troubles, only pieces that are certain are counted on") {
    TempFolder folder;
    const auto begun = begin(folder.path);
    const auto step = receive_large_step();
    for (auto trouble : {Trouble::error, Trouble::power_cut, Trouble::killed}) {
        bool met = true;
        // Some operations, and others with each trouble.
        for (auto number = static_cast<std::uint64_t>(trouble) * 5; met; number += 30) {
            INFO("trouble ", static_cast<int>(trouble), " at turn ", number);
            Run run(folder.path, number, begun.image);
            run.know(begun.state);
            run.play({reopen_step()});
            met = false;
            run.disk.plan(trouble, number);
            run.play({step}, [&] { met = true; });
            met = met || run.disk.met();
            run.cut_power();
        }
    }
}

TEST_CASE("through any troubles of the disk no acknowledged record is lost and none is half there") {
    TempFolder folder;
    const auto begun = begin(folder.path);
    for (auto seed = first_seed(); seed < end_of_seeds(seeds(60)); ++seed) {
        INFO("KITH_SEED=", seed);
        SeededRandom random(seed);
        Run run(folder.path, seed, seed % 4 == 0 ? FaultDisk::Image() : begun.image);
        if (seed % 4 != 0) run.know(begun.state);
        auto plan = [&] {
            constexpr Trouble troubles[] = {Trouble::none, Trouble::error, Trouble::full, Trouble::power_cut,
                                            Trouble::killed};
            run.disk.plan(troubles[random.below(5)], random.below(40), 1 + random.below(20));
        };
        for (const auto& step : random_script(random, 20)) {
            if (random.below(2) == 0) plan();
            run.play({step}, plan);
        }
        run.check();
        run.cut_power();
    }
}

namespace {

// What an earlier version of kith wrote: rows of schema 1, which never changes.
State fill_version_1(Database& db) {
    State state;
    std::uint64_t records = 0, bytes = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
        const auto item = mail(1'600'000'000'000 + i % 7, "an old mail, " + std::to_string(i));
        must(
            db.run("INSERT INTO record (time_ms, id, kind, flags, size, sender, subject, body) "
                   "VALUES (?, ?, 'mail', 1, ?, 'somebody', 'old', ?)",
                   item.stored.key.time_ms, item.stored.key.id, item.stored.bytes.size(), item.stored.bytes));
        state["record/" + item.stored.key.id.hex()] = as_text(item.stored.bytes);
        ++records;
        bytes += item.stored.bytes.size();
    }
    must(db.run("UPDATE history_state SET records = ?, record_bytes = ?", records, bytes));
    must(db.run("INSERT INTO setting (name, value) VALUES ('word', ?)", as_bytes("old")));
    state["setting/word"] = "old";
    must(db.run("INSERT INTO job VALUES ('host', ?, 'ended', 1, 2, 3, 4)", DeviceId{}));
    state["job/host"] = "ended";
    return state;
}

std::size_t version_of(Database& db) {
    auto rows = db.query("PRAGMA user_version");
    REQUIRE(must(rows.next()));
    return rows.count(0);
}

}  // namespace

TEST_CASE(
    "a migration that is interrupted at any operation leaves the old schema or the new one, and all data") {
    TempFolder folder;
    // The versions there are, and one more that moves rows about.
    auto schema = profile_schema();
    schema.push_back(
        "CREATE TABLE copied AS SELECT * FROM record; DELETE FROM setting WHERE name = 'gone'; "
        "ALTER TABLE job ADD COLUMN note TEXT NOT NULL DEFAULT ''; CREATE INDEX copied_kind ON copied "
        "(kind)");
    for (const std::size_t from : std::set<std::size_t>{0, 1, profile_schema().size()}) {
        FaultDisk::Image image;
        State state;
        if (from > 0) {
            Run run(folder.path, 1);
            auto db =
                must(Database::open(folder.path / "kith.db", key_of_byte(7),
                                    {schema.begin(), schema.begin() + static_cast<std::ptrdiff_t>(from)}));
            if (from == 1) state = fill_version_1(*db);
            db.reset();
            image = run.disk.image();
        }
        if (from > 1) {
            auto begun = begin(folder.path);
            image = begun.image;
            state = begun.state;
        }
        for (auto trouble : {Trouble::error, Trouble::full, Trouble::power_cut}) {
            const auto runs = at_each_operation([&](std::uint64_t number) {
                INFO("from version ", from, ", trouble ", static_cast<int>(trouble), " at turn ", number);
                Run run(folder.path, number, image, schema);
                run.know(state);
                run.disk.plan(trouble, number);
                bool met = false;
                run.play({reopen_step()}, [&] { met = true; });
                met = met || run.disk.met();
                CHECK(version_of(*run.store->db) == schema.size());
                run.play({add_step(1, 3), profile_step(7)}, [&] { met = true; });
                run.cut_power();
                return met;
            });
            CHECK(runs > 10);
        }
    }
}
