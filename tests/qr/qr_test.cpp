#include "qr/qr.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "qr/picture.h"

using namespace kith;

namespace {

const std::string offer_sized = "KITH:" + [] {
    const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    std::string text;
    for (std::size_t i = 0; text.size() + 5 < limits::offer_text_qr; ++i)
        text += alphabet[(i * 7 + i / 32) % 32];
    return text;
}();

std::size_t lines_of(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

qr::Code made(std::string_view text, int max_version = limits::qr_version) {
    auto code = qr::encode(text, max_version);
    REQUIRE(code);
    return std::move(*code);
}

}  // namespace

TEST_CASE("the longest offer for a QR code fits version 6 and is read back") {
    REQUIRE(offer_sized.size() == limits::offer_text_qr);
    const auto code = made(offer_sized);
    CHECK(code.version() == 6);
    CHECK(code.size() == 41);
    CHECK(qr::scan(qr::draw(code)) == offer_sized);
}

TEST_CASE("one character more than fits is an error that says what to do") {
    const auto code = qr::encode(offer_sized + "A");
    REQUIRE_FALSE(code);
    CHECK(code.error().kind == Fault::invalid);
    CHECK_FALSE(code.error().hint.empty());
}

TEST_CASE("a text that no QR code holds is an error, however long") {
    CHECK_FALSE(qr::encode(std::string(7090, '1'), 40));
    CHECK_FALSE(qr::encode(std::string(10'000'000, 'A'), 40));
    CHECK_FALSE(qr::encode(std::string(4296, 'A') + "A", 40));
    CHECK(qr::encode(std::string(4296, 'A'), 40));
}

TEST_CASE("an empty text is an error") {
    CHECK_FALSE(qr::encode(""));
}

TEST_CASE("a short text gets a small code") {
    CHECK(made("KITH:A").version() == 1);
    CHECK(qr::scan(qr::draw(made("KITH:A"))) == "KITH:A");
}

TEST_CASE("lower case, bytes of UTF-8 and zero bytes are kept as bytes") {
    for (const std::string& text :
         {std::string("kith:abc"), std::string("J\xc3\xbcrgen"), std::string("A\0B", 3)})
        CHECK(qr::scan(qr::draw(made(text))) == text);
}

TEST_CASE("the terminal's half blocks are read back and fit 80x24") {
    const auto shown = qr::to_terminal(made(offer_sized));
    CHECK(lines_of(shown) == 23);
    // Whatever the terminal's own colours are.
    constexpr std::uint8_t black = 0, white = 255;
    for (const bool dark_terminal : {true, false}) {
        const auto picture = dark_terminal ? qr::show_on_terminal(shown, white, black)
                                           : qr::show_on_terminal(shown, black, white);
        CHECK(picture.width == 45);
        CHECK(qr::scan(picture) == offer_sized);
    }
}

TEST_CASE("the terminal's colours are reset at the end of each line") {
    const auto shown = qr::to_terminal(made("KITH:A"));
    for (auto at = shown.find('\n'); at != std::string::npos; at = shown.find('\n', at + 1))
        CHECK(shown.substr(at - 4, 4) == "\x1b[0m");
}

TEST_CASE("the quiet zone on a terminal is two modules on each side") {
    const auto code = made(offer_sized);
    const auto picture = qr::show_on_terminal(qr::to_terminal(code), 255, 0);
    for (int y = 0; y < picture.height; ++y)
        for (int x = 0; x < picture.width; ++x)
            CHECK((picture.pixels[static_cast<std::size_t>(y * picture.width + x)] == 0) ==
                  code.dark(x - 2, y - 2));
}

TEST_CASE("the plain form is read back from a terminal of either kind") {
    const auto code = made(offer_sized);
    const auto on_dark = qr::to_plain(code, qr::TextColour::light);
    CHECK(on_dark.find('\x1b') == std::string::npos);
    CHECK(lines_of(on_dark) == 23);
    CHECK(qr::scan(qr::show_on_terminal(on_dark, 255, 0)) == offer_sized);
    CHECK(qr::scan(qr::show_on_terminal(qr::to_plain(code, qr::TextColour::dark), 0, 255)) == offer_sized);
}

TEST_CASE("the plain form on the wrong background is an inverted code") {
    const auto shown = qr::to_plain(made(offer_sized), qr::TextColour::light);
    CHECK(qr::scan(qr::show_on_terminal(shown, 0, 255), true) == offer_sized);
}

TEST_CASE("the SVG is read back") {
    const auto code = made(offer_sized);
    const auto picture = qr::draw_svg(qr::to_svg(code));
    CHECK(picture.width == 41 + 8);
    CHECK(picture.pixels == qr::draw(code).pixels);
    CHECK(qr::scan(picture) == offer_sized);
}
