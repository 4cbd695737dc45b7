// The form of a frame on a link. The input's first byte says how many parts there are; each part but the last
// begins with its size in one byte.
#include <cassert>

#include "base/limits.h"
#include "net/link_frame.h"

using namespace kith;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    ByteView left(data + 1, size - 1);
    std::vector<ByteView> parts;
    for (std::size_t more = data[0] % 4; more > 0; --more) {
        if (more == 1 || left.empty()) {
            parts.push_back(left);
            break;
        }
        const auto length = std::min<std::size_t>(left[0], left.size() - 1);
        parts.push_back(left.subspan(1, length));
        left = left.subspan(1 + length);
    }
    const auto frame = net::read_frame(parts, 64);
    if (!frame) return 0;
    const bool kept =
        parts.size() == 2 && as_text(parts[0]) == frame->head && to_bytes(parts[1]) == frame->body;
    if (!kept || frame->head.empty() || frame->body.size() > 64) __builtin_trap();
    return 0;
}
