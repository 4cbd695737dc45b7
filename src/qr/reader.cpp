#include "qr/reader.h"

#define ZX_USE_UTF8 1
#include <ZXing/ReadBarcode.h>

#include <algorithm>
#include <cassert>

#include "qr/finders.h"
#include "qr/limits.h"

namespace kith::qr {

std::vector<std::string> find_by_zxing(const Picture& picture) {
    const auto hints = ZXing::DecodeHints()
                           .setFormats(ZXing::BarcodeFormat::QRCode)
                           .setTryHarder(true)
                           .setTryRotate(true)
                           .setMaxNumberOfSymbols(limits::picture_codes);
    const ZXing::ImageView view(picture.pixels.data(), picture.width, picture.height,
                                ZXing::ImageFormat::Lum);
    std::vector<std::string> texts;
    // Not text(): that guesses an encoding, and is a wide string in this version.
    for (const auto& result : ZXing::ReadBarcodes(view, hints))
        if (result.isValid()) texts.emplace_back(result.bytes().begin(), result.bytes().end());
    return texts;
}

Search look_for(const Picture& picture, const std::function<bool(std::string_view)>& wants) {
    assert(picture.pixels.size() ==
           static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height));
    Search search;
    if (picture.pixels.empty()) return search;
    const auto look = [&](const std::vector<std::string>& texts) {
        for (const auto& text : texts) {
            if (wants(text)) {
                search.wanted = text;
                return true;
            }
            if (std::find(search.others.begin(), search.others.end(), text) == search.others.end())
                search.others.push_back(text);
        }
        return false;
    };
    const auto look_by_both = [&](const Picture& one) {
        return look(find_by_zxing(one)) || look(find_by_zbar(one));
    };
    if (look_by_both(picture)) return search;
    Picture inverted = picture;
    for (auto& pixel : inverted.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
    look_by_both(inverted);
    return search;
}

}  // namespace kith::qr
