#include "app/join_pairing.h"

#include <algorithm>

#include "base/limits.h"

namespace kith::app {

Result<std::unique_ptr<JoinPairing>> JoinPairing::start(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                        Random& random, std::string_view text,
                                                        Events events) {
    KITH_TRY_VALUE(offer, pairing::decode_offer(text, pairing::OfferKind::device));
    std::unique_ptr<JoinPairing> self(
        new JoinPairing(loop, curve, profile, random, std::move(offer), std::move(events)));
    if (self->endpoints_.empty())
        return fail(Fault::unreachable,
                    "the other device is on none of the networks that this one is attached to",
                    "connect both to the same network, then make a new offer with 'kith device add'");
    self->probe();
    return self;
}

JoinPairing::JoinPairing(net::Loop& loop, net::Curve& curve, Profile& profile, Random& random,
                         pairing::Offer offer, Events events)
    : loop_(loop),
      curve_(curve),
      profile_(profile),
      random_(random),
      offer_(std::move(offer)),
      events_(std::move(events)),
      machine_(offer_) {
    // Only what is beside us: an offer that came by mail must not make this device call its maker.
    for (const auto& address : offer_.addresses)
        if (endpoints_.size() < limits::link_endpoints && net::directly_attached(address.bytes))
            endpoints_.push_back({address.text(), offer_.port});
}

void JoinPairing::cancel() {
    if (!begun_) return end(fail(Fault::cancelled, "cancelled"), false);
    if (!ended_) carry_out(machine_.cancel());
}

// A plain connection first: it tells why an offer cannot be reached, which CurveZMQ does not.
void JoinPairing::probe() {
    for (const auto& endpoint : endpoints_)
        probes_.emplace_back(loop_, endpoint.address, endpoint.port, limits::offer_probe_ms,
                             [this](net::Reach reach) { probed(reach); });
}

void JoinPairing::probed(net::Reach reach) {
    outcomes_.push_back(reach);
    if (begun_ || ended_) return;
    if (reach == net::Reach::ok) return begin();
    if (outcomes_.size() < endpoints_.size()) return;
    std::string where;
    for (const auto& endpoint : endpoints_) where += (where.empty() ? "" : ", ") + net::to_text(endpoint);
    bool expired = offer_.expires_unix_s * std::int64_t{1000} < loop_.now().unix_ms;
    if (std::ranges::find(outcomes_, net::Reach::refused) != outcomes_.end())
        return end(
            fail(Fault::unreachable,
                 expired ? "the offer has expired: nobody listens for it any more"
                         : "nobody listens for this offer any more: it was used, cancelled, or has expired",
                 "make a new one with 'kith device add' on the other device"),
            false);
    end(fail(Fault::unreachable, "the other device does not answer at " + where,
             "are both on the same network? a firewall, or a Wi-Fi that keeps devices apart, also does this"),
        false);
}

void JoinPairing::begin() {
    begun_ = true;
    carry_out(machine_.start(loop_.now(), random_));
    tick();
}

void JoinPairing::dial(const crypto::LinkKey& key) {
    net::CurveDialer::Events events;
    // A former connection, on its way out, has no say any more.
    auto current = ++dials_;
    events.on_up = [this, current](const net::Endpoint&) {
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

void JoinPairing::tick() {
    if (ended_) return;
    carry_out(machine_.tick(loop_.now(), random_));
    if (!ended_) tick_timer_ = loop_.after(limits::pairing_tick_ms, [this] { tick(); });
}

void JoinPairing::carry_out(pairing::JoinerActions actions) {
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
            auto request = introduced(known->introduction);
            if (!request) {
                for (auto& last : machine_.cancel())
                    if (auto* bye = std::get_if<joiner::Send>(&last))
                        (void)dialer_->send(std::move(bye->frame));
                return end(fail(request.error()), false);
            }
            carry_out(machine_.reply(roster::pack_request(*request), loop_.now()));
        } else if (auto* finished = std::get_if<joiner::Finished>(&action)) {
            for (auto& last : actions)
                if (auto* bye = std::get_if<joiner::Send>(&last)) (void)dialer_->send(std::move(bye->frame));
            auto entries = roster::unpack_entries(finished->verdict);
            if (!entries) return end(fail(entries.error()), true);
            if (auto added = profile_.add_entries(*entries, loop_.now().unix_ms); !added)
                return end(fail(added.error()), true);
            return end(host_, false);
        } else if (auto* failed = std::get_if<joiner::Failed>(&action)) {
            return end(fail(failed->error), failed->undecided);
        }
    }
}

Result<roster::SignedRequest> JoinPairing::introduced(ByteView bytes) {
    KITH_TRY_VALUE(introduction, decode_introduction(bytes));
    KITH_TRY_VALUE(
        state, roster::check_introduction(introduction.entries, introduction.link_key, introduction.act_key));
    const auto* host = state.link_allowed(introduction.link_key);
    if (!host || host->id != introduction.device)
        return fail(Fault::protocol, "the host is not who it says it is");
    host_ = host->id;
    return events_.ask(introduction, state);
}

void JoinPairing::end(Result<DeviceId> result, bool undecided) {
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

}  // namespace kith::app
