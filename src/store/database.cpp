#include "store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "store/file.h"

namespace kith::store {
namespace {

constexpr std::string_view busy_hint = "stop the other program that uses this profile";
constexpr int busy_timeout_ms = 5000;
constexpr std::uint64_t log_step = 1 << 20;  // how much of the log is held in memory while it is copied

Error disk_full() {
    return {Fault::disk_full, "no space left on the disk that holds the profile",
            "free some and try again; what was stored before is safe"};
}

// Makes the file with the mode that SQLite then gives to its companions too.
Result<> make_private(const std::filesystem::path& file) {
    int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        if (errno == ENOSPC || errno == EDQUOT) return fail(disk_full());
        return fail(Fault::io, "cannot open " + file.string() + ": " + std::strerror(errno),
                    "check that the folder exists and belongs to you");
    }
    ::close(fd);
    return {};
}

// Commits in the log that SQLite can read, and takes for good, need not be on the disk: the program may have
// been killed before it synced them, or the sync failed. After a failed sync another one may succeed without
// writing anything, for Linux takes the pages for clean; so the log's bytes are written again, each to its
// place. Nobody else may write to the log meanwhile.
Result<> make_log_certain(std::filesystem::path file) {
    file += "-wal";
    if (auto there = File::open(file, File::Mode::read); !there) {
        if (there.error().kind == Fault::not_found) return {};
        return fail(std::move(there).error());
    }
    KITH_TRY_VALUE(log, File::open(file, File::Mode::write));
    KITH_TRY_VALUE(size, log.size());
    if (size == 0) return {};
    Bytes bytes;
    for (std::uint64_t at = 0; at < size; at += bytes.size()) {
        bytes.resize(static_cast<std::size_t>(std::min(size - at, log_step)));
        KITH_TRY(log.read_at(at, bytes));
        KITH_TRY(log.write_at(at, bytes));
    }
    return log.sync();
}

// Hands SQLite the key as it is, so that no password hash of its own is computed.
int give_key(sqlite3* handle, const kith::Key& key) {
    std::array<std::uint8_t, 4 + 32> raw{'r', 'a', 'w', ':'};
    std::copy(key.view().begin(), key.view().end(), raw.begin() + 4);
    int code = sqlite3_key(handle, raw.data(), raw.size());
    wipe(raw);
    return code;
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file, const kith::Key& key,
                                                 const std::vector<std::string_view>& migrations) {
    KITH_TRY(make_private(file));
    sqlite3* handle = nullptr;
    int code = sqlite3_open_v2(file.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    if (!handle) return fail(Fault::io, "the database cannot be opened: out of memory");
    std::unique_ptr<Database> db(new Database(handle));
    if (code != SQLITE_OK) return fail(db->error(code));
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, busy_timeout_ms);
    // Until the log is certain, closing must not move it into the main file either.
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    if (code = give_key(handle, key); code != SQLITE_OK) return fail(db->error(code));
    // A page of 8 KiB takes several mails where one of 4 KiB takes one: a third less of disk and time.
    // The log is taken into the database at 32 MiB: a page that many commits change is then written once. It
    // is not made shorter then: to write over what is there is faster to sync. synchronous=FULL: in WAL mode
    // anything less may lose the last commits when the power fails.
    KITH_TRY(
        db->run_script("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                       "PRAGMA foreign_keys = ON;"
                       "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384;"
                       "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;"));
    {  // which keeps others from writing to the log
        KITH_TRY_VALUE(tx, Transaction::begin(*db));
        KITH_TRY(make_log_certain(file));
        // The names of the main file and the log, and that the journal is gone with which the main file was
        // made: SQLite takes no notice when its own sync of the folder fails.
        KITH_TRY(sync_folder(file.parent_path()));
        sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
        KITH_TRY(db->migrate(migrations));
        KITH_TRY(tx.commit());
    }
    return db;
}

Database::~Database() {
    for (auto& [sql, idle] : idle_)
        for (auto* stmt : idle) sqlite3_finalize(stmt);
    [[maybe_unused]] int code = sqlite3_close(handle_);
    assert(code == SQLITE_OK && "a Statement outlives its Database");
}

Result<> Database::migrate(const std::vector<std::string_view>& migrations) {
    std::int64_t have = 0;
    {  // ended before the migration: no table can be dropped while a statement is open
        auto version = query("PRAGMA user_version");
        KITH_TRY_VALUE(row, version.next());
        if (row) have = version.number(0);
    }
    const auto known = static_cast<std::int64_t>(migrations.size());
    if (have > known || have < 0)
        return fail(Fault::refused,
                    "the profile was written by a newer kith (schema " + std::to_string(have) +
                        ", this one knows " + std::to_string(known) + ")",
                    "update kith on this device");
    if (have == known) return {};
    for (std::int64_t i = have; i < known; ++i) KITH_TRY(run_script(migrations[static_cast<std::size_t>(i)]));
    return run_script("PRAGMA user_version = " + std::to_string(known));
}

Result<> Database::run_script(std::string_view sql) {
    int code = sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return fail(error(code));
    return {};
}

Result<> Database::limit_size(std::uint64_t bytes) {
    auto size = query("PRAGMA page_size");
    KITH_TRY_VALUE(row, size.next());
    if (!row || size.number(0) <= 0) return fail(Fault::io, "the database has no page size");
    return run_script("PRAGMA max_page_count = " + std::to_string(bytes / size.count(0) + 1));
}

Result<> Database::checkpoint() {
    return run_script("PRAGMA wal_checkpoint(TRUNCATE)");
}

std::int64_t Database::last_row() const {
    return sqlite3_last_insert_rowid(handle_);
}
bool Database::in_transaction() const {
    return sqlite3_get_autocommit(handle_) == 0;
}

Statement Database::prepare(std::string_view sql) {
    if (auto at = idle_.find(sql); at != idle_.end() && !at->second.empty()) {
        auto* stmt = at->second.back();
        at->second.pop_back();
        return Statement(*this, at->first, stmt, SQLITE_OK);
    }
    sqlite3_stmt* stmt = nullptr;
    int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                  SQLITE_PREPARE_PERSISTENT, &stmt, nullptr);
    return Statement(*this, std::string(sql), stmt, code);
}

