// Base32 of RFC 4648 without padding, upper case: the alphabet that QR codes hold compactly.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace kith::wire {

std::string to_base32(ByteView bytes);
// Either case is read. Nothing for another character, or unused bits that are not zero (so that each byte
// string has one text).
std::optional<Bytes> from_base32(std::string_view text);
// What a person typed, as it was meant: without spaces, line breaks and dashes, in upper case, and with O, I
// and B for 0, 1 and 8, which look like them and are not of the alphabet. Cut off after `max` characters.
std::string typed_base32(std::string_view text, std::size_t max);

}  // namespace kith::wire
