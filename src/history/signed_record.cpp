#include "history/signed_record.h"

#include "base/limits.h"
#include "wire/fields.h"

namespace kith::history {

Record make_signed(std::string_view kind, const AccountId& account, std::uint64_t time_ms,
                   const DeviceId& device, const crypto::SignKey& device_key, const std::string& fields) {
    std::string head = "{\"purpose\":\"kith.record." + std::string(kind) + "\",\"v\":1,\"device\":\"" +
                       device.hex() + "\",\"account\":\"" + account.hex() +
                       "\",\"time\":" + std::to_string(time_ms);
    if (!fields.empty()) head += "," + fields;
    head += "}";
    Bytes content = to_bytes(device_key.sign(as_bytes(head)).view());
    append(content, head);
    Record record{std::string(kind), account, time_ms, {}};
    auto size = content.size();
    record.parts.push_back({false, std::move(content), {}, size});
    return record;
}

bool SignedContent::signed_by(const SignPublic& device_key) const {
    return crypto::verify(device_key, as_bytes(head), signature);
}

Result<SignedContent> read_signed(const Record& record) {
    auto broken = [] { return fail(Fault::protocol, "a signed record is malformed"); };
    if (record.parts.size() != 1 || record.parts[0].is_blob ||
        record.parts[0].bytes.size() <= Signature::size)
        return broken();
    ByteView content(record.parts[0].bytes);
    SignedContent read{{},
                       std::string(as_text(content.subspan(Signature::size))),
                       *Signature::from(content.first(Signature::size))};
    auto head = wire::Fields::parse(read.head);
    bool fits = head.text("purpose", 64) == "kith.record." + record.kind && head.u64("v") == 1 &&
                head.id<AccountId>("account") == record.account && head.u64("time") == record.time_ms;
    read.device = head.id<DeviceId>("device");
    if (!head.ok() || !fits) return broken();
    return read;
}

}  // namespace kith::history
