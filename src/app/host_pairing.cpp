#include "app/host_pairing.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "net/reach.h"
#include "wire/fields.h"

namespace kith::app {

using Json = nlohmann::json;

Bytes encode_introduction(const Introduction& introduction) {
    Json endpoints = Json::array();
    for (const auto& endpoint : introduction.endpoints) endpoints.push_back(endpoint);
    auto head = Json{
        {"v", 1},
        {"device", introduction.device.hex()},
        {"link", introduction.link_key.hex()},
        {"act", introduction.act_key.hex()},
        {"endpoints",
         endpoints}}.dump();
    Bytes bytes;
    append_u32(bytes, static_cast<std::uint32_t>(head.size()));
    append(bytes, head);
    append(bytes, roster::pack_entries(introduction.entries));
    return bytes;
}

Result<Introduction> decode_introduction(ByteView bytes) {
    if (bytes.size() < 4 || load_u32(bytes.data()) > bytes.size() - 4)
        return fail(Fault::protocol, "the introduction is malformed");
    auto head = wire::Fields::parse(bytes.subspan(4, load_u32(bytes.data())));
    Introduction introduction;
    if (head.u64("v") != 1)
        return fail(Fault::refused, "the other device speaks another version of kith", "update kith on both");
    introduction.device = head.id<DeviceId>("device");
    introduction.link_key = head.id<LinkPublic>("link");
    introduction.act_key = head.id<SignPublic>("act");
    introduction.endpoints = head.texts("endpoints", limits::link_endpoints, 64);
    KITH_TRY(head.finish("introduction"));
    KITH_TRY_VALUE(entries, roster::unpack_entries(bytes.subspan(4 + load_u32(bytes.data()))));
    introduction.entries = std::move(entries);
    return introduction;
}

Bytes encode_reply(const Reply& reply) {
    Json endpoints = Json::array();
    for (const auto& endpoint : reply.endpoints) endpoints.push_back(endpoint);
    const auto head = Json{{"v", 1}, {"endpoints", endpoints}}.dump();
    Bytes bytes;
    append_u32(bytes, static_cast<std::uint32_t>(head.size()));
    append(bytes, head);
    append(bytes, roster::pack_request(reply.request));
    return bytes;
}

Result<Reply> decode_reply(ByteView bytes) {
    if (bytes.size() < 4 || load_u32(bytes.data()) > bytes.size() - 4)
        return fail(Fault::protocol, "the request is malformed");
    auto head = wire::Fields::parse(bytes.subspan(4, load_u32(bytes.data())));
    if (head.u64("v") != 1)
        return fail(Fault::refused, "the other device speaks another version of kith", "update kith on both");
    Reply reply;
    reply.endpoints = head.texts("endpoints", limits::link_endpoints, 64);
    KITH_TRY(head.finish("reply"));
    // They are kept, told on, and shown.
    for (const auto& endpoint : reply.endpoints)
        if (!std::all_of(endpoint.begin(), endpoint.end(), [](char c) { return c > ' ' && c <= '~'; }))
            return fail(Fault::protocol, "the request holds an address that is none");
    KITH_TRY_VALUE(request, roster::unpack_request(bytes.subspan(4 + load_u32(bytes.data()))));
    reply.request = std::move(request);
    return reply;
}

Result<std::unique_ptr<HostPairing>> HostPairing::open(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                       Random& random, crypto::SignKey act_key,
                                                       std::vector<std::string> endpoints,
                                                       std::int64_t valid_ms, bool nearby, Events events) {
    std::unique_ptr<HostPairing> self(new HostPairing(loop, profile, std::move(act_key), std::move(events)));
    const auto* own = profile.roster().find(profile.device());
    if (!own) return fail(Fault::refused, "this device is not in its roster");
    auto introduction = encode_introduction(
        {profile.device(), own->link_key, own->act_key, std::move(endpoints), profile.entries()});
    auto& events_now = self->events_;
    Doors::Events doors;
    doors.on_code_wanted = events_now.on_code_wanted;
    doors.on_code_wrong = events_now.on_code_wrong;
    doors.on_warning = events_now.on_warning;
    doors.on_nearby_over = events_now.on_nearby_over;
    doors.introduction = [introduction](const LinkPublic&) { return introduction; };
    doors.replied = [raw = self.get()](ByteView reply, const LinkPublic&) { return raw->admit(reply); };
    doors.on_end = [raw = self.get()](Result<> result) {
        auto call = std::move(raw->events_.on_end);
        if (!result) return call(fail(result.error()));
        const auto device = *raw->admitted_;
        call(device);
    };
    KITH_TRY_VALUE(opened, Doors::open(loop, curve, random, pairing::OfferKind::device, valid_ms, nearby,
                                       std::move(doors)));
    self->doors_ = std::move(opened);
    return self;
}

// Durable when it returns: only then is the joiner told.
Result<Bytes> HostPairing::admit(ByteView bytes) {
    KITH_TRY_VALUE(reply, decode_reply(bytes));
    const auto& request = reply.request;
    KITH_TRY_VALUE(read, roster::read_request(request));
    if (read.person != profile_.person()) return fail(Fault::protocol, "a request to join another person");
    KITH_TRY_VALUE(
        add, roster::make_add(profile_.roster(), profile_.device(), act_key_, request, loop_.now().unix_ms));
    KITH_TRY(events_.admit(add, read, request.id()));
    admitted_ = request.id();
    // A hint: without it, the new device calls.
    if (!reply.endpoints.empty())
        (void)profile_.store().put_peer({request.id(), reply.endpoints, loop_.now().unix_ms});
    return roster::pack_entries({&add, 1});
}

}  // namespace kith::app
