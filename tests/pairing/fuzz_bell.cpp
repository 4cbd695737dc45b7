// A bell: its text, from anywhere, and the frames of both sides. The input is read as a text; then, but for
// its first byte, as a list of selector (0 and 1: to the new device by one of two clients, 2: to the old one,
// 3: the code was right, 4: time runs), head and body, each with a length of two bytes.
#include <cstdlib>

#include "harness.h"
#include "pairing/bell.h"

namespace {

kith::ByteView take_bytes(kith::ByteView& from, std::size_t size) {
    size = std::min(size, from.size());
    auto part = from.first(size);
    from = from.subspan(size);
    return part;
}
kith::ByteView take_counted(kith::ByteView& from) {
    auto size = take_bytes(from, 2);
    return size.size() < 2 ? kith::ByteView{}
                           : take_bytes(from, static_cast<std::size_t>(size[0] << 8 | size[1]));
}

void read_back(std::string_view text) {
    using namespace kith::pairing;
    auto bell = decode_bell(text);
    if (!bell) return;
    if (decode_offer(text, OfferKind::device) || decode_offer(text, OfferKind::invitation)) std::abort();
    auto again = encode_bell(*bell);
    if (!again) return;  // more addresses than we would write
    auto second = decode_bell(*again);
    if (!second || second->server_key != bell->server_key || second->port != bell->port) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace kith;
    using namespace kith::pairing;
    static const bool ready = crypto::start();
    if (!ready) std::abort();
    read_back(as_text({data, size}));
    ByteView input(data, size);
    (void)take_bytes(input, 1);
    Now now;
    Porter porter(limits::offer_valid_ms, now);
    Ringer ringer("KITH:", now);
    (void)ringer.connected();
    const LinkPublic clients[] = {*LinkPublic::from(Bytes(32, 1)), *LinkPublic::from(Bytes(32, 2))};
    int rung = 0, ended = 0;
    for (int step = 0; step < 32 && !input.empty(); ++step) {
        const auto selector = take_bytes(input, 1)[0] % 5;
        const wire::Frame frame{std::string(as_text(take_counted(input))), to_bytes(take_counted(input))};
        PorterActions actions;
        if (selector < 2) actions = porter.received(clients[selector], frame);
        if (selector == 2) (void)ringer.received(frame);
        if (selector == 3) porter.code_was_right();
        if (selector == 4) {
            now.mono_ms += static_cast<std::int64_t>(frame.body.size()) * 100'000;
            actions = porter.tick(now);
            (void)ringer.tick(now);
        }
        for (const auto& action : actions) {
            rung += std::holds_alternative<porter::Rung>(action);
            ended += std::holds_alternative<porter::Ended>(action);
        }
        // One offer at most, and no word of an end after the code was right.
        if (rung > 1 || ended > 1 || (ended > 0 && porter.state() != Porter::State::ended)) std::abort();
    }
    return 0;
}
