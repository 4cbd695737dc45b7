#include "store/search_index.h"

#include <system_error>

#include "base/limits.h"
#include "history/range.h"

namespace kith::store {
namespace {

// A row's number is made of time, so that the newest come first without sorting: the later, the lower, with
// room for 16 records in each second. More than these go on in the rooms of the next older ones.
// (Milliseconds would make the index a fifth larger: it holds the difference of rows at each word.)
//
// The texts themselves are not kept (content=''), and a row can be deleted without them (contentless_delete).
constexpr std::string_view schema_1 = R"sql(
CREATE TABLE entry (
    row     INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    id      BLOB NOT NULL,
    indexed INTEGER NOT NULL    -- 0 nothing, 1 partly, 2 whole
) STRICT;
CREATE UNIQUE INDEX entry_key ON entry (time_ms, id);
CREATE INDEX entry_partly ON entry (indexed) WHERE indexed = 1;

CREATE VIRTUAL TABLE words USING fts5 (
    sender, recipient, subject, body, files,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

-- A leaf of the index fills a page of the file: of the usual 4050 bytes, only one would fit.
INSERT INTO words (words, rank) VALUES ('pgsz', 8000);

CREATE TABLE state (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    done       INTEGER NOT NULL,
    sweep      INTEGER NOT NULL,
    followed   INTEGER NOT NULL,
    floor_time INTEGER NOT NULL,
    floor_id   BLOB NOT NULL,
    entries    INTEGER NOT NULL
) STRICT;
INSERT INTO state VALUES (1, 0, 0, 0, 0, zeroblob(32), 0);
)sql";

constexpr std::int64_t rows_a_second = 16;

std::int64_t first_row(std::uint64_t time_ms) {
    return static_cast<std::int64_t>(limits::time_ms / 1000 - std::min(time_ms, limits::time_ms) / 1000) *
           rows_a_second;
}

void remove_files(const std::filesystem::path& file) {
    std::error_code ignored;
    for (const char* companion : {"", "-wal", "-shm"})
        std::filesystem::remove(file.string() + companion, ignored);
}

}  // namespace

SearchIndex::SearchIndex(std::filesystem::path file, kith::Key key)
    : file_(std::move(file)), key_(std::move(key)) {}

SearchIndex::~SearchIndex() = default;

Result<std::unique_ptr<SearchIndex>> SearchIndex::open(std::filesystem::path file, const kith::Key& key) {
    std::unique_ptr<SearchIndex> index(new SearchIndex(std::move(file), key.copy()));
    auto opened = index->open_file();
    if (!opened && (opened.error().kind == Fault::corrupt || opened.error().kind == Fault::refused))
        opened = index->start_anew();
    if (!opened) return fail(opened.error());
    return index;
}

Result<> SearchIndex::start_anew() {
    open_.reset();
    db_.reset();
    remove_files(file_);
    return open_file();
}

Result<> SearchIndex::open_file() {
    damaged_ = false;
    KITH_TRY_VALUE(db, Database::open(file_, key_, {schema_1}));
    db_ = std::move(db);
    // A power cut may undo the last commits, as a crash undoes what was not kept; the file stays whole.
    KITH_TRY(db_->run("PRAGMA synchronous = NORMAL"));
    return load();
}

Result<> SearchIndex::load() {
    last_row_ = -1;
    place_ = {};
    entries_ = 0;
    auto rows = db_->query("SELECT done, sweep, followed, floor_time, floor_id, entries FROM state");
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return fail(Fault::corrupt, "the index of texts lacks its state");
    IndexPlace place{rows.number(0), rows.number(1), rows.number(2), {rows.count(3), rows.id<RecordId>(4)}};
    const auto entries = rows.count(5);
    KITH_TRY(rows.next());
    place_ = place;
    entries_ = entries;
    return {};
}

// Notes that the file is damaged, when that is what the result says.
template <class T>
Result<T> SearchIndex::noted(Result<T> result) const {
    if (!result && result.error().kind == Fault::corrupt) damaged_ = true;
    return result;
}

// Does `fn` within what keep() makes durable.
template <class Fn>
Result<> SearchIndex::write(Fn fn) {
    if (!db_) return fail(Fault::unavailable, "there is no index of texts now", "try again in a moment");
    auto done = [&]() -> Result<> {
        if (!open_) {
            KITH_TRY_VALUE(begun, Transaction::begin(*db_));
            open_.emplace(std::move(begun));
        }
        return fn();
    }();
    if (!done) {
        open_.reset();
        (void)noted(load());
    }
    return noted(std::move(done));
}

Result<std::optional<std::int64_t>> SearchIndex::row_of(const history::Key& key) const {
    auto rows = db_->query("SELECT row FROM entry WHERE time_ms = ? AND id = ?", key.time_ms, key.id);
    KITH_TRY_VALUE(row, rows.next());
    return row ? std::optional(rows.number(0)) : std::nullopt;
}

Result<std::optional<Indexed>> SearchIndex::entry(const history::Key& key) const {
    if (!db_) return fail(Fault::unavailable, "there is no index of texts now", "try again in a moment");
    auto rows = db_->query("SELECT indexed FROM entry WHERE time_ms = ? AND id = ?", key.time_ms, key.id);
    KITH_TRY_VALUE(row, noted(rows.next()));
    return row ? std::optional(static_cast<Indexed>(rows.number(0))) : std::nullopt;
}

Result<std::vector<SearchIndex::Hit>> SearchIndex::partly(std::int64_t row, std::size_t limit) const {
    std::vector<Hit> hits;
    if (!db_) return hits;
    auto rows = db_->query(
        "SELECT row, time_ms, id FROM entry WHERE indexed = 1 AND row > ? ORDER BY row LIMIT ?", row, limit);
    while (true) {
        KITH_TRY_VALUE(more, noted(rows.next()));
        if (!more) return hits;
        hits.push_back({rows.number(0), {rows.count(1), rows.id<RecordId>(2)}});
    }
}

// A row that is free; while keys fall, behind the one before.
Result<std::int64_t> SearchIndex::new_row(const history::Key& key) {
    auto row = first_row(key.time_ms);
    if (last_row_ >= 0 && key < last_key_) row = std::max(row, last_row_ + 1);
    auto rows = db_->query("SELECT row FROM entry WHERE row >= ? ORDER BY row", row);
    while (true) {
        KITH_TRY_VALUE(taken, rows.next());
        if (!taken || rows.number(0) > row) break;
        ++row;
    }
    last_key_ = key;
    last_row_ = row;
    return row;
}

Result<> SearchIndex::add(const history::Key& key, Indexed indexed, const SearchText& text) {
    return write([&]() -> Result<> {
        KITH_TRY_VALUE(known, row_of(key));
        if (known) {
            KITH_TRY(db_->run("DELETE FROM words WHERE rowid = ?", *known));
            KITH_TRY(
                db_->run("UPDATE entry SET indexed = ? WHERE row = ?", static_cast<int>(indexed), *known));
        } else {
            KITH_TRY_VALUE(row, new_row(key));
            KITH_TRY(db_->run("INSERT INTO entry (row, time_ms, id, indexed) VALUES (?, ?, ?, ?)", row,
                              key.time_ms, key.id, static_cast<int>(indexed)));
            known = row;
            ++entries_;
        }
        if (indexed == Indexed::nothing) return {};
        KITH_TRY(
            db_->run("INSERT INTO words (rowid, sender, recipient, subject, body, files) "
                     "VALUES (?, ?, ?, ?, ?, ?)",
                     *known, text.from, text.to, text.subject, text.body, text.files));
        return {};
    });
}

Result<> SearchIndex::move_to(const IndexPlace& place) {
    return write([&]() -> Result<> {
        place_ = place;
        return {};
    });
}

Result<> SearchIndex::keep() {
    if (!open_) return {};
    return write([&]() -> Result<> {
        KITH_TRY(db_->run(
            "UPDATE state SET done = ?, sweep = ?, followed = ?, floor_time = ?, floor_id = ?, "
            "entries = ?",
            place_.done, place_.sweep, place_.followed, place_.floor.time_ms, place_.floor.id, entries_));
        KITH_TRY(open_->commit());
        open_.reset();
        return {};
    });
}

Result<> SearchIndex::remove(const history::Key& key) {
    if (!db_) return {};
    KITH_TRY_VALUE(row, noted(row_of(key)));
    if (!row) return {};
    auto removed = write([&]() -> Result<> {
        KITH_TRY(db_->run("DELETE FROM words WHERE rowid = ?", *row));
        KITH_TRY(db_->run("DELETE FROM entry WHERE row = ?", *row));
        --entries_;
        return {};
    });
    return removed ? keep() : removed;
}

Result<std::vector<SearchIndex::Hit>> SearchIndex::find(const std::string& expression, std::int64_t row,
                                                        std::size_t limit) const {
    if (!db_) return fail(Fault::unavailable, "there is no index of texts now", "try again in a moment");
    auto rows = db_->query(
        "SELECT words.rowid, entry.time_ms, entry.id FROM words CROSS JOIN entry ON entry.row = words.rowid "
        "WHERE words MATCH ? AND words.rowid > ? ORDER BY words.rowid LIMIT ?",
        expression, row, limit);
    std::vector<Hit> hits;
    while (true) {
        KITH_TRY_VALUE(more, noted(rows.next()));
        if (!more) return hits;
        hits.push_back({rows.number(0), {rows.count(1), rows.id<RecordId>(2)}});
    }
}

}  // namespace kith::store
