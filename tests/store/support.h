// What the tests of the store share: a folder that goes away, repeatable randomness, and records to store.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "base/seeded_random.h"
#include "crypto/keys.h"
#include "store/history_store.h"
#include "store/schema.h"

namespace kith::store::test {

class TempFolder {
  public:
    TempFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "kith-store-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path = pattern;
        REQUIRE(crypto::start());
    }
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
};

inline kith::Key key_of_byte(std::uint8_t byte) {
    kith::Key key;
    std::fill(key.fill().begin(), key.fill().end(), byte);
    return key;
}

inline SecretBytes secret(std::string_view text) {
    return SecretBytes(as_bytes(text));
}

inline std::string slurp(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// The value, or a failed test that says why.
template <class T>
T must(Result<T> result) {
    if (!result) FAIL(result.error().what);
    return std::move(*result);
}
inline void must(Result<> result) {
    if (!result) FAIL(result.error().what);
}
template <class T>
Fault fault_of(const Result<T>& result) {
    REQUIRE_FALSE(result.has_value());
    return result.error().kind;
}

inline NewRecord new_record(history::Record record, Listing listing = {}) {
    NewRecord item;
    auto canonical = history::encode(record);
    const auto key = history::key_of(record, canonical);
    item.stored = history::plain_record(key, record.account, std::move(canonical));
    item.record = std::move(record);
    item.listing = std::move(listing);
    return item;
}

inline history::Part inline_part(std::string_view text) {
    history::Part part;
    part.bytes = to_bytes(text);
    part.size = text.size();
    return part;
}

inline history::Part blob_part(const BlobId& id, std::uint64_t size) {
    history::Part part;
    part.is_blob = true;
    part.blob = id;
    part.size = size;
    return part;
}

inline NewRecord mail(std::uint64_t time_ms, std::string_view text) {
    history::Record record;
    record.kind = history::kind::mail;
    record.time_ms = time_ms;
    record.parts.push_back(inline_part(text));
    return new_record(std::move(record), {"somebody@example.org", std::string(text.substr(0, 40)), true, ""});
}

// A database with a history in it.
struct Profile {
    explicit Profile(const std::filesystem::path& folder, bool with_term_key = true)
        : db(must(Database::open(folder / "kith.db", key_of_byte(7), profile_schema()))) {
        const Key term_key = key_of_byte(9);
        history = must(HistoryStore::open(*db, with_term_key ? &term_key : nullptr));
    }
    std::unique_ptr<Database> db;
    std::unique_ptr<HistoryStore> history;
};

// All keys, read one by one.
inline std::vector<history::Key> all_keys(const HistoryStore& history) {
    std::vector<history::Key> keys;
    must(history.for_each_id([&](const history::Key& key) { keys.push_back(key); }));
    return keys;
}

inline history::Fingerprint brute_force(const std::vector<history::Key>& keys, const history::Range& range) {
    history::Fingerprint total;
    for (const auto& key : keys)
        if (range.contains(key)) total += {1, history::term(key_of_byte(9), key.id)};
    return total;
}

// All of these that are in the set, page by page.
inline std::vector<history::StoredRecord> get_all(const HistoryStore& history,
                                                  std::span<const history::Key> keys) {
    std::vector<history::StoredRecord> all;
    while (!keys.empty()) {
        auto got = must(history.get(keys, {}, {}));
        for (auto& record : got.records) all.push_back(std::move(record));
        keys = keys.subspan(got.done);
    }
    return all;
}

inline Bytes canonical_of(const history::StoredRecord& record) {
    history::Packer packer;
    return must(history::canonical(record, packer));
}

// That counts, sums and rows agree.
inline void check_consistent(const HistoryStore& history) {
    const auto keys = all_keys(history);
    const auto totals = must(history.totals());
    CHECK(totals.records == keys.size());
    CHECK(must(history.fingerprint(history::Range::all())) == brute_force(keys, history::Range::all()));
    std::uint64_t bytes = 0;
    for (const auto& record : get_all(history, keys)) {
        bytes += record.size;
        if (!record.here()) continue;
        const auto canonical = canonical_of(record);
        CHECK(history::record_id(canonical) == record.key.id);
        CHECK(record.size == canonical.size());
    }
    CHECK(totals.record_bytes == bytes);
}

}  // namespace kith::store::test
