// What a camera sees: the renderings of a QR code made into grey pixels again, independently of the code that
// drew them, and read by another library than the one that encoded them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "qr/qr.h"
#include "qr/reader.h"

namespace kith::qr {

// A terminal showing `text`: 256-colour escapes and half blocks. `foreground` and `background` are its own
// colours; a cell that nothing was written to keeps the background. The picture has two pixel rows a line.
Picture show_on_terminal(std::string_view text, std::uint8_t foreground, std::uint8_t background);

// Draws the one path of runs (M x,y h w v1 h -w z) that to_svg writes.
Picture draw_svg(std::string_view svg);

// The picture's QR code, enlarged as for a camera; nothing when it cannot be read. `inverted` reads white on
// black instead.
std::optional<std::string> scan(const Picture& picture, bool inverted = false);

// The grid itself with a quiet zone of 4, one pixel a module.
Picture draw(const Code& code);
// Each pixel `scale` pixels wide and high.
Picture enlarge(const Picture& picture, int scale);
Picture beside(const Picture& left, const Picture& right);
Picture inverted(Picture picture);

// As a camera sees it that is not held straight, on a grey table.
struct View {
    double turned = 0;  // degrees
    double slant = 0;   // 0: from the front; 0.5: the far end is half as large again as the near one
    int blur = 0;       // pixels that run into each
    int noise = 0;      // the most that a pixel is off
    double shade = 0;   // how much of the light is missing at the right
};
Picture photograph(const Picture& picture, const View& view);

// Files of it.
Bytes to_png(const Picture& picture);
Bytes to_jpeg(const Picture& picture, int quality);

}  // namespace kith::qr
