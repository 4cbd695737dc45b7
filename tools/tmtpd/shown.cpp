#include "shown.h"

#include <algorithm>

#include "wire/plain_text.h"

namespace kith::tmtpd {
namespace {

// The size of the character at the start, 0 where there is none.
std::size_t character_size(std::string_view text) {
    for (std::size_t size = 1; size <= std::min<std::size_t>(4, text.size()); ++size)
        if (wire::is_utf8(text.substr(0, size))) return size;
    return 0;
}

bool may_be_shown(std::string_view character) {
    // U+061C, U+200E and U+200F turn the direction as well.
    for (std::string_view mark : {"\xd8\x9c", "\xe2\x80\x8e", "\xe2\x80\x8f"})
        if (character == mark) return false;
    return wire::is_printable(character);
}

}  // namespace

std::string shown(std::string_view text) {
    std::string safe;
    while (!text.empty()) {
        const auto size = character_size(text);
        if (size > 0 && may_be_shown(text.substr(0, size)))
            safe += text.substr(0, size);
        else
            safe += '?';
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return safe;
}

}  // namespace kith::tmtpd
