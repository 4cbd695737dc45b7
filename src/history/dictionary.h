// The text that packing starts from: what mails and messages have in common, so that a short one packs well
// by itself.
//
// Part of the format, byte for byte: both devices of a person unpack with it. A better one is another form
// of record beside this one (src/history/README.md), never a change of it.
#pragma once

#include <string_view>

namespace kith::history {

std::string_view dictionary();

}  // namespace kith::history
