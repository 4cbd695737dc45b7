#include "history/record.h"

#include <doctest/doctest.h>

#include "base/limits.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "history/dictionary.h"
#include "history/packer.h"
#include "memory_set.h"

using namespace kith;
using namespace kith::history;

TEST_CASE("a record's canonical form is the documented bytes") {
    Record record{"mail", *AccountId::from_hex("000102030405060708090a0b0c0d0e0f"), 0x0102030405, {}};
    record.parts.push_back({false, to_bytes("hi"), {}, 2});
    BlobId blob;
    blob.bytes.fill(0xab);
    record.parts.push_back({true, {}, blob, 70000});
    auto canonical = encode(record);
    CHECK(to_hex(canonical) ==
          "4b524543"
          "01"
          "04"
          "6d61696c"
          "000102030405060708090a0b0c0d0e0f"
          "0000000102030405"
          "00000002"
          "00"
          "0000000000000002"
          "6869"
          "01"
          "0000000000011170"
          "abababababababababababababababababababababababababababababababab");
    auto back = decode(canonical);
    REQUIRE(back);
    CHECK(encode(*back) == canonical);
    CHECK(back->content_size() == 70002);
    CHECK(as_text(back->leading_bytes()) == "hi");
}

TEST_CASE("what is not exactly a canonical form is refused") {
    auto canonical = encode(text_record("mail", 5, "text"));
    for (std::size_t size = 0; size < canonical.size(); ++size)
        CHECK_FALSE(decode(ByteView(canonical).first(size)));
    auto longer = canonical;
    longer.push_back(0);
    CHECK_FALSE(decode(longer));
    auto version = canonical;
    version[4] = 2;
    CHECK_FALSE(decode(version));
    auto kind = canonical;
    kind[6] = 'A';
    CHECK_FALSE(decode(kind));
    auto time = canonical;
    time[26] = 0x01;  // above 48 bits
    CHECK_FALSE(decode(time));
    auto count = canonical;
    count[34] = 0xff;  // four thousand million parts
    CHECK_FALSE(decode(count));
}

TEST_CASE("large segments become blobs, small ones stay inline up to the limit") {
    auto one = cut(100, {});
    REQUIRE(one.size() == 1);
    CHECK_FALSE(one[0].is_blob);
    CHECK(cut(0, {}).empty());

    // Header, small part, large part, small part.
    std::uint64_t large = limits::inline_part + 1;
    auto mixed = cut(1000 + large + 50, {600, 1000, 1000 + large});
    REQUIRE(mixed.size() == 3);
    CHECK(mixed[0].size == 1000);
    CHECK(mixed[1].is_blob);
    CHECK(mixed[1].size == large);
    CHECK_FALSE(mixed[2].is_blob);

    // Many segments of 60 KiB: after the inline total is used up, they are blobs.
    Boundaries boundaries;
    for (std::uint64_t i = 1; i < 10; ++i) boundaries.push_back(i * 60 * 1024);
    std::uint64_t inline_bytes = 0, covered = 0;
    for (const auto& part : cut(600 * 1024, boundaries)) {
        CHECK(part.offset == covered);
        covered += part.size;
        if (!part.is_blob) inline_bytes += part.size;
    }
    CHECK(covered == 600 * 1024);
    CHECK(inline_bytes == 240 * 1024);
}

TEST_CASE("a blob's name depends on its bytes and not on how they came") {
    Bytes bytes(limits::blob_piece * 2 + 5, 7);
    BlobHasher whole, pieces;
    whole.add(bytes);
    for (std::size_t at = 0; at < bytes.size(); at += 300001)
        pieces.add(ByteView(bytes).subspan(at, std::min<std::size_t>(300001, bytes.size() - at)));
    auto a = whole.finish(), b = pieces.finish();
    CHECK(a.id == b.id);
    CHECK(a.piece_hashes.size() == 3 * 32);
    CHECK(blob_id(a.size, a.piece_hashes) == a.id);
    CHECK_FALSE(blob_id(a.size + limits::blob_piece, a.piece_hashes));
    CHECK(piece_size(a.size, 2) == 5);
    CHECK(piece_size(a.size, 3) == 0);
}

TEST_CASE("the dictionary is the documented text, and what is packed with it comes back") {
    CHECK(to_hex(crypto::hash(as_bytes(dictionary()))) ==
          "0191a18db6dd929c0aa43e4ddafc397d2b22e6cf016f1457dda1e6df68a8bc68");
    Packer packer;
    const auto mail = to_bytes(dictionary().substr(dictionary().size() - 1000));
    const auto packed = packer.pack(mail);
    REQUIRE(packed);
    CHECK(packed->size() < 40);
    const auto kept = to_bytes(*packed);
    CHECK(to_bytes(packer.unpack(kept, mail.size()).value()) == mail);
    CHECK(!packer.unpack(kept, mail.size() + 1));
    CHECK(!packer.unpack(kept, mail.size() - 1));
}
