// Framing, heads, ops, replies and the inner layer, from any bytes.
#include <cstdint>
#include <cstdlib>

#include "tmtp/frame.h"
#include "tmtp/message.h"
#include "tmtp/ops.h"
#include "tmtp/replies.h"

using namespace kith;
using namespace kith::tmtp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FrameReader reader;
    ByteView in(data, size);
    for (;;) switch (reader.next(in)) {
            case FrameReader::Got::more:
                return 0;
            case FrameReader::Got::bad_length:
            case FrameReader::Got::bad_header:
            case FrameReader::Got::end:
                break;
            case FrameReader::Got::head: {
                (void)headsum_agrees(reader.raw());
                // What is read and written again reads the same.
                if (auto op = parse_op(reader.head()))
                    if (auto text = encode(*op)) {
                        auto head = Head::parse(std::string_view(*text).substr(4));
                        auto again = head ? parse_op(*head) : Result<Op>(Pulse{});
                        if (!again || encode(*again) != *text) std::abort();
                    }
                if (auto reply = parse_reply(reader.head()); reply && reader.raw().size() < 8000)
                    if (!headsum_agrees(encode(*reply))) std::abort();
                break;
            }
            case FrameReader::Got::data: {
                auto datahead = static_cast<std::uint64_t>(reader.head().number("datahead").value_or(0));
                auto message = read_message(reader.data(), datahead, reader.datalen());
                std::uint64_t end = message.body.offset + message.body.size;
                for (const auto& one : message.attachments) {
                    if (one.span.offset != end) std::abort();
                    end += one.span.size;
                }
                if (end != reader.datalen()) std::abort();
                break;
            }
        }
}
