#include "stick/payload.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "stick/limits.h"
#include "wire/fields.h"

namespace kith::stick {
namespace {

using Json = nlohmann::json;

constexpr std::string_view magic = "KSTP";
constexpr std::uint8_t version = 1;
constexpr std::string_view statement_purpose = "kith.stick.payload";

Result<> damaged(const char* how) {
    return fail(Fault::corrupt, std::string("the payload on the stick ") + how,
                "run 'kith device add --to' on the other device again, which writes it anew; what came "
                "before is kept");
}

crypto::Hash read_hash(wire::Fields& head, std::string_view key) {
    return head.id<Id<struct HashTag, 32>>(key).bytes;
}

}  // namespace

Sealer::Sealer(const LinkPublic& to, Random& random) : Sealer(to, crypto::random_secret(random)) {}

Sealer::Sealer(const LinkPublic& to, const Key& key) : stream_(key), start_(to_bytes(magic)) {
    start_.push_back(version);
    append(start_, crypto::seal_to(to, key.view()));
    append(start_, stream_.header());
}

Bytes Sealer::seal(const wire::Frame& frame, bool last) {
    Bytes plain;
    plain.reserve(length_bytes + frame.head.size() + frame.body.size());
    append_u32(plain, static_cast<std::uint32_t>(frame.head.size()));
    append(plain, frame.head);
    append(plain, frame.body);
    const auto sealed = stream_.seal(plain, last);
    wipe(plain);  // it may hold secrets
    Bytes message;
    message.reserve(length_bytes + sealed.size());
    append_u32(message, static_cast<std::uint32_t>(sealed.size()));
    append(message, sealed);
    return message;
}

Result<Opener> Opener::open(ByteView start, const crypto::LinkKey& key) {
    if (start.size() != start_bytes || as_text(start.first(magic.size())) != magic)
        return fail(Fault::invalid, "this is not the payload of a device",
                    "run 'kith device add --to' on the other device again");
    if (start[magic.size()] != version)
        return fail(Fault::invalid, "the payload was made by a newer version of kith", "update kith here");
    const auto box = start.subspan(magic.size() + 1, 32 + crypto::box_overhead);
    const auto opened = crypto::open_box(key, box);
    if (!opened || opened->size() != 32)
        return fail(
            Fault::refused,
            "the payload on the stick is for another device, or for an earlier request of this one",
            "type the fingerprint that 'kith device join --from' shows here at 'kith device add --to' on the "
            "other device");
    return Opener(
        crypto::OpenStream(Key(opened->view().first<32>()), start.last<crypto::stream_header_bytes>()));
}

Result<std::size_t> Opener::read_length(ByteView four_bytes) {
    const std::size_t length = load_u32(four_bytes.data());
    if (length > limits::stick_message_bytes) return fail(damaged("is damaged").error());
    return length;
}

Result<Opener::Opened> Opener::open_next(ByteView message) {
    auto opened = stream_.open(message);
    if (!opened) return fail(damaged("is damaged").error());
    ByteView plain = opened->plain;
    if (plain.size() < length_bytes || load_u32(plain.data()) > plain.size() - length_bytes ||
        load_u32(plain.data()) > limits::head_bytes)
        return fail(damaged("is malformed").error());
    const std::size_t size = load_u32(plain.data());
    Opened out{{std::string(as_text(plain.subspan(length_bytes, size))),
                to_bytes(plain.subspan(length_bytes + size))},
               opened->last};
    wipe(opened->plain);
    return out;
}

Bytes make_statement(const DeviceId& device, const crypto::SignKey& device_key, ByteView start,
                     const crypto::Hash& request, ByteView introduction) {
    const auto text =
        Json{{"purpose", statement_purpose}, {"v", version},
             {"device", device.hex()},       {"start", to_hex(crypto::hash(start))},
             {"request", to_hex(request)},   {"introduction", to_hex(crypto::hash(introduction))}}
            .dump();
    Bytes body = to_bytes(device_key.sign(as_bytes(text)).view());
    append_u32(body, static_cast<std::uint32_t>(text.size()));
    append(body, text);
    append(body, introduction);
    return body;
}

Result<Statement> read_statement(ByteView body) {
    constexpr std::size_t before = Signature::size + 4;
    if (body.size() < before || load_u32(body.data() + Signature::size) > body.size() - before)
        return fail(damaged("is malformed").error());
    const std::size_t size = load_u32(body.data() + Signature::size);
    Statement statement;
    statement.signature = *Signature::from(body.first(Signature::size));
    statement.bytes = to_bytes(body.subspan(before, size));
    statement.introduction = to_bytes(body.subspan(before + size));
    auto head = wire::Fields::parse(statement.bytes);
    if (head.text("purpose", 32) != statement_purpose) head.reject("purpose", "is another one");
    if (head.u64("v") != version) head.reject("v", "is another version");
    statement.device = head.id<DeviceId>("device");
    statement.start = read_hash(head, "start");
    statement.request = read_hash(head, "request");
    if (read_hash(head, "introduction") != crypto::hash(statement.introduction))
        head.reject("introduction", "is another one");
    KITH_TRY(head.finish_exact("payload"));
    return statement;
}

}  // namespace kith::stick
