#include "cli/scan.h"

#include <chrono>

#include "qr/camera.h"
#include "qr/picture_file.h"

namespace kith::cli {
namespace {

constexpr std::string_view use_text = "or paste the text that stands below the code";

qr::Search look(const qr::Picture& picture, pairing::OfferKind kind) {
    return qr::look_for(
        picture, [kind](std::string_view text) { return pairing::decode_offer(text, kind).has_value(); });
}

// Why none of these is an offer. What kith itself has made is told best by the reader of offers.
Error why_none(const std::vector<std::string>& texts, const std::string& where, pairing::OfferKind kind) {
    for (const auto& text : texts)
        if (text.starts_with("KITH")) return pairing::decode_offer(text, kind).error();
    if (!texts.empty())
        return {Fault::invalid, "the QR code in " + where + " is not one of kith",
                "scan the one that the other device shows, " + std::string(use_text)};
    return {Fault::not_found, "no QR code can be read in " + where,
            "take the picture anew: the whole code with its white margin, sharp and from the front; " +
                std::string(use_text)};
}

Result<std::string> watch(Context& context, const std::string& device, pairing::OfferKind kind) {
    constexpr std::chrono::minutes patience(2);
    KITH_TRY_VALUE(camera, qr::Camera::open(device));
    context.out.note("Hold the QR code before the camera; Ctrl-C stops.");
    std::vector<std::string> others;
    const auto until = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < until) {
        KITH_TRY_VALUE(picture, camera.next());
        auto search = look(picture, kind);
        if (search.wanted) return *search.wanted;
        if (!search.others.empty()) others = std::move(search.others);
    }
    return fail(why_none(others, "what " + device + " sees", kind));
}

}  // namespace

Result<std::string> scan_offer(Context& context, const std::string& from, pairing::OfferKind kind) {
    if (qr::may_be_camera(from)) return watch(context, from, kind);
    KITH_TRY_VALUE(picture, qr::read_picture(from));
    auto search = look(picture, kind);
    if (search.wanted) return *search.wanted;
    return fail(why_none(search.others, from, kind));
}

}  // namespace kith::cli
