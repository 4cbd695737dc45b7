#include "store/database.h"

#include <sys/stat.h>

#include "store/support.h"

using namespace kith;
using namespace kith::store;
using namespace kith::store::test;

namespace {

const std::vector<std::string_view> one_table{
    "CREATE TABLE note (n INTEGER PRIMARY KEY, text TEXT UNIQUE) STRICT"};

std::unique_ptr<Database> open_notes(const TempFolder& folder, std::uint8_t key = 1) {
    return must(Database::open(folder.path / "notes.db", key_of_byte(key), one_table));
}

std::int64_t count_notes(Database& db) {
    auto rows = db.query("SELECT count(*) FROM note");
    REQUIRE(must(rows.next()));
    return rows.number(0);
}

}  // namespace

TEST_CASE("a database keeps what was committed, in a file of its owner's") {
    TempFolder folder;
    {
        auto db = open_notes(folder);
        CHECK(must(db->run("INSERT INTO note (text) VALUES (?)", "one")) == 1);
    }
    auto db = open_notes(folder);
    CHECK(count_notes(*db) == 1);
    for (const char* name : {"notes.db", "notes.db-wal", "notes.db-shm"}) {
        struct stat status {};
        REQUIRE(::stat((folder.path / name).c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
    }
}

TEST_CASE("a wrong key opens nothing and changes nothing") {
    TempFolder folder;
    { REQUIRE(open_notes(folder)->run("INSERT INTO note (text) VALUES ('one')")); }
    const auto before = slurp(folder.path / "notes.db");
    CHECK(fault_of(Database::open(folder.path / "notes.db", key_of_byte(2), one_table)) == Fault::corrupt);
    CHECK(slurp(folder.path / "notes.db") == before);
    CHECK(count_notes(*open_notes(folder)) == 1);
}

TEST_CASE("a file that is no database is refused and left alone") {
    TempFolder folder;
    const std::string text(10000, 'x');
    std::ofstream(folder.path / "notes.db") << text;
    CHECK(fault_of(Database::open(folder.path / "notes.db", key_of_byte(1), one_table)) == Fault::corrupt);
    CHECK(slurp(folder.path / "notes.db") == text);
}

TEST_CASE("a damaged page is noticed") {
    TempFolder folder;
    {
        auto db = open_notes(folder);
        for (int i = 0; i < 1000; ++i) must(db->run("INSERT INTO note (text) VALUES (?)", std::to_string(i)));
        must(db->checkpoint());
    }
    std::fstream file(folder.path / "notes.db", std::ios::in | std::ios::out | std::ios::binary);
    const auto pages = std::filesystem::file_size(folder.path / "notes.db") / 8192;
    for (std::uint64_t page = 1; page < pages; ++page) {
        file.seekp(static_cast<std::streamoff>(page * 8192 + 100));
        file.put('!');
    }
    file.close();
    auto db = Database::open(folder.path / "notes.db", key_of_byte(1), one_table);
    if (db) {
        auto rows = (*db)->query("SELECT text FROM note");
        Result<bool> row = true;
        while (row && *row) row = rows.next();
        CHECK(fault_of(row) == Fault::corrupt);
    } else {
        CHECK(fault_of(db) == Fault::corrupt);
    }
}

TEST_CASE("a folder that is not there is an error that names the file") {
    auto db = Database::open("/nonexistent/kith/notes.db", key_of_byte(1), one_table);
    CHECK(fault_of(db) == Fault::io);
    CHECK(db.error().what.find("/nonexistent/kith/notes.db") != std::string::npos);
}

TEST_CASE("migrations bring an older database up to date, once each") {
    TempFolder folder;
    { REQUIRE(open_notes(folder)->run("INSERT INTO note (text) VALUES ('old')")); }
    auto more = one_table;
    more.push_back("ALTER TABLE note ADD COLUMN kind TEXT; UPDATE note SET kind = 'paper'");
    for (int i = 0; i < 2; ++i) {
        auto db = must(Database::open(folder.path / "notes.db", key_of_byte(1), more));
        auto rows = db->query("SELECT kind FROM note");
        REQUIRE(must(rows.next()));
        CHECK(rows.text(0) == "paper");
    }
}

TEST_CASE("a migration that fails leaves the older schema whole") {
    TempFolder folder;
    { REQUIRE(open_notes(folder)->run("INSERT INTO note (text) VALUES ('old')")); }
    auto more = one_table;
    more.push_back("CREATE TABLE extra (n INTEGER)");
    more.push_back("INSERT INTO nowhere VALUES (1)");
    CHECK_FALSE(Database::open(folder.path / "notes.db", key_of_byte(1), more));
    auto db = open_notes(folder);
    CHECK(count_notes(*db) == 1);
    CHECK_FALSE(db->run("INSERT INTO extra VALUES (1)"));
}

TEST_CASE("a newer schema is refused with words that help") {
    TempFolder folder;
    auto more = one_table;
    more.push_back("CREATE TABLE extra (n INTEGER)");
    { REQUIRE(Database::open(folder.path / "notes.db", key_of_byte(1), more)); }
    auto db = Database::open(folder.path / "notes.db", key_of_byte(1), one_table);
    CHECK(fault_of(db) == Fault::refused);
    CHECK(db.error().what.find("newer") != std::string::npos);
    CHECK(db.error().hint == "update kith on this device");
}

TEST_CASE("a transaction that is not committed leaves nothing") {
    TempFolder folder;
    auto db = open_notes(folder);
    {
        auto tx = must(Transaction::begin(*db));
        must(db->run("INSERT INTO note (text) VALUES ('one')"));
        CHECK(count_notes(*db) == 1);
    }
    CHECK(count_notes(*db) == 0);
    CHECK_FALSE(db->in_transaction());
}

TEST_CASE("a transaction within another is undone alone, and committed with it") {
    TempFolder folder;
    auto db = open_notes(folder);
    {
        auto outer = must(Transaction::begin(*db));
        must(db->run("INSERT INTO note (text) VALUES ('outer')"));
        {
            auto inner = must(Transaction::begin(*db));
            must(db->run("INSERT INTO note (text) VALUES ('undone')"));
            auto innermost = must(Transaction::begin(*db));
            must(db->run("INSERT INTO note (text) VALUES ('undone too')"));
            must(innermost.commit());
        }
        auto inner = must(Transaction::begin(*db));
        must(db->run("INSERT INTO note (text) VALUES ('inner')"));
        must(inner.commit());
        must(outer.commit());
    }
    CHECK(count_notes(*db) == 2);
    {
        auto outer = must(Transaction::begin(*db));
        auto inner = must(Transaction::begin(*db));
        must(db->run("INSERT INTO note (text) VALUES ('gone with the outer one')"));
        must(inner.commit());
    }
    CHECK(count_notes(*db) == 2);
}

TEST_CASE("a full database says so, undoes the whole transaction, and goes on when there is space") {
    TempFolder folder;
    auto db = open_notes(folder);
    must(db->run("INSERT INTO note (text) VALUES ('first')"));
    must(db->limit_size(256 * 1024));
    {
        auto tx = must(Transaction::begin(*db));
        Result<std::int64_t> result = 0;
        for (int i = 0; i < 1000 && result; ++i)
            result =
                db->run("INSERT INTO note (text) VALUES (?)", std::to_string(i) + std::string(1000, 'x'));
        CHECK(fault_of(result) == Fault::disk_full);
        CHECK(result.error().hint.find("free some") != std::string::npos);
    }
    CHECK(count_notes(*db) == 1);
    must(db->limit_size(16 * 1024 * 1024));
    must(db->run("INSERT INTO note (text) VALUES (?)", std::string(500000, 'x')));
    CHECK(count_notes(*db) == 2);
}

TEST_CASE("each type of value comes back as it went in") {
    TempFolder folder;
    auto db = open_notes(folder);
    const RecordId id{crypto::random_id<RecordId>(*std::make_unique<SeededRandom>(1))};
    auto rows =
        db->query("SELECT ?, ?, ?, ?, ?, ?, ?, ?", std::int64_t{-5}, std::string("with\0zero", 9), id,
                  Bytes{}, std::optional<RecordId>(), true, (std::uint64_t{1} << 48), std::string_view());
    REQUIRE(must(rows.next()));
    CHECK(rows.number(0) == -5);
    CHECK(rows.text(1) == std::string("with\0zero", 9));
    CHECK(rows.id<RecordId>(2) == id);
    CHECK(rows.bytes(3).empty());
    CHECK_FALSE(rows.is_null(3));
    CHECK(rows.is_null(4));
    CHECK(rows.number(5) == 1);
    CHECK(rows.count(6) == std::uint64_t{1} << 48);
    CHECK_FALSE(rows.is_null(7));
    CHECK(rows.text(7).empty());
    CHECK(rows.id<RecordId>(3) == RecordId{});
    CHECK(fault_of(rows.next()) == Fault::corrupt);  // an id of no bytes
}

TEST_CASE("one text may run twice at once, and a mistaken one is an error, not a crash") {
    TempFolder folder;
    auto db = open_notes(folder);
    for (int i = 0; i < 3; ++i) must(db->run("INSERT INTO note (text) VALUES (?)", std::to_string(i)));
    int pairs = 0;
    auto outer = db->query("SELECT n FROM note");
    while (must(outer.next())) {
        auto inner = db->query("SELECT n FROM note");
        while (must(inner.next())) ++pairs;
    }
    CHECK(pairs == 9);
    CHECK_FALSE(db->run("INSERT INTO nowhere VALUES (1)"));
    CHECK(fault_of(db->run("INSERT INTO note (text) VALUES ('1')")) == Fault::refused);  // unique
}
