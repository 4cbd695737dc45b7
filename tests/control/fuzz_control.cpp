// Lines of the control protocol, either direction: what is read must write to a line that reads the same.
#include <cstdlib>

#include "control/base64.h"
#include "control/message.h"
#include "control/time_text.h"

using namespace kith;

namespace {

template <class Message>
void check(const Result<Message>& message, Result<Message> (*parse)(std::string_view)) {
    if (!message) return;
    auto line = control::to_line(*message);
    auto again = parse(line);
    if (line.find('\n') != std::string::npos || !again || control::to_line(*again) != line) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    check(control::parse_from_client(text), control::parse_from_client);
    check(control::parse_from_daemon(text), control::parse_from_daemon);
    if (auto bytes = control::from_base64(text); bytes && control::to_base64(*bytes) != text) std::abort();
    if (auto time = control::from_time_text(text);
        time && control::from_time_text(control::to_time_text(*time)) != time)
        std::abort();
    return 0;
}
