#include "app/entering.h"

#include <algorithm>

#include "app/diagnosis.h"
#include "base/limits.h"

namespace kith::app {

namespace {

// Only what is beside us: an offer that came by mail must not make this device call its maker.
std::vector<net::Endpoint> nearby_endpoints(const pairing::Offer& offer) {
    std::vector<net::Endpoint> endpoints;
    for (const auto& address : offer.addresses)
        if (endpoints.size() < limits::link_endpoints && net::directly_attached(address.bytes))
            endpoints.push_back({address.text(), offer.port});
    return endpoints;
}

}  // namespace

Result<std::unique_ptr<Entering>> Entering::start(net::Loop& loop, net::Curve& curve, Random& random,
                                                  pairing::OfferKind kind, std::string_view text,
                                                  Events events) {
    KITH_TRY_VALUE(offer, pairing::decode_offer(text, kind));
    auto endpoints = nearby_endpoints(offer);
    if (endpoints.empty()) return fail(no_common_network(offer.addresses));
    std::unique_ptr<Entering> self(
        new Entering(loop, curve, random, std::move(offer), std::move(endpoints), std::move(events)));
    self->probe();
    return self;
}

Result<std::unique_ptr<Entering>> Entering::start(net::Loop& loop, net::Curve& curve, Random& random,
                                                  pairing::OfferKind kind, const FoundOffer& found,
                                                  Events events) {
    pairing::Offer offer;
    offer.kind = kind;
    offer.server_key = found.server_key;
    // The host knows when it ends.
    offer.expires_unix_s = UINT32_MAX;
    std::unique_ptr<Entering> self(
        new Entering(loop, curve, random, std::move(offer), found.endpoints, std::move(events)));
    self->probe();
    return self;
}

Entering::Entering(net::Loop& loop, net::Curve& curve, Random& random, pairing::Offer offer,
                   std::vector<net::Endpoint> endpoints, Events events)
    : loop_(loop),
      curve_(curve),
      random_(random),
      offer_(std::move(offer)),
      events_(std::move(events)),
      machine_(offer_),
      endpoints_(std::move(endpoints)) {}

void Entering::cancel() {
    if (!begun_) return end(fail(Fault::cancelled, "cancelled"), false);
    if (!ended_) carry_out(machine_.cancel());
}

// A plain connection first: it tells why an offer cannot be reached, which CurveZMQ does not.
void Entering::probe() {
    outcomes_.assign(endpoints_.size(), net::Reach::unreachable);
    outcomes_missing_ = endpoints_.size();
    for (std::size_t number = 0; number < endpoints_.size(); ++number)
        probes_.emplace_back(loop_, endpoints_[number].address, endpoints_[number].port,
                             limits::offer_probe_ms,
                             [this, number](net::Reach reach) { probed(number, reach); });
}

void Entering::probed(std::size_t number, net::Reach reach) {
    outcomes_[number] = reach;
    --outcomes_missing_;
    if (begun_ || ended_) return;
    if (reach == net::Reach::ok) return begin();
    if (outcomes_missing_ == 0) end(fail(unreached(loop_.now(), offer_, endpoints_, outcomes_)), false);
}

void Entering::begin() {
    begun_ = true;
    carry_out(machine_.start(loop_.now(), random_));
    tick();
}

void Entering::dial(const crypto::LinkKey& key) {
    net::CurveDialer::Events events;
    // A former connection, on its way out, has no say any more.
    auto current = ++dials_;
    events.on_up = [this, current](const net::Endpoint& by) {
        reached_ = by.address;
        if (!ended_ && current == dials_) carry_out(machine_.connected(loop_.now(), random_));
    };
    events.on_frame = [this, current](wire::Frame frame) {
        if (!ended_ && current == dials_) carry_out(machine_.received(frame, loop_.now(), random_));
    };
    events.on_lost = [this, current] {
        if (!ended_ && current == dials_) carry_out(machine_.link_lost(loop_.now(), random_));
    };
    // A former connection lives until the next one replaces it, so that its last frame can leave.
    leaving_ = std::move(dialer_);
    auto dialer = net::CurveDialer::dial(curve_, key, offer_.server_key, endpoints_, std::move(events));
    if (!dialer) return end(fail(dialer.error()), false);
    dialer_ = std::move(*dialer);
}

void Entering::tick() {
    if (ended_) return;
    carry_out(machine_.tick(loop_.now(), random_));
    if (!ended_) tick_timer_ = loop_.after(limits::pairing_tick_ms, [this] { tick(); });
}

void Entering::carry_out(pairing::JoinerActions actions) {
    namespace joiner = pairing::joiner;
    for (auto& action : actions) {
        if (ended_) return;
        if (auto* connect = std::get_if<joiner::Connect>(&action)) {
            dial(connect->client_key);
        } else if (auto* send = std::get_if<joiner::Send>(&action)) {
            if (dialer_) (void)dialer_->send(std::move(send->frame));
        } else if (auto* code = std::get_if<joiner::ShowCode>(&action)) {
            events_.on_code(code->code);
        } else if (auto* wrong = std::get_if<joiner::CodeWrong>(&action)) {
            events_.on_code_wrong(wrong->left);
        } else if (auto* known = std::get_if<joiner::Introduced>(&action)) {
            auto reply = events_.introduced(known->introduction, reached_);
            if (!reply) {
                for (auto& last : machine_.cancel())
                    if (auto* bye = std::get_if<joiner::Send>(&last))
                        (void)dialer_->send(std::move(bye->frame));
                return end(fail(reply.error()), false);
            }
            carry_out(machine_.reply(std::move(*reply), loop_.now()));
        } else if (auto* finished = std::get_if<joiner::Finished>(&action)) {
            for (auto& last : actions)
                if (auto* bye = std::get_if<joiner::Send>(&last)) (void)dialer_->send(std::move(bye->frame));
            if (auto kept = events_.accepted(finished->verdict); !kept) return end(fail(kept.error()), true);
            return end({}, false);
        } else if (auto* failed = std::get_if<joiner::Failed>(&action)) {
            return end(fail(failed->error), failed->undecided);
        }
    }
}

void Entering::end(Result<> result, bool undecided) {
    if (ended_) return;
    ended_ = true;
    tick_timer_.cancel();
    end_timer_ =
        loop_.after(limits::pairing_flush_ms, [this, undecided, result = std::move(result)]() mutable {
            dialer_.reset();
            leaving_.reset();
            auto call = std::move(events_.on_end);
            call(std::move(result), undecided);
        });
}

std::string another_code_text(int tries_left) {
    return "another code was typed; " +
           (tries_left == 1 ? std::string("1 try is left") : std::to_string(tries_left) + " tries are left");
}

}  // namespace kith::app
