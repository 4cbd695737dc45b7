#include "app/core.h"

#include <algorithm>
#include <array>

#include "app/erasing.h"
#include "app/trust_limits.h"
#include "history/range.h"
#include "roster/recovery.h"

namespace kith::app {

using control::Json;

namespace {

// As deep as what came before can have been.
__attribute__((noinline)) void wipe_stack() {
    std::array<std::uint8_t, 512 * 1024> below;
    wipe(below);
}

}  // namespace

Core::Core(net::Loop& loop, std::filesystem::path home, nearby::Options nearby, std::function<void()> on_stop,
           std::function<void(const std::string&)> log)
    : loop_(loop),
      on_stop_(std::move(on_stop)),
      log_(std::move(log)),
      curve_(loop),
      profile_(std::move(home), random_),
      around_(loop, random_, profile_, nearby, around_events()) {
    add_methods();
    around_.add_methods(dispatcher_);
}

Core::~Core() {
    close();
}

Result<> Core::start(std::uint16_t port) {
    port_ = port;
    KITH_TRY(profile_.load());
    if (profile_.open()) return open();
    return {};
}

void Core::add_methods() {
    constexpr bool person = true, anybody = false;
    add("init", &Core::init, anybody);
    add("lock", &Core::lock, anybody);
    add("lock.after", &Core::lock_after, person);
    add("unlock", &Core::unlock, anybody);
    add("passphrase", &Core::passphrase, anybody);
    add("status", &Core::status, anybody);
    add("service.add", &Core::service_add, person);
    add("service.list", &Core::service_list, person);
    add("service.repin", &Core::service_repin, person);
    add("service.dismiss", &Core::service_dismiss, person);
    add("service.bind", &Core::service_bind, person);
    add("service.object", &Core::service_object, person);
    add("service.restore", &Core::service_restore, person);
    add(
        "service.move", [this](const Request& request) { moving_.move(request); }, person);
    add("history.import", &Core::history_import, person);
    add("history.stats", &Core::history_stats, person);
    add("history.digest", &Core::history_digest, person);
    add("history.list", &Core::history_list, person);
    add("history.select", &Core::history_select, person);
    add("history.erase", &Core::history_erase, person);
    add("sync", &Core::sync, person);
    add("history.search", &Core::history_search, person);
    add("history.show", &Core::history_show, person);
    add("device.add", &Core::device_add, person);
    add("device.join", &Core::device_join, anybody);
    add("device.cancel", &Core::device_cancel, anybody);
    add("device.list", &Core::device_list, person);
    const auto add_method = [this](std::string name, std::function<void(const Request&)> method) {
        add(std::move(name), std::move(method), person);
    };
    messaging_.add_methods(add_method);
    invitations_.add_methods(add_method);
    meeting_.add_methods(add_method);
    add_trust_methods();
    dispatcher_.add("version", [](const Request& request) {
        request->finish({{"version", KITH_VERSION}, {"protocol", control::version}});
    });
    dispatcher_.add("stop", [this](const Request& request) {
        request->finish();
        auto stop = std::move(on_stop_);
        on_stop_ = nullptr;
        if (stop) loop_.defer(std::move(stop));
    });
}

void Core::add(std::string name, Method method, bool needs_person) {
    add(
        std::move(name), [this, method](const Request& request) { (this->*method)(request); }, needs_person);
}

void Core::add(std::string name, std::function<void(const Request&)> method, bool needs_person) {
    const bool is_use = name != "status";  // which a program may ask for all day
    dispatcher_.add(
        std::move(name), [this, method = std::move(method), needs_person, is_use](const Request& request) {
            if (needs_person && profile_.exists() && !profile_.open())
                return request->fail({Fault::locked, "this device is locked", "run 'kith unlock'"});
            if (needs_person && (!profile_.open() || profile_.membership() == Membership::none))
                return request->fail(
                    {Fault::refused, "this device belongs to nobody yet",
                     "run 'kith init' on a first device, or 'kith device join' on a further one"});
            if (needs_person && !joining_ && (!services_ || !peers_))
                return request->fail(
                    {Fault::unavailable, "this device is just being set up", "try again in a moment"});
            if (needs_person && joining_)
                return request->fail(
                    {Fault::unavailable, "this device is joining just now", "try again when that is done"});
            if (is_use) asked_ms_ = loop_.now().mono_ms;
            method(request);
            if (is_use) watch_idle();
        });
}

Result<> Core::open() {
    if (profile_.membership() == Membership::none) return {};
    Services::Events services;
    services.on_state = [this](const AccountId& account) {
        if (peers_) peers_->services_changed();
        invitations_.service_changed(account);
    };
    services.on_met = [this](const AccountId& account, const tmtp::Delivered& message) -> Result<> {
        KITH_TRY(moving_.received(account, message));
        return message.kind == tmtp::Kind::member ? Result<>() : invitations_.received(account, message);
    };
    services.on_history = [this] {
        if (peers_) peers_->history_changed();
        if (indexer_) indexer_->wake();
    };
    services.on_provision = [this](const DeviceId&) {
        if (peers_) peers_->services_changed();
    };
    services.on_roster = [this] {
        log_("news of this person's devices came by a service");
        roster_changed();
        refresh_peers();
        renew_marked_secrets();
    };
    services.log = log_;
    services_ = std::make_unique<Services>(loop_, profile_, random_, std::move(services));

    Peers::Events peers;
    peers.on_roster = [this] { roster_changed(); };
    peers.on_claims = [this] { project_at_once(); };
    peers.on_blobs = [this] { look_at_blob_waits(); };
    peers.on_erased = [this](std::span<const history::Key> keys) {
        if (indexer_) indexer_->forget(keys);
    };
    peers.on_membership = [this] { log_("this device was set up by another one"); };
    peers.on_history = [this] {
        invitations_.history_changed();
        if (indexer_) indexer_->wake();
    };
    peers.on_progress = [this](const DeviceId& peer, const history::Progress&) {
        if (const auto* session = peers_->find(peer)) tell(peer, "progress", transfer_json(*session));
    };
    peers.on_service = [this](const DeviceId& peer, const std::string& address, const std::string& state) {
        tell(peer, "service", {{"address", address}, {"state", state}});
    };
    peers.on_trouble = [this](const DeviceId& peer, const Error& error) {
        log_("peer " + peer.hex().substr(0, 8) + ": " + error.what);
        tell(peer, "warning", {{"text", error.hint.empty() ? error.what : error.what + "; " + error.hint}});
    };
    peers.on_link = [this](const DeviceId& peer) {
        log_("peer " + peer.hex().substr(0, 8) + (peers_->linked(peer) ? ": linked" : ": link lost"));
        watch_followed();
    };
    peers.on_denied = [this](const DeviceId& peer) {
        if (profile_.membership() == Membership::asked)
            tell(peer, "warning", {{"text", "the other device does not know this one (yet)"}});
    };
    peers.on_done = [this](const DeviceId& peer, const history::Digest& digest, double seconds) {
        log_("transfer with " + peer.hex().substr(0, 8) + " is done: " + std::to_string(digest.records) +
             " records");
        if (auto forgotten = forget_stick_request(); !forgotten) log_(forgotten.error().what);
        auto followers = std::move(followers_);
        followers_.clear();
        for (auto& [device, request] : followers) {
            if (device == peer)
                request->finish({{"digest", to_hex(digest.hash)}, {"seconds", seconds}});
            else
                followers_.emplace_back(device, request);
        }
    };
    peers_ = std::make_unique<Peers>(loop_, worker_, curve_, profile_, *services_, std::move(peers));
    auto busy = [this] { return importer_ || stick_import_ || peers_->active(); };
    // Its files are made before anybody is told that the home is ready; without it all else works.
    if (auto index = profile_.search(); !index) log_("the index of texts: " + index.error().what);
    indexer_ = std::make_unique<Indexer>(loop_, profile_, busy, log_);
    if (auto begun = invitations_.start(); !begun) log_(begun.error().what);
    KITH_TRY(services_->start());
    KITH_TRY(peers_->start(port_));
    indexer_->wake();
    keep_house();
    around_.watch_devices();
    renew_marked_secrets();
    look_at_own_state();
    KITH_TRY_VALUE(lock_after, profile_.lock_after());
    lock_after_s_ = lock_after;
    asked_ms_ = loop_.now().mono_ms;
    watch_idle();
    return {};
}

void Core::roster_changed() {
    look_at_own_state();
    end_void_jobs();
    look_at_export();
    look_at_signers();
    project_at_once();
}

// Whose word counts about what is erased, where accounts moved and which invitations are open may have
// changed.
void Core::look_at_signers() {
    auto any = profile_.history().has_kind(history::kind::erasure);
    if (any && *any)
        if (auto counted = recount_erasures(profile_); !counted) log_(counted.error().what);
    if (services_)
        if (auto read = services_->read_moves(); !read) log_(read.error().what);
    invitations_.history_changed();
}

// Without a passphrase the accounts' rosters follow at once.
void Core::project_at_once() {
    if (!services_ || profile_.has_passphrase()) return;
    if (auto act = profile_.act_key({})) (void)services_->project(*act, {});
}

// Somebody has given the passphrase: what waits for it in the accounts' rosters is signed.
void Core::act_key_opened(const SecretBytes& passphrase) {
    if (!services_) return;
    if (auto act = profile_.act_key(passphrase)) services_->act_key_opened(*act);
}

void Core::close() {
    auto end = [](Request& request, const char* what) {
        auto ended = std::move(request);
        request = nullptr;
        if (ended) ended->fail({Fault::cancelled, what, ""});
    };
    raw_name_.clear();
    raw_bytes_ = {};
    importer_.reset();
    sign_in_.reset();
    indexer_.reset();
    rung_bell_.reset();
    hung_bell_.reset();
    adding_.reset();
    joining_.reset();
    former_.reset();
    stick_export_.reset();
    stick_import_.reset();
    stick_act_key_.reset();
    stick_ask_timer_.cancel();
    end(stick_request_, "the work with the stick was stopped; the same command begins it anew");
    end(import_request_, "the import was stopped");
    end(add_request_, "the offer was dropped");
    end(join_request_, "joining was stopped");
    end(renewing_, "the recovery key was not renewed");
    auto followers = std::move(followers_);
    followers_.clear();
    for (auto& [device, request] : followers)
        request->fail({Fault::cancelled, "kithd stops; the transfer goes on when it runs again", ""});
    auto syncs = std::move(syncs_);
    syncs_.clear();
    for (auto& sync : syncs) sync.request->fail({Fault::cancelled, "kithd stops", ""});
    auto tellings = std::move(tellings_);
    tellings_.clear();
    // What it is about is recorded; only whether others heard of it is not known.
    for (auto& telling : tellings) telling.request->finish(std::move(telling.result));
    telling_timer_.cancel();
    erase_timer_.cancel();
    auto waits = std::move(blob_waits_);
    blob_waits_.clear();
    for (auto& wait : waits) wait.request->fail({Fault::cancelled, "kithd stops", ""});
    house_timer_.cancel();
    watch_timer_.cancel();
    peers_.reset();
    around_.hide_offer(pairing::OfferKind::device);
    around_.stop_finding();
    around_.watch_devices();
    meeting_.stop();
    invitations_.stop();
    if (services_) services_->stop();
    services_.reset();
}

void Core::init(const Request& request) {
    auto fields = request->fields();
    auto name = fields.has("name") ? fields.text("name", limits::name_bytes) : std::string("first device");
    if (auto read = fields.finish("init"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (joining_)
        return request->fail(
            {Fault::refused, "this device is joining just now", "'kith device cancel' stops it"});
    if (profile_.open() && profile_.membership() == Membership::none)
        if (auto gone = profile_.discard(); !gone) return request->fail(gone.error());
    auto founded = profile_.found(name, request->secret("passphrase"), loop_.now());
    if (!founded) return request->fail(founded.error());
    if (auto opened = open(); !opened) return request->fail(opened.error());
    act_key_opened(request->secret("passphrase"));
    request->finish({{"device", founded->device.hex()},
                     {"person", founded->person.hex()},
                     {"recovery", std::string(as_text(founded->recovery_sheet.view()))}});
}

void Core::lock(const Request& request) {
    if (!profile_.exists())
        return request->fail({Fault::refused, "there is no profile here yet", "run 'kith init'"});
    if (!profile_.has_passphrase())
        return request->fail({Fault::refused,
                              "this device has no passphrase, so locking would keep nobody out",
                              "set one with 'kith passphrase'"});
    shut();
    request->finish();
}

// What the stack held below is as good as a copy of the keys.
void Core::shut() {
    close();
    profile_.lock();
    wipe_stack();
}

// Locks by itself once nobody has asked for anything for so long, and nothing moves.
void Core::watch_idle() {
    lock_timer_.cancel();
    if (lock_after_s_ <= 0 || !profile_.open() || !profile_.has_passphrase()) return;
    const bool busy = importer_ || joining_ || hung_bell_ || adding_ || stick_export_ || stick_import_ ||
                      meeting_.open() || (peers_ && peers_->active());
    const auto now = loop_.now().mono_ms;
    if (busy) asked_ms_ = now;
    const auto wait = asked_ms_ + lock_after_s_ * 1000 - now;
    if (wait > 0) {
        lock_timer_ =
            loop_.after(std::min<std::int64_t>(wait, limits::lock_look_ms), [this] { watch_idle(); });
        return;
    }
    log_("nobody has asked for anything for a while: locked");
    loop_.defer([this] { shut(); });
}

void Core::lock_after(const Request& request) {
    auto fields = request->fields();
    const bool asked = !fields.has("seconds");
    const auto seconds = asked ? 0 : static_cast<std::int64_t>(fields.u64("seconds"));
    if (auto read = fields.finish("lock.after"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (seconds > limits::lock_after_max_s)
        return request->fail({Fault::invalid, "a device locks itself after 30 days at the latest", ""});
    if (!asked) {
        if (seconds > 0 && !profile_.has_passphrase())
            return request->fail({Fault::refused,
                                  "this device has no passphrase, so locking would keep nobody out",
                                  "set one with 'kith passphrase'"});
        if (auto kept = profile_.put_lock_after(seconds); !kept) return request->fail(kept.error());
        lock_after_s_ = seconds;
        watch_idle();
    }
    request->finish({{"seconds", lock_after_s_}});
}

void Core::unlock(const Request& request) {
    if (!profile_.exists())
        return request->fail({Fault::refused, "there is no profile here yet", "run 'kith init'"});
    bool was_open = profile_.open();
    if (auto unlocked = profile_.unlock(request->secret("passphrase")); !unlocked)
        return request->fail(unlocked.error());
    if (!was_open)
        if (auto opened = open(); !opened) {
            shut();
            return request->fail(opened.error());
        }
    if (auto act = profile_.act_key(request->secret("passphrase")); !act)
        return request->fail(act.error());
    else if (services_)
        services_->act_key_opened(*act);
    request->finish();
}

void Core::passphrase(const Request& request) {
    auto changed =
        profile_.change_passphrase(request->secret("passphrase"), request->secret("new_passphrase"));
    if (!changed) return request->fail(changed.error());
    request->finish();
}

void Core::status(const Request& request) {
    Json result{{"device", nullptr}, {"name", ""}, {"services", Json::array()}, {"peers", Json::array()}};
    bool member = profile_.open() && profile_.membership() != Membership::none && services_ && peers_;
    std::string state = !profile_.exists() ? "new" : !profile_.open() ? "locked" : !member ? "new" : "open";
    if (adding_) state = "adding";
    if (joining_ || hung_bell_) state = "joining";
    result["state"] = state;
    if (member) {
        result["device"] = profile_.device().hex();
        result["name"] = profile_.name();
        if (const auto* self = profile_.roster().find(profile_.device());
            self && self->state != roster::DeviceState::active) {
            result["standing"] = roster::device_state_name(self->state);
            result["why"] = self->why;
        }
        for (const auto& service : services_->list()) result["services"].push_back(service_json(service));
        for (const auto& device : profile_.roster().devices) {
            if (device.id == profile_.device()) continue;
            bool active = device.state == roster::DeviceState::active;
            std::string peer_state = !active ? std::string(roster::device_state_name(device.state))
                                     : peers_->linked(device.id) ? "connected"
                                                                 : "out of reach";
            result["peers"].push_back({{"name", device.name}, {"state", peer_state}});
        }
        for (const auto& [id, session] : peers_->sessions()) {
            if (!session->job("host") && !session->job("joiner")) continue;
            result["transfer"] = transfer_json(*session);
        }
        if (auto choice = kept_choice(profile_); choice && !choice->all()) {
            result["selection"] = describe(*choice);
            if (auto left_out = left_out_json(); !left_out.empty()) result["left_out"] = left_out;
        }
    }
    request->finish(std::move(result));
}

}  // namespace kith::app
