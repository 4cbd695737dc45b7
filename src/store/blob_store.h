// Blobs: parts of records that are kept apart, each in an encrypted file of its own under `folder`, with a
// name that only the holder of the database key can tell. Which blobs there are, and how far, stands in the
// table `blob` of the database; a row says complete only after the file and its folder were synced.
//
// The file format is in src/store/README.md. A piece is limits::blob_piece bytes, the last one the rest.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/id.h"
#include "base/secret.h"
#include "history/arrival.h"
#include "store/database.h"
#include "store/file.h"

namespace kith::store {

enum class BlobState { missing = 0, partial = 1, complete = 2 };

struct BlobInfo {
    std::uint64_t size = 0;
    BlobState state = BlobState::missing;
};

class BlobStore {
  public:
    // Makes the folder when it is not there, removes files that no row knows (left by a crash), and counts
    // blobs whose file is gone as missing. The database must outlive this.
    static Result<std::unique_ptr<BlobStore>> open(const std::filesystem::path& folder, Database& db,
                                                   const kith::Key& database_key);

    // Keeps a whole blob; what is here already is not written again. The row is complete when this returns,
    // or when an outer transaction commits. No space: Fault::disk_full, and nothing is left of it.
    Result<history::BlobHasher::Named> write(ByteView whole);
    // Fills `into` with the bytes from `offset` on. Each byte is asked for twice, once to name the blob and
    // once to keep it; bytes that changed in between are Fault::io.
    using Source = std::function<Result<>(std::uint64_t offset, std::span<std::uint8_t> into)>;
    Result<history::BlobHasher::Named> write(std::uint64_t size, const Source& source);

    // Receiving, in any order and over any number of runs of the program. begin() is Fault::protocol unless
    // the size and the pieces' hashes are what `id` names; calling it again for a blob in progress does no
    // harm.
    Result<> begin(const BlobId& id, std::uint64_t size, ByteView piece_hashes);
    // Fault::protocol when the bytes are not the piece that was named; a piece that is here already is taken
    // without effect. A piece counts after a crash once it was synced (every limits::blob_sync_pieces).
    Result<> put_piece(const BlobId& id, std::uint64_t index, const history::Piece& piece);
    // The lowest pieces that are not here, at most `max`. Fault::refused before begin().
    Result<std::vector<std::uint64_t>> missing_pieces(const BlobId& id, std::size_t max);
    // Makes them durable and complete, together: one sync of the database for all. Fault::refused when pieces
    // are missing. After an error some may be missing that were put: missing_pieces() tells, or that it has
    // to be begun again.
    Result<> finish(std::span<const BlobId> ids);
    Result<> finish(const BlobId& id) { return finish({&id, 1}); }

    Result<BlobInfo> info(const BlobId& id) const;  // not_found: no record or begin() ever named it
    // A piece of a complete blob.
    Result<Bytes> read_piece(const BlobId& id, std::uint64_t index) const;
    // 32 bytes each, in order; not_found before begin().
    Result<Bytes> piece_hashes(const BlobId& id) const;

    // Removes the blobs that no record names: what an import that was broken off has left. Not while one
    // runs.
    Result<std::uint64_t> remove_unreferenced();

  private:
    // A blob in the course of being received.
    struct Receiving {
        std::uint64_t size = 0;
        Bytes hashes;
        std::vector<bool> have;
        std::size_t unsynced = 0;
    };
    BlobStore(std::filesystem::path folder, Database& db, const kith::Key& database_key);
    Result<Receiving*> receiving(const BlobId& id);
    Result<Receiving*> keep(const BlobId& id, Receiving blob);
    Result<> keep_progress(const BlobId& id, Receiving& blob);
    Result<> sync_whole(const BlobId& id, std::uint64_t size);
    Result<> forget(std::span<const BlobId> ids, Result<> failed);
    Result<> complete(const BlobId& id, std::uint64_t size, ByteView piece_hashes);
    Result<> match_files();
    std::filesystem::path path_of(const BlobId& id) const;
    kith::Key key_of(const BlobId& id) const;

    std::filesystem::path folder_;
    Database& db_;
    kith::Key name_key_;
    kith::Key file_key_;
    std::map<BlobId, Receiving> receiving_;
};

// What an ordinary user can still write on the file system that holds `path`.
Result<std::uint64_t> free_bytes(const std::filesystem::path& path);

}  // namespace kith::store
