#include "history/arrival.h"

#include "base/limits.h"
#include "history/batch.h"
#include "wire/fields.h"

namespace kith::history {
namespace {

constexpr std::string_view op_batch = "sync.batch", op_piece = "sync.piece";

Result<Arrival> read_batch(wire::Fields& head, ByteView body, Packer& packer) {
    BatchArrival arrival;
    arrival.stream = head.u64("stream");
    Batch batch;
    batch.count = head.u64("count");
    batch.raw = head.u64("raw");
    batch.packed = head.flag("packed");
    arrival.end = head.flag("end");
    KITH_TRY(head.finish(op_batch));
    KITH_TRY_VALUE(records, decode_batch(body, batch, packer));
    arrival.records = std::move(records);
    return Arrival(std::move(arrival));
}

Result<Arrival> read_piece(wire::Fields& head, Bytes body, Packer& packer) {
    PieceArrival arrival;
    arrival.blob = head.id<BlobId>("blob");
    arrival.index = head.u64("index");
    arrival.here = head.flag("here");
    const bool packed = head.flag("packed");
    const auto raw = packed ? head.u64("raw") : body.size();
    KITH_TRY(head.finish(op_piece));
    if (raw > limits::blob_piece) return fail(Fault::protocol, "sync.piece over the limit");
    if (packed) {
        auto plain = packer.unpack(body, static_cast<std::size_t>(raw));
        if (!plain) return fail(Fault::protocol, "sync.piece cannot be unpacked");
        body = to_bytes(*plain);
    }
    if (arrival.here) arrival.piece = std::move(body);
    return Arrival(std::move(arrival));
}

}  // namespace

bool is_arrival(std::string_view op) {
    return op == op_batch || op == op_piece;
}

Result<Arrival> read_arrival(std::string_view op, wire::Fields& head, Bytes body, Packer& packer) {
    return op == op_batch ? read_batch(head, body, packer) : read_piece(head, std::move(body), packer);
}

}  // namespace kith::history
