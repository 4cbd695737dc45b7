// The core's methods for devices: adding, joining, cancelling, listing.
#include <algorithm>

#include "app/core.h"
#include "base/limits.h"
#include "control/time_text.h"

namespace kith::app {

using control::Json;

void Core::device_add(const Request& request) {
    auto fields = request->fields();
    auto seconds = fields.has("expires") ? fields.u64("expires") : limits::offer_valid_ms / 1000;
    auto folder = fields.has("to") ? fields.text("to", 4096) : std::string();
    auto bell_text = fields.has("bell") ? fields.text("bell", limits::input_line) : std::string();
    if (auto read = fields.finish("device.add"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (seconds < 10 || seconds > 24 * 3600)
        return request->fail(
            {Fault::invalid, "an offer is good for 10 seconds to a day", "give --expires within that"});
    if (auto may = may_add_devices(); !may) return request->fail(may.error());
    if (!folder.empty()) return add_by_stick(request, folder);
    std::optional<pairing::Bell> bell;
    if (!bell_text.empty()) {
        auto read = pairing::decode_bell(bell_text);
        if (!read) return request->fail(read.error());
        bell = std::move(*read);
    }
    if (adding_)
        return request->fail(
            {Fault::refused, "an offer is open already", "use it, or end it with 'kith device cancel'"});
    auto act = profile_.act_key(request->secret("passphrase"));
    if (!act) return request->fail(act.error());
    auto key = std::make_shared<crypto::SignKey>(act->copy());

    HostPairing::Events events;
    events.on_code_wanted = [this](int digits) {
        if (add_request_) add_request_->ask("code", {{"digits", digits}});
    };
    events.on_code_wrong = [this](int left) {
        if (add_request_) add_request_->event("wrong_code", {{"left", left}});
    };
    events.on_warning = [this](const std::string& text) {
        if (add_request_) add_request_->event("warning", {{"text", text}});
    };
    events.on_nearby_over = [this] { around_.hide_offer(pairing::OfferKind::device); };
    events.admit = [this, key](const roster::Entry& entry, const roster::Request& asked,
                               const DeviceId& device) -> Result<> {
        KITH_TRY(admit(entry, asked, device));
        services_->act_key_opened(*key, true);
        return {};
    };
    events.on_end = [this](Result<DeviceId> device) { admitted(std::move(device)); };
    auto opened = HostPairing::open(loop_, curve_, profile_, random_, std::move(*act), peers_->endpoints(),
                                    static_cast<std::int64_t>(seconds) * 1000, !bell && around_.possible(),
                                    std::move(events));
    if (!opened) return request->fail(opened.error());
    adding_ = std::move(*opened);
    if (bell)
        if (auto ringing = ring(*bell); !ringing) {
            adding_.reset();
            return request->fail(ringing.error());
        }
    add_request_ = request;
    request->on_answer([this](std::string_view name, std::string_view value) {
        if (name == "code" && adding_) adding_->code_typed(value);
    });
    // Before the approval an offer needs its owner; afterwards the transfer goes on by itself.
    request->on_cancelled([this](control::Cancelled) {
        if (adding_) adding_->cancel();
    });
    if (bell) return;  // nobody else is to see the offer
    Json offer{{"text", adding_->text()}, {"expires", control::to_time_text(adding_->expires_unix_ms())}};
    if (auto nearby = adding_->nearby())
        offer["nearby"] = around_.show_offer(pairing::OfferKind::device, nearby->server_key, nearby->port);
    request->event("offer", std::move(offer));
}

Result<> Core::may_add_devices() const {
    if (profile_.membership() != Membership::member || !profile_.term_key())
        return fail(Fault::refused, "this device is still being set up itself", "wait until that is done");
    const auto* self = profile_.roster().find(profile_.device());
    if (self && self->state != roster::DeviceState::active)
        return fail(Fault::forbidden, "this device may not add others",
                    "it is " + std::string(roster::device_state_name(self->state)) + ": " + self->why);
    return {};
}

// The new device is one of the person's from here on, with everything that this brings, or not at all.
Result<> Core::keep_added(const roster::Entry& add, const DeviceId& device) {
    auto kept = [&]() -> Result<> {
        KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
        KITH_TRY(profile_.add_own_entry(add, loop_.now().unix_ms));
        store::Job job;
        job.role = "host";
        job.peer = device;
        job.state = "active";
        job.started_ms = loop_.now().unix_ms;
        KITH_TRY(profile_.store().put_job(job));
        KITH_TRY(services_->prepare_provisions(device));
        return tx.commit();
    }();
    if (!kept) {
        (void)profile_.reload_roster();
        return kept;
    }
    services_->ask_provisions(device);
    log_("device " + device.hex().substr(0, 8) + " was added");
    refresh_peers();
    return {};
}

Result<> Core::admit(const roster::Entry& add, const roster::Request& asked, const DeviceId& device) {
    KITH_TRY(keep_added(add, device));
    if (add_request_) {
        add_request_->event("approved", {{"device", device.hex()}, {"name", asked.name}});
        follow(add_request_, device);
        add_request_ = nullptr;
    }
    return {};
}

void Core::admitted(Result<DeviceId> device) {
    around_.hide_offer(pairing::OfferKind::device);
    adding_.reset();
    const auto by_bell = std::exchange(bell_error_, std::nullopt);
    rung_bell_.reset();
    auto request = std::move(add_request_);
    add_request_ = nullptr;
    if (request && !device) request->fail(by_bell ? *by_bell : device.error());
}

void Core::device_join(const Request& request) {
    auto fields = request->fields();
    const bool nearby = fields.has("nearby");
    const bool show = fields.has("show") && fields.flag("show");
    auto folder = fields.has("from") ? fields.text("from", 4096) : std::string();
    auto text = nearby || show || !folder.empty() ? std::string() : fields.text("text", limits::input_line);
    auto words = nearby ? fields.text("nearby", limits::name_bytes) : std::string();
    auto name = fields.has("name") ? fields.text("name", limits::name_bytes) : std::string("new device");
    auto choice = read_choice(fields);
    if (auto read = fields.finish("device.join"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (!choice) return request->fail(choice.error());
    if (adding_)
        return request->fail({Fault::refused,
                              "this device is adding another one: what it shows is for the new device",
                              "run 'kith device join' there; 'kith device cancel' ends the adding here"});
    if (joining_ || join_request_ || stick_import_)
        return request->fail(
            {Fault::refused, "this device is joining already", "'kith device cancel' stops it"});
    // What is not an offer, or is not there, must not even make a profile.
    if (!folder.empty()) return join_by_stick(request, folder, name, *choice);
    if (nearby) return find_and_join(request, words, name, *choice);
    if (show) return show_and_join(request, name, *choice);
    if (auto offer = pairing::decode_offer(text, pairing::OfferKind::device); !offer)
        return request->fail(offer.error());
    prepare_join(request, text, name, *choice);
}

void Core::prepare_join(const Request& request, const Source& source, const std::string& name,
                        const Choice& choice) {
    auto passphrase = request->secret("passphrase");
    // The keys of a request on a stick may be on the list of devices already; there they are good once.
    if (profile_.open() && profile_.membership() == Membership::none && has_stick_request())
        if (auto gone = profile_.discard(); !gone) return request->fail(gone.error());
    if (auto ready = joinable(passphrase); !ready) return request->fail(ready.error());
    auto act = profile_.act_key(passphrase);
    if (!act) return request->fail(act.error());
    join_started(request, source, name, choice, std::move(*act));
}

Result<> Core::joinable(const SecretBytes& passphrase) {
    if (!profile_.exists()) return profile_.prepare_joining(passphrase);
    if (!profile_.open()) return fail(Fault::locked, "this device is locked", "run 'kith unlock'");
    KITH_TRY(profile_.check_joinable());
    // Who gives one means this device to have it.
    if (!passphrase.empty() && !profile_.has_passphrase())
        return profile_.change_passphrase(SecretBytes(), passphrase);
    return {};
}

void Core::join_started(const Request& request, const Source& source, const std::string& name,
                        const Choice& choice, crypto::SignKey act_key) {
    JoinPairing::Events events;
    events.on_code = [this](const std::string& code) {
        if (join_request_) join_request_->event("code", {{"code", code}});
    };
    events.on_code_wrong = [this](int left) {
        if (join_request_) join_request_->event("warning", {{"text", another_code_text(left)}});
    };
    auto key = std::make_shared<crypto::SignKey>(std::move(act_key));
    events.ask = [this, name, choice, key](const Introduction& host,
                                           const roster::State& state) -> Result<roster::SignedRequest> {
        asked_now_ = true;
        tell_whose(host, state);
        if (profile_.membership() == Membership::member) {
            KITH_TRY_VALUE(former, profile_.former());
            former_ = std::move(former);
        }
        if (profile_.membership() != Membership::none) {
            rest();
            KITH_TRY(profile_.drop_person());
        }
        KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
        KITH_TRY_VALUE(asked, profile_.ask_to_join(state, host.entries, name, *key,
                                                   {host.device, host.endpoints, loop_.now().unix_ms}));
        KITH_TRY(keep_joining(host.device));
        KITH_TRY(keep_choice(profile_, choice));
        KITH_TRY(tx.commit());
        return asked;
    };
    events.endpoints = [this] {
        return peers_ ? peers_->endpoints() : Peers::future_endpoints(profile_, port_);
    };
    events.on_end = [this, key](Result<DeviceId> host, bool undecided) {
        auto kept = key;  // this function goes with the pairing
        auto& core = *this;
        core.joined(std::move(host), undecided);
        if (core.services_ && core.profile_.membership() != Membership::none)
            core.services_->act_key_opened(*kept, true);
    };
    auto started = std::visit(
        [&](const auto& offer) {
            return JoinPairing::start(loop_, curve_, profile_, random_, offer, std::move(events));
        },
        source);
    if (!started) return request->fail(started.error());
    asked_now_ = false;
    joining_ = std::move(*started);
    join_request_ = request;
    request->on_cancelled([this](control::Cancelled) {
        if (joining_) joining_->cancel();
    });
}

Result<> Core::keep_joining(const DeviceId& host) {
    store::Job job;
    job.role = "joiner";
    job.peer = host;
    job.state = "active";
    job.started_ms = loop_.now().unix_ms;
    return profile_.store().put_job(job);
}

void Core::joined(Result<DeviceId> host, bool undecided) {
    joining_.reset();
    const auto by_bell = std::exchange(bell_error_, std::nullopt);
    hung_bell_.reset();
    auto request = std::move(join_request_);
    join_request_ = nullptr;
    const auto former = std::exchange(former_, std::nullopt);
    if (!host && !undecided) {
        // Nothing was asked for, or it was declined: this device is as it was before.
        if (former)
            return_to(*former, request);
        else if (asked_now_)
            (void)leave_asked();
        else if (!peers_ && profile_.open() && profile_.membership() == Membership::none)
            (void)profile_.discard();
        if (request) request->fail(by_bell ? *by_bell : host.error());
        return;
    }
    if (!peers_)
        if (auto opened = open(); !opened) {
            if (request) request->fail(opened.error());
            return;
        }
    if (!request) return;
    if (former) warn_of_void_sheet(request);
    if (!host) {
        auto error = host.error();
        error.hint =
            "if the code was accepted there, this device is set up by itself; 'kith status' tells. If not, "
            "run "
            "'kith device join' again";
        return request->fail(error);
    }
    const auto* peer = profile_.roster().find(*host);
    request->event("approved", {{"device", host->hex()}, {"name", peer ? peer->name : std::string()}});
    follow(request, *host);
}

void Core::warn_of_void_sheet(const Request& request) {
    request->event(
        "warning",
        {{"text", "the person made here by 'kith init' is gone: its recovery sheet is void, tear it up"}});
}

// To the person that this device had before it asked to join another one.
void Core::return_to(const Profile::Former& former, const Request& request) {
    rest();
    auto returned = profile_.restore_former(former);
    if (returned) returned = open();
    if (returned) return;
    log_("the person made here could not be restored: " + returned.error().what);
    if (request) warn_of_void_sheet(request);
}

void Core::device_cancel(const Request& request) {
    if (cancel_stick(request)) return;
    if (adding_ && !adding_->admitted()) {
        adding_->cancel();
        return request->finish({{"state", "the offer is withdrawn"}, {"remains", Json::array()}});
    }
    if (join_request_ && !joining_) {
        around_.stop_finding();
        hung_bell_.reset();
        auto ended = std::move(join_request_);
        join_request_ = nullptr;
        ended->fail({Fault::cancelled, "cancelled", ""});
        return request->finish({{"state", "joining was stopped"}, {"remains", Json::array()}});
    }
    if (joining_) {
        joining_->cancel();
        return request->finish({{"state", "joining was stopped"}, {"remains", Json::array()}});
    }
    if (!profile_.open() && profile_.exists())
        return request->fail({Fault::locked, "this device is locked", "run 'kith unlock'"});
    if (!profile_.open() || !peers_)
        return request->fail(
            {Fault::not_found, "there is nothing to cancel", "'kith status' shows what goes on"});
    if (profile_.membership() == Membership::asked) {
        if (auto left = leave_asked(); !left) return request->fail(left.error());
        return request->finish(
            {{"state", "this device has given up joining, and is as new"}, {"remains", Json::array()}});
    }
    for (const auto& [id, session] : peers_->sessions()) {
        if (session->job("joiner"))
            return request->fail({Fault::refused, "the other device has let this one in already",
                                  "run 'kith device cancel' there: it can take that back"});
        auto job = session->job("host");
        if (!job) continue;
        auto device = id;
        auto act = profile_.act_key(request->secret("passphrase"));
        if (!act) return request->fail(act.error());
        auto result = [&]() -> Result<Json> {
            const auto* target = profile_.roster().find(device);
            KITH_TRY_VALUE(bar, roster::make_bar(profile_.roster(), profile_.device(), *act, device, false,
                                                 loop_.now().unix_ms));
            Json remains = Json::array();
            KITH_TRY_VALUE(provisions, profile_.store().provisions());
            KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
            for (const auto& provision : provisions) {
                if (provision.device != device || provision.state == "wanted" ||
                    provision.state == "refused" || services_->rosters().ruled(provision.account))
                    continue;
                KITH_TRY_VALUE(account, profile_.store().account(provision.account));
                if (account)
                    remains.push_back("at " + account->address +
                                      " a node was asked for, and the service has no way to drop it: " +
                                      "tell its operator the uid " + account->uid + " and the node's name " +
                                      provision.label);
            }
            if (target) remains.push_back("what " + target->name + " has received so far stays on it");
            KITH_TRY(profile_.add_own_entry(bar, loop_.now().unix_ms));
            job->state = "cancelled";
            job->ended_ms = loop_.now().unix_ms;
            KITH_TRY(profile_.store().put_job(*job));
            KITH_TRY(tx.commit());
            return Json{{"state", "the approval is taken back: that device is barred"}, {"remains", remains}};
        }();
        if (!result) {
            (void)profile_.reload_roster();
            return request->fail(result.error());
        }
        (void)services_->project(*act, {});
        services_->post_news();
        for (auto& [peer, follower] : followers_)
            if (peer == device) follower->fail({Fault::cancelled, "the transfer was cancelled", ""});
        std::erase_if(followers_, [&](const auto& item) { return item.first == device; });
        refresh_peers();
        return request->finish(std::move(*result));
    }
    request->fail({Fault::not_found, "there is nothing to cancel", "'kith status' shows what goes on"});
}

// Ends the services and links, and leaves the profile open.
void Core::rest() {
    auto ended = std::move(import_request_);
    import_request_ = nullptr;
    importer_.reset();
    if (ended) ended->fail({Fault::cancelled, "the import was stopped", ""});
    indexer_.reset();
    peers_.reset();
    if (services_) services_->stop();
    services_.reset();
}

// Gives up a membership that was asked for and never confirmed: the home is empty again.
Result<> Core::leave_asked() {
    rest();
    auto followers = std::move(followers_);
    followers_.clear();
    for (auto& [device, follower] : followers) follower->fail({Fault::cancelled, "joining was given up", ""});
    if (profile_.membership() == Membership::asked) KITH_TRY(profile_.drop_person());
    if (profile_.open() && profile_.membership() == Membership::none) return profile_.discard();
    return {};
}

// A transfer with a device that is no longer let in, or by one that is not, has no end of its own.
void Core::end_void_jobs() {
    auto active = [&](const DeviceId& device) {
        const auto* found = profile_.roster().find(device);
        return found && found->state == roster::DeviceState::active;
    };
    auto jobs = profile_.store().jobs();
    if (!jobs || profile_.membership() != Membership::member) return;
    for (auto& job : *jobs) {
        if (job.ended_ms != 0 || (active(job.peer) && active(profile_.device()))) continue;
        job.state = "cancelled";
        job.ended_ms = loop_.now().unix_ms;
        (void)profile_.store().put_job(job);
        auto followers = std::move(followers_);
        followers_.clear();
        for (auto& [device, follower] : followers) {
            if (device == job.peer)
                follower->fail({Fault::refused,
                                active(profile_.device()) ? "the other device was barred"
                                                          : "this device was barred by another one",
                                "'kith device list' shows which devices belong together"});
            else
                followers_.emplace_back(device, follower);
        }
    }
}

void Core::refresh_peers() {
    refresh_timer_ = loop_.after(0, [this] {
        if (peers_) peers_->refresh();
    });
}

// The caller sees what happens from now on, until the end; when it leaves, all goes on.
void Core::follow(const Request& request, const DeviceId& peer) {
    request->on_cancelled([this, raw = request.get()](control::Cancelled) {
        auto at =
            std::ranges::find_if(followers_, [&](const auto& item) { return item.second.get() == raw; });
        if (at == followers_.end()) return;
        auto left = at->second;
        followers_.erase(at);
        left->fail({Fault::cancelled, "the transfer goes on without you",
                    "'kith status' shows it, 'kith device cancel' ends it"});
    });
    followers_.emplace_back(peer, request);
    watch_followed();
}

void Core::tell(const DeviceId& peer, const std::string& event, const Json& fields) {
    std::erase_if(followers_, [](const auto& item) { return !item.second->open(); });
    auto followers = followers_;
    for (const auto& [device, request] : followers)
        if (device == peer) request->event(event, fields);
}

}  // namespace kith::app
