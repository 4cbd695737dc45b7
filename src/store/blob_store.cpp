#include "store/blob_store.h"

#include <algorithm>
#include <set>

#include "base/limits.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "store/file.h"

namespace kith::store {
namespace {

// The head of a blob's file: what it is, and the version of its format.
constexpr std::array<std::uint8_t, 8> file_head{'K', 'B', 'L', 'B', 0, 0, 0, 1};
constexpr std::uint64_t sealed_piece = limits::blob_piece + crypto::seal_numbered_overhead;

std::uint64_t offset_of(std::uint64_t index) {
    return file_head.size() + index * sealed_piece;
}

Result<> check_size(std::uint64_t size) {
    if (size == 0 || size > limits::blob_pieces * limits::blob_piece)
        return fail(Fault::refused, "a blob of " + std::to_string(size) + " bytes cannot be kept");
    return {};
}

bool is_piece(ByteView hashes, std::uint64_t index, const crypto::Hash& hash) {
    return std::equal(hash.begin(), hash.end(),
                      hashes.begin() + static_cast<std::ptrdiff_t>(index * hash.size()));
}

Bytes to_bits(const std::vector<bool>& have) {
    Bytes bits((have.size() + 7) / 8);
    for (std::size_t i = 0; i < have.size(); ++i)
        if (have[i]) bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | (0x80 >> (i % 8)));
    return bits;
}

std::vector<bool> from_bits(ByteView bits, std::uint64_t count) {
    std::vector<bool> have(count);
    for (std::size_t i = 0; i < have.size() && i / 8 < bits.size(); ++i)
        have[i] = (bits[i / 8] & (0x80 >> (i % 8))) != 0;
    return have;
}

Error unknown_blob() {
    return {Fault::not_found, "no such blob", {}};
}

}  // namespace

BlobStore::BlobStore(std::filesystem::path folder, Database& db, const kith::Key& database_key)
    : folder_(std::move(folder)),
      db_(db),
      name_key_(crypto::derive(database_key, "kith.blob.name")),
      file_key_(crypto::derive(database_key, "kith.blob.file")) {}

Result<std::unique_ptr<BlobStore>> BlobStore::open(const std::filesystem::path& folder, Database& db,
                                                   const kith::Key& database_key) {
    std::unique_ptr<BlobStore> store(new BlobStore(folder, db, database_key));
    KITH_TRY(make_folder(folder));
    // Names that a killed program has made may not be durable yet, and nobody makes them again.
    KITH_TRY(sync_folder(folder.parent_path()));
    KITH_TRY(sync_folder(folder));
    KITH_TRY(store->match_files());
    return store;
}

Result<history::BlobHasher::Named> BlobStore::write(ByteView whole) {
    return write(whole.size(), [whole](std::uint64_t offset, std::span<std::uint8_t> into) -> Result<> {
        auto from = whole.subspan(offset, into.size());
        std::copy(from.begin(), from.end(), into.begin());
        return {};
    });
}

Result<history::BlobHasher::Named> BlobStore::write(std::uint64_t size, const Source& source) {
    KITH_TRY(check_size(size));
    const auto pieces = history::piece_count(size);
    Bytes buffer;
    auto read = [&](std::uint64_t index) -> Result<> {
        buffer.resize(history::piece_size(size, index));
        return source(index * limits::blob_piece, buffer);
    };
    history::BlobHasher hasher;
    for (std::uint64_t i = 0; i < pieces; ++i) {
        KITH_TRY(read(i));
        hasher.add(buffer);
    }
    auto named = hasher.finish();
    auto known = info(named.id);
    if (!known && known.error().kind != Fault::not_found) return fail(std::move(known).error());
    if (known && known->state == BlobState::complete) return named;

    const auto path = path_of(named.id);
    auto keep = [&]() -> Result<> {
        KITH_TRY(make_folder(path.parent_path()));
        KITH_TRY_VALUE(file, File::open(path, File::Mode::write));
        KITH_TRY(file.write_at(0, file_head));
        const auto key = key_of(named.id);
        for (std::uint64_t i = 0; i < pieces; ++i) {
            KITH_TRY(read(i));
            // Sealing other bytes under the same number would give both away.
            if (!is_piece(named.piece_hashes, i, crypto::hash(buffer)))
                return fail(Fault::io, "what was to be kept changed while it was read", "try again");
            KITH_TRY(file.write_at(offset_of(i), crypto::seal_numbered(key, i, buffer)));
        }
        KITH_TRY(file.sync());
        return sync_folder(path.parent_path());
    };
    auto kept = keep();
    if (kept) kept = complete(named.id, size, named.piece_hashes);
    if (!kept) {
        // A blob that was being received keeps its file: its synced pieces are still counted on.
        std::error_code ignored;
        if (!known || known->state == BlobState::missing) std::filesystem::remove(path, ignored);
        return fail(std::move(kept).error());
    }
    receiving_.erase(named.id);
    return named;
}

