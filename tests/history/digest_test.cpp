#include "history/digest.h"

#include <doctest/doctest.h>

#include "crypto/hash.h"

using namespace kith;
using namespace kith::history;

namespace {

RecordId numbered(std::uint32_t n) {
    Bytes bytes;
    append_u32(bytes, n);
    return crypto::hash_id<RecordId>(bytes);
}

// The definition, straight from the README, over lists.
crypto::Hash root_by_definition(const std::vector<RecordId>& ids) {
    std::vector<Bytes> level;
    for (const auto& id : ids) level.push_back(to_bytes(id.view()));
    for (std::uint64_t number = 0;; ++number) {
        std::vector<Bytes> next;
        for (std::size_t i = 0; i == 0 || i < level.size(); i += 256) {
            crypto::Hasher hasher;
            hasher.add("kith.digest.node.1").add_u64(number);
            for (std::size_t k = i; k < std::min(i + 256, level.size()); ++k) hasher.add(level[k]);
            auto hash = hasher.finish();
            next.emplace_back(hash.begin(), hash.end());
        }
        if (next.size() == 1) {
            crypto::Hash root;
            std::copy(next[0].begin(), next[0].end(), root.begin());
            return root;
        }
        level = std::move(next);
    }
}

}  // namespace

TEST_CASE("the digest is the documented tree at every size around its nodes' edges") {
    for (std::uint32_t size : {0u, 1u, 2u, 255u, 256u, 257u, 511u, 512u, 65535u, 65536u, 65537u, 65792u}) {
        DigestBuilder builder;
        std::vector<RecordId> ids;
        for (std::uint32_t i = 0; i < size; ++i) {
            ids.push_back(numbered(i));
            builder.add_record(ids.back());
        }
        auto digest = builder.finish(10ull * size);
        auto expected = crypto::Hasher()
                            .add("kith.digest.1")
                            .add_u64(size)
                            .add(root_by_definition(ids))
                            .add_u64(0)
                            .add(root_by_definition({}))
                            .add_u64(10ull * size)
                            .finish();
        CHECK_MESSAGE(digest.hash == expected, "size " << size);
        CHECK(digest.records == size);
    }
}

TEST_CASE("a missing blob changes the digest") {
    DigestBuilder with, without;
    for (auto* builder : {&with, &without}) builder->add_record(numbered(1));
    with.add_blob(BlobId{numbered(2).bytes}, 70000);
    CHECK(with.finish(100) != without.finish(100));
}
