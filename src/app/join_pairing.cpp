#include "app/join_pairing.h"

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

Result<std::unique_ptr<JoinPairing>> JoinPairing::start(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                        Random& random, std::string_view text,
                                                        Events events) {
    KITH_TRY_VALUE(offer, pairing::decode_offer(text, pairing::OfferKind::device));
    auto endpoints = nearby_endpoints(offer);
    if (endpoints.empty()) return fail(no_common_network(offer));
    std::unique_ptr<JoinPairing> self(new JoinPairing(loop, curve, profile, random, std::move(offer),
                                                      std::move(endpoints), std::move(events)));
    self->probe();
    return self;
}

Result<std::unique_ptr<JoinPairing>> JoinPairing::start(net::Loop& loop, net::Curve& curve, Profile& profile,
                                                        Random& random, const FoundOffer& found,
                                                        Events events) {
    pairing::Offer offer;
    offer.kind = pairing::OfferKind::device;
    offer.server_key = found.server_key;
    // The host knows when it ends.
    offer.expires_unix_s = UINT32_MAX;
    std::unique_ptr<JoinPairing> self(
        new JoinPairing(loop, curve, profile, random, std::move(offer), found.endpoints, std::move(events)));
    self->probe();
    return self;
}

JoinPairing::JoinPairing(net::Loop& loop, net::Curve& curve, Profile& profile, Random& random,
                         pairing::Offer offer, std::vector<net::Endpoint> endpoints, Events events)
    : loop_(loop),
      curve_(curve),
      profile_(profile),
      random_(random),
      offer_(std::move(offer)),
      events_(std::move(events)),
      machine_(offer_),
      endpoints_(std::move(endpoints)) {}

void JoinPairing::cancel() {
    if (!begun_) return end(fail(Fault::cancelled, "cancelled"), false);
    if (!ended_) carry_out(machine_.cancel());
}

// A plain connection first: it tells why an offer cannot be reached, which CurveZMQ does not.
void JoinPairing::probe() {
    outcomes_.assign(endpoints_.size(), net::Reach::unreachable);
    outcomes_missing_ = endpoints_.size();
    for (std::size_t number = 0; number < endpoints_.size(); ++number)
        probes_.emplace_back(loop_, endpoints_[number].address, endpoints_[number].port,
                             limits::offer_probe_ms,
                             [this, number](net::Reach reach) { probed(number, reach); });
}

void JoinPairing::probed(std::size_t number, net::Reach reach) {
    outcomes_[number] = reach;
    --outcomes_missing_;
    if (begun_ || ended_) return;
    if (reach == net::Reach::ok) return begin();
    if (outcomes_missing_ == 0) end(fail(unreached(loop_.now(), offer_, endpoints_, outcomes_)), false);
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
            carry_out(machine_.reply(encode_reply({events_.endpoints(), std::move(*request)}), loop_.now()));
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
    // Its peer link will be where it is now, too: by an address that means something here alone, perhaps.
    if (!introduction.endpoints.empty() && !reached_.empty()) {
        const auto& other = introduction.endpoints.front();
        const auto host_part = net::to_text({reached_, 0});
        introduction.endpoints.insert(
            introduction.endpoints.begin(),
            host_part.substr(0, host_part.size() - 1) + other.substr(other.rfind(':') + 1));
        if (introduction.endpoints.size() > limits::link_endpoints) introduction.endpoints.pop_back();
    }
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
