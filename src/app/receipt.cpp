#include "app/receipt.h"

#include <nlohmann/json.hpp>

#include "wire/fields.h"

namespace kith::app {

Bytes make_receipt(const Receipt& receipt) {
    auto number = [](auto value) { return std::to_string(value); };
    nlohmann::json filter = nlohmann::json::object();
    history::append_selection(filter, receipt.filter);
    return to_bytes(
        "{\"purpose\":\"kith.receipt\",\"v\":1,\"person\":\"" + receipt.person.hex() + "\",\"from\":\"" +
        receipt.from.hex() + "\",\"to\":\"" + receipt.to.hex() + "\",\"digest\":\"" +
        to_hex(receipt.digest.hash) + "\",\"records\":" + number(receipt.digest.records) +
        ",\"blobs\":" + number(receipt.digest.blobs) + ",\"bytes\":" + number(receipt.digest.bytes) +
        ",\"filter\":" + filter.dump() + ",\"time\":" + number(receipt.time_ms) + "}");
}

Result<Receipt> read_receipt(ByteView bytes) {
    auto head = wire::Fields::parse(bytes);
    Receipt receipt;
    bool ours = head.text("purpose", 32) == "kith.receipt" && head.u64("v") == 1;
    receipt.person = head.id<PersonId>("person");
    receipt.from = head.id<DeviceId>("from");
    receipt.to = head.id<DeviceId>("to");
    auto hash = head.hex("digest", 32);
    receipt.digest.records = head.u64("records");
    receipt.digest.blobs = head.u64("blobs");
    receipt.digest.bytes = head.u64("bytes");
    auto filter = head.object("filter");
    receipt.filter = history::read_selection(filter);
    KITH_TRY(filter.finish_exact("receipt"));
    receipt.time_ms = head.i64("time");
    KITH_TRY(head.finish_exact("receipt"));
    if (!ours || hash.size() != 32) return fail(Fault::protocol, "not a receipt of this version");
    std::copy(hash.begin(), hash.end(), receipt.digest.hash.begin());
    return receipt;
}

}  // namespace kith::app
