// The tables of a profile's database (src/store/README.md explains each).
#pragma once

#include <string_view>
#include <vector>

namespace kith::store {

// The migrations of a profile's database, for Database::open. Texts that were released are never changed: a
// new shape is a new text at the end.
const std::vector<std::string_view>& profile_schema();

}  // namespace kith::store
