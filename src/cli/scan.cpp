#include "cli/scan.h"

#include <chrono>

#include "pairing/bell.h"
#include "qr/camera.h"
#include "qr/picture_file.h"

namespace kith::cli {
namespace {

constexpr std::string_view use_text = "or paste the text that stands below the code";

qr::Search look(const qr::Picture& picture, const Reads& reads) {
    return qr::look_for(picture, [&](std::string_view text) { return reads(text).has_value(); });
}

// Why none of these is wanted. What kith itself has made is told best by its reader.
Error why_none(const std::vector<std::string>& texts, const std::string& where, const Reads& reads) {
    for (const auto& text : texts)
        if (text.starts_with("KITH")) return reads(text).error();
    if (!texts.empty())
        return {Fault::invalid, "the QR code in " + where + " is not one of kith",
                "scan the one that the other device shows, " + std::string(use_text)};
    return {Fault::not_found, "no QR code can be read in " + where,
            "take the picture anew: the whole code with its white margin, sharp and from the front; " +
                std::string(use_text)};
}

Result<std::string> watch(Context& context, const std::string& device, const Reads& reads) {
    constexpr std::chrono::minutes patience(2);
    KITH_TRY_VALUE(camera, qr::Camera::open(device));
    context.out.note("Hold the QR code before the camera; Ctrl-C stops.");
    std::vector<std::string> others;
    const auto until = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < until) {
        KITH_TRY_VALUE(picture, camera.next());
        auto search = look(picture, reads);
        if (search.wanted) return *search.wanted;
        if (!search.others.empty()) others = std::move(search.others);
    }
    return fail(why_none(others, "what " + device + " sees", reads));
}

}  // namespace

Result<std::string> scan_text(Context& context, const std::string& from, const Reads& reads) {
    if (qr::may_be_camera(from)) return watch(context, from, reads);
    KITH_TRY_VALUE(picture, qr::read_picture(from));
    auto search = look(picture, reads);
    if (search.wanted) return *search.wanted;
    return fail(why_none(search.others, from, reads));
}

Result<std::string> scan_offer(Context& context, const std::string& from, pairing::OfferKind kind) {
    return scan_text(context, from, [kind](std::string_view text) -> Result<> {
        auto offer = pairing::decode_offer(text, kind);
        if (!offer) return fail(offer.error());
        return {};
    });
}

Result<std::string> scan_bell(Context& context, const std::string& from) {
    return scan_text(context, from, [](std::string_view text) -> Result<> {
        KITH_TRY(pairing::decode_bell(text));
        return {};
    });
}

}  // namespace kith::cli
