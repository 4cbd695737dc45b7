// HistoryStore as a history::RecordSet, against the same answers by brute force.
#include "base/limits.h"
#include "store/support.h"

using namespace kith;
using namespace kith::store;
using namespace kith::store::test;
using history::Range;

namespace {

// A set of times as hostile as they come: clusters, one time many times over, both ends of time.
std::uint64_t some_time(SeededRandom& random) {
    switch (random.below(6)) {
        case 0:
            return 0;
        case 1:
            return limits::time_ms - random.below(3);
        case 2:
            return 1'700'000'000'000 + random.below(1u << 16);  // within a slot or two
        case 3:
            return 1'700'000'000'000 + random.below(1ull << 34);  // within months
        case 4:
            return (random.below(200) + 1) * (std::uint64_t{1} << 40) + random.below(2) -
                   1;  // at the edges of slots
        default:
            return random.below(limits::time_ms + 1);
    }
}

history::Key some_bound(SeededRandom& random, const std::vector<history::Key>& keys) {
    switch (random.below(4)) {
        case 0:
            return keys[random.below(keys.size())];
        case 1: {
            return {some_time(random), {}};
        }
        case 2:
            return {some_time(random), crypto::random_id<RecordId>(random)};
        default: {
            auto key = keys[random.below(keys.size())];  // just above a key
            ++key.id.bytes.back();
            return key;
        }
    }
}

std::vector<history::Key> fill(Profile& profile, SeededRandom& random, std::size_t count,
                               std::uint64_t (*time)(SeededRandom&) = some_time) {
    std::vector<NewRecord> batch;
    for (std::size_t i = 0; i < count; ++i) {
        batch.push_back(mail(time(random), "mail " + std::to_string(i)));
        if (batch.size() == 97 || i + 1 == count) {
            must(profile.history->add(batch));
            batch.clear();
        }
    }
    return all_keys(*profile.history);
}

void check_split(const HistoryStore& history, const std::vector<history::Key>& keys, const Range& range) {
    const auto inside = brute_force(keys, range).count;
    const auto parts = must(history.split(range));
    if (inside < 2) {
        CHECK(parts == std::vector<Range>{range});
        return;
    }
    CHECK(parts.size() >= 2);
    CHECK(parts.size() <= limits::split_parts);
    CHECK(parts.front().from == range.from);
    CHECK(parts.back().to == range.to);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        CHECK(brute_force(keys, parts[i]).count >= 1);
        if (i > 0) CHECK(parts[i].from == parts[i - 1].to);
    }
}

}  // namespace

TEST_CASE("the fingerprint of any range is the sum over its records, and any split covers it") {
    for (std::uint64_t seed : {1, 2, 3, 4}) {
        INFO("seed ", seed);
        TempFolder folder;
        Profile profile(folder.path);
        SeededRandom random(seed);
        const auto keys = fill(profile, random, 150 * seed);
        check_consistent(*profile.history);
        for (int i = 0; i < 120; ++i) {
            Range range{some_bound(random, keys), some_bound(random, keys)};
            if (range.to < range.from) std::swap(range.from, range.to);
            CHECK(must(profile.history->fingerprint(range)) == brute_force(keys, range));
            check_split(*profile.history, keys, range);
        }
        check_split(*profile.history, keys, Range::all());
    }
}

TEST_CASE("many records of one time are split by their ids, and cost no more than others") {
    TempFolder folder;
    Profile profile(folder.path);
    SeededRandom random(5);
    const auto keys = fill(profile, random, 12000, [](SeededRandom&) { return std::uint64_t{1234567}; });
    auto parts = must(profile.history->split(Range::all()));
    CHECK(parts.size() > 20);
    for (const auto& part : parts) {
        CHECK(brute_force(keys, part).count <= 1024);
        CHECK(must(profile.history->fingerprint(part)) == brute_force(keys, part));
    }
    check_split(*profile.history, keys, parts[7]);
    // The index is made of buckets that none of the records overflows.
    auto largest = profile.db->query("SELECT max(count), count(*) FROM bucket WHERE level = 0");
    REQUIRE(must(largest.next()));
    CHECK(largest.count(0) <= limits::bucket_records);
    CHECK(largest.count(1) >= 12000 / limits::bucket_records);
}

