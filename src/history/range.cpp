#include "history/range.h"

#include "base/limits.h"
#include "crypto/hash.h"

namespace kith::history {

Sum& Sum::operator+=(const Sum& other) {
    unsigned carry = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
        carry += unsigned{bytes[i]} + other.bytes[i];
        bytes[i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
    return *this;
}

Sum& Sum::operator-=(const Sum& other) {
    int borrow = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
        int difference = int{bytes[i]} - other.bytes[i] - borrow;
        borrow = difference < 0 ? 1 : 0;
        bytes[i] = static_cast<std::uint8_t>(difference);
    }
    return *this;
}

Fingerprint& Fingerprint::operator+=(const Fingerprint& other) {
    count += other.count;
    sum += other.sum;
    return *this;
}

Sum term(const kith::Key& key, const RecordId& id) {
    return Sum{crypto::keyed_hash(key, id.view())};
}

Key last_key() {
    Key key{limits::time_ms + 1, {}};
    return key;
}

Range Range::all() {
    return {Key{}, last_key()};
}

void append_key(Bytes& to, const Key& key) {
    append_u64(to, key.time_ms);
    append(to, key.id.view());
}

Key load_key(ByteView forty_bytes) {
    return {load_u64(forty_bytes.data()), *RecordId::from(forty_bytes.subspan(8, 32))};
}

StoredRecord plain_record(const Key& key, const AccountId& account, Bytes canonical) {
    auto size = canonical.size();
    return {key, account, Form::plain, size, std::move(canonical)};
}

Result<Bytes> canonical(const StoredRecord& record, Packer& packer) {
    if (record.form == Form::absent)
        return fail(Fault::unavailable, "this record was left out on this device, or erased");
    if (record.form == Form::plain) return record.bytes;
    auto plain = packer.unpack(record.bytes, static_cast<std::size_t>(record.size));
    if (!plain) return fail(Fault::corrupt, "a record of the profile cannot be unpacked");
    return to_bytes(*plain);
}

bool Budget::take(std::size_t bytes, std::uint64_t size) {
    bool fits = records_ < limits::batch_records && bytes_ + bytes <= limits::batch_bytes &&
                size_ + size <= limits::batch_unpacked;
    if (records_ > 0 && !fits) return false;
    ++records_;
    bytes_ += bytes;
    size_ += size;
    return true;
}

}  // namespace kith::history
