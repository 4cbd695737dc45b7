// Base64 of RFC 4648, section 4, with padding: how raw bytes travel in the control protocol's JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace kith::control {

std::string to_base64(ByteView bytes);
// Nothing for a character of another alphabet, a wrong length or padding, or unused bits that are not zero.
std::optional<Bytes> from_base64(std::string_view text);

}  // namespace kith::control
