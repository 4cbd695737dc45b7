// Texts of clients, as the operator's terminal may show them.
#pragma once

#include <string>
#include <string_view>

namespace kith::tmtpd {

// With '?' for what is not UTF-8, and for characters that move the cursor, end the line or turn the direction
// of writing: none of it may change what the operator reads of other lines.
std::string shown(std::string_view text);

}  // namespace kith::tmtpd
