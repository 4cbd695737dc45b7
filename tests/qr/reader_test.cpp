#include "qr/reader.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "qr/camera.h"
#include "qr/limits.h"
#include "qr/picture.h"
#include "qr/picture_file.h"

using namespace kith;
using qr::Picture;

namespace {

// As long as an offer may be, so that the code is as fine as any.
const std::string offer = "KITH:" + std::string(190, 'Q');

Picture code_of(std::string_view text, int scale = 6) {
    auto code = qr::encode(text);
    REQUIRE(code);
    return qr::enlarge(qr::draw(*code), scale);
}

bool is_offer(std::string_view text) {
    return text.starts_with("KITH:");
}

std::optional<std::string> read(const Picture& picture) {
    return qr::look_for(picture, is_offer).wanted;
}

}  // namespace

TEST_CASE("a code is read straight, turned, slanted, blurred, noisy and in bad light") {
    const auto code = code_of(offer);
    for (const double turned : {0.0, 90.0, 180.0, 17.0, -33.0}) {
        CAPTURE(turned);
        CHECK(read(qr::photograph(code, {.turned = turned})) == offer);
    }
    CHECK(read(qr::photograph(code, {.slant = 0.3})) == offer);
    CHECK(read(qr::photograph(code, {.blur = 2})) == offer);
    CHECK(read(qr::photograph(code, {.noise = 60})) == offer);
    CHECK(read(qr::photograph(code, {.shade = 0.6})) == offer);
    CHECK(read(qr::photograph(code, {.turned = 8, .slant = 0.2, .blur = 1, .noise = 25, .shade = 0.4})) ==
          offer);
}

TEST_CASE("a code that is written as a PNG file is read from it, the longest too") {
    for (const std::size_t length : {20, 190, 2000}) {
        CAPTURE(length);
        const auto text = "KITH:" + std::string(length, 'Q');
        auto code = qr::encode(text, 40);
        REQUIRE(code);
        auto file = qr::to_png(*code);
        REQUIRE(file);
        auto picture = qr::decode_picture(*file);
        REQUIRE(picture);
        CHECK(picture->width == (code->size() + 8) * 8);
        CHECK(picture->pixels[0] == 255);
        CHECK(read(*picture) == text);
    }
}

TEST_CASE("a code that is white on black is read, photographed too") {
    const auto code = qr::inverted(code_of(offer));
    CHECK(read(code) == offer);
    CHECK(read(qr::photograph(code, {.turned = 12, .noise = 20})) == offer);
}

TEST_CASE("of several codes in one picture the one that is wanted is taken") {
    const auto foreign = code_of("https://example.org/menu");
    for (const auto& picture : {qr::beside(foreign, code_of(offer)), qr::beside(code_of(offer), foreign)})
        CHECK(read(picture) == offer);
    // Also when it is the only one of its colours.
    CHECK(read(qr::beside(foreign, qr::inverted(code_of(offer)))) == offer);
    const auto search = qr::look_for(qr::beside(foreign, code_of("TEXT")), is_offer);
    CHECK_FALSE(search.wanted);
    CHECK(search.others.size() == 2);
}

TEST_CASE("texts come as the bytes that they are") {
    for (const std::string& text : {std::string("J\xc3\xbcrgen"), std::string("\xff\xfe\x01")}) {
        const auto search =
            qr::look_for(code_of(text), [&](std::string_view found) { return found == text; });
        CHECK(search.wanted == text);
    }
}

TEST_CASE("a picture without a code has none") {
    CHECK_FALSE(read(Picture{}));
    const Picture grey{64, 64, std::vector<std::uint8_t>(64 * 64, 128)};
    CHECK_FALSE(read(grey));
    CHECK(qr::look_for(qr::photograph(grey, {.noise = 120}), is_offer).others.empty());
    // Half of a code.
    auto half = code_of(offer);
    half.height /= 2;
    half.pixels.resize(half.pixels.size() / 2);
    CHECK_FALSE(read(half));
}

TEST_CASE("PNG and JPEG files are read, a heavily packed photograph too") {
    const auto seen = qr::photograph(code_of(offer), {.turned = 5, .slant = 0.1, .blur = 1, .noise = 10});
    for (const auto& file : {qr::to_png(seen), qr::to_jpeg(seen, 90), qr::to_jpeg(seen, 25)}) {
        auto picture = qr::decode_picture(file);
        REQUIRE(picture);
        CHECK(picture->width == seen.width);
        CHECK(read(*picture) == offer);
    }
    CHECK(qr::decode_picture(qr::to_png(seen))->pixels == seen.pixels);
}

TEST_CASE("what is no picture, or a broken one, is an error that says what to do") {
    const auto png = qr::to_png(code_of("A", 2));
    for (const Bytes& file :
         {Bytes(), to_bytes("hello"), to_bytes("GIF89a"), Bytes(png.begin(), png.begin() + 40)}) {
        auto picture = qr::decode_picture(file);
        REQUIRE_FALSE(picture);
        CHECK(picture.error().kind == Fault::invalid);
        CHECK_FALSE(picture.error().hint.empty());
    }
    // Whatever bit is flipped: an error, or a picture of its size.
    for (std::size_t at = 0; at < png.size(); at += 3) {
        auto broken = png;
        broken[at] ^= 0x10;
        if (auto picture = qr::decode_picture(broken))
            CHECK(picture->pixels.size() ==
                  static_cast<std::size_t>(picture->width) * static_cast<std::size_t>(picture->height));
    }
}

TEST_CASE("a picture that would unpack to more than is sensible is refused by its size alone") {
    auto png = qr::to_png(code_of("A", 2));
    // The width of the header; its sum of 32 bits is what libpng warns of, or refuses.
    for (const std::size_t at : {16, 20}) png[at + 1] = 0x7f;
    auto picture = qr::decode_picture(png);
    REQUIRE_FALSE(picture);
    CHECK(picture.error().kind == Fault::invalid);
    auto jpeg = qr::to_jpeg(code_of("A", 2), 90);
    for (std::size_t at = 0; at + 9 < jpeg.size(); ++at)
        if (jpeg[at] == 0xff && jpeg[at + 1] == 0xc0) {
            for (const std::size_t i : {5, 7}) jpeg[at + i] = 0x90;
            break;
        }
    picture = qr::decode_picture(jpeg);
    REQUIRE_FALSE(picture);
    CHECK(picture.error().what.find("too large") != std::string::npos);
}

TEST_CASE("a file is read by its path, and one that is not there is said so") {
    const auto path = std::filesystem::temp_directory_path() / ("kith-picture-" + std::to_string(::getpid()));
    const auto png = qr::to_png(code_of(offer));
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(png.data()), static_cast<std::streamsize>(png.size()));
    auto picture = qr::read_picture(path);
    std::filesystem::remove(path);
    REQUIRE(picture);
    CHECK(read(*picture) == offer);
    CHECK(qr::read_picture(path).error().kind == Fault::not_found);
}

TEST_CASE("a device that is no camera is said so") {
    CHECK(qr::may_be_camera("/dev/null"));
    CHECK_FALSE(qr::may_be_camera("/etc/hostname"));
    auto camera = qr::Camera::open("/dev/null");
    REQUIRE_FALSE(camera);
    CHECK(camera.error().kind == Fault::unavailable);
}
