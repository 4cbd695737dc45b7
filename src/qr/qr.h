// QR codes (ISO/IEC 18004): a text made into a grid of modules, and the grid drawn for a terminal or as SVG.
// What is drawn can hold a secret (an offer, a recovery sheet): the caller decides where it goes. Nothing
// here does I/O. The grid itself is computed by qrcodegen, whose types stay inside.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"

namespace kith::qr {

// A square grid of dark and light modules, without the quiet zone around it.
class Code {
  public:
    Code(int size, std::vector<bool> modules);  // row by row; size * size of them
    int size() const { return size_; }
    int version() const { return (size_ - 17) / 4; }
    // Light outside of the grid, so that a quiet zone needs no care.
    bool dark(int x, int y) const;

  private:
    int size_;
    std::vector<bool> modules_;
};

// The smallest code that holds `text`, with the best error correction that this size has room for. A text of
// the alphanumeric set (0-9 A-Z space $ % * + - . / :), as all kith texts are, is packed two characters in 11
// bits; another text is held as its bytes. Fault::invalid when it is empty or does not fit `max_version`
// (1 to 40).
Result<Code> encode(std::string_view text, int max_version = limits::qr_version);

// Lines for a terminal that knows colours and UTF-8: black on white, both set explicitly, so that it reads
// the same on any background. Each character cell holds two modules, one above the other (half blocks); the
// quiet zone is 2. Version 6 takes 45 columns and 23 rows. Ends with a newline and the colours reset.
std::string to_terminal(const Code& code);

// The same for a terminal or file without colours. The characters take the text's colour: `light` says that
// this is the lighter one, as on a terminal with a dark background.
enum class TextColour { light, dark };
std::string to_plain(const Code& code, TextColour text_colour);

// A whole SVG document, black on white, quiet zone 4 as the standard asks. It has no width or height of its
// own: the page that shows it decides.
std::string to_svg(const Code& code);

}  // namespace kith::qr
