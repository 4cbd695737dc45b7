#include "history/batch.h"

#include <zstd.h>

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

Result<Batch> encode_batch(const std::vector<StoredRecord>& records) {
    Bytes plain;
    for (const auto& record : records) {
        append_u32(plain, static_cast<std::uint32_t>(record.canonical.size()));
        append(plain, record.canonical);
    }
    return Batch{compress(plain), records.size(), plain.size()};
}

Result<std::vector<Arrived>> decode_batch(ByteView body, std::uint64_t count, std::uint64_t raw) {
    if (raw > limits::batch_bytes + limits::record_bytes || count > limits::batch_records)
        return fail(Fault::protocol, "sync.batch over the limits");
    KITH_TRY_VALUE(plain, decompress(body, static_cast<std::size_t>(raw)));
    ByteView rest(plain);
    std::vector<Arrived> records;
    while (!rest.empty()) {
        if (rest.size() < 4 || load_u32(rest.data()) > rest.size() - 4)
            return fail(Fault::protocol, "sync.batch is truncated");
        auto canonical = rest.subspan(4, load_u32(rest.data()));
        rest = rest.subspan(4 + canonical.size());
        KITH_TRY_VALUE(record, decode(canonical));
        auto key = key_of(record, canonical);
        records.push_back({{key, to_bytes(canonical)}, std::move(record)});
    }
    if (records.size() != count || plain.size() != raw)
        return fail(Fault::protocol, "sync.batch of another size");
    return records;
}

Bytes compress(ByteView plain) {
    Bytes packed(ZSTD_compressBound(plain.size()));
    auto size = ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), 1);
    packed.resize(ZSTD_isError(size) ? 0 : size);
    return packed;
}

Result<Bytes> decompress(ByteView packed, std::size_t max) {
    Bytes plain(max);
    auto size = ZSTD_decompress(plain.data(), plain.size(), packed.data(), packed.size());
    if (ZSTD_isError(size)) return fail(Fault::protocol, "compressed bytes are damaged");
    plain.resize(size);
    return plain;
}

}  // namespace kith::history