Result<std::int64_t> Database::finish(Statement& statement) {
    bool more = true;
    while (more) {
        auto step = statement.next();
        if (!step) return fail(std::move(step).error());
        more = *step;
    }
    return sqlite3_changes64(handle_);
}

Error Database::error(int code) const {
    const int system = sqlite3_system_errno(handle_);
    const std::string said = std::string("the database: ") + sqlite3_errmsg(handle_);
    switch (code & 0xff) {
        case SQLITE_FULL:
            return disk_full();
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
            return {Fault::corrupt, "the profile's database is damaged, or the key is not its key",
                    "check that the key file belongs to this database"};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {Fault::unavailable, "the profile's database is in use", std::string(busy_hint)};
        case SQLITE_CONSTRAINT:
            return {Fault::refused, said, {}};
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
            if (system == ENOSPC || system == EDQUOT || system == EFBIG) return disk_full();
            return {Fault::io, said, "check the disk that holds the profile"};
        default:
            return {Fault::io, said, {}};
    }
}

Statement::Statement(Database& db, std::string sql, sqlite3_stmt* stmt, int error)
    : db_(&db), sql_(std::move(sql)), stmt_(stmt), error_(error) {}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      sql_(std::move(other.sql_)),
      stmt_(std::exchange(other.stmt_, nullptr)),
      error_(other.error_),
      malformed_(other.malformed_) {}

Statement::~Statement() {
    if (!stmt_) return;
    sqlite3_reset(stmt_);
    sqlite3_clear_bindings(stmt_);
    db_->idle_[std::move(sql_)].push_back(stmt_);
}

Result<bool> Statement::next() {
    if (error_ != SQLITE_OK) return fail(db_->error(error_));
    if (malformed_) return fail(Fault::corrupt, "a column of the profile's database has the wrong size");
    // SQLite undoes a whole transaction by itself after some errors; the rest of it must not be written
    // alone.
    if (db_->depth_ > 0 && !db_->in_transaction())
        return fail(Fault::io, "the transaction was undone by an earlier error", "try again");
    int code = sqlite3_step(stmt_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    error_ = code;
    return fail(db_->error(code));
}

std::int64_t Statement::number(int column) const {
    return sqlite3_column_int64(stmt_, column);
}

std::string Statement::text(int column) const {
    // The text first: asking for its size before could convert it.
    const auto* text = sqlite3_column_text(stmt_, column);
    if (!text) return {};
    return std::string(as_text({text, static_cast<std::size_t>(sqlite3_column_bytes(stmt_, column))}));
}

ByteView Statement::bytes(int column) const {
    const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(stmt_, column));
    return {bytes, bytes ? static_cast<std::size_t>(sqlite3_column_bytes(stmt_, column)) : 0};
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(stmt_, column) == SQLITE_NULL;
}

namespace {
auto lifetime(bool keep) {
    return keep ? SQLITE_TRANSIENT : SQLITE_STATIC;
}
}  // namespace

void Statement::bind(int index, bool keep, std::string_view text) {
    if (error_ != SQLITE_OK) return;
    const char* data = text.data() ? text.data() : "";  // a null pointer would bind NULL
    error_ = sqlite3_bind_text64(stmt_, index, data, text.size(), lifetime(keep), SQLITE_UTF8);
}

void Statement::bind(int index, bool keep, ByteView bytes) {
    if (error_ != SQLITE_OK) return;
    error_ = bytes.empty() ? sqlite3_bind_zeroblob(stmt_, index, 0)
                           : sqlite3_bind_blob64(stmt_, index, bytes.data(), bytes.size(), lifetime(keep));
}

void Statement::bind(int index, bool, std::nullptr_t) {
    if (error_ == SQLITE_OK) error_ = sqlite3_bind_null(stmt_, index);
}

void Statement::bind_number(int index, std::int64_t value) {
    if (error_ == SQLITE_OK) error_ = sqlite3_bind_int64(stmt_, index, value);
}

Result<Transaction> Transaction::begin(Database& db) {
    if (db.depth_ == 0)
        KITH_TRY(db.run("BEGIN IMMEDIATE"));
    else
        KITH_TRY(db.run("SAVEPOINT nested"));
    return Transaction(db, ++db.depth_);
}

Transaction::~Transaction() {
    if (db_) roll_back();
}

Result<> Transaction::commit() {
    assert(db_ && db_->depth_ == depth_ && "transactions end in the reverse order of their beginning");
    if (depth_ == 1)
        KITH_TRY(db_->run("COMMIT"));
    else
        KITH_TRY(db_->run("RELEASE nested"));
    --db_->depth_;
    db_ = nullptr;
    return {};
}

void Transaction::roll_back() {
    // Whatever fails here, SQLite has undone the transaction already.
    if (db_->in_transaction()) {
        if (depth_ == 1) {
            (void)db_->run("ROLLBACK");
        } else {
            (void)db_->run("ROLLBACK TO nested");  // innermost of that name
            (void)db_->run("RELEASE nested");
        }
    }
    --db_->depth_;
    db_ = nullptr;
}

}  // namespace kith::store
