#include "app/content.h"

#include <algorithm>

#include "base/limits.h"

namespace kith::app {

Result<Bytes> Content::read(std::uint64_t offset, std::uint64_t size) const {
    if (offset > this->size() || size > this->size() - offset)
        return fail(Fault::corrupt, "a part of this is cut off");
    Bytes out;
    out.reserve(size);
    for (const auto& part : record_.parts) {
        if (out.size() == size) break;
        if (offset >= part.size) {
            offset -= part.size;
            continue;
        }
        auto count = std::min(part.size - offset, size - out.size());
        if (part.is_blob)
            KITH_TRY(append_blob(out, part, offset, count));
        else
            append(out, ByteView(part.bytes).subspan(offset, count));
        offset = 0;
    }
    return out;
}

Result<Bytes> Content::beginning(std::uint64_t size) const {
    KITH_TRY_VALUE(missing, gaps());
    auto end = std::min(size, this->size());
    if (!missing.empty()) end = std::min(end, missing.front().offset);
    return read(0, end);
}

Result<std::vector<Content::Gap>> Content::gaps() const {
    std::vector<Gap> gaps;
    std::uint64_t offset = 0;
    for (const auto& part : record_.parts) {
        if (part.is_blob) {
            KITH_TRY_VALUE(info, blobs_.info(part.blob));
            if (info.state != store::BlobState::complete) gaps.push_back({{part.blob, part.size}, offset});
        }
        offset += part.size;
    }
    return gaps;
}

Result<> Content::append_blob(Bytes& to, const history::Part& part, std::uint64_t from,
                              std::uint64_t size) const {
    KITH_TRY_VALUE(info, blobs_.info(part.blob));
    if (info.state != store::BlobState::complete)
        return fail(Fault::unavailable, "a part of this has not arrived yet",
                    "it is fetched first when another device that has it is in reach");
    while (size > 0) {
        KITH_TRY_VALUE(piece, blobs_.read_piece(part.blob, from / limits::blob_piece));
        auto within = from % limits::blob_piece;
        if (within >= piece.size()) return fail(Fault::corrupt, "an attachment is cut off");
        auto count = std::min<std::uint64_t>(piece.size() - within, size);
        append(to, ByteView(piece).subspan(within, count));
        from += count;
        size -= count;
    }
    return {};
}

}  // namespace kith::app
