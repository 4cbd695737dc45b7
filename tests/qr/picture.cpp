#include "qr/picture.h"

#include <ZXing/ReadBarcode.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace kith::qr {

namespace {

struct Colours {
    std::uint8_t fore;
    std::uint8_t back;
};

std::uint8_t colour_of(int index) {
    if (index == 16) return 0;
    if (index == 231) return 255;
    throw std::runtime_error("a colour that is neither black nor white");
}

// Applies one "ESC [ numbers m", from its first number on; returns where it ends.
std::size_t apply_escape(std::string_view text, std::size_t at, Colours& colours, const Colours& plain) {
    std::vector<int> numbers(1, 0);
    for (; at < text.size() && text[at] != 'm'; ++at) {
        if (text[at] == ';')
            numbers.push_back(0);
        else
            numbers.back() = numbers.back() * 10 + (text[at] - '0');
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (numbers[i] == 0) {
            colours = plain;
        } else if ((numbers[i] == 38 || numbers[i] == 48) && i + 2 < numbers.size() && numbers[i + 1] == 5) {
            (numbers[i] == 38 ? colours.fore : colours.back) = colour_of(numbers[i + 2]);
            i += 2;
        } else {
            throw std::runtime_error("an escape that is no colour");
        }
    }
    return at + 1;
}

Picture from_rows(const std::vector<std::vector<std::uint8_t>>& rows, std::uint8_t background) {
    Picture picture;
    picture.height = static_cast<int>(rows.size());
    for (const auto& row : rows) picture.width = std::max(picture.width, static_cast<int>(row.size()));
    for (const auto& row : rows) {
        picture.pixels.insert(picture.pixels.end(), row.begin(), row.end());
        picture.pixels.insert(picture.pixels.end(), static_cast<std::size_t>(picture.width) - row.size(),
                              background);
    }
    return picture;
}

}  // namespace

Picture show_on_terminal(std::string_view text, std::uint8_t foreground, std::uint8_t background) {
    const Colours plain{foreground, background};
    Colours colours = plain;
    std::vector<std::vector<std::uint8_t>> rows(2);
    for (std::size_t at = 0; at < text.size();) {
        const auto rest = text.substr(at);
        bool upper = false, lower = false;
        if (rest.starts_with("\x1b[")) {
            at = apply_escape(text, at + 2, colours, plain);
            continue;
        }
        if (rest.starts_with("\n")) {
            rows.resize(rows.size() + 2);
            ++at;
            continue;
        }
        if (rest.starts_with(" ")) {
            at += 1;
        } else {
            upper = rest.starts_with("\u2580") || rest.starts_with("\u2588");
            lower = rest.starts_with("\u2584") || rest.starts_with("\u2588");
            if (!upper && !lower) throw std::runtime_error("a character that is no block");
            at += 3;
        }
        rows[rows.size() - 2].push_back(upper ? colours.fore : colours.back);
        rows[rows.size() - 1].push_back(lower ? colours.fore : colours.back);
    }
    rows.resize(rows.size() - 2);  // after the last newline there is nothing
    return from_rows(rows, background);
}

Picture draw_svg(std::string_view svg) {
    const std::string text(svg);
    int width = 0, height = 0;
    const auto box = text.find("viewBox=");
    if (box == std::string::npos ||
        std::sscanf(text.c_str() + box, "viewBox=\"0 0 %d %d\"", &width, &height) != 2)
        throw std::runtime_error("no view box");
    Picture picture{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width * height), 255)};
    const auto path = text.find(" d=\"");
    const auto path_end = text.find('"', path + 4);
    for (auto at = text.find('M', path); at < path_end; at = text.find('M', at + 1)) {
        int x = 0, y = 0, run = 0, back = 0;
        if (std::sscanf(text.c_str() + at, "M%d,%dh%dv1h-%dz", &x, &y, &run, &back) != 4 || run != back)
            throw std::runtime_error("not a run");
        for (int i = 0; i < run; ++i) picture.pixels.at(static_cast<std::size_t>(y * width + x + i)) = 0;
    }
    return picture;
}

std::optional<std::string> scan(const Picture& picture, bool inverted) {
    constexpr int scale = 4;
    std::vector<std::uint8_t> big;
    for (int y = 0; y < picture.height * scale; ++y)
        for (int x = 0; x < picture.width * scale; ++x) {
            const auto pixel =
                picture.pixels[static_cast<std::size_t>((y / scale) * picture.width + x / scale)];
            big.push_back(inverted ? static_cast<std::uint8_t>(255 - pixel) : pixel);
        }
    const auto hints = ZXing::DecodeHints().setFormats(ZXing::BarcodeFormat::QRCode);
    const ZXing::ImageView view(big.data(), picture.width * scale, picture.height * scale,
                                ZXing::ImageFormat::Lum);
    const auto result = ZXing::ReadBarcode(view, hints);
    if (!result.isValid()) return std::nullopt;
    // Not text(): that guesses an encoding, and is a wide string in this version.
    return std::string(result.bytes().begin(), result.bytes().end());
}

}  // namespace kith::qr
