// Any bytes as each of the files of the reference client's store. The first byte chooses.
#include <cstdint>
#include <cstdlib>

#include "mnm/account.h"
#include "mnm/form.h"
#include "mnm/names.h"
#include "mnm/thread.h"
#include "tmtp/frame.h"

using namespace kith;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

// What becomes a record must be a message of this protocol.
void check_delivery(const tmtp::Delivered& message) {
    ByteView in = message.raw;
    tmtp::FrameReader reader;
    check(reader.next(in) == tmtp::FrameReader::Got::head && tmtp::headsum_agrees(reader.raw()));
    auto reply = tmtp::parse_reply(reader.head());
    check(reply && std::get_if<tmtp::Queued>(&*reply) != nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto text = as_text(ByteView(data, size).subspan(1));
    std::size_t skipped = 0;
    switch (data[0] % 8) {
        case 0:
            (void)mnm::read_tail(text);
            break;
        case 1:
            if (auto index = mnm::read_index(text, size)) {
                std::uint64_t covered = 0;
                for (const auto& entry : *index)
                    if (!entry.is_draft) covered += entry.size;
                check(covered == size);
            }
            break;
        case 2:
            if (auto head = mnm::read_message_head(text)) {
                auto delivery = mnm::delivery_of(*head, {});
                check_delivery(delivery.message);
                check(tmtp::read_message(as_bytes(delivery.inner), delivery.message.datahead,
                                         delivery.inner.size() + head->body)
                          .structured ||
                      delivery.inner.size() > 200'000);
            }
            break;
        case 3:
            (void)mnm::read_cc(text);
            break;
        case 4:
            (void)mnm::read_config(text);
            break;
        case 5:
            if (auto book = mnm::read_address_book(text, skipped))
                for (const auto& message : book->received) check_delivery(message);
            break;
        case 6:
            (void)mnm::read_tags(text);
            (void)mnm::read_queue(text);
            check(mnm::escape(text).find('/') == std::string::npos);
            break;
        case 7: {
            const mnm::FormTable table{std::string(text)};
            (void)table.filled("18ea2656be0f5aaf", "r:form");
            break;
        }
    }
    return 0;
}