Result<> BlobStore::begin(const BlobId& id, std::uint64_t size, ByteView piece_hashes) {
    KITH_TRY(check_size(size));
    KITH_TRY_VALUE(named, history::blob_id(size, piece_hashes));
    if (named != id) return fail(Fault::protocol, "blob: these pieces are of another blob");
    if (receiving_.contains(id)) return {};
    auto known = info(id);
    if (!known && known.error().kind != Fault::not_found) return fail(std::move(known).error());
    if (known && known->state != BlobState::missing) return {};
    KITH_TRY(make_folder(path_of(id).parent_path()));
    // The row is written with the first pieces that were synced: until then there is nothing to count on.
    Receiving blob;
    blob.size = size;
    blob.hashes = to_bytes(piece_hashes);
    blob.have.resize(history::piece_count(size));
    return keep(id, std::move(blob)).map([](auto) {});
}

Result<> BlobStore::put_piece(const BlobId& id, std::uint64_t index, const history::Piece& piece) {
    if (!receiving_.contains(id)) {
        KITH_TRY_VALUE(known, info(id));
        if (known.state == BlobState::complete) return {};
    }
    KITH_TRY_VALUE(blob, receiving(id));
    if (index >= blob->have.size() || piece.size() != history::piece_size(blob->size, index) ||
        !is_piece(blob->hashes, index, piece.hash()))
        return fail(Fault::protocol, "blob: not the piece that was asked for");
    if (blob->have[index]) return {};
    KITH_TRY_VALUE(file, File::open(path_of(id), File::Mode::write));
    KITH_TRY(file.write_at(0, file_head));
    KITH_TRY(file.write_at(offset_of(index), crypto::seal_numbered(key_of(id), index, piece.view())));
    file.begin_sync();
    blob->have[index] = true;
    if (++blob->unsynced >= limits::blob_sync_pieces) KITH_TRY(keep_progress(id, *blob));
    return {};
}

Result<std::vector<std::uint64_t>> BlobStore::missing_pieces(const BlobId& id, std::size_t max) {
    std::vector<std::uint64_t> list;
    if (!receiving_.contains(id)) {
        KITH_TRY_VALUE(known, info(id));
        if (known.state == BlobState::complete) return list;
    }
    KITH_TRY_VALUE(blob, receiving(id));
    for (std::uint64_t i = 0; i < blob->have.size() && list.size() < max; ++i)
        if (!blob->have[i]) list.push_back(i);
    return list;
}

Result<> BlobStore::finish(std::span<const BlobId> ids) {
    struct Whole {
        BlobId id;
        std::uint64_t size;
        Bytes hashes;
    };
    std::vector<Whole> whole;
    for (const auto& id : ids) {
        if (!receiving_.contains(id)) {
            KITH_TRY_VALUE(known, info(id));
            if (known.state == BlobState::complete) continue;
        }
        KITH_TRY_VALUE(blob, receiving(id));
        if (std::find(blob->have.begin(), blob->have.end(), false) != blob->have.end())
            return fail(Fault::refused, "blob: pieces are missing");
        whole.push_back({id, blob->size, blob->hashes});
    }
    auto synced = [&]() -> Result<> {
        std::set<std::filesystem::path> folders;
        for (const auto& blob : whole) {
            KITH_TRY(sync_whole(blob.id, blob.size));
            folders.insert(path_of(blob.id).parent_path());
        }
        for (const auto& folder : folders) KITH_TRY(sync_folder(folder));
        return {};
    }();
    if (!synced) return forget(ids, std::move(synced));
    KITH_TRY_VALUE(tx, Transaction::begin(db_));
    for (const auto& blob : whole) KITH_TRY(complete(blob.id, blob.size, blob.hashes));
    KITH_TRY(tx.commit());
    for (const auto& blob : whole) receiving_.erase(blob.id);
    return {};
}

