#include "qr/picture.h"

#define ZX_USE_UTF8 1
#include <ZXing/ReadBarcode.h>
#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
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

std::uint8_t pixel_at(const Picture& picture, int x, int y) {
    constexpr std::uint8_t table = 120;
    if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) return table;
    return picture.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.width) +
                          static_cast<std::size_t>(x)];
}

// What light comes from between the pixels.
double between(const Picture& picture, double x, double y) {
    const int left = static_cast<int>(std::floor(x)), top = static_cast<int>(std::floor(y));
    const double to_right = x - left, to_bottom = y - top;
    return (pixel_at(picture, left, top) * (1 - to_right) + pixel_at(picture, left + 1, top) * to_right) *
               (1 - to_bottom) +
           (pixel_at(picture, left, top + 1) * (1 - to_right) +
            pixel_at(picture, left + 1, top + 1) * to_right) *
               to_bottom;
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

std::optional<std::string> scan(const Picture& picture, bool invert) {
    const auto big = enlarge(invert ? inverted(picture) : picture, 4);
    const auto hints = ZXing::DecodeHints().setFormats(ZXing::BarcodeFormat::QRCode);
    const ZXing::ImageView view(big.pixels.data(), big.width, big.height, ZXing::ImageFormat::Lum);
    const auto result = ZXing::ReadBarcode(view, hints);
    if (!result.isValid()) return std::nullopt;
    // Not text(): that guesses an encoding.
    return std::string(result.bytes().begin(), result.bytes().end());
}

Picture draw(const Code& code) {
    constexpr int quiet = 4;
    const int side = code.size() + 2 * quiet;
    Picture picture{side, side, {}};
    for (int y = -quiet; y < code.size() + quiet; ++y)
        for (int x = -quiet; x < code.size() + quiet; ++x)
            picture.pixels.push_back(code.dark(x, y) ? 0 : 255);
    return picture;
}

Picture enlarge(const Picture& picture, int scale) {
    Picture big{picture.width * scale, picture.height * scale, {}};
    for (int y = 0; y < big.height; ++y)
        for (int x = 0; x < big.width; ++x) big.pixels.push_back(pixel_at(picture, x / scale, y / scale));
    return big;
}

Picture beside(const Picture& left, const Picture& right) {
    Picture both{left.width + right.width, std::max(left.height, right.height), {}};
    for (int y = 0; y < both.height; ++y)
        for (int x = 0; x < both.width; ++x)
            both.pixels.push_back(x < left.width ? pixel_at(left, x, y) : pixel_at(right, x - left.width, y));
    return both;
}

Picture inverted(Picture picture) {
    for (auto& pixel : picture.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
    return picture;
}

Picture photograph(const Picture& picture, const View& view) {
    const double angle = view.turned * std::numbers::pi / 180;
    const double middle_x = picture.width / 2.0, middle_y = picture.height / 2.0;
    Picture seen{picture.width * 8 / 5, picture.height * 8 / 5, {}};
    std::vector<double> light;
    for (int y = 0; y < seen.height; ++y)
        for (int x = 0; x < seen.width; ++x) {
            double u = x - seen.width / 2.0, v = y - seen.height / 2.0;
            const double away = 1 + view.slant * v / seen.height;
            u *= away;
            v *= away;
            light.push_back(between(picture, middle_x + u * std::cos(angle) - v * std::sin(angle),
                                    middle_y + u * std::sin(angle) + v * std::cos(angle)));
        }
    std::uint32_t random = 1;
    for (int y = 0; y < seen.height; ++y)
        for (int x = 0; x < seen.width; ++x) {
            double sum = 0;
            int count = 0;
            for (int dy = -view.blur; dy <= view.blur; ++dy)
                for (int dx = -view.blur; dx <= view.blur; ++dx) {
                    if (x + dx < 0 || y + dy < 0 || x + dx >= seen.width || y + dy >= seen.height) continue;
                    sum += light[static_cast<std::size_t>((y + dy) * seen.width + x + dx)];
                    ++count;
                }
            random = random * 1664525 + 1013904223;
            const int off =
                view.noise == 0 ? 0 : static_cast<int>(random >> 16) % (2 * view.noise + 1) - view.noise;
            const double value = sum / count * (1 - view.shade * x / seen.width) + off;
            seen.pixels.push_back(static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0)));
        }
    return seen;
}

Bytes to_png(const Picture& picture) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(picture.width);
    image.height = static_cast<png_uint_32>(picture.height);
    image.format = PNG_FORMAT_GRAY;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    Bytes file(size);
    if (png_image_write_to_memory(&image, file.data(), &size, 0, picture.pixels.data(), 0, nullptr) == 0)
        throw std::runtime_error(image.message);
    file.resize(size);
    return file;
}

Bytes to_jpeg(const Picture& picture, int quality) {
    const auto handle = tjInitCompress();
    unsigned char* bytes = nullptr;
    unsigned long size = 0;
    if (tjCompress2(handle, picture.pixels.data(), picture.width, 0, picture.height, TJPF_GRAY, &bytes, &size,
                    TJSAMP_GRAY, quality, 0) != 0)
        throw std::runtime_error("no JPEG");
    Bytes file(bytes, bytes + size);
    tjFree(bytes);
    tjDestroy(handle);
    return file;
}

}  // namespace kith::qr
