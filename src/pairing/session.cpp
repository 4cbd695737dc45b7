#include "pairing/session.h"

#include <algorithm>

#include "base/limits.h"
#include "crypto/hash.h"
#include "wire/fields.h"

namespace kith::pairing {
namespace {

constexpr std::uint64_t protocol_version = 1;

// Tags and proofs are keyed hashes of public things: public themselves, but compared in constant time.
Tag32 keyed_tag(const Key& key, std::string_view purpose, ByteView context) {
    const Key tag = crypto::derive(key, purpose, context);
    return *Tag32::from(tag.view());
}

Tag32 hello_proof(const Hello& hello, const Key& offer_key, const LinkPublic& client) {
    return keyed_tag(
        offer_key, "kith.pairing.hello",
        crypto::lv_cat({client.view(), hello.nonce.view(), hello.share.view(), hello.self.view()}));
}

Tag32 ready_proof(const Ready& ready, const Key& offer_key, const LinkPublic& client,
                  const wire::Frame& hello) {
    return keyed_tag(offer_key, "kith.pairing.ready",
                     crypto::lv_cat({client.view(), as_bytes(hello.head), ready.nonce.view()}));
}

wire::Frame head_only(std::string_view op, std::string_view rest = {}) {
    return {"{\"op\":\"" + std::string(op) + "\"" + std::string(rest) + "}", {}};
}

std::string field(std::string_view name, ByteView value) {
    return ",\"" + std::string(name) + "\":\"" + to_hex(value) + "\"";
}

wire::Fields open_head(const wire::Frame& frame, std::string_view op) {
    const bool small = frame.head.size() <= limits::pairing_head;
    auto head = wire::Fields::parse(small ? std::string_view(frame.head) : std::string_view());
    if (head.ok() && head.text("op", 16) != op) head.reject("op", "is another one");
    if (!frame.body.empty()) head.reject("op", "has a body");
    return head;
}

struct Sealed {
    std::string_view op;
    bool from_host;
    std::uint64_t number;
};
constexpr Sealed sealed_messages[] = {
    {op_introduction, true, 0}, {op_reply, false, 0}, {op_verdict, true, 1}, {op_done, false, 1}};

const Sealed* sealed_message(std::string_view op) {
    for (const auto& message : sealed_messages)
        if (message.op == op) return &message;
    return nullptr;
}

}  // namespace

Key offer_key(const Offer& offer) {
    const std::uint8_t zero = 0;
    crypto::Hasher hasher;
    hasher.add("kith.pairing.offer").add({&zero, 1}).add(offer.id());
    if (offer.secret) hasher.add(offer.secret->view());
    auto hash = hasher.finish();
    Key key{std::span<const std::uint8_t, 32>(hash)};
    wipe(hash);
    return key;
}

wire::Frame make_hello(Hello& hello, const Key& offer_key, const LinkPublic& client) {
    hello.proof = hello_proof(hello, offer_key, client);
    return head_only("hello", ",\"v\":" + std::to_string(protocol_version) +
                                  field("nonce", hello.nonce.view()) + field("share", hello.share.view()) +
                                  field("self", hello.self.view()) + field("proof", hello.proof.view()));
}

wire::Frame make_ready(Ready& ready, const Key& offer_key, const LinkPublic& client,
                       const wire::Frame& hello) {
    ready.proof = ready_proof(ready, offer_key, client, hello);
    return head_only("ready", field("nonce", ready.nonce.view()) + field("proof", ready.proof.view()));
}

wire::Frame make_share(const Share& share) {
    return head_only("share", field("share", share.share.view()) + field("tag", share.tag.view()));
}

wire::Frame make_tag(const Tag32& tag) {
    return head_only("tag", field("tag", tag.view()));
}
wire::Frame make_over() {
    return head_only(op_over);
}

Result<Hello> read_hello(const wire::Frame& frame) {
    auto head = open_head(frame, "hello");
    if (head.u64("v") != protocol_version) head.reject("v", "is another version");
    Hello hello;
    hello.nonce = head.id<Nonce>("nonce");
    hello.share = head.id<crypto::CpaceShare>("share");
    hello.self = head.id<Tag32>("self");
    hello.proof = head.id<Tag32>("proof");
    KITH_TRY(head.finish_exact("hello"));
    return hello;
}

Result<Ready> read_ready(const wire::Frame& frame) {
    auto head = open_head(frame, "ready");
    Ready ready{head.id<Nonce>("nonce"), head.id<Tag32>("proof")};
    KITH_TRY(head.finish_exact("ready"));
    return ready;
}

Result<Share> read_share(const wire::Frame& frame) {
    auto head = open_head(frame, "share");
    Share share{head.id<crypto::CpaceShare>("share"), head.id<Tag32>("tag")};
    KITH_TRY(head.finish_exact("share"));
    return share;
}

Result<Tag32> read_tag(const wire::Frame& frame) {
    auto head = open_head(frame, "tag");
    auto tag = head.id<Tag32>("tag");
    KITH_TRY(head.finish_exact("tag"));
    return tag;
}

std::string frame_op(const wire::Frame& frame) {
    if (frame.head.size() > limits::pairing_head || frame.body.size() > limits::pairing_payload + 64)
        return {};
    auto head = wire::Fields::parse(frame.head);
    auto op = head.text("op", 16);
    return head.ok() ? op : std::string();
}

bool same_tag(const Tag32& a, const Tag32& b) {
    return equal_constant_time(a.view(), b.view());
}

bool hello_proven(const Hello& hello, const Key& offer_key, const LinkPublic& client) {
    return same_tag(hello.proof, hello_proof(hello, offer_key, client));
}

bool ready_proven(const Ready& ready, const Key& offer_key, const LinkPublic& client,
                  const wire::Frame& hello) {
    return same_tag(ready.proof, ready_proof(ready, offer_key, client, hello));
}

crypto::Cpace start_cpace(std::string_view code, const Offer& offer, const crypto::Hash& offer_id,
                          const LinkPublic& client, const Nonce& joiner_nonce, Random& random) {
    Bytes prs;
    prs.reserve(code.size() + 16);  // no reallocation: it would leave a copy of the secret behind
    append(prs, code);
    if (offer.secret) append(prs, offer.secret->view());
    const Bytes ci = crypto::lv_cat({as_bytes("kith.pairing.v1"), offer_id, as_bytes("joiner"), client.view(),
                                     as_bytes("host"), offer.server_key.view()});
    crypto::Cpace run(prs, ci, joiner_nonce.view(), random);
    wipe(prs);
    return run;
}

SessionKeys session_keys(const crypto::CpaceKey& isk) {
    const std::uint8_t zero = 0;
    auto hash = crypto::Hasher().add("kith.pairing.isk").add({&zero, 1}).add(isk.view()).finish();
    const Key root{std::span<const std::uint8_t, 32>(hash)};
    wipe(hash);
    return {keyed_tag(root, "kith.pairing.tag.host", {}), keyed_tag(root, "kith.pairing.tag.joiner", {}),
            crypto::derive(root, "kith.pairing.seal.host"), crypto::derive(root, "kith.pairing.seal.joiner")};
}

wire::Frame seal_message(const SessionKeys& keys, std::string_view op, ByteView plain) {
    const Sealed* message = sealed_message(op);
    auto frame = head_only(op);
    frame.body =
        crypto::seal_numbered(message->from_host ? keys.host_seal : keys.joiner_seal, message->number, plain);
    return frame;
}

std::optional<Bytes> open_message(const SessionKeys& keys, std::string_view op, const wire::Frame& frame) {
    const Sealed* message = sealed_message(op);
    if (frame_op(frame) != op) return std::nullopt;
    return crypto::open_numbered(message->from_host ? keys.host_seal : keys.joiner_seal, message->number,
                                 frame.body);
}

std::string random_code(int digits, Random& random) {
    std::string code;
    while (code.size() < static_cast<std::size_t>(digits)) {
        std::uint8_t byte = 0;
        random.fill({&byte, 1});
        if (byte < 250)
            code.push_back(
                static_cast<char>('0' + byte % 10));  // 250: a multiple of ten, so no digit is favoured
    }
    return code;
}

std::optional<std::string> normalise_code(std::string_view typed, int digits) {
    std::string code;
    for (char c : typed) {
        if (c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n') continue;
        if (c < '0' || c > '9' || code.size() == static_cast<std::size_t>(digits)) return std::nullopt;
        code.push_back(c);
    }
    if (code.size() != static_cast<std::size_t>(digits)) return std::nullopt;
    return code;
}

}  // namespace kith::pairing
