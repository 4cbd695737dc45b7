#include "roster/entry.h"

#include <algorithm>
#include <functional>

#include "base/limits.h"
#include "crypto/hash.h"
#include "wire/fields.h"

namespace kith::roster {
namespace {

constexpr std::string_view entry_purpose = "kith.roster.entry";
constexpr std::string_view request_purpose = "kith.device.request";
constexpr std::uint64_t version = 1;
constexpr std::string_view recovery_signer = "recovery";

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

// A name is shown on other people's terminals: no control characters, none that turn the direction of text.
// Whether it is UTF-8 at all is for the JSON reader.
bool printable(std::string_view name) {
    if (name.empty() || name.size() > limits::name_bytes) return false;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const auto at = [&](std::size_t k) {
            return i + k < name.size() ? static_cast<std::uint8_t>(name[i + k]) : 0;
        };
        if (at(0) < 0x20 || at(0) == 0x7f) return false;
        if (at(0) == 0xc2 && at(1) >= 0x80 && at(1) < 0xa0) return false;  // U+0080..9F
        if (at(0) == 0xe2 && at(1) == 0x80 && (at(2) == 0xa8 || at(2) == 0xa9))
            return false;  // line separators
        if (at(0) == 0xe2 && at(1) == 0x80 && at(2) >= 0xaa && at(2) <= 0xae) return false;  // U+202A..E
        if (at(0) == 0xe2 && at(1) == 0x81 && at(2) >= 0xa6 && at(2) <= 0xa9) return false;  // U+2066..9
    }
    return true;
}

// Writing. All texts but names are of our own making; names hold no control characters.
std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    return out + "\"";
}
std::string quoted_hex(ByteView bytes) {
    return quoted(to_hex(bytes));
}
template <class IdType>
std::string quoted_id(const std::optional<IdType>& id) {
    return id ? quoted_hex(id->view()) : "\"\"";
}
template <class List, class Write>
std::string listed(const List& list, Write write) {
    std::string out = "[";
    for (const auto& item : list) {
        if (out.size() > 1) out += ",";
        out += write(item);
    }
    return out + "]";
}

std::string act_fields(const Act& act) {
    return std::visit(
        Overloaded{
            [](const Genesis& a) {
                return ",\"recovery\":" + quoted_hex(a.recovery.view()) + ",\"nonce\":" + quoted_hex(a.nonce);
            },
            [](const Add& a) {
                return ",\"request\":" + quoted_hex(a.request.bytes) +
                       ",\"by_device\":" + quoted_hex(a.request.by_device.view()) +
                       ",\"by_act\":" + quoted_hex(a.request.by_act.view());
            },
            [](const Rename& a) {
                return ",\"device\":" + quoted_hex(a.device.view()) + ",\"name\":" + quoted(a.name);
            },
            [](const Bar& a) {
                return ",\"device\":" + quoted_hex(a.device.view()) + ",\"last\":" + quoted_id(a.last) +
                       ",\"erase\":" + (a.erase ? "true" : "false");
            },
            [](const Contest& a) { return ",\"bar\":" + quoted_hex(a.bar.view()); },
            [](const Lift& a) { return ",\"bar\":" + quoted_hex(a.bar.view()); },
            [](const Recover& a) {
                return ",\"recovery\":" + quoted_id(a.recovery) + ",\"cuts\":" +
                       listed(a.cuts,
                              [](const Cut& cut) {
                                  return "{\"device\":" + quoted_hex(cut.device.view()) +
                                         ",\"last\":" + quoted_id(cut.last) + "}";
                              }) +
                       ",\"bars\":" +
                       listed(a.bars, [](const DeviceId& id) { return quoted_hex(id.view()); });
            },
        },
        act);
}

std::string encode(const Body& body) {
    std::string out = "{\"purpose\":" + quoted(entry_purpose) + ",\"v\":" + std::to_string(version) +
                      ",\"act\":" + quoted(act_name(body.act));
    if (body.person) out += ",\"person\":" + quoted_hex(body.person->view());
    out += ",\"signer\":" + (body.signer ? quoted_hex(body.signer->view()) : quoted(recovery_signer)) +
           ",\"counter\":" + std::to_string(body.counter) +
           ",\"heads\":" + listed(body.heads, [](const EntryId& id) { return quoted_hex(id.view()); }) +
           ",\"time\":" + std::to_string(body.time_ms);
    return out + act_fields(body.act) + "}";
}

