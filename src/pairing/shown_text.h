// What the texts beside QR codes share: a prefix, then base32 of bytes of which the first is the version and
// the last four are a check. Of use to src/pairing alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "pairing/offer.h"

namespace kith::pairing {

// Prefixes of all that kith shows, so that one is never taken for another.
inline constexpr std::string_view offer_prefix = "KITH:", bell_prefix = "KITH-JOIN:",
                                  recovery_prefix = "KITH-RECOVERY", card_prefix = "KITH-INVITE";

// Without spaces and line breaks and in upper case. At most `limits::offer_text` characters are kept, and one
// more to tell that there are too many.
std::string squeeze(std::string_view text);

// The text of `bytes`, with the check that this purpose gives.
std::string write_shown(std::string_view prefix, std::string_view purpose, ByteView bytes);
// The bytes of a squeezed text that begins with this prefix, without their check; nothing when it is cut off
// or mistyped.
std::optional<Bytes> read_shown(std::string_view squeezed, std::string_view prefix, std::string_view purpose);

std::vector<Address> loopback_last(std::vector<Address> addresses);
// Those that fit: until the text of `bytes` and its check would be too large for the QR code.
void append_addresses(Bytes& bytes, const std::vector<Address>& addresses, std::string_view prefix);
// All of `bytes`, at least one; nothing when they are not in order.
std::optional<std::vector<Address>> read_addresses(ByteView bytes);

}  // namespace kith::pairing
