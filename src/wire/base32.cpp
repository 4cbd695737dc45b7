#include "wire/base32.h"

namespace kith::wire {

std::string to_base32(ByteView bytes) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    std::string text;
    std::uint32_t held = 0;
    int bits = 0;
    for (auto byte : bytes) {
        held = held << 8 | byte;
        for (bits += 8; bits >= 5; bits -= 5) text.push_back(digits[held >> (bits - 5) & 31]);
    }
    if (bits > 0) text.push_back(digits[held << (5 - bits) & 31]);
    return text;
}

std::optional<Bytes> from_base32(std::string_view text) {
    Bytes bytes;
    std::uint32_t held = 0;
    int bits = 0;
    for (char c : text) {
        std::uint32_t value;
        if (c >= 'A' && c <= 'Z')
            value = static_cast<std::uint32_t>(c - 'A');
        else if (c >= 'a' && c <= 'z')
            value = static_cast<std::uint32_t>(c - 'a');
        else if (c >= '2' && c <= '7')
            value = static_cast<std::uint32_t>(c - '2' + 26);
        else
            return std::nullopt;
        held = held << 5 | value;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            bytes.push_back(static_cast<std::uint8_t>(held >> bits));
        }
    }
    if (bits >= 5 || (held & ((1u << bits) - 1)) != 0) return std::nullopt;
    return bytes;
}

std::string typed_base32(std::string_view text, std::size_t max) {
    std::string out;
    for (char c : text) {
        if (c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n') continue;
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        if (c == '0') c = 'O';
        if (c == '1') c = 'I';
        if (c == '8') c = 'B';
        if (out.size() == max) break;
        out.push_back(c);
    }
    return out;
}

}  // namespace kith::wire
