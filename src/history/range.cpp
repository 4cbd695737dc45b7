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

}  // namespace kith::history
