#include <zbar.h>

#include <memory>

#include "qr/finders.h"
#include "qr/limits.h"

namespace kith::qr {

std::vector<std::string> find_by_zbar(const Picture& picture) {
    const std::unique_ptr<zbar::zbar_image_scanner_t, void (*)(zbar::zbar_image_scanner_t*)> scanner(
        zbar::zbar_image_scanner_create(), zbar::zbar_image_scanner_destroy);
    const std::unique_ptr<zbar::zbar_image_t, void (*)(zbar::zbar_image_t*)> image(zbar::zbar_image_create(),
                                                                                   zbar::zbar_image_destroy);
    std::vector<std::string> texts;
    if (!scanner || !image) return texts;
    zbar::zbar_image_scanner_set_config(scanner.get(), zbar::ZBAR_NONE, zbar::ZBAR_CFG_ENABLE, 0);
    zbar::zbar_image_scanner_set_config(scanner.get(), zbar::ZBAR_QRCODE, zbar::ZBAR_CFG_ENABLE, 1);
    // As it stands in the code: without it, an encoding is guessed.
    zbar::zbar_image_scanner_set_config(scanner.get(), zbar::ZBAR_QRCODE, zbar::ZBAR_CFG_BINARY, 1);
    zbar::zbar_image_set_format(image.get(), zbar_fourcc('Y', '8', '0', '0'));
    zbar::zbar_image_set_size(image.get(), static_cast<unsigned>(picture.width),
                              static_cast<unsigned>(picture.height));
    zbar::zbar_image_set_data(image.get(), picture.pixels.data(), picture.pixels.size(), nullptr);
    if (zbar::zbar_scan_image(scanner.get(), image.get()) <= 0) return texts;
    for (auto* symbol = zbar::zbar_image_first_symbol(image.get());
         symbol != nullptr && texts.size() < limits::picture_codes; symbol = zbar::zbar_symbol_next(symbol))
        if (zbar::zbar_symbol_get_type(symbol) == zbar::ZBAR_QRCODE)
            texts.emplace_back(zbar::zbar_symbol_get_data(symbol), zbar::zbar_symbol_get_data_length(symbol));
    return texts;
}

}  // namespace kith::qr
