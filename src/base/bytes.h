// Byte strings: owned (Bytes) and borrowed (ByteView), and hexadecimal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kith {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// The bytes of `text`, borrowed: valid as long as `text` is.
inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}
inline Bytes to_bytes(std::string_view text) {
    return to_bytes(as_bytes(text));
}
inline void append(Bytes& to, ByteView more) {
    to.insert(to.end(), more.begin(), more.end());
}
inline void append(Bytes& to, std::string_view more) {
    append(to, as_bytes(more));
}

// Big-endian integers.
void append_u32(Bytes& to, std::uint32_t value);
void append_u64(Bytes& to, std::uint64_t value);
std::uint32_t load_u32(const std::uint8_t* from);
std::uint64_t load_u64(const std::uint8_t* from);

// Lower-case hexadecimal. Decoding accepts either case, and refuses an odd length or another character.
std::string to_hex(ByteView bytes);
std::optional<Bytes> from_hex(std::string_view text);

}  // namespace kith
