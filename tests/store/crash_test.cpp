// Whole processes that are killed, and a real file system that is full.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/blob_store.h"
#include "store/support.h"

using namespace kith;
using namespace kith::store;
using namespace kith::store::test;

namespace {

// A batch that differs from each other one, of 80 records and 100 KB.
std::vector<NewRecord> batch_of(std::uint64_t number) {
    SeededRandom random(number);
    std::vector<NewRecord> batch;
    for (std::uint64_t i = 0; i < 80; ++i) {
        Bytes noise(1200);
        random.fill(noise);
        batch.push_back(
            mail(random.below(std::uint64_t{1} << 44), std::to_string(number) + std::string(as_text(noise))));
    }
    return batch;
}

// Runs `child` in a process of its own, whose result is its exit code.
template <class Child>
pid_t run_apart(Child child) {
    const auto pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(child());
    return pid;
}

}  // namespace

TEST_CASE("a program killed in mid-batch leaves a history that agrees with itself") {
    TempFolder folder;
    std::uint64_t next = 0;
    SeededRandom random(11);
    for (int round = 0; round < 6; ++round) {
        int line[2];
        REQUIRE(::pipe(line) == 0);
        const auto pid = run_apart([&] {
            ::close(line[0]);
            auto db = Database::open(folder.path / "kith.db", key_of_byte(7), profile_schema());
            if (!db) return 1;
            const Key term_key = key_of_byte(9);
            auto history = HistoryStore::open(**db, &term_key);
            if (!history) return 2;
            for (std::uint64_t number = next;; ++number) {
                auto batch = batch_of(number);
                if (::write(line[1], "s", 1) != 1) return 3;
                if (!(*history)->add(batch)) return 4;
                if (::write(line[1], "d", 1) != 1) return 5;
            }
        });
        ::close(line[1]);
        // Killed once it has said that it begins a batch: somewhere within it.
        const auto begun_wanted = 1 + random.below(6);
        std::uint64_t begun = 0, done = 0;
        char word = 0;
        while (begun < begun_wanted && ::read(line[0], &word, 1) == 1) word == 's' ? ++begun : ++done;
        ::kill(pid, SIGKILL);
        while (::read(line[0], &word, 1) == 1)
            if (word == 'd') ++done;
        ::close(line[0]);
        int status = 0;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        CHECK(WIFSIGNALED(status));

        Profile profile(folder.path);
        check_consistent(*profile.history);
        const auto records = must(profile.history->totals()).records;
        CHECK(records % 80 == 0);              // whole batches only
        CHECK(records >= (next + done) * 80);  // and none that was announced is lost
        next = records / 80;
    }
}

TEST_CASE("a full disk is met with a clear error, and the work goes on once there is space") {
    TempFolder folder;
    constexpr int cannot_mount = 77;
    const auto pid = run_apart([&]() -> int {
        // A file system of 4 MB, seen by this process alone.
        if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return cannot_mount;
        if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return cannot_mount;
        if (::mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=4m") != 0) return cannot_mount;
        const auto ballast = folder.path / "ballast";
        { std::ofstream(ballast) << std::string(1024 * 1024, 'x'); }
        Profile profile(folder.path);
        auto blobs = must(BlobStore::open(folder.path / "blobs", *profile.db, key_of_byte(7)));
        std::uint64_t number = 0;
        Result<AddResult> added;
        while (number < 100 && (added = profile.history->add(batch_of(number)))) ++number;
        if (added || added.error().kind != Fault::disk_full) return 1;
        if (number == 0 || must(profile.history->totals()).records != number * 80) return 2;
        auto keys = all_keys(*profile.history);
        if (must(profile.history->fingerprint(history::Range::all())) !=
            brute_force(keys, history::Range::all()))
            return 3;
        auto blob = blobs->write(Bytes(2 * 1024 * 1024, 'b'));
        if (blob || blob.error().kind != Fault::disk_full) return 4;
        if (must(free_bytes(folder.path)) > 1024 * 1024) return 5;

        std::filesystem::remove(ballast);
        if (!profile.history->add(batch_of(number))) return 6;
        ++number;
        if (!blobs->write(Bytes(300 * 1024, 'b'))) return 7;
        keys = all_keys(*profile.history);
        if (keys.size() != number * 80) return 8;
        if (must(profile.history->fingerprint(history::Range::all())) !=
            brute_force(keys, history::Range::all()))
            return 9;
        return 0;
    });
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == cannot_mount) {
        MESSAGE("not tried: this user may not mount a file system of its own");
        return;
    }
    CHECK(WEXITSTATUS(status) == 0);
}
