// Records: the immutable items that a person's history is a set of.
//
// A record has a kind, an account, a time and content. Its id is the BLAKE2b-256 hash of its canonical form
// (src/history/README.md, byte by byte). Content larger than limits::inline_part is held as blobs, which the
// canonical form names by hash and size, so a record can be checked before its blobs have arrived.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"

namespace kith::history {

// Where a record stands in history. Keys are ordered by time, then id.
struct Key {
    std::uint64_t time_ms = 0;
    RecordId id;
    auto operator<=>(const Key&) const = default;
};

// One part of a record's content: bytes held inline, or a blob held apart.
struct Part {
    bool is_blob = false;
    Bytes bytes;  // inline parts only
    BlobId blob;  // blobs only
    std::uint64_t size = 0;
};

// The kinds that this version makes. Others are kept and passed on unread.
namespace kind {
inline constexpr std::string_view mail = "mail";        // an imported mail, byte for byte
inline constexpr std::string_view message = "message";  // a TMTP delivery, notify, ping, invite or member
inline constexpr std::string_view recipients =
    "recipients";                                       // whom a message was sent to, by (account, msgid)
inline constexpr std::string_view account = "account";  // made by kith: a membership in a service
inline constexpr std::string_view contact = "contact";
inline constexpr std::string_view mark = "mark";
inline constexpr std::string_view tag = "tag";
inline constexpr std::string_view card = "card";
inline constexpr std::string_view erasure = "erasure";
}  // namespace kind

struct Record {
    std::string kind;
    AccountId account;          // zero: belongs to no account
    std::uint64_t time_ms = 0;  // since 1970, UTC; 0: unknown
    std::vector<Part> parts;

    std::uint64_t content_size() const;
    // The inline parts before the first blob: what is parsed for listing. Borrowed of the record, or of
    // `joined` when there are several.
    ByteView leading_bytes(Bytes& joined) const;
    Bytes leading_bytes() const;
    // Lets go of the inline parts' bytes, of which the sizes stay.
    void drop_inline_bytes();
};

// The canonical form, at most limits::record_bytes long for what this version makes.
Bytes encode(const Record& record);
// Refuses what is not exactly a canonical form: another length, version or order has another id.
Result<Record> decode(ByteView canonical);
RecordId record_id(ByteView canonical);
inline Key key_of(const Record& record, ByteView canonical) {
    return {record.time_ms, record_id(canonical)};
}

// Where content may be cut: offsets, rising, each the start of a segment. The content's start and end are
// boundaries anyway.
using Boundaries = std::vector<std::uint64_t>;

// One run of content that becomes a part.
struct Cut {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    bool is_blob = false;
};

// The rule that makes parts of content (README "Parts"): a segment over limits::inline_part is a blob; runs
// of smaller segments are inline while the record's inline bytes stay within limits::inline_total.
std::vector<Cut> cut(std::uint64_t content_size, const Boundaries& boundaries);

// Names a blob while its bytes go by: pieces of limits::blob_piece, a hash each, then one over all.
class BlobHasher {
  public:
    // Bytes in order, in runs of any size.
    void add(ByteView bytes);
    std::uint64_t size() const { return size_; }
    // The id, and the pieces' hashes (32 bytes each, in order).
    struct Named {
        BlobId id;
        std::uint64_t size = 0;
        Bytes piece_hashes;
    };
    Named finish();

  private:
    void end_piece();
    Bytes piece_;
    Bytes hashes_;
    std::uint64_t size_ = 0;
};

// The id that belongs to `size` bytes with these piece hashes; a list of the wrong length names nothing.
Result<BlobId> blob_id(std::uint64_t size, ByteView piece_hashes);
std::uint64_t piece_count(std::uint64_t size);
std::uint64_t piece_size(std::uint64_t size, std::uint64_t index);

}  // namespace kith::history
