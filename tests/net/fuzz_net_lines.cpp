// The line splitter of the local socket: however the bytes are cut, the lines are the same.
#include <cassert>
#include <string>
#include <vector>

#include "net/local_socket.h"

using namespace kith;

namespace {

// Lines of at most `max`; the bytes are fed `step` at a time.
std::vector<std::string> split(ByteView bytes, std::size_t max, std::size_t step) {
    net::LineSplitter splitter(max);
    std::vector<std::string> lines;
    for (bool fits = true; fits && !bytes.empty();) {
        const auto piece = bytes.first(std::min(step, bytes.size()));
        bytes = bytes.subspan(piece.size());
        fits = splitter.feed(piece);
        for (std::string_view line; splitter.next(line);) {
            assert(line.size() <= max && line.find('\n') == std::string_view::npos);
            lines.emplace_back(line);
        }
    }
    return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const ByteView bytes(data + 2, size - 2);
    const std::size_t max = data[0], step = data[1] + std::size_t{1};
    const auto whole = split(bytes, max, size);
    const auto pieces = split(bytes, max, step);
    if (whole != pieces) __builtin_trap();
    return 0;
}
