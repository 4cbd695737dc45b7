// What is left of a message on the disk once its last node has acknowledged it: every byte of every file of
// the service is read in clear, free pages included.
#include <doctest/doctest.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/limits.h"
#include "sql_store.h"

using namespace kith;
using namespace kith::tmtp;
using tmtpd::SqlStore;

namespace {

std::string slurp(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Rig {
    std::filesystem::path folder;
    Key key;
    std::unique_ptr<SqlStore> store;
    NodeRef one = 0, two = 0;
    std::uint64_t id = 0;

    Rig() {
        REQUIRE(crypto::start());
        std::string name = (std::filesystem::temp_directory_path() / "kith-erased-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()));
        folder = name;
        std::filesystem::create_directory(folder / "service");
        auto opened = SqlStore::open(folder / "service/db", key);
        REQUIRE(opened);
        store = std::move(*opened);
        one = *store->add_account("U", SecretBytes(as_bytes("NODE1")), "first");
        two = *store->add_account("V", SecretBytes(as_bytes("NODE2")), "first");
    }
    ~Rig() {
        store.reset();
        std::filesystem::remove_all(folder);
    }

    // All pages of the database as they stand in its file, decrypted; the journal's blocks that its key
    // opens; and the log, of which nothing but its being empty is of use.
    std::string everything() {
        const auto copy = folder / "copy";
        std::filesystem::remove_all(copy);
        // By another process: closing a file here would take SQLite's locks on it away.
        REQUIRE(std::system(
                    ("cp -r '" + (folder / "service").string() + "' '" + copy.string() + "'").c_str()) == 0);
        const auto log = slurp(copy / "db-wal");
        std::filesystem::remove(copy / "db-wal");
        std::filesystem::remove(copy / "db-shm");
        std::string found = log + slurp(copy / "db.journal");

        sqlite3* db = nullptr;
        REQUIRE(sqlite3_open_v2((copy / "db").c_str(), &db, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK);
        std::string raw = "raw:" + std::string(as_text(key.view()));
        REQUIRE(sqlite3_key(db, raw.data(), static_cast<int>(raw.size())) == SQLITE_OK);
        sqlite3_stmt* statement = nullptr;
        REQUIRE(sqlite3_prepare_v2(db, "SELECT key FROM journal", -1, &statement, nullptr) == SQLITE_OK);
        REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
        const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, 0));
        Key journal_key(std::span<const std::uint8_t, 32>(bytes, 32));
        journal_key_now = std::string(as_text(journal_key.view()));
        sqlite3_file* file = nullptr;
        REQUIRE(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK);
        const auto size = static_cast<sqlite3_int64>(std::filesystem::file_size(copy / "db"));
        constexpr int page = 8192;
        REQUIRE(size % page == 0);
        for (sqlite3_int64 at = 0; at < size; at += page) {
            std::string clear(page, '\0');
            CHECK(file->pMethods->xRead(file, clear.data(), page, at) == SQLITE_OK);
            found += clear;
        }
        sqlite3_finalize(statement);
        sqlite3_close(db);

        auto journal = tmtpd::Journal::open(copy / "db.journal");
        REQUIRE(journal);
        tmtpd::Journal::Reader reader;
        reader.queued = [&](StoredMessage message, Bytes data, std::vector<NodeRef>) -> Result<> {
            found += message.head;
            found += as_text(data);
            return {};
        };
        reader.removed = [](NodeRef, std::uint64_t, std::uint64_t) -> Result<> { return {}; };
        REQUIRE(journal->replay(journal_key, reader));
        return found;
    }
    bool finds(std::string_view text) { return everything().find(text) != std::string::npos; }
    std::string journal_key_now;

    void send(std::string_view text, std::size_t size, std::vector<NodeRef> to) {
        ++id;
        Bytes data(size, ' ');
        std::copy(text.begin(), text.end(), data.end() - static_cast<std::ptrdiff_t>(text.size()));
        std::uint32_t number = 0;
        for (std::size_t at = 0; at < size; at += limits::tmtp_piece, ++number)
            REQUIRE(store->put_piece(id, number,
                                     ByteView(data).subspan(at, std::min(limits::tmtp_piece, size - at))));
        REQUIRE(store->enqueue({{{id, "0012{\"id\":\"head of it\"}", size}, std::move(to)}}));
        REQUIRE(store->commit());
    }
};

constexpr std::string_view words = "meet me at the old lighthouse";

}  // namespace

TEST_CASE("of a message that went at once the journal's key is replaced") {
    Rig rig;
    rig.send(words, 200, {rig.one, rig.two});
    CHECK(rig.finds(words));
    const auto old_key = rig.journal_key_now;
    CHECK(rig.everything().find(old_key) != std::string::npos);
    REQUIRE(rig.store->remove(rig.one, rig.id));
    REQUIRE(rig.store->remove(rig.two, rig.id));
    REQUIRE(rig.store->commit());
    CHECK(rig.store->dirty());
    REQUIRE(rig.store->flush());
    CHECK_FALSE(rig.store->dirty());
    const auto left = rig.everything();
    CHECK(left.find(words) == std::string::npos);
    CHECK(left.find("head of it") == std::string::npos);
    CHECK(left.find(old_key) == std::string::npos);
    CHECK(std::filesystem::file_size(rig.folder / "service/db-wal") == 0);
}

TEST_CASE("of a message that waited in the database every page is overwritten") {
    Rig rig;
    std::size_t size = 0;
    SUBCASE("small") {
        size = 200;
    }
    SUBCASE("of one page and more") {
        size = 20'000;
    }
    SUBCASE("large, in pieces") {
        size = 3 * limits::tmtp_piece + 1000;
    }
    // Others around it stay, so that pages are shared, and freed in part.
    for (int i = 0; i < 20; ++i) rig.send("stays", 900, {rig.two});
    rig.send(words, size, {rig.one, rig.two});
    const auto id = rig.id;
    for (int i = 0; i < 20; ++i) rig.send("stays", 900, {rig.two});
    REQUIRE(rig.store->flush());
    CHECK(rig.finds(words));
    REQUIRE(rig.store->remove(rig.one, id));
    REQUIRE(rig.store->flush());
    CHECK(rig.finds(words));  // one node has still to come
    REQUIRE(rig.store->remove(rig.two, id));
    REQUIRE(rig.store->flush());
    CHECK_FALSE(rig.finds(words));
    CHECK(rig.finds("stays"));
}

TEST_CASE("an upload that was given up and a node that was dropped leave nothing") {
    Rig rig;
    SUBCASE("upload") {
        Bytes piece(limits::tmtp_piece, ' ');
        std::copy(words.begin(), words.end(), piece.begin());
        for (std::uint32_t i = 0; i < 3; ++i) REQUIRE(rig.store->put_piece(77, i, piece));
        rig.store->drop_pieces(77);
    }
    SUBCASE("node") {
        rig.send(words, 200, {rig.one});
        REQUIRE(rig.store->flush());
        CHECK(rig.finds(words));
        CHECK(*rig.store->drop_node(rig.one));
        CHECK_FALSE(*rig.store->drop_node(rig.one));
    }
    CHECK(rig.store->dirty());
    REQUIRE(rig.store->flush());
    CHECK_FALSE(rig.finds(words));
}
