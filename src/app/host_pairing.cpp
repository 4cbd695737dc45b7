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
    std::vector<pairing::Address> addresses;
    for (const auto& address : net::own_addresses()) addresses.push_back({address.raw});
    if (addresses.empty())
        return fail(Fault::unavailable, "this machine has no network address",
                    "connect it to the network of the new device");
    std::unique_ptr<HostPairing> self(
        new HostPairing(loop, profile, random, std::move(act_key), std::move(events)));
    const auto* own = profile.roster().find(profile.device());
    if (!own) return fail(Fault::refused, "this device is not in its roster");
    auto introduction = encode_introduction(
        {profile.device(), own->link_key, own->act_key, std::move(endpoints), profile.entries()});

    auto made = pairing::make_offer(pairing::OfferKind::device, std::move(addresses), 0, valid_ms, loop.now(),
                                    random);
    KITH_TRY_VALUE(shown, self->open_door(curve, made));
    self->shown_ = std::move(shown);
    made.offer.port = self->shown_->listener->port();
    KITH_TRY_VALUE(text, pairing::encode_offer(made.offer));
    self->text_ = std::move(text);
    self->expires_unix_ms_ = loop.now().unix_ms + valid_ms;
    self->shown_->machine.emplace(made.offer, introduction, valid_ms, loop.now());
    if (nearby) {
        auto other = pairing::make_offer(pairing::OfferKind::device, {}, 0, valid_ms, loop.now(), random);
        other.offer.secret.reset();
        KITH_TRY_VALUE(door, self->open_door(curve, other));
        door->nearby = true;
        door->machine.emplace(other.offer, std::move(introduction), valid_ms, loop.now());
        self->nearby_ = std::move(door);
    }
    self->tick();
    return self;
}

Result<std::unique_ptr<HostPairing::Door>> HostPairing::open_door(net::Curve& curve,
                                                                  const pairing::NewOffer& made) {
    auto door = std::make_unique<Door>();
    door->server_key = made.offer.server_key;
    net::CurveListener::Options options;
    options.part_bytes = limits::pairing_payload + 1024;
    options.unread_bytes = limits::pairing_unread_bytes;
    // Who is not beside us has no business here, even when he has the text.
    options.attached_only = true;
    net::CurveListener::Events link;
    auto* raw = door.get();
    // Anybody may connect: who does not know the offer's secret gets nowhere in the machine.
    link.allow = [](const LinkPublic&) { return true; };
    link.on_frame = [this, raw](const LinkPublic& client, net::Connection connection, wire::Frame frame) {
        if (ended_ || raw->shut) return;
        raw->connections[client] = connection;
        carry_out(*raw, raw->machine->received(client, frame, loop_.now(), random_));
    };
    link.on_lost = [this, raw](net::Connection connection) {
        for (auto at = raw->connections.begin(); at != raw->connections.end(); ++at) {
            if (at->second != connection) continue;
            auto client = at->first;
            raw->connections.erase(at);
            if (!ended_ && !raw->shut) carry_out(*raw, raw->machine->link_lost(client, loop_.now()));
            return;
        }
    };
    KITH_TRY_VALUE(listener, net::CurveListener::listen(curve, made.server_key, options, std::move(link)));
    door->listener = std::move(listener);
    return door;
}

std::optional<HostPairing::Nearby> HostPairing::nearby() const {
    if (!nearby_ || nearby_->shut) return std::nullopt;
    return Nearby{nearby_->server_key, nearby_->listener->port()};
}

// At both doors a code may be wanted: which one it is for is told by its length.
void HostPairing::code_typed(std::string_view code) {
    if (ended_) return;
    const auto digits = std::count_if(code.begin(), code.end(), [](char c) { return c >= '0' && c <= '9'; });
    const auto wants = [](const std::unique_ptr<Door>& door) {
        return door && !door->shut && door->machine->state() == pairing::Host::State::awaiting_code;
    };
    auto& door =
        wants(nearby_) && (digits == pairing::nearby_code_digits || !wants(shown_)) ? *nearby_ : *shown_;
    carry_out(door, door.machine->code_typed(code, loop_.now(), random_));
}

void HostPairing::cancel() {
    if (ended_) return;
    auto& door = entered_ == nearby_.get() && nearby_ ? *nearby_ : *shown_;
    if (nearby_ && &door != nearby_.get()) shut(*nearby_);
    carry_out(door, door.machine->cancel());
}

