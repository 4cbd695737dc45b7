// The core's methods for services.
#include "app/core.h"
#include "base/limits.h"
#include "control/time_text.h"

namespace kith::app {

using control::Json;

namespace {

// A service as its user names it.
struct NamedService {
    ServiceAddress address;
    std::optional<net::Pin> pin;
};

Result<NamedService> read_service(const std::string& address, const std::string& pin) {
    KITH_TRY_VALUE(read, parse_address(address));
    NamedService named{std::move(read), net::Pin::from_hex(pin)};
    if (!pin.empty() && !named.pin)
        return fail(Fault::invalid, "a pin is 64 hexadecimal digits",
                    "copy all of it; the operator knows it");
    return named;
}

}  // namespace

Json Core::service_json(const ServiceStatus& status) const {
    Json json{{"address", status.account.address}, {"site", status.account.site},
              {"alias", status.account.alias},     {"uid", status.account.uid},
              {"pin", to_hex(status.account.pin)}, {"state", service_state_name(status.state)}};
    if (!status.why.empty()) json["why"] = status.why;
    if (!status.why.empty() && !status.hint.empty()) json["hint"] = status.hint;
    if (status.alarm_ms != 0) json["alarm"] = control::to_time_text(status.alarm_ms);
    json["control"] = services_->rosters().ruled(status.account.id);
    if (status.binding_ms != 0) json["binding"] = control::to_time_text(status.binding_ms);
    if (status.moved_to)
        if (const auto* to = services_->find(*status.moved_to))
            json["moved_to"] = {{"alias", to->alias}, {"uid", to->uid}};
    if (status.moved && !status.moved_to) json["moved_in_doubt"] = true;
    if (status.passed_over != 0) json["passed_over"] = status.passed_over;
    return json;
}

void Core::service_add(const Request& request) {
    auto fields = request->fields();
    auto address_text = fields.text("address", 300);
    auto alias = fields.text("alias", limits::tmtp_text);
    auto pin_text = fields.has("pin") ? fields.text("pin", 64) : std::string();
    auto label = fields.has("sign_in") ? fields.text("sign_in", limits::tmtp_text) : std::string();
    if (auto read = fields.finish("service.add"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto at = read_service(address_text, pin_text);
    if (!at) return request->fail(at.error());
    if (alias.size() < 8)
        return request->fail(
            {Fault::invalid, "an alias has at least 8 characters", "choose a longer --alias"});
    services_->add(at->address, alias, at->pin, signing_in(request, label),
                   [this, request](Result<ServiceStatus> added) {
                       if (!added) return request->fail(added.error());
                       request->finish(service_json(*added));
                       if (peers_) peers_->services_changed();
                   });
}

Services::Ask Core::signing_in(const Request& request, const std::string& label) {
    return [this, request, label](const std::vector<tmtp::AuthBy>& providers,
                                  std::function<void(Result<std::string>)> answer) {
        if (sign_in_)
            return answer(fail(Fault::refused, "another sign-in is under way", "finish that one first"));
        SignIn::Events events;
        events.on_url = [request](const std::string& url, const std::string& shown) {
            request->event("sign_in", {{"url", url}, {"label", shown}});
        };
        events.on_end = [this, answer](Result<std::string> token) {
            sign_in_end_timer_ = loop_.after(0, [this] { sign_in_.reset(); });
            answer(std::move(token));
        };
        auto started = SignIn::start(loop_, random_, providers, label, std::move(events));
        if (!started) return answer(fail(started.error()));
        sign_in_ = std::move(*started);
        request->on_cancelled([this, own = sign_in_.get()](control::Cancelled) {
            if (sign_in_.get() == own) own->cancel();
        });
    };
}

Invitations::Events Core::invitation_events() {
    Invitations::Events events;
    events.on_history = [this] {
        if (peers_) peers_->history_changed();
    };
    events.on_service = [this] {
        if (peers_) peers_->services_changed();
    };
    events.signing_in = [this](const Request& request, const std::string& label) {
        return signing_in(request, label);
    };
    events.all_linked = [this] {
        const auto& devices = profile_.roster().devices;
        return peers_ && std::all_of(devices.begin(), devices.end(), [this](const roster::Device& device) {
                   return device.state != roster::DeviceState::active || device.id == profile_.device() ||
                          peers_->linked(device.id);
               });
    };
    events.log = [this](const std::string& line) { log_(line); };
    return events;
}

Moving::Events Core::moving_events() {
    auto same = invitation_events();
    return {std::move(same.on_history), std::move(same.on_service), std::move(same.signing_in),
            std::move(same.log)};
}

void Core::service_list(const Request& request) {
    Json list = Json::array();
    for (const auto& status : services_->list()) list.push_back(service_json(status));
    request->finish(std::move(list));
}

void Core::service_repin(const Request& request) {
    auto fields = request->fields();
    auto address_text = fields.text("address", 300);
    auto pin_text = fields.has("pin") ? fields.text("pin", 64) : std::string();
    if (auto read = fields.finish("service.repin"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto account = services_->named(address_text);
    if (!account) return request->fail(account.error());
    auto address = parse_address(account->address);
    if (!address) return request->fail(address.error());
    if (!address->pinned)
        return request->fail({Fault::refused,
                              "an address with + is vouched for by an authority and has no pin",
                              "there is nothing to accept; if it is not reached, its operator knows why"});
    if (!pin_text.empty()) {
        auto pin = net::Pin::from_hex(pin_text);
        if (!pin)
            return request->fail({Fault::invalid, "a pin is 64 hexadecimal digits",
                                  "'kith service repin " + account->address + "' shows the one offered"});
        if (auto done = services_->repin(account->id, *pin); !done) return request->fail(done.error());
        return request->finish({{"address", account->address}, {"pin", pin->hex()}, {"state", "offline"}});
    }
    services_->look(*address, [request, text = account->address,
                               pinned = to_hex(account->pin)](Result<net::Pin> offered) {
        request->finish(
            {{"address", text}, {"pinned", pinned}, {"offered", offered ? Json(offered->hex()) : Json()}});
    });
}

void Core::service_bind(const Request& request) {
    ask_about_binding(request, true);
}

void Core::service_object(const Request& request) {
    ask_about_binding(request, false);
}

void Core::ask_about_binding(const Request& request, bool bind) {
    auto fields = request->fields();
    auto address = fields.text("address", 300);
    if (auto read = fields.finish(bind ? "service.bind" : "service.object"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto account = services_->named(address);
    if (!account) return request->fail(account.error());
    auto done = [this, request](Result<ServiceStatus> status) {
        if (!status) return request->fail(status.error());
        request->finish(service_json(*status));
    };
    if (!bind) return services_->object(account->id, done);
    auto act = profile_.act_key(request->secret("passphrase"));
    if (!act) return request->fail(act.error());
    services_->bind(account->id, *act, done);
}

// With the recovery sheet, where no other device is left that has the account.
void Core::service_restore(const Request& request) {
    auto fields = request->fields();
    auto address_text = fields.text("address", 300);
    auto uid = fields.text("uid", limits::tmtp_text);
    auto pin_text = fields.has("pin") ? fields.text("pin", 64) : std::string();
    if (auto read = fields.finish("service.restore"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto at = read_service(address_text, pin_text);
    if (!at) return request->fail(at.error());
    auto sheet = roster::decode_sheet(as_text(request->secret("sheet").view()));
    if (!sheet) return request->fail(sheet.error());
    auto act = profile_.act_key(request->secret("passphrase"));
    if (!act) return request->fail(act.error());
    services_->restore(at->address, uid, at->pin, sheet->seed, *act,
                       [this, request](Result<ServiceStatus> restored) {
                           if (!restored) return request->fail(restored.error());
                           request->finish(service_json(*restored));
                           if (peers_) peers_->services_changed();
                       });
}

void Core::service_dismiss(const Request& request) {
    auto fields = request->fields();
    auto address = fields.text("address", 300);
    if (auto read = fields.finish("service.dismiss"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto account = services_->named(address);
    if (!account) return request->fail(account.error());
    if (auto done = services_->dismiss_alarm(account->id); !done) return request->fail(done.error());
    request->finish();
}

}  // namespace kith::app
