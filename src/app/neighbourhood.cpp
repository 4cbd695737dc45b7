#include "app/neighbourhood.h"

#include <algorithm>
#include <set>

#include "app/diagnosis.h"
#include "app/limits.h"
#include "base/limits.h"
#include "nearby/limits.h"

namespace kith::app {

using control::Json;

namespace {

std::string hours_text(std::int64_t ms) {
    const auto minutes = std::abs(ms) / 60'000;
    if (minutes < 120) return std::to_string(minutes) + " minutes";
    if (minutes < 48 * 60) return std::to_string(minutes / 60) + " hours";
    return std::to_string(minutes / (24 * 60)) + " days";
}

constexpr std::string_view no_answer = "no answer", nobody = "nobody listens";

// What is looked for, in words; and the commands that show one and take it.
struct Sought {
    std::string one, shown_by, taken_by;
};
const Sought& sought(pairing::OfferKind kind) {
    static const Sought device{"offer", "kith device add", "kith device join --nearby"};
    static const Sought person{"invitation", "kith invite new --nearby", "kith invite accept --nearby"};
    return kind == pairing::OfferKind::device ? device : person;
}

bool is_offer(const std::string& kind) {
    return kind == "offer" || kind == "invitation";
}

nearby::Kind announced(pairing::OfferKind kind) {
    return kind == pairing::OfferKind::device ? nearby::Kind::offer : nearby::Kind::invitation;
}

}  // namespace

Neighbourhood::Neighbourhood(net::Loop& loop, Random& random, Profile& profile, nearby::Options options,
                             Events events)
    : loop_(loop),
      random_(random),
      profile_(profile),
      options_(options),
      events_(std::move(events)),
      discovery_(loop, random, options,
                 {[this] { changed(); },
                  [this](const Error& error) {
                      events_.log("nearby: " + error.what + (error.hint.empty() ? "" : "; " + error.hint));
                  }}) {}

Neighbourhood::~Neighbourhood() = default;

void Neighbourhood::add_methods(control::Dispatcher& dispatcher) {
    dispatcher.add("nearby", [this](const control::RequestPtr& request) { nearby(request); });
    dispatcher.add("doctor", [this](const control::RequestPtr& request) { doctor(request); });
}

// --- what this device announces

std::string Neighbourhood::show_offer(pairing::OfferKind kind, const LinkPublic& server_key,
                                      std::uint16_t port) {
    hide_offer(kind);
    const auto make = [kind, server_key, port](const std::string&, const std::vector<Bytes>& addresses) {
        nearby::Announcement announcement;
        announcement.kind = announced(kind);
        announcement.addresses = addresses;
        announcement.server_key = server_key;
        announcement.port = port;
        return announcement;
    };
    offers_.emplace(kind, discovery_.announce(make));
    return nearby::words_of(server_key);
}

void Neighbourhood::hide_offer(pairing::OfferKind kind) {
    const auto at = offers_.find(kind);
    if (at == offers_.end()) return;
    discovery_.withdraw(at->second);
    offers_.erase(at);
}

Result<> Neighbourhood::check_possible() const {
    if (possible()) return {};
    return fail(Fault::unavailable, "looking for devices nearby is switched off here",
                "use the offer's text, or start kithd with --nearby automatic");
}

void Neighbourhood::announce_presence() {
    const auto port = events_.link_port();
    if (presence_ && port == presence_port_) return;
    if (presence_) discovery_.withdraw(*presence_);
    presence_port_ = port;
    presence_ =
        discovery_.announce([this, port](const std::string& instance, const std::vector<Bytes>& addresses) {
            nearby::Announcement announcement;
            announcement.kind = nearby::Kind::device;
            announcement.addresses = addresses;
            if (const auto* secret = profile_.term_key())
                announcement.tag =
                    nearby::make_tag(nearby::tag_key(*secret), {profile_.device(), port, loop_.now().unix_ms},
                                     instance, addresses, random_);
            return announcement;
        });
}

// --- own devices

bool Neighbourhood::devices_away() const {
    if (!profile_.open() || profile_.membership() != Membership::member || !profile_.term_key()) return false;
    const auto& devices = profile_.roster().devices;
    return std::any_of(devices.begin(), devices.end(), [&](const roster::Device& device) {
        return device.state == roster::DeviceState::active && device.id != profile_.device() &&
               !events_.linked(device.id);
    });
}

void Neighbourhood::watch_devices() {
    const auto now = loop_.now().mono_ms;
    if (!possible() || events_.link_port() == 0 || !devices_away())
        away_since_ms_ = 0;
    else if (away_since_ms_ == 0)
        away_since_ms_ = now;
    // Most find each other where they last were, within a moment: then nothing needs to be announced.
    const bool seek = away_since_ms_ != 0 && now - away_since_ms_ >= limits::nearby_patience_ms;
    if (seek) {
        announce_presence();
    } else if (presence_) {
        discovery_.withdraw(*presence_);
        presence_.reset();
    }
    decide_looking();
    devices_timer_ = loop_.after(limits::nearby_devices_ms, [this] { watch_devices(); });
}

void Neighbourhood::decide_looking() {
    discovery_.look(presence_ || finding_ || !watchers_.empty());
    if (!discovery_.looking()) probed_.clear();
}

// --- what others announce

std::vector<Neighbourhood::Neighbour> Neighbourhood::neighbours() const {
    std::vector<Neighbour> list;
    std::optional<Key> key;
    if (profile_.open() && profile_.term_key()) key = nearby::tag_key(*profile_.term_key());
    const auto now = loop_.now().unix_ms;
    for (const auto& sighting : discovery_.sightings()) {
        Neighbour neighbour;
        auto port = sighting.announcement.port;
        if (sighting.announcement.kind == nearby::Kind::newer) {
            neighbour.kind = "newer";
            neighbour.id = sighting.instance;
        } else if (sighting.announcement.kind != nearby::Kind::device) {
            neighbour.kind = sighting.announcement.kind == nearby::Kind::offer ? "offer" : "invitation";
            neighbour.server_key = sighting.announcement.server_key;
            neighbour.name = nearby::words_of(neighbour.server_key);
            neighbour.id = neighbour.server_key.hex();
        } else {
            if (!key) continue;
            const auto presence = nearby::open_tag(*key, sighting.announcement.tag, sighting.instance,
                                                   sighting.announcement.addresses);
            if (!presence || presence->device == profile_.device()) continue;
            const auto* device = profile_.roster().find(presence->device);
            // One that is barred can still make tags, until the secret is another.
            if (!device || device->state != roster::DeviceState::active) continue;
            neighbour.kind = "device";
            neighbour.device = presence->device;
            neighbour.name = device->name;
            neighbour.id = presence->device.hex();
            port = presence->port;
            const auto off = presence->unix_ms - now;
            if (std::abs(off) > limits::announcement_age_ms) neighbour.clock_off_ms = off;
        }
        for (const auto& address : sighting.addresses)
            if (neighbour.endpoints.size() < limits::link_endpoints)
                neighbour.endpoints.push_back({address, port});
        auto same = std::find_if(list.begin(), list.end(), [&](const Neighbour& other) {
            return other.kind == neighbour.kind && other.id == neighbour.id;
        });
        if (same == list.end()) {
            list.push_back(std::move(neighbour));
            continue;
        }
        for (auto& endpoint : neighbour.endpoints)
            if (same->endpoints.size() < limits::link_endpoints &&
                std::find(same->endpoints.begin(), same->endpoints.end(), endpoint) == same->endpoints.end())
                same->endpoints.push_back(std::move(endpoint));
        // The one whose time is right speaks for both: another may be an old one of it.
        if (neighbour.clock_off_ms == 0) same->clock_off_ms = 0;
    }
    return list;
}

void Neighbourhood::changed() {
    const auto list = neighbours();
    for (const auto& neighbour : list)
        if (neighbour.kind == "device" && neighbour.clock_off_ms == 0 && !neighbour.endpoints.empty() &&
            events_.on_device)
            events_.on_device(neighbour.device, neighbour.endpoints);
    look_for_offer();
    look_at_watchers();
}

// --- kith nearby

void Neighbourhood::nearby(const control::RequestPtr& request) {
    auto fields = request->fields();
    const bool follows = fields.has("watch") && fields.flag("watch");
    if (auto read = fields.finish("nearby"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (!possible())
        return request->fail({Fault::unavailable, "looking for devices nearby is switched off here",
                              "start kithd with --nearby automatic"});
    watchers_.push_back({request, follows, loop_.now().mono_ms + limits::nearby_list_ms, {}});
    request->on_cancelled([this, raw = request.get()](control::Cancelled) {
        const auto at = std::find_if(watchers_.begin(), watchers_.end(),
                                     [&](const Watcher& watcher) { return watcher.request.get() == raw; });
        if (at == watchers_.end()) return;
        const auto left = at->request;
        watchers_.erase(at);
        left->finish({{"nearby", Json::array()}, {"notes", Json::array()}});
    });
    decide_looking();
    look_at_watchers();
}

std::string Neighbourhood::Probed::state() const {
    const auto any = [&](net::Reach how) {
        return std::find(outcomes.begin(), outcomes.end(), how) != outcomes.end();
    };
    if (any(net::Reach::ok)) return "reachable";
    if (any(net::Reach::refused)) return std::string(nobody);
    if (outcomes.size() < endpoints.size()) return "";
    return std::string(no_answer);
}

// A plain connection to each that is new tells whether it can be reached.
void Neighbourhood::probe(const std::vector<Neighbour>& list) {
    std::set<std::string> here;
    for (const auto& neighbour : list) {
        if (neighbour.kind == "newer" || here.size() >= limits::nearby_probes) continue;
        here.insert(neighbour.id);
        auto& probed = probed_[neighbour.id];
        if (probed.endpoints == neighbour.endpoints) continue;
        probed = Probed{neighbour.endpoints, {}, {}};
        for (const auto& endpoint : neighbour.endpoints)
            probed.probes.emplace_back(
                loop_, endpoint.address, endpoint.port, limits::nearby_probe_ms,
                [this, id = neighbour.id](net::Reach how) { probed_[id].outcomes.push_back(how); });
    }
    std::erase_if(probed_, [&](const auto& item) { return !here.contains(item.first); });
}

Json Neighbourhood::describe(const Neighbour& neighbour) const {
    Json endpoints = Json::array();
    for (const auto& endpoint : neighbour.endpoints) endpoints.push_back(net::to_text(endpoint));
    std::string state;
    if (neighbour.kind == "device" && events_.linked(neighbour.device))
        state = "connected";
    else if (neighbour.kind == "newer")
        state = "speaks a newer version";
    else if (neighbour.clock_off_ms != 0)
        state = "its clock or this one's is wrong";
    else if (neighbour.endpoints.empty())
        state = "on another network";
    else if (const auto at = probed_.find(neighbour.id); at != probed_.end())
        state = at->second.state();
    return {{"kind", neighbour.kind}, {"name", neighbour.name}, {"state", state}, {"endpoints", endpoints}};
}

Json Neighbourhood::list_json(const std::vector<Neighbour>& list) const {
    Json all = Json::array();
    std::set<std::string> devices;
    for (const auto& neighbour : list) {
        auto one = describe(neighbour);
        if (one["state"] == "") one["state"] = no_answer;
        if (neighbour.kind == "device") devices.insert(neighbour.id);
        all.push_back(std::move(one));
    }
    if (!profile_.open() || profile_.membership() != Membership::member) return all;
    // Those that are connected announce nothing.
    for (const auto& device : profile_.roster().devices)
        if (device.id != profile_.device() && !devices.contains(device.id.hex()) && events_.linked(device.id))
            all.push_back({{"kind", "device"},
                           {"name", device.name},
                           {"state", "connected"},
                           {"endpoints", Json::array()}});
    return all;
}

Json Neighbourhood::notes_json(const std::vector<Neighbour>& list) const {
    Json notes = Json::array();
    const auto say = [&](const std::string& what, const std::string& hint) {
        notes.push_back(hint.empty() ? what : what + "; " + hint);
    };
    if (const auto& trouble = discovery_.trouble()) say(trouble->what, trouble->hint);
    bool silent = false, newer = false;
    std::map<std::string, int> names;
    std::uint16_t port = 0;
    for (const auto& neighbour : list) {
        newer = newer || neighbour.kind == "newer";
        if (is_offer(neighbour.kind)) ++names[neighbour.name];
        if (neighbour.clock_off_ms != 0)
            say("the clock of " + neighbour.name + " or of this device is off by " +
                    hours_text(neighbour.clock_off_ms),
                "set it; devices whose times differ do not call each other");
        const auto at = probed_.find(neighbour.id);
        if (at == probed_.end() || neighbour.endpoints.empty() || at->second.state() == "reachable" ||
            at->second.state() == nobody || (neighbour.kind == "device" && events_.linked(neighbour.device)))
            continue;
        silent = true;
        port = neighbour.endpoints.front().port;
    }
    if (silent)
        say("what is found, but does not answer, is kept apart by the Wi-Fi (\"client isolation\", guest "
            "networks) "
            "or by a firewall over there",
            "use another network, or there: " + opening_words(port));
    for (const auto& [name, count] : names)
        if (count > 1)
            say("there are " + std::to_string(count) + " offers with the name " + name +
                    ": one may be somebody else's imitation",
                "use the QR code or the text of the offer");
    if (newer) say("a device nearby runs a newer version of kith", "update kith here");
    if (list.empty() && !discovery_.trouble()) {
        for (const auto& finding : examine(loop_.now(), 0))
            if (!finding.good && finding.check != "firewall") say(finding.what, finding.hint);
        if (notes.empty())
            say("nothing is announced on this network",
                "an offer is announced while 'kith device add' or 'kith invite new --nearby' runs. if one "
                "does, and is not found, this "
                "network "
                "filters multicast or a firewall does (UDP port 5353): use the offer's QR code or its text");
    }
    return notes;
}

void Neighbourhood::look_at_watchers() {
    if (watchers_.empty()) return;
    const auto list = neighbours();
    probe(list);
    auto watchers = std::move(watchers_);
    watchers_.clear();
    const auto now = loop_.now().mono_ms;
    for (auto& watcher : watchers) {
        if (!watcher.request->open()) continue;
        if (watcher.follows) {
            std::set<std::string> here;
            for (const auto& neighbour : list) {
                const auto id = neighbour.kind + neighbour.id;
                here.insert(id);
                auto one = describe(neighbour);
                if (one["state"] == "" || watcher.told[id] == one) continue;
                watcher.told[id] = one;
                watcher.request->event("seen", one);
            }
            for (auto at = watcher.told.begin(); at != watcher.told.end();) {
                if (here.contains(at->first)) {
                    ++at;
                    continue;
                }
                if (!at->second.is_null()) watcher.request->event("gone", at->second);
                at = watcher.told.erase(at);
            }
        } else if (now >= watcher.until_ms) {
            watcher.request->finish({{"nearby", list_json(list)}, {"notes", notes_json(list)}});
            continue;
        }
        watchers_.push_back(std::move(watcher));
    }
    decide_looking();
    if (!watchers_.empty())
        watchers_timer_ = loop_.after(limits::nearby_look_ms, [this] { look_at_watchers(); });
}

// --- kith device join --nearby, kith invite accept --nearby

void Neighbourhood::find_offer(pairing::OfferKind kind, const std::string& name,
                               std::function<void(Result<FoundOffer>)> done) {
    finding_ = Finding{kind, nearby::plain_words(name), std::move(done),
                       loop_.now().mono_ms + limits::nearby_find_ms, std::nullopt};
    decide_looking();
    look_for_offer();
}

void Neighbourhood::stop_finding() {
    finding_timer_.cancel();
    finding_.reset();
    decide_looking();
}

void Neighbourhood::look_for_offer() {
    if (!finding_) return;
    const auto now = loop_.now().mono_ms;
    std::vector<Neighbour> fitting;
    for (auto& neighbour : neighbours())
        if (neighbour.kind == sought(finding_->kind).one && !neighbour.endpoints.empty() &&
            (finding_->name.empty() || neighbour.name == finding_->name))
            fitting.push_back(std::move(neighbour));
    if (!fitting.empty() && !finding_->first_ms) finding_->first_ms = now;
    // A moment longer, so that one of two is not taken for the only one.
    const bool settled = finding_->first_ms && now - *finding_->first_ms >= limits::nearby_settle_ms;
    if (!settled && now < finding_->until_ms) {
        finding_timer_ = loop_.after(limits::nearby_look_ms, [this] { look_for_offer(); });
        return;
    }
    auto result = fitting.empty() ? Result<FoundOffer>(fail(none_found())) : choose(fitting);
    const auto done = std::move(finding_->done);
    stop_finding();
    done(std::move(result));
}

Result<FoundOffer> Neighbourhood::choose(const std::vector<Neighbour>& fitting) const {
    if (fitting.size() == 1)
        return FoundOffer{fitting.front().name, fitting.front().server_key, fitting.front().endpoints};
    const auto& what = sought(finding_->kind);
    std::set<std::string> names;
    for (const auto& neighbour : fitting) names.insert(neighbour.name);
    if (names.size() == 1)
        return fail(Fault::refused,
                    std::to_string(fitting.size()) + " " + what.one + "s nearby have the name " +
                        *names.begin() + ": one may be somebody else's imitation",
                    "use the QR code or the text that the other device shows");
    std::string list;
    std::size_t shown = 0;
    for (const auto& name : names)
        if (++shown <= limits::nearby_names) list += (list.empty() ? "" : ", ") + name;
    return fail(
        Fault::refused, std::to_string(names.size()) + " " + what.one + "s are nearby: " + list,
        "choose by the words that the other device shows: " + what.taken_by + " \"" + *names.begin() + "\"");
}

Error Neighbourhood::none_found() const {
    if (const auto& trouble = discovery_.trouble()) return *trouble;
    const auto& what = sought(finding_->kind);
    const auto list = neighbours();
    std::string others;
    bool newer = false, elsewhere = false;
    std::size_t shown = 0;
    for (const auto& neighbour : list) {
        newer = newer || neighbour.kind == "newer";
        if (neighbour.kind != what.one) continue;
        elsewhere = elsewhere || neighbour.endpoints.empty();
        if (++shown <= limits::nearby_names) others += (others.empty() ? "" : ", ") + neighbour.name;
    }
    if (elsewhere && finding_->name.empty())
        return {Fault::unreachable,
                "an " + what.one + " is nearby, but on a network that this device is not attached to",
                "connect both to the same network"};
    if (!others.empty())
        return {Fault::not_found,
                "no " + what.one + " nearby has the name " + finding_->name + "; there is " + others,
                "take the words that the other device shows"};
    if (newer)
        return {Fault::refused, "a device nearby runs a newer version of kith", "update kith on this device"};
    for (const auto& finding : examine(loop_.now(), 0))
        if (!finding.good && finding.check != "firewall")
            return {Fault::unreachable, "no " + what.one + " was found nearby: " + finding.what,
                    finding.hint};
    return {Fault::unreachable, "no " + what.one + " was found nearby",
            "run '" + what.shown_by +
                "' on the other device, in the same network. if it runs, the network or a firewall "
                "filters multicast (UDP port 5353): use the QR code or the text that it shows"};
}

// --- kith doctor

void Neighbourhood::doctor(const control::RequestPtr& request) {
    if (auto read = request->fields().finish("doctor"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    Json list = Json::array();
    for (const auto& finding : examine(loop_.now(), events_.link_port()))
        list.push_back({{"check", finding.check},
                        {"good", finding.good},
                        {"what", finding.what},
                        {"hint", finding.hint}});
    if (!possible())
        list.push_back({{"check", "nearby"},
                        {"good", false},
                        {"what", "looking for devices nearby is switched off here"},
                        {"hint", "start kithd with --nearby automatic"}});
    else if (const auto& trouble = discovery_.trouble())
        list.push_back(
            {{"check", "nearby"}, {"good", false}, {"what", trouble->what}, {"hint", trouble->hint}});
    request->finish(std::move(list));
}

}  // namespace kith::app