// Reading.
template <class IdType>
std::optional<IdType> optional_id(wire::Fields& head, std::string_view key) {
    const Bytes raw = head.hex(key, IdType::size);
    if (raw.empty()) return std::nullopt;
    auto id = IdType::from(raw);
    if (!id) head.reject(key, "has the wrong length");
    return id;
}

SignedRequest read_request_fields(wire::Fields& head) {
    return {head.hex("request", limits::roster_request_bytes), head.id<Signature>("by_device"),
            head.id<Signature>("by_act")};
}

Recover read_recover(wire::Fields& head) {
    Recover recover;
    recover.recovery = optional_id<SignPublic>(head, "recovery");
    for (auto& item : head.objects("cuts", limits::roster_devices)) {
        recover.cuts.push_back({item.id<DeviceId>("device"), optional_id<EntryId>(item, "last")});
        if (!item.finish_exact("cut")) head.reject("cuts", "holds a cut that cannot be read");
    }
    recover.bars = head.ids<DeviceId>("bars", limits::roster_devices);
    return recover;
}

Act read_act(wire::Fields& head, std::string_view name) {
    if (name == "genesis") {
        Genesis genesis{head.id<SignPublic>("recovery"), {}};
        const Bytes nonce = head.hex("nonce", genesis.nonce.size());
        if (nonce.size() == genesis.nonce.size())
            std::copy(nonce.begin(), nonce.end(), genesis.nonce.begin());
        else
            head.reject("nonce", "has the wrong length");
        return genesis;
    }
    if (name == "add") return Add{read_request_fields(head)};
    if (name == "rename") {
        Rename rename{head.id<DeviceId>("device"), head.text("name", limits::name_bytes)};
        if (!printable(rename.name)) head.reject("name", "is not a name");
        return rename;
    }
    if (name == "bar")
        return Bar{head.id<DeviceId>("device"), optional_id<EntryId>(head, "last"), head.flag("erase")};
    if (name == "contest") return Contest{head.id<EntryId>("bar")};
    if (name == "lift") return Lift{head.id<EntryId>("bar")};
    if (name == "recover") return read_recover(head);
    head.reject("act", "is unknown");
    return Contest{};
}

Body read_body(wire::Fields& head) {
    if (head.text("purpose", 32) != entry_purpose) head.reject("purpose", "is another one");
    if (head.u64("v") != version) head.reject("v", "is another version");
    Body body;
    const std::string act = head.text("act", 16);
    if (act != "genesis") body.person = head.id<PersonId>("person");
    const std::string signer = head.text("signer", 64);
    if (signer != recovery_signer) {
        body.signer = DeviceId::from_hex(signer);
        if (!body.signer) head.reject("signer", "is no device");
    }
    body.counter = head.u64("counter");
    body.heads = head.ids<EntryId>("heads", limits::roster_heads);
    body.time_ms = head.i64("time");
    body.act = read_act(head, act);

    if (body.counter == 0) head.reject("counter", "starts at 1");
    if (std::adjacent_find(body.heads.begin(), body.heads.end(), std::greater_equal<>()) != body.heads.end())
        head.reject("heads", "are not in order, or one is there twice");
    if (act == "genesis" && (body.signer || body.counter != 1 || !body.heads.empty()))
        head.reject("act", "is not the first entry");
    if (act != "genesis" && body.heads.empty()) head.reject("heads", "are missing");
    return body;
}

}  // namespace

std::string_view act_name(const Act& act) {
    return std::visit(Overloaded{[](const Genesis&) { return "genesis"; }, [](const Add&) { return "add"; },
                                 [](const Rename&) { return "rename"; }, [](const Bar&) { return "bar"; },
                                 [](const Contest&) { return "contest"; }, [](const Lift&) { return "lift"; },
                                 [](const Recover&) { return "recover"; }},
                      act);
}

DeviceId SignedRequest::id() const {
    return crypto::hash_id<DeviceId>(bytes);
}

Result<SignedRequest> make_request(const PersonId& person, std::string_view name,
                                   const crypto::SignKey& device_key, const crypto::SignKey& act_key,
                                   const LinkPublic& link_key, Random& random) {
    return make_request(person, name, device_key, act_key, link_key, crypto::random_id<RequestNonce>(random));
}

