#include "history/digest.h"

#include <algorithm>

namespace kith::history {
namespace {

constexpr std::size_t node_bytes = 256 * 32;

crypto::Hash node_hash(std::size_t level, ByteView children) {
    return crypto::Hasher().add("kith.digest.node.1").add_u64(level).add(children).finish();
}

}  // namespace

void DigestBuilder::add_blob(const BlobId& id, std::uint64_t size) {
    blobs_.add(id.view());
    blob_bytes_ += size;
}

Digest DigestBuilder::finish(std::uint64_t record_bytes) {
    Digest digest{{}, records_.count, blobs_.count, record_bytes + blob_bytes_};
    digest.hash = crypto::Hasher()
                      .add("kith.digest.1")
                      .add_u64(records_.count)
                      .add(records_.root())
                      .add_u64(blobs_.count)
                      .add(blobs_.root())
                      .add_u64(digest.bytes)
                      .finish();
    return digest;
}

void DigestBuilder::Tree::add(ByteView id) {
    ++count;
    add_at(0, id);
}

void DigestBuilder::Tree::add_at(std::size_t level, ByteView hash) {
    if (open_.size() == level) open_.emplace_back();
    append(open_[level], hash);
    if (open_[level].size() < node_bytes) return;
    auto node = node_hash(level, open_[level]);
    open_[level].clear();
    add_at(level + 1, node);
}

// Levels are closed from the bottom until one hash is left.
crypto::Hash DigestBuilder::Tree::root() {
    for (std::size_t level = 0; level < open_.size(); ++level) {
        if (open_[level].empty()) continue;
        bool top = level + 1 == open_.size();
        if (top && level > 0 && open_[level].size() == 32) {
            crypto::Hash root;
            std::copy(open_[level].begin(), open_[level].end(), root.begin());
            return root;
        }
        auto node = node_hash(level, open_[level]);
        if (top) return node;
        open_[level].clear();
        add_at(level + 1, node);
    }
    return node_hash(0, {});
}

}  // namespace kith::history
