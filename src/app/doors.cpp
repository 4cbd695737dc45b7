#include "app/doors.h"

#include <algorithm>

#include "base/limits.h"
#include "net/reach.h"

namespace kith::app {

Result<std::unique_ptr<Doors>> Doors::open(net::Loop& loop, net::Curve& curve, Random& random,
                                           pairing::OfferKind kind, std::int64_t valid_ms, bool nearby,
                                           Events events) {
    std::vector<pairing::Address> addresses;
    for (const auto& address : net::own_addresses()) addresses.push_back({address.raw});
    if (addresses.empty())
        return fail(Fault::unavailable, "this machine has no network address",
                    "connect it to the network of the other device");
    std::unique_ptr<Doors> self(new Doors(loop, random, std::move(events)));
    auto made = pairing::make_offer(kind, std::move(addresses), 0, valid_ms, loop.now(), random);
    KITH_TRY_VALUE(shown, self->open_door(curve, made));
    self->shown_ = std::move(shown);
    made.offer.port = self->shown_->listener->port();
    KITH_TRY_VALUE(text, pairing::encode_offer(made.offer));
    self->text_ = std::move(text);
    self->expires_unix_ms_ = loop.now().unix_ms + valid_ms;
    self->shown_->machine.emplace(made.offer, self->events_.introduction(made.offer.server_key), valid_ms,
                                  loop.now());
    if (nearby) {
        auto other = pairing::make_offer(kind, {}, 0, valid_ms, loop.now(), random);
        other.offer.secret.reset();
        KITH_TRY_VALUE(door, self->open_door(curve, other));
        door->nearby = true;
        door->machine.emplace(other.offer, self->events_.introduction(other.offer.server_key), valid_ms,
                              loop.now());
        self->nearby_ = std::move(door);
    }
    self->tick();
    return self;
}

Result<std::unique_ptr<Doors::Door>> Doors::open_door(net::Curve& curve, const pairing::NewOffer& made) {
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

std::optional<Doors::Nearby> Doors::nearby() const {
    if (!nearby_ || nearby_->shut) return std::nullopt;
    return Nearby{nearby_->server_key, nearby_->listener->port()};
}

// At both doors a code may be wanted: which one it is for is told by its length.
void Doors::code_typed(std::string_view code) {
    if (ended_) return;
    const auto digits = std::count_if(code.begin(), code.end(), [](char c) { return c >= '0' && c <= '9'; });
    const auto wants = [](const std::unique_ptr<Door>& door) {
        return door && !door->shut && door->machine->state() == pairing::Host::State::awaiting_code;
    };
    auto& door =
        wants(nearby_) && (digits == pairing::nearby_code_digits || !wants(shown_)) ? *nearby_ : *shown_;
    carry_out(door, door.machine->code_typed(code, loop_.now(), random_));
}

void Doors::cancel() {
    if (ended_) return;
    auto& door = entered_ == nearby_.get() && nearby_ ? *nearby_ : *shown_;
    if (nearby_ && &door != nearby_.get()) shut(*nearby_);
    carry_out(door, door.machine->cancel());
}

void Doors::tick() {
    std::int64_t wait = 1000;
    for (auto* door : {shown_.get(), nearby_.get()}) {
        if (door == nullptr || door->shut || ended_) continue;
        carry_out(*door, door->machine->tick(loop_.now()));
        if (auto deadline = door->machine->deadline()) wait = std::min(wait, *deadline - loop_.now().mono_ms);
    }
    if (ended_) return;
    tick_timer_ = loop_.after(std::clamp<std::int64_t>(wait, 10, 1000), [this] { tick(); });
}

void Doors::carry_out(Door& door, pairing::HostActions actions) {
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
            return end({});
        }
    }
}

// Nobody comes in by this door any more; its last words get a moment to leave.
void Doors::shut(Door& door) {
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
void Doors::shut_nearby(const Error& why) {
    shut(*nearby_);
    if (why.kind != Fault::timed_out)
        events_.on_warning("the offer cannot be found nearby any more: " + why.what +
                           "; use its QR code or its text");
}

void Doors::replied(Door& door, ByteView reply) {
    auto verdict = events_.replied(reply, door.server_key);
    if (verdict)
        carry_out(door, door.machine->accept(std::move(*verdict), loop_.now()));
    else
        carry_out(door, door.machine->decline(verdict.error().what));
}

// The last frames get a moment to leave before the endpoint is closed.
void Doors::end(Result<> result) {
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
