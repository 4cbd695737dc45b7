#include "app/bells.h"

#include "app/diagnosis.h"
#include "base/limits.h"

namespace kith::app {

// --- the new device

Result<std::unique_ptr<HungBell>> HungBell::hang(net::Loop& loop, net::Curve& curve, Random& random,
                                                 Events events) {
    pairing::Bell bell;
    for (const auto& address : net::own_addresses()) bell.addresses.push_back({address.raw});
    std::unique_ptr<HungBell> self(new HungBell(loop, std::move(events)));
    const auto key = crypto::LinkKey::generate(random);
    bell.server_key = key.public_key;
    net::CurveListener::Options options;
    options.part_bytes = limits::pairing_head;
    options.unread_bytes = limits::pairing_unread_bytes;
    options.attached_only = true;
    net::CurveListener::Events link;
    // Who does not have the key gets no byte across; who has it has seen the text.
    link.allow = [](const LinkPublic&) { return true; };
    link.on_frame = [raw = self.get()](const LinkPublic& client, net::Connection connection,
                                       wire::Frame frame) {
        raw->connections_[client] = connection;
        raw->carry_out(raw->machine_.received(client, frame));
    };
    link.on_lost = [raw = self.get()](net::Connection connection) {
        std::erase_if(raw->connections_, [&](const auto& item) { return item.second == connection; });
    };
    KITH_TRY_VALUE(listener, net::CurveListener::listen(curve, key, options, std::move(link)));
    self->listener_ = std::move(listener);
    bell.port = self->listener_->port();
    self->expires_unix_ms_ = loop.now().unix_ms + limits::offer_valid_ms;
    bell.expires_unix_s = static_cast<std::uint32_t>(self->expires_unix_ms_ / 1000);
    KITH_TRY_VALUE(text, pairing::encode_bell(bell));
    self->text_ = std::move(text);
    self->tick();
    return self;
}

void HungBell::code_was_right() {
    machine_.code_was_right();
    // Not at once: this may be in a call from it, and its last word has to leave.
    close_timer_ = loop_.after(limits::pairing_flush_ms, [this] { listener_.reset(); });
}

void HungBell::tick() {
    carry_out(machine_.tick(loop_.now()));
    tick_timer_ = loop_.after(limits::pairing_tick_ms, [this] { tick(); });
}

void HungBell::carry_out(pairing::PorterActions actions) {
    namespace porter = pairing::porter;
    for (auto& action : actions) {
        if (auto* send = std::get_if<porter::Send>(&action)) {
            auto at = connections_.find(send->client);
            if (at != connections_.end() && listener_)
                (void)listener_->send(at->second, std::move(send->frame));
        } else if (auto* rung = std::get_if<porter::Rung>(&action)) {
            call_timer_ = loop_.after(0, [this, offer = std::move(rung->offer)] { events_.on_rung(offer); });
        } else if (auto* ended = std::get_if<porter::Ended>(&action)) {
            // The last frames get a moment to leave; it takes the place of a ring that was not told yet.
            call_timer_ = loop_.after(limits::pairing_flush_ms, [this, error = std::move(ended->error)] {
                listener_.reset();
                events_.on_ended(error);
            });
        }
    }
}

// --- the old device

Result<std::unique_ptr<RungBell>> RungBell::ring(net::Loop& loop, net::Curve& curve, Random& random,
                                                 const pairing::Bell& bell, const std::string& offer,
                                                 Events events) {
    // Only what is beside us: a picture that came by mail must not make this device call its maker.
    std::vector<net::Endpoint> endpoints;
    for (const auto& address : bell.addresses)
        if (endpoints.size() < limits::link_endpoints && net::directly_attached(address.bytes))
            endpoints.push_back({address.text(), bell.port});
    if (endpoints.empty()) return fail(no_common_network(bell.addresses));
    std::unique_ptr<RungBell> self(new RungBell(loop, offer, std::move(events)));
    net::CurveDialer::Events link;
    link.on_up = [raw = self.get()](const net::Endpoint&) { raw->carry_out(raw->machine_.connected()); };
    link.on_frame = [raw = self.get()](wire::Frame frame) { raw->carry_out(raw->machine_.received(frame)); };
    KITH_TRY_VALUE(dialer, net::CurveDialer::dial(curve, crypto::LinkKey::generate(random), bell.server_key,
                                                  std::move(endpoints), std::move(link)));
    self->dialer_ = std::move(dialer);
    self->tick();
    return self;
}

void RungBell::tick() {
    carry_out(machine_.tick(loop_.now()));
    tick_timer_ = loop_.after(limits::pairing_tick_ms, [this] { tick(); });
}

void RungBell::carry_out(pairing::RingerActions actions) {
    namespace ringer = pairing::ringer;
    for (auto& action : actions) {
        if (auto* send = std::get_if<ringer::Send>(&action)) {
            (void)dialer_->send(std::move(send->frame));
        } else if (std::get_if<ringer::Handed>(&action)) {
            events_.on_handed();
        } else if (auto* failed = std::get_if<ringer::Failed>(&action)) {
            call_timer_ = loop_.after(0, [this, error = std::move(failed->error)] {
                dialer_.reset();
                events_.on_failed(error);
            });
        }
    }
}

}  // namespace kith::app
