// Entries, requests and recovery sheets, from anywhere. Folding what can be read, in two orders, gives one
// state.
#include <algorithm>
#include <cstdlib>

#include "people.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace kith;
    using namespace kith::roster;
    static const bool ready = crypto::start();
    if (!ready) std::abort();
    const ByteView input(data, size);
    if (auto request = unpack_request(input)) (void)read_request(*request);
    if (auto sheet = decode_sheet(as_text(input))) {
        const auto text = encode_sheet(*sheet);
        if (!(decode_sheet(as_text(text.view()))->seed == sheet->seed)) std::abort();
    }
    (void)read_entry(input, {});
    auto entries = unpack_entries(input);
    if (!entries || entries->empty()) return 0;
    const auto person = person_of(entries->front().id);
    const auto one = test::shown(*fold(person, *entries));
    std::reverse(entries->begin(), entries->end());
    if (test::shown(*fold(person, *entries)) != one) std::abort();
    return 0;
}