void HostPairing::tick() {
    std::int64_t wait = 1000;
    for (auto* door : {shown_.get(), nearby_.get()}) {
        if (door == nullptr || door->shut || ended_) continue;
        carry_out(*door, door->machine->tick(loop_.now()));
        if (auto deadline = door->machine->deadline()) wait = std::min(wait, *deadline - loop_.now().mono_ms);
    }
    if (ended_) return;
    tick_timer_ = loop_.after(std::clamp<std::int64_t>(wait, 10, 1000), [this] { tick(); });
}

void HostPairing::carry_out(Door& door, pairing::HostActions actions) {
    namespace host = pairing::host;
    for (auto& action : actions) {
        if (auto* send = std::get_if<host::Send>(&action)) {
            auto at = door.connections.find(send->client);
            if (at != door.connections.end()) (void)door.listener->send(at->second, std::move(send->frame));
        } else if (auto* drop = std::get_if<host::Drop>(&action)) {
            door.connections.erase(drop->client);
            // Not at once: the last word to it has to leave first.
            std::erase_if(door.drop_timers, [](const net::Timer& timer) { return !timer.armed(); });
            door.drop_timers.push_back(
                loop_.after(limits::pairing_flush_ms, [raw = &door, client = drop->client] {
                    if (raw->listener) raw->listener->disconnect(client);
                }));
        } else if (auto* wanted = std::get_if<host::CodeWanted>(&action)) {
            events_.on_code_wanted(wanted->digits);
        } else if (auto* unusable = std::get_if<host::CodeUnusable>(&action)) {
            events_.on_warning("a code has " + std::to_string(unusable->digits) +
                               " digits; that try does not count");
            events_.on_code_wanted(unusable->digits);
        } else if (auto* wrong = std::get_if<host::CodeWrong>(&action)) {
            events_.on_code_wrong(wrong->left);
        } else if (auto* warning = std::get_if<host::Warning>(&action)) {
            events_.on_warning(warning->text);
        } else if (std::get_if<host::Established>(&action)) {
            entered_ = &door;
            auto* other = &door == shown_.get() ? nearby_.get() : shown_.get();
            if (other != nullptr) shut(*other);
        } else if (auto* reply = std::get_if<host::Replied>(&action)) {
            replied(door, reply->reply);
        } else if (auto* failed = std::get_if<host::Failed>(&action)) {
            if (door.nearby && entered_ == nullptr) return shut_nearby(failed->error);
            return end(fail(failed->error));
        } else if (std::get_if<host::Finished>(&action)) {
            return end(*admitted_);
        }
    }
}

// Nobody comes in by this door any more; its last words get a moment to leave.
void HostPairing::shut(Door& door) {
    if (door.shut) return;
    door.shut = true;
    for (auto& action : door.machine->cancel())
        if (auto* send = std::get_if<pairing::host::Send>(&action))
            if (auto at = door.connections.find(send->client); at != door.connections.end())
                (void)door.listener->send(at->second, std::move(send->frame));
    door.close_timer = loop_.after(limits::pairing_flush_ms, [raw = &door] { raw->listener.reset(); });
    if (door.nearby && events_.on_nearby_over) events_.on_nearby_over();
}

// Strangers can bring this about. The text is as good as before.
void HostPairing::shut_nearby(const Error& why) {
    shut(*nearby_);
    if (why.kind != Fault::timed_out)
        events_.on_warning("the offer cannot be found nearby any more: " + why.what +
                           "; use its QR code or its text");
}

void HostPairing::replied(Door& door, ByteView reply) {
    auto verdict = admit(reply);
    if (verdict)
        carry_out(door, door.machine->accept(std::move(*verdict), loop_.now()));
    else
        carry_out(door, door.machine->decline(verdict.error().what));
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

// The last frames get a moment to leave before the endpoint is closed.
void HostPairing::end(Result<DeviceId> result) {
    if (ended_) return;
    ended_ = true;
    tick_timer_.cancel();
    if (nearby_) shut(*nearby_);
    end_timer_ = loop_.after(limits::pairing_flush_ms, [this, result = std::move(result)]() mutable {
        shown_->listener.reset();
        if (nearby_) nearby_->listener.reset();
        auto call = std::move(events_.on_end);
        call(std::move(result));
    });
}

}  // namespace kith::app
