// One encrypted SQLite database: the file, its statements, its transactions and its schema number.
//
// Every page of the main file, the write-ahead log and the journals is sealed with AEGIS-256 under a key of
// 32 bytes; temporary data stays in memory. A commit is on the disk when it returns (WAL with
// synchronous=FULL), so what is announced after it can be relied on. A Database is used by one thread at a
// time.
//
//     KITH_TRY_VALUE(tx, Transaction::begin(db));
//     KITH_TRY(db.run("UPDATE peer SET seen_ms = ? WHERE device = ?", now.unix_ms, device));
//     KITH_TRY(tx.commit());
#pragma once

#include <concepts>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"

struct sqlite3;
struct sqlite3_stmt;

namespace kith::store {

class Database;

// One run of a prepared statement, which goes back to the database's cache when this ends. Must not outlive
// the Database. Parameters are numbered from 1, columns from 0.
class Statement {
  public:
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&&) = delete;
    ~Statement();

    // Goes to the next row; false: there is none. What went wrong while preparing or binding, or a column
    // that was read and had the wrong size, is reported here too, so a loop checks in one place.
    Result<bool> next();

    // Columns of the present row.
    std::int64_t number(int column) const;
    std::uint64_t count(int column) const { return static_cast<std::uint64_t>(number(column)); }
    std::string text(int column) const;
    ByteView bytes(int column) const;  // borrowed: valid until next()
    bool is_null(int column) const;
    template <class IdType>
    IdType id(int column) {
        if (auto id = IdType::from(bytes(column))) return *id;
        malformed_ = true;
        return {};
    }

    // Binds the parameters from `index` on. Texts and bytes are copied when `keep`, else borrowed until the
    // run ends.
    template <class... Args>
    void bind_all([[maybe_unused]] bool keep, const Args&... args) {
        [[maybe_unused]] int index = 0;
        (bind(++index, keep, args), ...);
    }

  private:
    friend class Database;
    Statement(Database& db, std::string sql, sqlite3_stmt* stmt, int error);
    void bind(int index, bool keep, std::string_view text);
    void bind(int index, bool keep, const char* text) { bind(index, keep, std::string_view(text)); }
    void bind(int index, bool keep, const std::string& text) { bind(index, keep, std::string_view(text)); }
    void bind(int index, bool keep, ByteView bytes);
    void bind(int index, bool keep, const Bytes& bytes) { bind(index, keep, ByteView(bytes)); }
    void bind(int index, bool keep, const SecretBytes& bytes) { bind(index, keep, bytes.view()); }
    void bind(int index, bool, std::nullptr_t);
    template <std::integral Int>
    void bind(int index, bool, Int value) {
        bind_number(index, static_cast<std::int64_t>(value));
    }
    template <class Tag, std::size_t N>
    void bind(int index, bool keep, const Id<Tag, N>& id) {
        bind(index, keep, id.view());
    }
    template <class T>
    void bind(int index, bool keep, const std::optional<T>& value) {
        if (value)
            bind(index, keep, *value);
        else
            bind(index, keep, nullptr);
    }
    void bind_number(int index, std::int64_t value);

    Database* db_;
    std::string sql_;
    sqlite3_stmt* stmt_;
    int error_;
    bool malformed_ = false;
};

class Database {
  public:
    // Opens the database at `file`, or makes it (mode 0600), and brings its schema up to `migrations`: SQL
    // texts, of which the first n have been run when the schema number (user_version) is n. The missing ones
    // run in one transaction. A schema newer than known is Fault::refused, a wrong key or a damaged file
    // Fault::corrupt; the file is then as it was.
    static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file, const kith::Key& key,
                                                  const std::vector<std::string_view>& migrations);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // Runs a statement to its end. Result: how many rows it changed.
    template <class... Args>
    Result<std::int64_t> run(std::string_view sql, const Args&... args) {
        Statement statement = prepare(sql);
        statement.bind_all(false, args...);
        return finish(statement);
    }
    // Prepares a statement whose rows are to be read with next(). Arguments are copied.
    template <class... Args>
    Statement query(std::string_view sql, const Args&... args) {
        Statement statement = prepare(sql);
        statement.bind_all(true, args...);
        return statement;
    }

    std::int64_t last_row() const;  // the rowid that the last INSERT made
    bool in_transaction() const;
    // Sets how large the file may grow, in bytes; then Fault::disk_full. For quotas and tests.
    Result<> limit_size(std::uint64_t bytes);
    // Moves the write-ahead log into the main file, and empties it.
    Result<> checkpoint();

  private:
    friend class Statement;
    friend class Transaction;
    explicit Database(sqlite3* handle) : handle_(handle) {}
    Statement prepare(std::string_view sql);
    Result<std::int64_t> finish(Statement& statement);
    // Within a transaction.
    Result<> migrate(const std::vector<std::string_view>& migrations);
    Result<> run_script(std::string_view sql);
    Error error(int code) const;

    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };
    sqlite3* handle_;
    int depth_ = 0;  // of transactions within each other
    // Prepared statements that are not in use. The texts come from our code, so their number is bounded.
    std::unordered_map<std::string, std::vector<sqlite3_stmt*>, TextHash, std::equal_to<>> idle_;
};

// A transaction: what was written within it is undone when it ends without commit(). One may be begun within
// another; its commit then takes effect with the outer one's.
class Transaction {
  public:
    static Result<Transaction> begin(Database& db);
    Transaction(Transaction&& other) noexcept
        : db_(std::exchange(other.db_, nullptr)), depth_(other.depth_) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    Result<> commit();

  private:
    Transaction(Database& db, int depth) : db_(&db), depth_(depth) {}
    void roll_back();
    Database* db_;
    int depth_;
};

}  // namespace kith::store
