// QR codes in a picture, found and read (README.md has how). What stands in a code is whatever somebody wrote
// there: the caller says which text it takes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::qr {

// Grey pixels, row by row: 0 black, 255 white; width * height of them.
struct Picture {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> pixels;
};

struct Search {
    std::optional<std::string> wanted;
    std::vector<std::string> others;  // texts of codes that are not wanted, each once
};

// The first code with a text that `wants` takes. Texts are bytes, of any encoding or none.
Search look_for(const Picture& picture, const std::function<bool(std::string_view)>& wants);

}  // namespace kith::qr
