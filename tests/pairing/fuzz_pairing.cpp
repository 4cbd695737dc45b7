// Peer frames: two machines pair honestly, and the input is spoken in between, to either side. Input: a list
// of selector (0 to the host, 1 to the joiner, 2 typed at the host, 3 delivers what is on the way, 4 the time
// runs), head and body, each with a length of two bytes. Nobody who is not one of the two may get through.
#include <cstdlib>

#include "harness.h"

namespace {

kith::ByteView take(kith::ByteView& from, std::size_t size) {
    size = std::min(size, from.size());
    auto part = from.first(size);
    from = from.subspan(size);
    return part;
}
kith::ByteView take_sized(kith::ByteView& from) {
    auto size = take(from, 2);
    return size.size() < 2 ? kith::ByteView{} : take(from, static_cast<std::size_t>(size[0] << 8 | size[1]));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace kith;
    using namespace kith::pairing;
    static const bool ready = crypto::start();
    if (!ready) std::abort();
    ByteView input(data, size);
    test::World w(1);
    auto& joiner = w.add_joiner();
    bool right_code = false;
    for (int step = 0; step < 32 && !input.empty(); ++step) {
        const auto selector = take(input, 1)[0] % 5;
        const wire::Frame frame{std::string(as_text(take_sized(input))), to_bytes(take_sized(input))};
        switch (selector) {
            case 0:
                w.carry_out(w.host.received(joiner.client, frame, w.now, w.random));
                break;
            case 1:
                w.carry_out(joiner, joiner.machine.received(frame, w.now, w.random));
                break;
            case 2: {
                const bool right = frame.head == "right" && !joiner.code.empty();
                right_code =
                    right_code || right || as_text(frame.body).find(joiner.code) != std::string_view::npos;
                w.type(right ? joiner.code : std::string(as_text(frame.body)));
                break;
            }
            case 3:
                w.deliver();
                break;
            case 4:
                w.now.mono_ms += static_cast<std::int64_t>(frame.body.size()) * 10'000;
                w.carry_out(w.host.tick(w.now));
                w.carry_out(joiner, joiner.machine.tick(w.now, w.random));
                break;
        }
        if ((w.host_established || joiner.established) && !right_code) std::abort();
    }
    return 0;
}
