#include "wire/plain_text.h"

#include <cstdint>

namespace kith::wire {

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<std::uint8_t>(text[i]);
        const std::size_t size = lead < 0x80       ? 1
                                 : lead >> 5 == 6  ? 2
                                 : lead >> 4 == 14 ? 3
                                 : lead >> 3 == 30 ? 4
                                                   : 0;
        if (size == 0 || text.size() - i < size) return false;
        std::uint32_t code = size == 1 ? lead : lead & (0x7fu >> size);
        for (std::size_t k = 1; k < size; ++k) {
            const auto next = static_cast<std::uint8_t>(text[i + k]);
            if (next >> 6 != 2) return false;
            code = code << 6 | (next & 0x3fu);
        }
        constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
        i += size;
    }
    return true;
}

bool is_printable(std::string_view utf8) {
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto at = [&](std::size_t k) {
            return i + k < utf8.size() ? static_cast<std::uint8_t>(utf8[i + k]) : 0;
        };
        if (at(0) < 0x20 || at(0) == 0x7f) return false;
        if (at(0) == 0xc2 && at(1) >= 0x80 && at(1) < 0xa0) return false;  // U+0080..9F
        if (at(0) == 0xe2 && at(1) == 0x80 && (at(2) == 0xa8 || at(2) == 0xa9))
            return false;  // line separators
        if (at(0) == 0xe2 && at(1) == 0x80 && at(2) >= 0xaa && at(2) <= 0xae) return false;  // U+202A..E
        if (at(0) == 0xe2 && at(1) == 0x81 && at(2) >= 0xa6 && at(2) <= 0xa9) return false;  // U+2066..9
    }
    return true;
}

}  // namespace kith::wire
