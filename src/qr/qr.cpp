#include "qr/qr.h"

#include <algorithm>
#include <cassert>
#include <qrcodegen/qrcodegen.hpp>

namespace kith::qr {

namespace {

constexpr int terminal_quiet = 2;
constexpr int svg_quiet = 4;

qrcodegen::QrSegment segment_of(std::string_view text) {
    // The library takes C strings here, and would stop at a zero byte.
    const std::string copy(text);
    if (text.find('\0') == std::string_view::npos && qrcodegen::QrSegment::isAlphanumeric(copy.c_str()))
        return qrcodegen::QrSegment::makeAlphanumeric(copy.c_str());
    return qrcodegen::QrSegment::makeBytes({text.begin(), text.end()});
}

// Two modules, one above the other: one character cell.
struct Cell {
    bool upper;
    bool lower;
};

// Calls `cell` for each cell of a line and `line_end` after each line.
template <class OnCell, class OnLineEnd>
void for_each_cell(const Code& code, OnCell cell, OnLineEnd line_end) {
    const int from = -terminal_quiet;
    const int to = code.size() + terminal_quiet;
    for (int y = from; y < to; y += 2) {
        for (int x = from; x < to; ++x) cell(Cell{code.dark(x, y), code.dark(x, y + 1)});
        line_end();
    }
}

const char* block(bool upper, bool lower) {
    if (upper) return lower ? "\u2588" : "\u2580";
    return lower ? "\u2584" : " ";
}

}  // namespace

Code::Code(int size, std::vector<bool> modules) : size_(size), modules_(std::move(modules)) {
    assert(modules_.size() == static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
}

bool Code::dark(int x, int y) const {
    if (x < 0 || y < 0 || x >= size_ || y >= size_) return false;
    return modules_[static_cast<std::size_t>(y) * static_cast<std::size_t>(size_) +
                    static_cast<std::size_t>(x)];
}

Result<Code> encode(std::string_view text, int max_version) {
    assert(max_version >= qrcodegen::QrCode::MIN_VERSION && max_version <= qrcodegen::QrCode::MAX_VERSION);
    if (text.empty()) return fail(Fault::invalid, "there is no text to make a QR code of");
    // No code holds more digits than this; the library is not to copy what cannot fit.
    constexpr std::size_t most_characters = 7089;
    auto does_not_fit = [&] {
        return fail(Fault::invalid, "the text is too long for a QR code of this size",
                    "use the text itself instead");
    };
    if (text.size() > most_characters) return does_not_fit();
    try {
        // From the lowest level of correction, raised as far as the version has room.
        const auto made =
            qrcodegen::QrCode::encodeSegments({segment_of(text)}, qrcodegen::QrCode::Ecc::LOW,
                                              qrcodegen::QrCode::MIN_VERSION, max_version, -1, true);
        std::vector<bool> modules;
        modules.reserve(static_cast<std::size_t>(made.getSize()) * static_cast<std::size_t>(made.getSize()));
        for (int y = 0; y < made.getSize(); ++y)
            for (int x = 0; x < made.getSize(); ++x) modules.push_back(made.getModule(x, y));
        return Code(made.getSize(), std::move(modules));
    } catch (const qrcodegen::data_too_long&) {
        return does_not_fit();
    }
}

std::string to_terminal(const Code& code) {
    // Entries of the fixed colour cube: themes redefine the 16 basic colours, often to two greys. A dark cell
    // is drawn as background, not as a full block, for many fonts' blocks leave gaps.
    constexpr std::string_view black_on_white = "\x1b[38;5;16;48;5;231m";
    constexpr std::string_view on_black = "\x1b[48;5;16m";
    std::string out;
    std::string_view colours;
    for_each_cell(
        code,
        [&](Cell cell) {
            const bool all_dark = cell.upper && cell.lower;
            const auto wanted = all_dark ? on_black : black_on_white;
            if (wanted != colours) out += colours = wanted;
            out += all_dark ? " " : block(cell.upper, cell.lower);
        },
        [&] {
            out += "\x1b[0m\n";
            colours = {};
        });
    return out;
}

std::string to_plain(const Code& code, TextColour text_colour) {
    const bool inverse = text_colour == TextColour::light;
    std::string out;
    for_each_cell(
        code, [&](Cell cell) { out += block(cell.upper != inverse, cell.lower != inverse); },
        [&] { out += '\n'; });
    return out;
}

std::string to_svg(const Code& code) {
    const auto side = std::to_string(code.size() + 2 * svg_quiet);
    std::string out =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 "
        "0 " +
        side + " " + side + "\" shape-rendering=\"crispEdges\">\n<rect width=\"" + side + "\" height=\"" +
        side + "\" fill=\"#fff\"/>\n<path fill=\"#000\" d=\"";
    for (int y = 0; y < code.size(); ++y) {
        for (int x = 0; x < code.size();) {
            int end = x;
            while (code.dark(end, y)) ++end;  // ends: outside of the grid all is light
            if (end > x) {
                const auto width = std::to_string(end - x);
                out += "M" + std::to_string(x + svg_quiet) + "," + std::to_string(y + svg_quiet) + "h" +
                       width + "v1h-" + width + "z";
            }
            x = std::max(end, x + 1);
        }
    }
    return out + "\"/>\n</svg>\n";
}

}  // namespace kith::qr
