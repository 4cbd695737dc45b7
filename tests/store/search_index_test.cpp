#include "store/search_index.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/limits.h"
#include "history/range.h"
#include "store/history_search.h"
#include "store/support.h"

using namespace kith;
using namespace kith::store;
using namespace kith::store::test;

namespace {

history::Key key_at(std::uint64_t time_ms, std::uint64_t number = 0) {
    history::Key key{time_ms, {}};
    for (std::size_t i = 0; i < 8; ++i) key.id.bytes[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
    return key;
}

SearchText body(std::string text) {
    return {"ann@example.org", "me@example.net", "", std::move(text), ""};
}

struct Index {
    Index() { open(); }
    void open() {
        index.reset();
        index = must(SearchIndex::open(folder.path / "search.db", key_of_byte(3)));
    }
    void add(const history::Key& key, const SearchText& text, Indexed indexed = Indexed::whole) {
        must(index->add(key, indexed, text));
    }
    std::vector<history::Key> find(std::string_view words, std::size_t limit = 100) {
        std::vector<history::Key> keys;
        for (const auto& hit : must(index->find(must(search_expression(words)), -1, limit)))
            keys.push_back(hit.key);
        return keys;
    }
    TempFolder folder;
    std::unique_ptr<SearchIndex> index;
};

using Keys = std::vector<history::Key>;

}  // namespace

TEST_CASE("words are found in every field, without regard to case and accents") {
    Index it;
    it.add(key_at(1000), {"Zoë Quill <zoe@example.org>", "karl@example.net", "Crème brûlée", "the BODY of it",
                          "Übersicht.pdf\nphoto-7.jpg"});
    for (auto words : {"zoe", "ZOË", "quill", "zoe@example.org", "karl", "creme", "brulee", "brûlée", "body",
                       "ubersicht", "photo-7.jpg", "creme body photo"})
        CHECK_MESSAGE(it.find(words) == Keys{key_at(1000)}, words);
    for (auto words : {"bod", "zo", "creme marmalade", "quill zoe karla"})
        CHECK_MESSAGE(it.find(words).empty(), words);
}

TEST_CASE("hits come newest first, page by page, whatever order they were added in") {
    Index it;
    SeededRandom random(5);
    Keys keys;
    for (std::uint64_t i = 0; i < 300; ++i)
        keys.push_back(key_at(1'000'000'000'000 + random.below(100'000), i));
    for (const auto& key : keys) it.add(key, body("needle"));
    must(it.index->keep());
    Keys paged;
    std::int64_t row = -1;
    while (true) {
        auto hits = must(it.index->find("\"needle\"", row, 7));
        if (hits.empty()) break;
        CHECK(hits.size() <= 7);
        for (const auto& hit : hits) paged.push_back(hit.key);
        row = hits.back().row;
    }
    for (std::size_t i = 1; i < paged.size(); ++i)
        CHECK(paged[i].time_ms / 1000 <= paged[i - 1].time_ms / 1000);
    std::sort(keys.begin(), keys.end());
    std::sort(paged.begin(), paged.end());
    CHECK(paged == keys);
}

TEST_CASE("added from the newest to the oldest, hits keep that order however close they are") {
    Index it;
    SeededRandom random(6);
    Keys keys;
    for (std::uint64_t i = 0; i < 5000; ++i)
        keys.push_back(key_at(1'000'000'000'000 + random.below(20'000), i));
    for (std::uint64_t i = 0; i < 500; ++i) keys.push_back(key_at(0, i));
    std::sort(keys.rbegin(), keys.rend());
    for (const auto& key : keys) it.add(key, body("needle"));
    CHECK(it.find("needle", 10'000) == keys);
}

TEST_CASE("any number of records of one time, the earliest and the latest included, each have a row") {
    Index it;
    for (std::uint64_t time : {std::uint64_t{0}, std::uint64_t{1}, limits::time_ms - 1, limits::time_ms})
        for (std::uint64_t i = 0; i < 700; ++i) it.add(key_at(time, i), body("x" + std::to_string(i)));
    must(it.index->keep());
    it.open();
    it.add(key_at(0, 700), body("x700"));
    it.add(key_at(limits::time_ms, 700), body("x700"));
    CHECK(it.index->entries() == 2802);
    for (std::uint64_t i : {0, 255, 256, 300, 699}) {
        auto hits = it.find("x" + std::to_string(i));
        std::sort(hits.begin(), hits.end());
        CHECK(hits ==
              Keys{key_at(0, i), key_at(1, i), key_at(limits::time_ms - 1, i), key_at(limits::time_ms, i)});
    }
    CHECK(it.find("x700").size() == 2);
}

TEST_CASE("a phrase must stand together, a prefix begins a word, and no other sign means anything") {
    Index it;
    it.add(key_at(1), body("the quick brown fox"));
    it.add(key_at(2), body("brown quick dogs, subject: none"));
    CHECK(it.find("\"quick brown\"") == Keys{key_at(1)});
    CHECK(it.find("\"quick brown\" fox") == Keys{key_at(1)});
    CHECK(it.find("quick brown").size() == 2);
    CHECK(it.find("quick-brown") == Keys{key_at(1)});
    CHECK(it.find("bro*").size() == 2);
    CHECK(it.find("\"quick bro\"*") == Keys{key_at(1)});
    CHECK(it.find("dogs.*") == Keys{key_at(2)});
    // What the index's own language would take for operators, columns or errors.
    for (auto words : {"fox OR dogs", "fox NOT quick", "NEAR(fox dogs)", "nothing : fox", "subject:fox",
                       "^fox dogs", "fox AND dogs", "{body} : fox"})
        CHECK_MESSAGE(it.find(words).empty(), words);
    for (auto words : {"fox + ", "(fox", "fox)", "fox;", "'fox'", "-fox", "^fox", "fox \"", "\"fox",
                       "fox - \"--\" &", "fox\" \"\"", "fox **", "\xe2\x80\x94 fox"})
        CHECK_MESSAGE(it.find(words) == Keys{key_at(1)}, words);
    CHECK(it.find("subject: none") == Keys{key_at(2)});
}

TEST_CASE("what holds no word, or too many, is refused with a reason") {
    for (auto words : {"", "  ", "*", "\"\"", "- . \"?\"", "(((", "\t\n"})
        CHECK_MESSAGE(fault_of(search_expression(words)) == Fault::invalid, words);
    CHECK(fault_of(search_expression("a*")) == Fault::invalid);
    CHECK(fault_of(search_expression("large b*")) == Fault::invalid);
    CHECK(fault_of(search_expression("\"large b\"*")) == Fault::invalid);
    CHECK(fault_of(search_expression(std::string(limits::search_query + 1, 'a'))) == Fault::invalid);
    std::string many;
    for (std::size_t i = 0; i < limits::search_words; ++i) many += "w ";
    CHECK(search_expression(many));
    CHECK(fault_of(search_expression(many + "w")) == Fault::invalid);
    CHECK_FALSE(search_expression("a*").error().hint.empty());
}

TEST_CASE("no bytes at all make a query that the index does not understand") {
    Index it;
    it.add(key_at(1), body("abc"));
    SeededRandom random(17);
    constexpr std::string_view signs =
        "ab \"*'()+-:^{}\\,.;&|~\n\0\xc3\xa9\xff"
        "NEAROT";
    for (int round = 0; round < 3000; ++round) {
        std::string words;
        for (auto size = random.below(24); words.size() < size;) words += signs[random.below(signs.size())];
        auto expression = search_expression(words);
        if (!expression) continue;
        auto hits = it.index->find(*expression, -1, 10);
        CHECK_MESSAGE(hits.has_value(), words);
    }
}

TEST_CASE("an entry is replaced, and a removed one is found no more, not even after a crash") {
    Index it;
    it.add(key_at(5), body("first words"), Indexed::partly);
    it.add(key_at(6), {}, Indexed::nothing);
    it.add(key_at(7), body("other words"));
    CHECK(must(it.index->partly(-1, 10)).size() == 1);
    it.add(key_at(5), body("second thoughts"));
    CHECK(must(it.index->partly(-1, 10)).empty());
    CHECK(it.find("first").empty());
    CHECK(it.find("second") == Keys{key_at(5)});
    CHECK(it.index->entries() == 3);
    CHECK(must(it.index->entry(key_at(6))) == Indexed::nothing);
    must(it.index->remove(key_at(5)));
    must(it.index->remove(key_at(5)));
    must(it.index->remove(key_at(999)));
    it.open();  // without a keep() of ours
    CHECK(it.find("second").empty());
    CHECK(it.find("other") == Keys{key_at(7)});
    CHECK(it.index->entries() == 2);
    CHECK_FALSE(must(it.index->entry(key_at(5))));
    it.add(key_at(5), body("second life"));
    CHECK(it.find("second") == Keys{key_at(5)});
}

TEST_CASE("what was not kept is undone together with the place") {
    Index it;
    it.add(key_at(1), body("kept"));
    const IndexPlace place{3, 9, 9, key_at(77, 5)};
    must(it.index->move_to(place));
    must(it.index->keep());
    CHECK(it.index->kept());
    it.add(key_at(2), body("lost"));
    must(it.index->move_to({9, 9, 9, {}}));
    CHECK(it.find("lost").size() == 1);
    it.open();
    CHECK(it.index->place() == place);
    CHECK(it.index->place().walking());
    CHECK(it.index->entries() == 1);
    CHECK(it.find("lost").empty());
    CHECK(it.find("kept") == Keys{key_at(1)});
}

TEST_CASE("a damaged index, or one of another key, is made anew and nothing of it is readable") {
    Index it;
    for (std::uint64_t i = 0; i < 2000; ++i)
        it.add(key_at(i), body("hippopotamus parade " + std::to_string(i)));
    must(it.index->move_to({7, 7, 7, {}}));
    must(it.index->keep());
    for (const auto& file : std::filesystem::directory_iterator(it.folder.path)) {
        CHECK(slurp(file.path()).find("hippo") == std::string::npos);
        CHECK((std::filesystem::status(file).permissions() & std::filesystem::perms::others_all) ==
              std::filesystem::perms::none);
    }
    SUBCASE("another key") {
        it.index.reset();
        it.index = must(SearchIndex::open(it.folder.path / "search.db", key_of_byte(4)));
    }
    SUBCASE("cut short") {
        it.index.reset();
        std::filesystem::resize_file(it.folder.path / "search.db", 10'000);
        it.open();
    }
    SUBCASE("not a database") {
        it.index.reset();
        { std::ofstream(it.folder.path / "search.db") << std::string(20'000, 'x'); }
        it.open();
    }
    SUBCASE("damaged while it is open") {
        it.open();
        {
            std::fstream file(it.folder.path / "search.db", std::ios::in | std::ios::out | std::ios::binary);
            file.seekp(2 * 8192);
            const auto size = std::filesystem::file_size(it.folder.path / "search.db");
            REQUIRE(size > 10 * 8192);
            file << std::string(size - 2 * 8192, '\7');
        }
        CHECK(fault_of(it.index->find("\"parade\"", -1, 10)) == Fault::corrupt);
        CHECK(it.index->damaged());
        must(it.index->start_anew());
        CHECK_FALSE(it.index->damaged());
    }
    CHECK(it.index->entries() == 0);
    CHECK(it.index->place() == IndexPlace{});
    it.add(key_at(1), body("giraffe"));
    CHECK(it.find("giraffe").size() == 1);
    CHECK(it.find("parade").empty());
}

TEST_CASE("a full disk undoes what was not kept, and the work goes on once there is space") {
    Index it;
    // In a process of its own, whose files may grow no further for a while.
    const auto pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        rlimit limit{};
        ::getrlimit(RLIMIT_FSIZE, &limit);
        const auto enough = limit.rlim_cur;
        limit.rlim_cur = 1024 * 1024;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        std::uint64_t kept = 0;
        Result<> done;
        for (std::uint64_t number = 0; done && number < 1000; ++number) {
            std::string words;
            for (std::uint64_t i = 0; i < 3000; ++i) words += " w" + std::to_string(number * 3000 + i);
            done = it.index->add(key_at(number), Indexed::whole, body(words));
            if (done) done = it.index->move_to({0, 0, static_cast<std::int64_t>(number) + 1, {}});
            if (done) done = it.index->keep();
            if (done) ++kept;
        }
        if (done || done.error().kind != Fault::disk_full || kept == 0) ::_exit(1);
        if (it.index->entries() != kept || it.index->place().followed != static_cast<std::int64_t>(kept))
            ::_exit(2);
        limit.rlim_cur = enough;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        if (!it.index->add(key_at(kept), Indexed::whole, body("giraffe")) || !it.index->keep()) ::_exit(3);
        if (it.find("giraffe") != Keys{key_at(kept)} || it.find("w5") != Keys{key_at(0)}) ::_exit(4);
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("history tells what arrived since, what stands below, and what is shown") {
    TempFolder folder;
    Profile profile(folder.path);
    CHECK(must(last_arrival(*profile.db)) == 0);
    std::vector<NewRecord> batch;
    for (std::uint64_t i = 0; i < 20; ++i)
        batch.push_back(mail(1000 + (i * 7) % 20, "number " + std::to_string(i)));
    must(profile.history->add(batch));
    const auto last = must(last_arrival(*profile.db));
    auto since = must(arrivals_after(*profile.db, 0, 100));
    REQUIRE(since.size() == 20);
    for (std::size_t i = 0; i < 20; ++i) CHECK(since[i].key == batch[i].stored.key);
    CHECK(since.back().seq == last);
    CHECK(must(arrivals_after(*profile.db, since[14].seq, 3)).front().key == batch[15].stored.key);
    CHECK(must(arrivals_after(*profile.db, last, 3)).empty());

    Keys walked;
    auto floor = history::last_key();
    while (true) {
        auto below = must(arrivals_below(*profile.db, floor, 6));
        if (below.empty()) break;
        for (const auto& one : below) walked.push_back(one.key);
        floor = walked.back();
    }
    auto keys = all_keys(*profile.history);
    std::reverse(keys.begin(), keys.end());
    CHECK(walked == keys);

    const auto& key = batch[0].stored.key;
    CHECK(must(standing(*profile.db, key)).shown);
    auto hidden = mail(5, "hidden");
    hidden.listing.shown = false;
    must(profile.history->add({&hidden, 1}));
    CHECK(must(standing(*profile.db, hidden.stored.key)).here);
    CHECK_FALSE(must(standing(*profile.db, hidden.stored.key)).shown);
    CHECK_FALSE(must(standing(*profile.db, key_at(1, 1))).here);
    for (int flag : {16, 32}) {  // bytes absent, erased
        must(profile.db->run("UPDATE record SET flags = flags | ? WHERE time_ms = ?", flag, key.time_ms));
        CHECK_FALSE(must(standing(*profile.db, key)).here);
        CHECK_FALSE(must(standing(*profile.db, key)).shown);
        must(profile.db->run("UPDATE record SET flags = 1 WHERE time_ms = ?", key.time_ms));
    }
}
