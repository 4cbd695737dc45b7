// Text in mails: transfer encodings, charsets, encoded words. All functions take any bytes and give valid
// UTF-8; what cannot be decoded is replaced by U+FFFD or shown as it stands.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace kith::history {

// A header field's raw value, unfolded: encoded words (RFC 2047) decoded, spaces trimmed.
std::string readable_field(std::string_view raw);

// Bytes in a charset to UTF-8. An unknown charset is read as windows-1252.
std::string to_utf8(ByteView bytes, std::string_view charset);
// Invalid sequences replaced.
std::string valid_utf8(std::string_view text);

Bytes decode_base64(std::string_view text);  // skips what is not base64
Bytes decode_quoted_printable(std::string_view text, bool in_header = false);

}  // namespace kith::history
