#include "net/link_frame.h"

#include "base/limits.h"

namespace kith::net {

namespace {

// How many bytes follow the first byte of a character; nothing: it starts none.
std::optional<std::size_t> tail_size(std::uint8_t first) {
    if (first < 0x80) return 0;
    if (first >= 0xc2 && first <= 0xdf) return 1;
    if (first >= 0xe0 && first <= 0xef) return 2;
    if (first >= 0xf0 && first <= 0xf4) return 3;
    return std::nullopt;
}

// Excludes encodings that are longer than needed, surrogates, and what lies above U+10FFFF.
bool second_fits(std::uint8_t first, std::uint8_t second) {
    switch (first) {
        case 0xe0:
            return second >= 0xa0;
        case 0xed:
            return second <= 0x9f;
        case 0xf0:
            return second >= 0x90;
        case 0xf4:
            return second <= 0x8f;
        default:
            return true;
    }
}

}  // namespace

std::optional<wire::Frame> read_frame(std::span<const ByteView> parts, std::size_t part_bytes) {
    if (parts.size() != 2) return std::nullopt;
    const auto head = parts[0], body = parts[1];
    if (head.empty() || head.size() > limits::head_bytes || body.size() > part_bytes || !is_text(head))
        return std::nullopt;
    return wire::Frame{std::string(as_text(head)), to_bytes(body)};
}

bool is_text(ByteView bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        const auto first = bytes[at];
        const auto tail = tail_size(first);
        if (!tail || bytes.size() - at <= *tail) return false;
        if (first < 0x20 && first != '\t' && first != '\n' && first != '\r') return false;
        for (std::size_t i = 1; i <= *tail; ++i) {
            if ((bytes[at + i] & 0xc0) != 0x80) return false;
        }
        if (*tail > 0 && !second_fits(first, bytes[at + 1])) return false;
        at += 1 + *tail;
    }
    return true;
}

}  // namespace kith::net
