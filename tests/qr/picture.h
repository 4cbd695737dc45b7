// What a camera sees: the renderings of a QR code made into grey pixels again, independently of the code that
// drew them, and read by another library than the one that encoded them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::qr {

// One number a module: 0 black, 255 white.
struct Picture {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> pixels;
};

// A terminal showing `text`: 256-colour escapes and half blocks. `foreground` and `background` are its own
// colours; a cell that nothing was written to keeps the background. The picture has two pixel rows a line.
Picture show_on_terminal(std::string_view text, std::uint8_t foreground, std::uint8_t background);

// Draws the one path of runs (M x,y h w v1 h -w z) that to_svg writes.
Picture draw_svg(std::string_view svg);

// The picture's QR code, enlarged as for a camera; nothing when it cannot be read. `inverted` reads white on
// black instead.
std::optional<std::string> scan(const Picture& picture, bool inverted = false);

}  // namespace kith::qr