Result<> BlobStore::sync_whole(const BlobId& id, std::uint64_t size) {
    KITH_TRY_VALUE(file, File::open(path_of(id), File::Mode::write));
    KITH_TRY_VALUE(file_size, file.size());
    const auto last = history::piece_count(size) - 1;
    if (file_size != offset_of(last) + history::piece_size(size, last) + crypto::seal_numbered_overhead) {
        KITH_TRY(db_.run("UPDATE blob SET state = 0, have = NULL WHERE id = ? AND state = 1", id));
        return fail(Fault::corrupt, "the file of a blob is not what was received", "it is fetched again");
    }
    return file.sync();
}

Result<BlobInfo> BlobStore::info(const BlobId& id) const {
    auto rows = db_.query("SELECT size, state FROM blob WHERE id = ?", id);
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return fail(unknown_blob());
    const auto state = std::clamp<std::int64_t>(rows.number(1), 0, 2);
    return BlobInfo{rows.count(0), static_cast<BlobState>(state)};
}

Result<Bytes> BlobStore::read_piece(const BlobId& id, std::uint64_t index) const {
    KITH_TRY_VALUE(known, info(id));
    if (known.state != BlobState::complete)
        return fail(Fault::not_found, "the blob is not complete on this device");
    const auto size = history::piece_size(known.size, index);
    if (size == 0) return fail(Fault::invalid, "the blob has no piece " + std::to_string(index));
    KITH_TRY_VALUE(file, File::open(path_of(id), File::Mode::read));
    Bytes sealed(size + crypto::seal_numbered_overhead);
    KITH_TRY(file.read_at(offset_of(index), sealed));
    auto plain = crypto::open_numbered(key_of(id), index, sealed);
    if (!plain)
        return fail(Fault::corrupt, "a blob of the profile is damaged", "fetch it from another device");
    return std::move(*plain);
}

Result<Bytes> BlobStore::piece_hashes(const BlobId& id) const {
    auto rows = db_.query("SELECT hashes FROM blob WHERE id = ? AND hashes IS NOT NULL", id);
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return fail(unknown_blob());
    return to_bytes(rows.bytes(0));
}

Result<std::uint64_t> BlobStore::remove_unreferenced() {
    std::vector<BlobId> ids;
    {
        auto rows = db_.query("SELECT id FROM blob WHERE refs = 0");
        while (true) {
            KITH_TRY_VALUE(row, rows.next());
            if (!row) break;
            ids.push_back(rows.id<BlobId>(0));
        }
    }
    // Rows first: a file without a row is removed at the next start, a row without its file would be a lie.
    KITH_TRY(db_.run("DELETE FROM blob WHERE refs = 0"));
    for (const auto& id : ids) {
        receiving_.erase(id);
        std::error_code ignored;
        std::filesystem::remove(path_of(id), ignored);
    }
    return ids.size();
}

// What is known of a blob in progress; read from the database when it is not in memory. The pointer holds
// until the next call.
Result<BlobStore::Receiving*> BlobStore::receiving(const BlobId& id) {
    if (auto at = receiving_.find(id); at != receiving_.end()) return &at->second;
    auto rows = db_.query("SELECT size, hashes, have FROM blob WHERE id = ? AND state = 1", id);
    KITH_TRY_VALUE(row, rows.next());
    if (!row) return fail(Fault::refused, "blob: not begun");
    Receiving blob;
    blob.size = rows.count(0);
    blob.hashes = to_bytes(rows.bytes(1));
    const auto pieces = history::piece_count(blob.size);
    if (blob.hashes.size() != pieces * 32)
        return fail(Fault::corrupt, "a blob's list of pieces has the wrong size");
    blob.have = from_bits(rows.bytes(2), pieces);
    return keep(id, std::move(blob));
}

