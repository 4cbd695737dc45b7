#include "history/record.h"

#include <algorithm>
#include <span>

#include "base/limits.h"
#include "crypto/hash.h"

namespace kith::history {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::uint8_t part_inline = 0, part_blob = 1;
constexpr std::string_view magic = "KREC";

// Takes bytes off the front of a canonical form; an empty view once it is too short.
struct Cursor {
    ByteView rest;
    bool ok = true;

    ByteView take(std::uint64_t count) {
        if (count > rest.size()) {
            ok = false;
            return {};
        }
        auto taken = rest.first(count);
        rest = rest.subspan(count);
        return taken;
    }
    std::uint8_t u8() {
        auto b = take(1);
        return ok ? b[0] : 0;
    }
    std::uint32_t u32() {
        auto b = take(4);
        return ok ? load_u32(b.data()) : 0;
    }
    std::uint64_t u64() {
        auto b = take(8);
        return ok ? load_u64(b.data()) : 0;
    }
};

bool is_kind(std::string_view text) {
    return !text.empty() && text.size() <= limits::kind_bytes &&
           std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

}  // namespace

std::uint64_t Record::content_size() const {
    std::uint64_t size = 0;
    for (const auto& part : parts) size += part.size;
    return size;
}

ByteView Record::leading_bytes(Bytes& joined) const {
    const auto leading = std::ranges::find_if(parts, &Part::is_blob) - parts.begin();
    if (leading == 0) return {};
    if (leading == 1) return parts.front().bytes;
    for (const auto& part : std::span(parts).first(static_cast<std::size_t>(leading)))
        append(joined, part.bytes);
    return joined;
}

Bytes Record::leading_bytes() const {
    Bytes joined;
    auto leading = leading_bytes(joined);
    return joined.empty() ? to_bytes(leading) : joined;
}

void Record::drop_inline_bytes() {
    for (auto& part : parts) part.bytes = {};
}

Bytes encode(const Record& record) {
    Bytes out;
    append(out, magic);
    out.push_back(version);
    out.push_back(static_cast<std::uint8_t>(record.kind.size()));
    append(out, record.kind);
    append(out, record.account.view());
    append_u64(out, record.time_ms);
    append_u32(out, static_cast<std::uint32_t>(record.parts.size()));
    for (const auto& part : record.parts) {
        out.push_back(part.is_blob ? part_blob : part_inline);
        append_u64(out, part.size);
        append(out, part.is_blob ? part.blob.view() : ByteView(part.bytes));
    }
    return out;
}

Result<Record> decode(ByteView canonical) {
    Cursor at{canonical};
    if (as_text(at.take(magic.size())) != magic) return fail(Fault::protocol, "record: not a record");
    if (at.u8() != version)
        return fail(Fault::protocol, "record: unknown version", "update kith on this device");
    Record record;
    record.kind = as_text(at.take(at.u8()));
    if (!is_kind(record.kind)) return fail(Fault::protocol, "record: malformed kind");
    auto account = at.take(AccountId::size);
    record.time_ms = at.u64();
    auto part_count = at.u32();
    if (!at.ok || record.time_ms > limits::time_ms)
        return fail(Fault::protocol, "record: truncated or time out of range");
    record.account = *AccountId::from(account);
    std::uint64_t total = 0;
    // Each part takes at least 9 bytes, so a forged count cannot make this reserve or loop for long.
    if (part_count > at.rest.size() / 9) return fail(Fault::protocol, "record: truncated");
    for (std::uint32_t i = 0; i < part_count; ++i) {
        auto tag = at.u8();
        Part part;
        part.size = at.u64();
        part.is_blob = tag == part_blob;
        if (tag > part_blob || part.size == 0 || part.size > limits::content_bytes - total)
            return fail(Fault::protocol, "record: malformed part");
        if (part.is_blob && piece_count(part.size) > limits::blob_pieces)
            return fail(Fault::protocol, "record: a part that is too large");
        total += part.size;
        auto bytes = at.take(part.is_blob ? BlobId::size : part.size);
        if (!at.ok) return fail(Fault::protocol, "record: truncated");
        if (part.is_blob)
            part.blob = *BlobId::from(bytes);
        else
            part.bytes = to_bytes(bytes);
        record.parts.push_back(std::move(part));
    }
    if (!at.rest.empty()) return fail(Fault::protocol, "record: bytes after the end");
    return record;
}

RecordId record_id(ByteView canonical) {
    return crypto::hash_id<RecordId>(canonical);
}

std::vector<Cut> cut(std::uint64_t content_size, const Boundaries& boundaries) {
    std::vector<Cut> cuts;
    Cut run;
    std::uint64_t inline_total = 0;
    auto end_run = [&] {
        if (run.size == 0) return;
        run.is_blob = run.size > limits::inline_part || inline_total + run.size > limits::inline_total;
        if (!run.is_blob) inline_total += run.size;
        cuts.push_back(run);
        run = {};
    };
    std::uint64_t start = 0;
    auto segment = [&](std::uint64_t end) {
        std::uint64_t size = end - start;
        if (size > limits::inline_part) {
            end_run();
            cuts.push_back({start, size, true});
        } else if (size > 0) {
            if (run.size + size > limits::inline_part) end_run();
            if (run.size == 0) run.offset = start;
            run.size += size;
        }
        start = end;
    };
    for (auto boundary : boundaries)
        if (boundary > start && boundary < content_size) segment(boundary);
    segment(content_size);
    end_run();
    return cuts;
}

void BlobHasher::add(ByteView bytes) {
    while (!bytes.empty()) {
        auto room = limits::blob_piece - piece_.size();
        auto taken = bytes.first(std::min<std::size_t>(room, bytes.size()));
        append(piece_, taken);
        size_ += taken.size();
        bytes = bytes.subspan(taken.size());
        if (piece_.size() == limits::blob_piece) end_piece();
    }
}

BlobHasher::Named BlobHasher::finish() {
    if (!piece_.empty()) end_piece();
    return {blob_id(size_, hashes_).value_or(BlobId{}), size_, std::move(hashes_)};
}

void BlobHasher::end_piece() {
    append(hashes_, crypto::hash(piece_));
    piece_.clear();
}

Result<BlobId> blob_id(std::uint64_t size, ByteView piece_hashes) {
    if (piece_hashes.size() != piece_count(size) * 32)
        return fail(Fault::protocol, "blob: wrong number of pieces");
    return BlobId{crypto::Hasher().add("kith.blob.1").add_u64(size).add(piece_hashes).finish()};
}

std::uint64_t piece_count(std::uint64_t size) {
    return (size + limits::blob_piece - 1) / limits::blob_piece;
}

std::uint64_t piece_size(std::uint64_t size, std::uint64_t index) {
    std::uint64_t start = index * limits::blob_piece;
    return start >= size ? 0 : std::min<std::uint64_t>(limits::blob_piece, size - start);
}

}  // namespace kith::history
