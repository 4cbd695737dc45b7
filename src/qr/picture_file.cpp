#include "qr/picture_file.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "qr/limits.h"

namespace kith::qr {
namespace {

constexpr std::uint8_t png_start[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::uint8_t jpeg_start[] = {0xff, 0xd8, 0xff};
// Of a code that is written: what the standard asks for, and what a printer or a screen shows sharply.
constexpr int written_quiet = 4, written_module = 8;

bool begins_with(ByteView file, ByteView start) {
    return file.size() >= start.size() && std::equal(start.begin(), start.end(), file.begin());
}

Result<Picture> damaged() {
    return fail(Fault::invalid, "the picture is damaged", "save it once more as PNG or JPEG");
}

// An empty one of this size.
Result<Picture> picture_of(std::uint64_t width, std::uint64_t height) {
    if (width == 0 || height == 0) return damaged();
    if (width > limits::picture_side || height > limits::picture_side ||
        width * height > limits::picture_pixels)
        return fail(Fault::invalid,
                    "the picture is too large: " + std::to_string(width) + " x " + std::to_string(height),
                    "cut the part with the QR code out of it, or make it smaller");
    return Picture{static_cast<int>(width), static_cast<int>(height),
                   std::vector<std::uint8_t>(static_cast<std::size_t>(width * height))};
}

Result<Picture> decode_png(ByteView file) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    const std::unique_ptr<png_image, void (*)(png_image*)> freed(&image, png_image_free);
    if (png_image_begin_read_from_memory(&image, file.data(), file.size()) == 0) return damaged();
    image.format = PNG_FORMAT_GRAY;
    KITH_TRY_VALUE(picture, picture_of(image.width, image.height));
    const png_color white{255, 255, 255};  // behind what is transparent
    if (png_image_finish_read(&image, &white, picture.pixels.data(), 0, nullptr) == 0) return damaged();
    return picture;
}

Result<Picture> decode_jpeg(ByteView file) {
    const std::unique_ptr<void, int (*)(tjhandle)> handle(tjInitDecompress(), tjDestroy);
    if (!handle) return fail(Fault::unavailable, "libjpeg-turbo does not start");
    int width = 0, height = 0, sampling = 0, colours = 0;
    const auto size = static_cast<unsigned long>(file.size());
    if (tjDecompressHeader3(handle.get(), file.data(), size, &width, &height, &sampling, &colours) != 0 ||
        width < 0 || height < 0)
        return damaged();
    KITH_TRY_VALUE(picture,
                   picture_of(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height)));
    // A progressive one may have scans without end.
    const int outcome = tjDecompress2(handle.get(), file.data(), size, picture.pixels.data(), width, 0,
                                      height, TJPF_GRAY, TJFLAG_LIMITSCANS);
    if (outcome != 0 && tjGetErrorCode(handle.get()) != TJERR_WARNING) return damaged();
    return picture;
}

}  // namespace

Result<Bytes> to_png(const Code& code) {
    const int side = (code.size() + 2 * written_quiet) * written_module;
    Bytes pixels;
    pixels.reserve(static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
    for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x)
            pixels.push_back(
                code.dark(x / written_module - written_quiet, y / written_module - written_quiet) ? 0 : 255);
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = image.height = static_cast<png_uint_32>(side);
    image.format = PNG_FORMAT_GRAY;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    Bytes file(size);
    if (png_image_write_to_memory(&image, file.data(), &size, 0, pixels.data(), 0, nullptr) == 0)
        return fail(Fault::unavailable, "the picture cannot be written", "use --svg instead");
    file.resize(size);
    return file;
}

Result<Picture> decode_picture(ByteView file) {
    if (begins_with(file, png_start)) return decode_png(file);
    if (begins_with(file, jpeg_start)) return decode_jpeg(file);
    return fail(Fault::invalid, "this is neither a PNG nor a JPEG picture",
                "save the screenshot or photograph as one of these");
}

Result<Picture> read_picture(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        const int code = errno;
        return fail(code == ENOENT ? Fault::not_found : Fault::io,
                    "cannot read " + path.string() + ": " + std::strerror(code));
    }
    Bytes file(limits::picture_file_bytes + 1);
    in.read(reinterpret_cast<char*>(file.data()), static_cast<std::streamsize>(file.size()));
    if (in.bad()) return fail(Fault::io, "cannot read " + path.string());
    file.resize(static_cast<std::size_t>(in.gcount()));
    if (file.size() > limits::picture_file_bytes)
        return fail(Fault::invalid, path.string() + " is too large for a picture",
                    "cut the part with the QR code out of it");
    auto picture = decode_picture(file);
    if (!picture)
        return fail(picture.error().kind, path.string() + ": " + picture.error().what, picture.error().hint);
    return picture;
}

}  // namespace kith::qr
