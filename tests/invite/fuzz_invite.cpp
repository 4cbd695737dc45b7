// A card's text and a ping's, from anywhere; what people who meet tell each other; and what is kept of either
// machine. What is read must come back the same.
#include <cstdlib>

#include "invite/acceptance.h"
#include "invite/greeting.h"

namespace {

kith::crypto::SignKey some_key() {
    return kith::crypto::SignKey(kith::Key());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace kith;
    using namespace kith::invite;
    static const bool ready = crypto::start();
    if (!ready) std::abort();
    const ByteView bytes(data, size);
    const auto text = as_text(bytes);
    if (auto card = decode_card(text)) {
        // Signed by another key, so it is not accepted again; but it must have a text.
        auto again = encode_card(*card, some_key());
        if (!again) std::abort();
    }
    if (auto letter = read_letter(text)) {
        const Card card;
        const CardService service;
        if (open_answer(*letter, card, service, {}) || open_reply(*letter, card, service, {}, {}))
            std::abort();
    }
    // Nobody has signed it.
    if (read_greeting(bytes, GreetingFrom::host, {}, nullptr)) std::abort();
    if (const auto replies = read_replies(bytes); !replies.empty())
        if (write_replies(replies) != to_bytes(bytes)) std::abort();
    if (auto issuer = Issuer::restore(bytes))
        if (Issuer::restore(issuer->state())->state() != issuer->state()) std::abort();
    if (auto acceptance = Acceptance::restore(bytes))
        if (Acceptance::restore(acceptance->state())->state() != acceptance->state()) std::abort();
    return 0;
}
