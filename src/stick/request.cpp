#include "stick/request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/keys.h"
#include "stick/limits.h"
#include "wire/base32.h"
#include "wire/fields.h"

namespace kith::stick {
namespace {

using Json = nlohmann::json;

constexpr std::string_view purpose = "kith.stick.request";
constexpr std::string_view magic = "KSTQ";
constexpr std::uint8_t version = 1;
constexpr std::size_t check_size = 3, group = 4;
constexpr std::size_t letters = (Fingerprint::size + check_size) * 8 / 5;
static_assert((Fingerprint::size + check_size) * 8 % 5 == 0 && letters % group == 0);

crypto::Hash purposed(std::string_view name, ByteView bytes) {
    const std::uint8_t zero = 0;
    return crypto::Hasher().add(name).add({&zero, 1}).add(bytes).finish();
}

Bytes check_of(ByteView fingerprint) {
    const auto sum = purposed("kith.stick.check", fingerprint);
    return {sum.begin(), sum.begin() + check_size};
}

Key key_of(const Fingerprint& fingerprint) {
    auto sum = purposed("kith.stick.key", fingerprint.view());
    Key key{std::span<const std::uint8_t, 32>(sum)};
    wipe(sum);
    return key;
}

}  // namespace

std::string to_text(const Fingerprint& fingerprint) {
    Bytes bytes = to_bytes(fingerprint.view());
    append(bytes, check_of(fingerprint.view()));
    const auto plain = wire::to_base32(bytes);
    std::string text;
    for (std::size_t at = 0; at < plain.size(); at += group)
        text += (at == 0 ? "" : "-") + plain.substr(at, group);
    return text;
}

Result<Fingerprint> read_fingerprint(std::string_view text) {
    const auto wrong = [](std::string what) {
        return fail(Fault::invalid, std::move(what), "compare it with what the new device shows");
    };
    const auto typed = wire::typed_base32(text, letters + 1);
    if (typed.size() != letters)
        return wrong("a fingerprint has " + std::to_string(letters) + " letters and digits");
    const auto bytes = wire::from_base32(typed);
    if (!bytes) return wrong("the fingerprint has a typing mistake");
    const auto fingerprint = ByteView(*bytes).first(Fingerprint::size);
    if (check_of(fingerprint) != to_bytes(ByteView(*bytes).subspan(Fingerprint::size)))
        return wrong("the fingerprint has a typing mistake");
    return *Fingerprint::from(fingerprint);
}

Bytes encode_request(const Request& request) {
    Json head{{"purpose", purpose}, {"v", version}, {"key", request.key.hex()}};
    if (request.accounts) head["accounts"] = *request.accounts;
    if (request.since_ms) head["since"] = *request.since_ms;
    if (request.largest) head["largest"] = *request.largest;
    const auto text = head.dump();
    Bytes bytes;
    append_u32(bytes, static_cast<std::uint32_t>(text.size()));
    append(bytes, text);
    append(bytes, roster::pack_request(request.device));
    return bytes;
}

Result<Request> decode_request(ByteView bytes) {
    if (bytes.size() < 4 || load_u32(bytes.data()) > bytes.size() - 4)
        return fail(Fault::protocol, "the request is malformed");
    const std::size_t size = load_u32(bytes.data());
    auto head = wire::Fields::parse(bytes.subspan(4, size));
    if (head.text("purpose", 32) != purpose) head.reject("purpose", "is another one");
    if (head.u64("v") != version) head.reject("v", "is another version");
    Request request;
    request.key = head.id<LinkPublic>("key");
    if (head.has("accounts"))
        request.accounts = head.texts("accounts", limits::accounts, limits::name_bytes * 8);
    if (head.has("since")) request.since_ms = head.u64("since");
    if (head.has("largest")) request.largest = head.u64("largest");
    KITH_TRY(head.finish_exact("request"));
    KITH_TRY_VALUE(device, roster::unpack_request(bytes.subspan(4 + size)));
    KITH_TRY_VALUE(asked, roster::read_request(device));
    // One that was made for a person is on the roster: anybody who was shown that has a copy.
    if (!asked.person.is_zero()) return fail(Fault::protocol, "the request is not one for a stick");
    request.device = std::move(device);
    return request;
}

crypto::Hash hash_of(ByteView request) {
    return crypto::hash(request);
}

Fingerprint fingerprint_of(ByteView request) {
    const auto sum = purposed("kith.stick.fingerprint", request);
    return *Fingerprint::from(ByteView(sum).first(Fingerprint::size));
}

Bytes seal_request(ByteView request, Random& random) {
    Bytes file = to_bytes(magic);
    file.push_back(version);
    append(file, crypto::seal(key_of(fingerprint_of(request)), purpose, request, random));
    return file;
}

Result<Bytes> open_request(ByteView file, const Fingerprint& fingerprint) {
    if (file.size() <= magic.size() || file.size() > limits::stick_request_bytes ||
        as_text(file.first(magic.size())) != magic)
        return fail(Fault::invalid, "this is not the request of a device",
                    "run 'kith device join --from' on the new device again");
    if (file[magic.size()] != version)
        return fail(Fault::invalid, "the request was made by a newer version of kith", "update kith here");
    const auto opened = crypto::open(key_of(fingerprint), purpose, file.subspan(magic.size() + 1));
    if (!opened || fingerprint_of(opened->view()) != fingerprint)
        return fail(
            Fault::refused,
            "this fingerprint does not belong to the request on the stick: that one is another device's, or "
            "was exchanged or damaged on its way",
            "nothing was added; run 'kith device join --from' on the new device again, which writes the "
            "request "
            "anew, and keep the stick in your hands");
    return to_bytes(opened->view());
}

}  // namespace kith::stick
