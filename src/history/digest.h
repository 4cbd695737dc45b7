// The digest: one hash that two devices have in common exactly when they hold the same records and, in full,
// the same blobs. A hash tree over the ordered ids, so that a later version can also prove or compare parts
// (src/history/README.md "Digest").
#pragma once

#include "crypto/hash.h"
#include "history/record.h"

namespace kith::history {

struct Digest {
    std::array<std::uint8_t, 32> hash{};
    std::uint64_t records = 0;
    std::uint64_t blobs = 0;
    std::uint64_t bytes = 0;  // of the records' canonical forms and of the blobs
    bool operator==(const Digest&) const = default;
};

class DigestBuilder {
  public:
    // Records in the order of their keys, then blobs in the order of their ids.
    void add_record(const RecordId& id) { records_.add(id.view()); }
    void add_blob(const BlobId& id, std::uint64_t size);
    // `record_bytes`: of all canonical forms together.
    Digest finish(std::uint64_t record_bytes);

  private:
    // A tree with 256 children a node, built from the left; one unfinished node a level is held.
    class Tree {
      public:
        void add(ByteView id);
        crypto::Hash root();
        std::uint64_t count = 0;

      private:
        void add_at(std::size_t level, ByteView hash);
        std::vector<Bytes> open_;
    };
    Tree records_, blobs_;
    std::uint64_t blob_bytes_ = 0;
};

}  // namespace kith::history
