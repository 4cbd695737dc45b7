// The core's part in bells (src/pairing/README.md): the new device shows, and the old one scans.
#include "app/core.h"
#include "control/time_text.h"

namespace kith::app {

void Core::show_and_join(const Request& request, const std::string& name, const Choice& choice) {
    if (profile_.exists() && !profile_.open())
        return request->fail({Fault::locked, "this device is locked", "run 'kith unlock'"});
    if (profile_.exists())
        if (auto joinable = profile_.check_joinable(); !joinable) return request->fail(joinable.error());
    HungBell::Events events;
    events.on_rung = [this, name, choice](const std::string& offer) {
        auto asked = std::move(join_request_);
        join_request_ = nullptr;
        if (!asked) return end_bells();
        asked->event("rung", control::Json::object());
        prepare_join(asked, offer, name, choice);
        if (!joining_) end_bells();
    };
    events.on_ended = [this](const Error& error) { bell_ended(error); };
    auto hung = HungBell::hang(loop_, curve_, random_, std::move(events));
    if (!hung) return request->fail(hung.error());
    hung_bell_ = std::move(*hung);
    join_request_ = request;
    request->on_cancelled([this](control::Cancelled) {
        auto ended = std::move(join_request_);
        join_request_ = nullptr;
        end_bells();
        if (ended) ended->fail({Fault::cancelled, "cancelled", ""});
    });
    request->event("bell", {{"text", hung_bell_->text()},
                            {"expires", control::to_time_text(hung_bell_->expires_unix_ms())}});
}

void Core::bell_ended(const Error& error) {
    log_("joining: " + error.what);
    if (joining_) {
        bell_error_ = error;
        return joining_->cancel();
    }
    auto asked = std::move(join_request_);
    join_request_ = nullptr;
    end_bells();
    if (asked) asked->fail(error);
}

// Not at once: this may be in a call of theirs.
void Core::end_bells() {
    bell_end_timer_ = loop_.after(0, [this] {
        hung_bell_.reset();
        rung_bell_.reset();
    });
}

Result<> Core::ring(const pairing::Bell& bell) {
    RungBell::Events events;
    events.on_handed = [this] {
        if (add_request_ && adding_)
            add_request_->event("handed", {{"expires", control::to_time_text(adding_->expires_unix_ms())}});
    };
    events.on_failed = [this](const Error& error) {
        if (!adding_ || adding_->admitted()) return;
        bell_error_ = error;
        adding_->cancel();
    };
    KITH_TRY_VALUE(rung, RungBell::ring(loop_, curve_, random_, bell, adding_->text(), std::move(events)));
    rung_bell_ = std::move(rung);
    return {};
}

// The code was right. Who looked over a shoulder may have rung first, and read the code there too: so it is
// said whose this device is about to be.
void Core::tell_whose(const Introduction& host, const roster::State& state) {
    if (!hung_bell_) return;
    hung_bell_->code_was_right();
    if (!join_request_) return;
    control::Json others = control::Json::array();
    std::string name;
    for (const auto& device : state.devices) {
        if (device.id == host.device)
            name = device.name;
        else if (device.state != roster::DeviceState::barred)
            others.push_back(device.name);
    }
    join_request_->event("whose", {{"name", name}, {"others", others}, {"person", state.person.hex()}});
}

}  // namespace kith::app
