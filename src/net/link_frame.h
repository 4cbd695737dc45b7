// The form of a frame on a link, checked before anything else sees it. Pure.
#pragma once

#include <optional>
#include <span>

#include "base/bytes.h"
#include "wire/frame.h"

namespace kith::net {

// The frame in the parts of a message; nothing unless they are exactly two, a head that is text of 1 to
// limits::head_bytes bytes, and a body of at most `part_bytes`.
std::optional<wire::Frame> read_frame(std::span<const ByteView> parts, std::size_t part_bytes);

// Well-formed UTF-8 (RFC 3629) without control characters other than tab and line ends.
bool is_text(ByteView bytes);

}  // namespace kith::net
