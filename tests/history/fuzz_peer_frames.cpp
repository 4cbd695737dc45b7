// Frames of the peer link as a peer may send them: the pullers in the midst of a pass, and the server. The
// input is cut into frames: size of the head (2 bytes), head, size of the body (2 bytes), body.
#include <cstdint>

#include "memory_set.h"
#include "wire/fields.h"

using namespace kith;
using namespace kith::history;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    ByteView rest(data, size);
    auto take = [&]() -> ByteView {
        if (rest.size() < 2) return {};
        std::size_t count = std::min<std::size_t>(rest[0] * 256u + rest[1], rest.size() - 2);
        auto taken = rest.subspan(2, count);
        rest = rest.subspan(2 + count);
        return taken;
    };
    MemorySet set;
    for (std::uint64_t i = 0; i < 5; ++i) set.add(text_record("mail", i * 1000, "record"));
    set.missing_blobs[BlobId{}] = 70000;
    RecordPuller records(set);
    BlobPuller blobs(set);
    SyncServer server(set, set);
    Packer packer;
    (void)records.start({}, 100);
    (void)blobs.start(UINT64_MAX);
    while (rest.size() >= 2) {
        auto head_bytes = take();
        auto body = take();
        auto head = wire::Fields::parse(head_bytes);
        auto op = head.text("op", 32);
        if (op == "sync.parts")
            (void)records.on_parts(head, body);
        else if (is_arrival(op)) {
            auto arrival = read_arrival(op, head, to_bytes(body), packer);
            if (!arrival) continue;
            if (auto* batch = std::get_if<BatchArrival>(&*arrival)) {
                if (auto actions = records.on_batch(std::move(*batch)); actions && !actions->empty())
                    (void)records.stored();
            } else {
                (void)blobs.on_piece(std::get<PieceArrival>(*arrival));
            }
        } else if (op == "sync.hashes")
            (void)blobs.on_hashes(head, body);
        else
            (void)server.on_frame(op, head, body);
        while (server.has_work())
            if (!server.work()) break;
    }
    return 0;
}
