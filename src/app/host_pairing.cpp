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

Result<std::unique_ptr<HostPairing>> HostPairing::open(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                       Random& random, crypto::SignKey act_key,
                                                       std::vector<std::string> endpoints,
                                                       std::int64_t valid_ms, Events events) {
    std::vector<pairing::Address> addresses;
    for (const auto& address : net::own_addresses()) addresses.push_back({address.raw});
    if (addresses.empty())
        return fail(Fault::unavailable, "this machine has no network address",
                    "connect it to the network of the new device");
    std::unique_ptr<HostPairing> self(
        new HostPairing(loop, profile, random, std::move(act_key), std::move(events)));
    auto offer = pairing::make_offer(pairing::OfferKind::device, std::move(addresses), 0, valid_ms,
                                     loop.now(), random);

    net::CurveListener::Options options;
    options.part_bytes = limits::pairing_payload + 1024;
    options.unread_bytes = limits::pairing_unread_bytes;
    net::CurveListener::Events link;
    auto* raw = self.get();
    // Anybody may connect: who does not know the offer's secret gets nowhere in the machine.
    link.allow = [](const LinkPublic&) { return true; };
    link.on_frame = [raw](const LinkPublic& client, net::Connection connection, wire::Frame frame) {
        if (raw->ended_) return;
        raw->connections_[client] = connection;
        raw->carry_out(raw->machine_->received(client, frame, raw->loop_.now(), raw->random_));
    };
    link.on_lost = [raw](net::Connection connection) {
        for (auto at = raw->connections_.begin(); at != raw->connections_.end(); ++at) {
            if (at->second != connection) continue;
            auto client = at->first;
            raw->connections_.erase(at);
            if (!raw->ended_) raw->carry_out(raw->machine_->link_lost(client, raw->loop_.now()));
            return;
        }
    };
    KITH_TRY_VALUE(listener, net::CurveListener::listen(curve, offer.server_key, options, std::move(link)));
    self->listener_ = std::move(listener);
    offer.offer.port = self->listener_->port();
    KITH_TRY_VALUE(text, pairing::encode_offer(offer.offer));
    self->text_ = std::move(text);
    self->expires_unix_ms_ = loop.now().unix_ms + valid_ms;

    const auto* own = profile.roster().find(profile.device());
    if (!own) return fail(Fault::refused, "this device is not in its roster");
    auto introduction = encode_introduction(
        {profile.device(), own->link_key, own->act_key, std::move(endpoints), profile.entries()});
    self->machine_.emplace(offer.offer, std::move(introduction), valid_ms, loop.now());
    self->tick();
    return self;
}

void HostPairing::code_typed(std::string_view code) {
    if (!ended_) carry_out(machine_->code_typed(code, loop_.now(), random_));
}

void HostPairing::cancel() {
    if (!ended_) carry_out(machine_->cancel());
}

void HostPairing::tick() {
    carry_out(machine_->tick(loop_.now()));
    if (ended_ || machine_->over()) return;
    auto deadline = machine_->deadline();
    auto wait = deadline ? *deadline - loop_.now().mono_ms : 1000;
    tick_timer_ = loop_.after(std::clamp<std::int64_t>(wait, 10, 1000), [this] { tick(); });
}

void HostPairing::carry_out(pairing::HostActions actions) {
    namespace host = pairing::host;
    for (auto& action : actions) {
        if (auto* send = std::get_if<host::Send>(&action)) {
            auto at = connections_.find(send->client);
            if (at != connections_.end()) (void)listener_->send(at->second, std::move(send->frame));
        } else if (auto* drop = std::get_if<host::Drop>(&action)) {
            connections_.erase(drop->client);
            // Not at once: the last word to it has to leave first.
            std::erase_if(drop_timers_, [](const net::Timer& timer) { return !timer.armed(); });
            drop_timers_.push_back(loop_.after(limits::pairing_flush_ms, [this, client = drop->client] {
                if (listener_) listener_->disconnect(client);
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
        } else if (auto* reply = std::get_if<host::Replied>(&action)) {
            replied(reply->reply);
        } else if (auto* failed = std::get_if<host::Failed>(&action)) {
            return end(fail(failed->error));
        } else if (std::get_if<host::Finished>(&action)) {
            return end(*admitted_);
        }
    }
}

void HostPairing::replied(ByteView reply) {
    auto verdict = admit(reply);
    if (verdict)
        carry_out(machine_->accept(std::move(*verdict), loop_.now()));
    else
        carry_out(machine_->decline(verdict.error().what));
}

// Durable when it returns: only then is the joiner told.
Result<Bytes> HostPairing::admit(ByteView reply) {
    KITH_TRY_VALUE(request, roster::unpack_request(reply));
    KITH_TRY_VALUE(read, roster::read_request(request));
    if (read.person != profile_.person()) return fail(Fault::protocol, "a request to join another person");
    KITH_TRY_VALUE(
        add, roster::make_add(profile_.roster(), profile_.device(), act_key_, request, loop_.now().unix_ms));
    KITH_TRY(events_.admit(add, read, request.id()));
    admitted_ = request.id();
    return roster::pack_entries({&add, 1});
}

// The last frames get a moment to leave before the endpoint is closed.
void HostPairing::end(Result<DeviceId> result) {
    if (ended_) return;
    ended_ = true;
    tick_timer_.cancel();
    end_timer_ = loop_.after(limits::pairing_flush_ms, [this, result = std::move(result)]() mutable {
        listener_.reset();
        auto call = std::move(events_.on_end);
        call(std::move(result));
    });
}

}  // namespace kith::app
