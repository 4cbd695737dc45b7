#include "history/batch.h"

#include <optional>

#include "base/limits.h"

namespace kith::history {
namespace {

enum : std::uint8_t { tag_same = 0, tag_parts = 1, tag_keys = 2 };

void append_fingerprint(Bytes& to, const Fingerprint& fingerprint) {
    append_u64(to, fingerprint.count);
    append(to, fingerprint.sum.bytes);
}

Fingerprint load_fingerprint(ByteView forty_bytes) {
    Fingerprint fingerprint{load_u64(forty_bytes.data()), {}};
    auto sum = forty_bytes.subspan(8, 32);
    std::copy(sum.begin(), sum.end(), fingerprint.sum.bytes.begin());
    return fingerprint;
}

constexpr std::size_t key_bytes = 40, part_bytes = key_bytes + 40;

}  // namespace

void append_compare(Bytes& to, const Range& range, const Fingerprint& fingerprint) {
    append_key(to, range.from);
    append_key(to, range.to);
    append_fingerprint(to, fingerprint);
}

Result<std::vector<Compared>> decode_compare(ByteView body) {
    if (body.empty() || body.size() % compare_bytes != 0 ||
        body.size() / compare_bytes > limits::compare_ranges)
        return fail(Fault::protocol, "sync.compare of wrong size");
    std::vector<Compared> list;
    for (; !body.empty(); body = body.subspan(compare_bytes)) {
        Range range{load_key(body), load_key(body.subspan(key_bytes))};
        if (range.empty()) return fail(Fault::protocol, "sync.compare with an empty range");
        list.emplace_back(range, load_fingerprint(body.subspan(2 * key_bytes)));
    }
    return list;
}

void append_parts(Bytes& to, const PartsAnswer& answer) {
    if (answer.same) {
        to.push_back(tag_same);
    } else if (!answer.parts.empty()) {
        to.push_back(tag_parts);
        append_u32(to, static_cast<std::uint32_t>(answer.parts.size()));
        for (const auto& [range, fingerprint] : answer.parts) {
            append_key(to, range.to);
            append_fingerprint(to, fingerprint);
        }
    } else {
        to.push_back(tag_keys);
        append_u32(to, static_cast<std::uint32_t>(answer.keys.size()));
        for (const auto& key : answer.keys) append_key(to, key);
    }
}

Result<std::vector<PartsAnswer>> decode_parts(ByteView body, const std::vector<Range>& asked) {
    auto broken = [] { return fail(Fault::protocol, "sync.parts is malformed"); };
    std::vector<PartsAnswer> answers;
    for (const auto& range : asked) {
        if (body.empty()) return broken();
        auto tag = body[0];
        body = body.subspan(1);
        PartsAnswer answer{range, tag == tag_same, {}, {}};
        if (tag > tag_keys) return broken();
        if (tag != tag_same) {
            if (body.size() < 4) return broken();
            std::size_t count = load_u32(body.data()), size = tag == tag_parts ? part_bytes : key_bytes;
            body = body.subspan(4);
            if (count > (tag == tag_parts ? limits::compare_ranges : limits::listed_keys) ||
                body.size() < count * size)
                return broken();
            Key from = range.from;
            for (std::size_t i = 0; i < count; ++i, body = body.subspan(size)) {
                Key key = load_key(body);
                if (tag == tag_parts) {
                    if (!(from < key)) return broken();
                    answer.parts.emplace_back(Range{from, key}, load_fingerprint(body.subspan(key_bytes)));
                    from = key;
                } else {
                    if (!range.contains(key) || (i > 0 && !(answer.keys.back() < key))) return broken();
                    answer.keys.push_back(key);
                }
            }
            // One part would be the whole range again, for ever.
            if (tag == tag_parts && (count < 2 || from != range.to)) return broken();
        }
        answers.push_back(std::move(answer));
    }
    if (!body.empty()) return broken();
    return answers;
}

namespace {

// Before its bytes, each record has its form (1) and size (4); then, packed, how many bytes follow (4);
// absent: key (40) and account (16).
constexpr std::size_t item_head = 5, absent_bytes = key_bytes + AccountId::size;

Result<Arrived> decode_item(ByteView& body, std::uint64_t& unpacked, Packer& packer) {
    auto broken = [](const char* what) { return fail(Fault::protocol, std::string("sync.batch ") + what); };
    if (body.size() < item_head || body[0] > static_cast<std::uint8_t>(Form::absent))
        return broken("is malformed");
    Arrived arrived;
    auto& stored = arrived.stored;
    stored.form = static_cast<Form>(body[0]);
    stored.size = load_u32(body.data() + 1);
    body = body.subspan(item_head);
    if (stored.size > limits::record_bytes) return broken("with a record over the limit");
    if (stored.form == Form::absent) {
        if (body.size() < absent_bytes) return broken("is truncated");
        stored.key = load_key(body);
        stored.account = *AccountId::from(body.subspan(key_bytes, AccountId::size));
        body = body.subspan(absent_bytes);
        return arrived;
    }
    // What all together unpack to is bounded before anything is unpacked.
    unpacked += stored.size;
    if (unpacked > limits::batch_unpacked + limits::record_bytes) return broken("that unpacks to too much");
    std::uint64_t size = stored.size;
    if (stored.form == Form::packed) {
        if (body.size() < 4) return broken("is truncated");
        size = load_u32(body.data());
        body = body.subspan(4);
        if (size >= stored.size) return broken("with a packed record that is no smaller");
    }
    if (body.size() < size) return broken("is truncated");
    stored.bytes = to_bytes(body.first(static_cast<std::size_t>(size)));
    body = body.subspan(static_cast<std::size_t>(size));
    ByteView canonical = stored.bytes;
    if (stored.form == Form::packed) {
        auto plain = packer.unpack(stored.bytes, static_cast<std::size_t>(stored.size));
        if (!plain) return broken("with a record that cannot be unpacked");
        canonical = *plain;
    }
    KITH_TRY_VALUE(record, decode(canonical));
    stored.key = key_of(record, canonical);
    stored.account = record.account;
    arrived.record = std::move(record);
    return arrived;
}

}  // namespace

Batch encode_batch(const std::vector<StoredRecord>& records, Packer& packer) {
    Batch batch;
    batch.count = records.size();
    std::size_t unpacked = 0;
    for (const auto& record : records) {
        batch.body.push_back(static_cast<std::uint8_t>(record.form));
        append_u32(batch.body, static_cast<std::uint32_t>(record.size));
        if (record.form == Form::packed)
            append_u32(batch.body, static_cast<std::uint32_t>(record.bytes.size()));
        if (record.form == Form::absent) {
            append_key(batch.body, record.key);
            append(batch.body, record.account.view());
        }
        if (record.form == Form::plain) unpacked += record.bytes.size();
        append(batch.body, record.bytes);
    }
    batch.raw = batch.body.size();
    if (unpacked * 2 < batch.raw) return batch;
    if (auto packed = packer.pack(batch.body)) {
        batch.body = to_bytes(*packed);
        batch.packed = true;
    }
    return batch;
}

Result<std::vector<Arrived>> decode_batch(ByteView body, const Batch& head, Packer& packer) {
    // With the heads of its records, and one record that is larger than a batch.
    constexpr auto raw_limit = limits::batch_bytes + limits::record_bytes + limits::batch_records * 64;
    if (head.raw > raw_limit || head.count > limits::batch_records)
        return fail(Fault::protocol, "sync.batch over the limits");
    Bytes plain;
    if (head.packed) {
        auto unpacked = packer.unpack(body, static_cast<std::size_t>(head.raw));
        if (!unpacked) return fail(Fault::protocol, "sync.batch cannot be unpacked");
        plain = to_bytes(*unpacked);  // its records may be packed, too
        body = plain;
    }
    if (body.size() != head.raw) return fail(Fault::protocol, "sync.batch of another size");
    std::vector<Arrived> records;
    std::uint64_t unpacked = 0;
    while (!body.empty()) {
        if (records.size() == head.count) return fail(Fault::protocol, "sync.batch of another count");
        KITH_TRY_VALUE(arrived, decode_item(body, unpacked, packer));
        records.push_back(std::move(arrived));
    }
    if (records.size() != head.count) return fail(Fault::protocol, "sync.batch of another count");
    return records;
}

}  // namespace kith::history
