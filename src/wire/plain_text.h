// Texts that other people chose and that are shown on a terminal: names, aliases, notes.
#pragma once

#include <string_view>

namespace kith::wire {

// Well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text);
// Of text that is UTF-8: no control characters (they could rewrite the screen), no separators of lines, none
// that turn the direction of writing (they make a name read as another).
bool is_printable(std::string_view utf8);

}  // namespace kith::wire
