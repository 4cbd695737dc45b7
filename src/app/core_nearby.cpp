// The core's part in what is found nearby: offers that are joined, and devices of this person that are met.
#include "app/core.h"

namespace kith::app {

Neighbourhood::Events Core::around_events() {
    Neighbourhood::Events events;
    events.on_device = [this](const DeviceId& device, std::vector<net::Endpoint> endpoints) {
        if (peers_) peers_->found(device, std::move(endpoints));
    };
    events.linked = [this](const DeviceId& device) { return peers_ && peers_->linked(device); };
    events.link_port = [this] { return peers_ ? peers_->port() : std::uint16_t{0}; };
    events.log = log_;
    return events;
}

void Core::find_and_join(const Request& request, const std::string& nearby, const std::string& name,
                         const Choice& choice) {
    if (auto possible = around_.check_possible(); !possible) return request->fail(possible.error());
    if (profile_.exists() && !profile_.open())
        return request->fail({Fault::locked, "this device is locked", "run 'kith unlock'"});
    if (profile_.exists())
        if (auto joinable = profile_.check_joinable(); !joinable) return request->fail(joinable.error());
    join_request_ = request;
    request->on_cancelled([this](control::Cancelled) {
        around_.stop_finding();
        auto ended = std::move(join_request_);
        join_request_ = nullptr;
        if (ended) ended->fail({Fault::cancelled, "cancelled", ""});
    });
    around_.find_offer(pairing::OfferKind::device, nearby, [this, name, choice](Result<FoundOffer> found) {
        auto asked = std::move(join_request_);
        join_request_ = nullptr;
        if (!asked) return;
        if (!found) return asked->fail(found.error());
        asked->event("found", {{"name", found->words}});
        prepare_join(asked, std::move(*found), name, choice);
    });
}

}  // namespace kith::app