Result<SignedRequest> make_request(const PersonId& person, std::string_view name,
                                   const crypto::SignKey& device_key, const crypto::SignKey& act_key,
                                   const LinkPublic& link_key, const RequestNonce& nonce) {
    if (!printable(name))
        return fail(Fault::invalid, "this cannot be the name of a device",
                    "use 1 to " + std::to_string(limits::name_bytes) + " bytes of plain text");
    const std::string text = "{\"purpose\":" + quoted(request_purpose) + ",\"v\":" + std::to_string(version) +
                             ",\"person\":" + quoted_hex(person.view()) + ",\"name\":" + quoted(name) +
                             ",\"sign\":" + quoted_hex(device_key.public_key().view()) +
                             ",\"act\":" + quoted_hex(act_key.public_key().view()) +
                             ",\"link\":" + quoted_hex(link_key.view()) +
                             ",\"nonce\":" + quoted_hex(nonce.view()) + "}";
    SignedRequest request{to_bytes(text), device_key.sign(as_bytes(text)), act_key.sign(as_bytes(text))};
    KITH_TRY(read_request(request));
    return request;
}

Result<Request> read_request(const SignedRequest& request) {
    if (request.bytes.size() > limits::roster_request_bytes)
        return fail(Fault::protocol, "the request is too long");
    auto head = wire::Fields::parse(request.bytes);
    if (head.text("purpose", 32) != request_purpose) head.reject("purpose", "is another one");
    if (head.u64("v") != version) head.reject("v", "is another version");
    Request read{head.id<PersonId>("person"), head.text("name", limits::name_bytes),
                 head.id<SignPublic>("sign"), head.id<SignPublic>("act"),
                 head.id<LinkPublic>("link"), head.id<RequestNonce>("nonce")};
    if (!printable(read.name)) head.reject("name", "is not a name");
    // The act key is sealed apart from the device key: one key for both would undo that.
    if (read.act_key == read.device_key) head.reject("act", "is the device key");
    KITH_TRY(head.finish_exact("device request"));
    if (!crypto::verify(read.device_key, request.bytes, request.by_device) ||
        !crypto::verify(read.act_key, request.bytes, request.by_act))
        return fail(Fault::protocol, "the device's request is not signed by its keys");
    return read;
}

Result<Entry> sign_entry(const Body& body, const crypto::SignKey& key) {
    const Bytes bytes = to_bytes(encode(body));
    return read_entry(bytes, key.sign(bytes));
}

Result<Entry> read_entry(ByteView bytes, const Signature& signature) {
    if (bytes.size() > limits::roster_entry_bytes)
        return fail(Fault::protocol, "the roster entry is too long");
    auto head = wire::Fields::parse(bytes);
    Entry entry{crypto::hash_id<EntryId>(bytes), to_bytes(bytes), signature, read_body(head)};
    KITH_TRY(head.finish_exact("roster entry"));
    return entry;
}

bool signed_by(const Entry& entry, const SignPublic& key) {
    return crypto::verify(key, entry.bytes, entry.signature);
}

Bytes pack_entries(std::span<const Entry> entries) {
    Bytes out;
    for (const auto& entry : entries) {
        append_u32(out, static_cast<std::uint32_t>(entry.bytes.size()));
        append(out, entry.bytes);
        append(out, entry.signature.view());
    }
    return out;
}

Result<std::vector<Entry>> unpack_entries(ByteView bytes) {
    std::vector<Entry> entries;
    while (!bytes.empty()) {
        const std::size_t size = bytes.size() < 4 ? limits::roster_entry_bytes + 1 : load_u32(bytes.data());
        if (size > limits::roster_entry_bytes || bytes.size() < 4 + size + Signature::size)
            return fail(Fault::protocol, "the list of roster entries is cut off");
        if (entries.size() == limits::roster_entries)
            return fail(Fault::protocol, "there are too many roster entries");
        KITH_TRY_VALUE(entry, read_entry(bytes.subspan(4, size),
                                         *Signature::from(bytes.subspan(4 + size, Signature::size))));
        entries.push_back(std::move(entry));
        bytes = bytes.subspan(4 + size + Signature::size);
    }
    return entries;
}

Bytes pack_request(const SignedRequest& request) {
    Bytes out;
    append(out, request.by_device.view());
    append(out, request.by_act.view());
    append(out, request.bytes);
    return out;
}

Result<SignedRequest> unpack_request(ByteView bytes) {
    constexpr auto size = Signature::size;
    if (bytes.size() <= 2 * size || bytes.size() > 2 * size + limits::roster_request_bytes)
        return fail(Fault::protocol, "the device's request has the wrong length");
    return SignedRequest{to_bytes(bytes.subspan(2 * size)), *Signature::from(bytes.first(size)),
                         *Signature::from(bytes.subspan(size, size))};
}

}  // namespace kith::roster
