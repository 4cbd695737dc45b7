// What changed in the queues since the database was written last: a file of sealed blocks, one for each
// commit, so that many changes cost one sync, and what comes and goes quickly never reaches the database.
//
//     block  := size (4 bytes, big-endian) sealed
//     sealed := ChaCha20-Poly1305 over the block's records, numbered from 0 (crypto/keys.h, seal_numbered)
//     record := 1 | id (8) | head size (4) | head | data size (4) | data | nodes (4) | node (8)...   a
//     message, queued
//             | 2 | node (8) | id (8) | weight (8)                                   a node has acknowledged
//             it
//
// Each time the database has taken over what counts, the key is replaced there and the file begins anew in
// place: the first block that the present key does not open is the end, and what stands behind it nobody can
// read any more.
#pragma once

#include <functional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "store/file.h"
#include "tmtp/server_store.h"

namespace kith::tmtpd {

class Journal {
  public:
    struct Reader {
        std::function<Result<>(tmtp::StoredMessage, Bytes data, std::vector<tmtp::NodeRef>)> queued;
        std::function<Result<>(tmtp::NodeRef, std::uint64_t id, std::uint64_t weight)> removed;
    };
    static Result<Journal> open(const std::filesystem::path& path);

    // Reads what stands under `key`.
    Result<> replay(const Key& key, const Reader& reader);
    // Begins anew under another key.
    Result<> restart(Key key);

    // Room on the disk is taken here, so that a full one refuses before anything has happened.
    Result<> queued(const tmtp::StoredMessage& message, ByteView data, const std::vector<tmtp::NodeRef>& to);
    Result<> removed(tmtp::NodeRef node, std::uint64_t id, std::uint64_t weight);
    // Takes back what was noted since mark(), when no commit was in between.
    std::size_t mark() const { return pending_.size(); }
    void undo(std::size_t mark) { pending_.resize(mark); }
    // Writes what was noted; when messages were queued, it is on the disk when this returns. After an error
    // nobody knows what is on the disk: the service must end.
    Result<> commit();

    std::uint64_t size() const { return at_ + pending_.size(); }
    // How much of the file is surely on the disk. For tests.
    std::uint64_t synced() const { return synced_; }

  private:
    explicit Journal(store::File file) : file_(std::move(file)) {}
    Result<> make_room(std::uint64_t bytes);

    store::File file_;
    Key key_;
    std::uint64_t number_ = 0;  // of the next block
    std::uint64_t at_ = 0;      // where it goes
    std::uint64_t room_ = 0;    // the file's size
    std::uint64_t synced_ = 0;
    Bytes pending_;
    bool urgent_ = false;
};

}  // namespace kith::tmtpd
