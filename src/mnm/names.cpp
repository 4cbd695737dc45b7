#include "mnm/names.h"

#include <algorithm>

namespace kith::mnm {
namespace {

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string escape(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string name;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (text[i] == ' ') {
            name += '+';
        } else if (is_plain(text[i]) && !(i == 0 && text[i] == '.')) {
            name += text[i];
        } else {
            name += '%';
            name += digits[byte >> 4];
            name += digits[byte & 15];
        }
    }
    return name;
}

bool is_thread_name(std::string_view name) {
    return name.size() == 16 && is_hex(name);
}

bool is_draft_name(std::string_view name) {
    const auto split = name.find('_');
    if (split == std::string_view::npos || (split != 0 && split != 16)) return false;
    return is_hex(name.substr(0, split)) && name.size() == split + 13 && is_hex(name.substr(split + 1));
}

}  // namespace kith::mnm