TEST_CASE("splitting again and again ends at single records, in few rounds") {
    TempFolder folder;
    Profile profile(folder.path);
    SeededRandom random(6);
    const auto keys = fill(profile, random, 1500);
    std::vector<Range> open{Range::all()};
    std::size_t singles = 0;
    int rounds = 0;
    while (!open.empty()) {
        REQUIRE(++rounds < 12);
        std::vector<Range> next;
        for (const auto& range : open)
            for (const auto& part : must(profile.history->split(range))) {
                const auto count = must(profile.history->fingerprint(part)).count;
                if (count == 1)
                    ++singles;
                else if (count > 1)
                    next.push_back(part);
            }
        open = next;
    }
    CHECK(singles == keys.size());
}

TEST_CASE("even history is split in even shares") {
    TempFolder folder;
    Profile profile(folder.path);
    SeededRandom random(7);
    const auto keys = fill(profile, random, 3000, [](SeededRandom& r) {
        return 1'600'000'000'000 + r.below(1'000ull * 86'400'000);  // three years
    });
    for (const auto& part : must(profile.history->split(Range::all())))
        CHECK(brute_force(keys, part).count <= keys.size() / 8);
}

TEST_CASE("hostile ranges are answered, not trusted") {
    TempFolder folder;
    Profile profile(folder.path);
    SeededRandom random(8);
    const auto keys = fill(profile, random, 50);
    RecordId ones;
    ones.bytes.fill(0xff);
    const history::Key end_of_time{~std::uint64_t{0}, ones};
    const Range whole{{}, end_of_time};
    CHECK(must(profile.history->fingerprint(whole)) == brute_force(keys, Range::all()));
    CHECK(must(profile.history->split(whole)).back().to == end_of_time);
    CHECK(must(profile.history->keys(whole, 1000)) == keys);
    const Range beyond{{std::uint64_t{1} << 63, {}}, end_of_time};
    CHECK(must(profile.history->fingerprint(beyond)) == history::Fingerprint{});
    CHECK(must(profile.history->newest(beyond, {}, {})).records.empty());
    const Range backwards{history::last_key(), {}};
    CHECK(must(profile.history->fingerprint(backwards)) == history::Fingerprint{});
    CHECK(must(profile.history->keys(backwards, 10)).empty());
    CHECK(must(profile.history->split(backwards)) == std::vector<Range>{backwards});
    CHECK(get_all(*profile.history, std::vector{end_of_time, keys[3]}).size() == 1);
}

TEST_CASE("an empty history answers") {
    TempFolder folder;
    Profile profile(folder.path);
    CHECK(must(profile.history->fingerprint(Range::all())) == history::Fingerprint{});
    CHECK(must(profile.history->split(Range::all())) == std::vector<Range>{Range::all()});
    CHECK(must(profile.history->newest(Range::all(), {}, {})).rest.empty());
}

TEST_CASE("pages of the newest records join up without gap or overlap") {
    TempFolder folder;
    Profile profile(folder.path);
    SeededRandom random(9);
    // More than one batch holds, by number and by bytes.
    auto keys = fill(profile, random, 5000);
    Bytes noise(60000);
    std::vector<NewRecord> large;
    for (int i = 0; i < 40; ++i) {
        random.fill(noise);
        large.push_back(mail(some_time(random), as_text(noise)));
    }
    must(profile.history->add(large));
    keys = all_keys(*profile.history);
    Range rest{keys[20], keys[5000]};
    std::vector<history::Key> seen;
    std::size_t pages = 0;
    while (!rest.empty()) {
        auto page = must(profile.history->newest(rest, {}, {}));
        REQUIRE_FALSE(page.records.empty());
        CHECK(page.records.size() <= limits::batch_records);
        std::size_t bytes = 0;
        for (const auto& record : page.records) {
            seen.push_back(record.key);
            bytes += record.bytes.size();
        }
        CHECK(bytes <= limits::batch_bytes);
        CHECK(page.rest.from == rest.from);
        rest = page.rest;
        ++pages;
    }
    CHECK(pages >= 3);
    std::reverse(seen.begin(), seen.end());
    CHECK(seen == std::vector<history::Key>(keys.begin() + 20, keys.begin() + 5000));
}

TEST_CASE("keys come oldest first, and get keeps the order that was asked for") {
    TempFolder folder;
    Profile profile(folder.path);
    SeededRandom random(10);
    const auto keys = fill(profile, random, 60);
    CHECK(must(profile.history->keys({keys[5], keys[15]}, 3)) ==
          std::vector<history::Key>{keys[5], keys[6], keys[7]});
    auto got = get_all(*profile.history, std::vector<history::Key>{keys[9], {1, {}}, keys[2]});
    REQUIRE(got.size() == 2);
    CHECK(got[0].key == keys[9]);
    CHECK(got[1].key == keys[2]);
}
