// The text of an offer, from anywhere. What is read must come back the same.
#include <cstdlib>

#include "crypto/keys.h"
#include "pairing/offer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace kith;
    using namespace kith::pairing;
    static const bool ready = crypto::start();
    if (!ready) std::abort();
    const auto text = as_text({data, size});
    for (auto kind : {OfferKind::device, OfferKind::invitation}) {
        auto offer = decode_offer(text, kind);
        if (!offer) continue;
        auto again = encode_offer(*offer);
        if (!again) continue;  // more addresses than we would write
        auto second = decode_offer(*again, kind);
        if (!second || second->id() != offer->id() || second->port != offer->port) std::abort();
    }
    return 0;
}
