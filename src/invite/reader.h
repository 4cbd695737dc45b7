// Reading bytes from the front. Once something is missing, all further reads are empty and `good` is false:
// so a format is read in one go and checked once.
#pragma once

#include <string>

#include "base/bytes.h"

namespace kith::invite {

struct Reader {
    ByteView rest;
    bool good = true;

    ByteView take(std::size_t size) {
        if (rest.size() < size) good = false;
        if (!good) return {};
        auto taken = rest.first(size);
        rest = rest.subspan(size);
        return taken;
    }
    std::uint8_t byte() {
        auto one = take(1);
        return one.empty() ? 0 : one[0];
    }
    std::uint32_t u32() {
        auto four = take(4);
        return four.empty() ? 0 : load_u32(four.data());
    }
    std::uint64_t u64() {
        auto eight = take(8);
        return eight.empty() ? 0 : load_u64(eight.data());
    }
    template <class IdType>
    IdType id() {
        return IdType::from(take(IdType::size)).value_or(IdType{});
    }
    // A length (4), and so many bytes: what append_piece wrote.
    std::string piece() { return std::string(as_text(take(u32()))); }
    bool ended() const { return good && rest.empty(); }
};

inline void append_piece(Bytes& to, std::string_view text) {
    append_u32(to, static_cast<std::uint32_t>(text.size()));
    append(to, text);
}

}  // namespace kith::invite
