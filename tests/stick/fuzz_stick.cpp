// What stands on a stick is whatever somebody wrote there.
#include <cstdlib>

#include "stick/payload.h"
#include "stick/request.h"

using namespace kith;

// The first byte: what the rest is taken for.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    if (!crypto::start()) std::abort();
    static const auto key = crypto::LinkKey::from_secret(Key());
    const ByteView rest(data + 1, size - 1);
    if (data[0] == 'r') {
        // What can be read is written in the same way, but for spaces in its head.
        if (auto request = stick::decode_request(rest)) {
            const auto again = stick::decode_request(stick::encode_request(*request));
            if (!again || again->device != request->device || again->accounts != request->accounts)
                std::abort();
        }
    } else if (data[0] == 'f') {
        if (auto fingerprint = stick::read_fingerprint(as_text(rest)))
            if (stick::read_fingerprint(stick::to_text(*fingerprint)) != *fingerprint) std::abort();
    } else if (data[0] == 'o') {
        (void)stick::open_request(rest, {});
    } else if (data[0] == 's') {
        (void)stick::read_statement(rest);
    } else {
        auto opener = rest.size() >= stick::start_bytes
                          ? stick::Opener::open(rest.first(stick::start_bytes), key)
                          : stick::Opener::open(rest, key);
        if (opener) (void)opener->open_next(rest.subspan(stick::start_bytes));
    }
    return 0;
}