Result<BlobStore::Receiving*> BlobStore::keep(const BlobId& id, Receiving blob) {
    if (receiving_.size() >= limits::blobs_receiving) {
        auto oldest = receiving_.begin();
        KITH_TRY(keep_progress(oldest->first, oldest->second));
        receiving_.erase(oldest);
    }
    return &receiving_.emplace(id, std::move(blob)).first->second;
}

// Syncs what was received, then counts on it.
Result<> BlobStore::keep_progress(const BlobId& id, Receiving& blob) {
    auto synced = [&]() -> Result<> {
        KITH_TRY_VALUE(file, File::open(path_of(id), File::Mode::write));
        KITH_TRY(file.sync());
        return sync_folder(path_of(id).parent_path());
    }();
    if (!synced) return forget({&id, 1}, std::move(synced));
    // The size that a record claimed may have been wrong; this one is proved by the id.
    KITH_TRY(db_.run(
        "INSERT INTO blob (id, size, state, refs, newest_ms, hashes, have) VALUES (?, ?, 1, 0, 0, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET size = excluded.size, state = 1, hashes = excluded.hashes, "
        "have = excluded.have",
        id, blob.size, blob.hashes, to_bits(blob.have)));
    blob.unsynced = 0;
    return {};
}

// What a failed sync has not brought to the disk, a later one does not bring there either, and says nothing:
// those pieces have to be written again.
Result<> BlobStore::forget(std::span<const BlobId> ids, Result<> failed) {
    for (const auto& id : ids) receiving_.erase(id);
    return failed;
}

Result<> BlobStore::complete(const BlobId& id, std::uint64_t size, ByteView piece_hashes) {
    KITH_TRY(
        db_.run("INSERT INTO blob (id, size, state, refs, newest_ms, hashes) VALUES (?, ?, 2, 0, 0, ?) "
                "ON CONFLICT (id) DO UPDATE SET size = excluded.size, state = 2, hashes = excluded.hashes, "
                "have = NULL",
                id, size, piece_hashes));
    return {};
}

// Removes files without a row, and takes back what rows without a file claim: a row whose commit failed can
// come back with a crash, when its file was removed already.
Result<> BlobStore::match_files() {
    std::map<std::filesystem::path, BlobId> claimed;
    {
        auto rows = db_.query("SELECT id FROM blob WHERE state > 0");
        while (true) {
            KITH_TRY_VALUE(row, rows.next());
            if (!row) break;
            const auto id = rows.id<BlobId>(0);
            claimed.emplace(path_of(id), id);
        }
    }
    std::error_code error;
    std::vector<std::filesystem::path> unknown;
    for (auto at = std::filesystem::recursive_directory_iterator(folder_, error);
         !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
        if (at.depth() == 1 && at->is_regular_file(error) && claimed.erase(at->path()) == 0)
            unknown.push_back(at->path());
    }
    if (error) return fail(Fault::io, "cannot read " + folder_.string() + ": " + error.message());
    for (const auto& [path, id] : claimed)
        KITH_TRY(db_.run("UPDATE blob SET state = 0, have = NULL WHERE id = ?", id));
    for (const auto& path : unknown) std::filesystem::remove(path, error);
    return {};
}

std::filesystem::path BlobStore::path_of(const BlobId& id) const {
    const auto name = to_hex(crypto::keyed_hash(name_key_, id.view()));
    return folder_ / name.substr(0, 2) / name;
}

kith::Key BlobStore::key_of(const BlobId& id) const {
    return crypto::derive(file_key_, "kith.blob.file", id.view());
}

Result<std::uint64_t> free_bytes(const std::filesystem::path& path) {
    std::error_code error;
    auto space = std::filesystem::space(path, error);
    if (error)
        return fail(Fault::io, "cannot tell the free space at " + path.string() + ": " + error.message());
    return static_cast<std::uint64_t>(space.available);
}

}  // namespace kith::store
