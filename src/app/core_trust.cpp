// The core's methods for trust: who belongs to the person, who is barred, and the recovery key.
#include <algorithm>
#include <set>

#include "app/card_records.h"
#include "app/core.h"
#include "app/node_labels.h"
#include "app/trust_limits.h"
#include "control/time_text.h"
#include "roster/recovery.h"

namespace kith::app {

using control::Json;

namespace {

constexpr std::int64_t look_ms = 50;

std::string name_of(const roster::State& roster, const roster::Signer& signer) {
    if (!signer) return "the recovery key";
    const auto* device = roster.find(*signer);
    return device ? device->name : signer->hex().substr(0, 12);
}

std::string_view standing_name(roster::Standing standing) {
    switch (standing) {
        case roster::Standing::open:
            return "undecided";
        case roster::Standing::counts:
            return "counts";
        case roster::Standing::is_void:
            return "void";
    }
    return "";
}

// What an entry does, for people and programs: the device that it is about, and the rest in words.
Json act_json(const roster::State& roster, const std::vector<roster::Entry>& entries,
              const roster::Act& act) {
    auto bar_target = [&](const EntryId& bar) -> std::string {
        for (const auto& entry : entries)
            if (entry.id == bar)
                if (const auto* barred = std::get_if<roster::Bar>(&entry.body.act))
                    return name_of(roster, barred->device);
        return bar.hex().substr(0, 12);
    };
    Json json{{"act", roster::act_name(act)}, {"device", nullptr}};
    if (const auto* add = std::get_if<roster::Add>(&act)) {
        json["device"] = name_of(roster, add->request.id());
    } else if (const auto* rename = std::get_if<roster::Rename>(&act)) {
        json["device"] = name_of(roster, rename->device);
        json["name"] = rename->name;
    } else if (const auto* bar = std::get_if<roster::Bar>(&act)) {
        json["device"] = name_of(roster, bar->device);
        if (bar->erase) json["erase"] = true;
    } else if (const auto* contest = std::get_if<roster::Contest>(&act)) {
        json["device"] = bar_target(contest->bar);
    } else if (const auto* lift = std::get_if<roster::Lift>(&act)) {
        json["device"] = bar_target(lift->bar);
    } else if (const auto* recover = std::get_if<roster::Recover>(&act)) {
        json["bars"] = Json::array();
        for (const auto& device : recover->bars) json["bars"].push_back(name_of(roster, device));
        json["renews"] = recover->recovery.has_value();
    }
    return json;
}

}  // namespace

void Core::add_trust_methods() {
    constexpr bool person = true, anybody = false;
    add("device.log", &Core::device_log, person);
    add("device.rename", &Core::device_rename, person);
    add("device.revoke", &Core::device_revoke, person);
    add("device.contest", &Core::device_contest, person);
    add("device.lift", &Core::device_lift, person);
    add("device.recover", &Core::device_recover, anybody);
    add("recovery.renew", &Core::recovery_renew, person);
}

// By its name, or by the first 8 or more digits of its id.
Result<const roster::Device*> Core::find_device(const std::string& text) const {
    const roster::Device* found = nullptr;
    bool twice = false;
    for (const auto& device : profile_.roster().devices) {
        if (text.size() >= 8 && device.id.hex().starts_with(text)) return &device;
        if (device.name != text) continue;
        // A device that is out for good does not stand in the way of one that has its name now.
        if (found && device.state == roster::DeviceState::barred) continue;
        twice = found && found->state != roster::DeviceState::barred;
        found = &device;
    }
    if (twice)
        return fail(Fault::invalid, "two devices are called that",
                    "give the first digits of the id: kith device list --json");
    if (found) return found;
    return fail(Fault::not_found, "there is no such device", "'kith device list' shows them");
}

void Core::device_list(const Request& request) {
    Json list = Json::array();
    for (const auto& device : profile_.roster().devices) {
        Json item{{"id", device.id.hex()},
                  {"name", device.name},
                  {"state", roster::device_state_name(device.state)},
                  {"this", device.id == profile_.device()},
                  {"added", control::to_time_text(device.added_ms)},
                  {"by", name_of(profile_.roster(), device.added_by)},
                  {"confirmed", profile_.roster_confirmed()}};
        if (!device.why.empty()) item["why"] = device.why;
        list.push_back(std::move(item));
    }
    request->finish(std::move(list));
}

void Core::device_log(const Request& request) {
    std::map<EntryId, const roster::Entry*> entries;
    for (const auto& entry : profile_.entries()) entries[entry.id] = &entry;
    std::map<DeviceId, std::string> names;  // as they were when a line was signed
    Json list = Json::array();
    auto add_line = [&](const EntryId& id, std::string_view standing) {
        auto at = entries.find(id);
        if (at == entries.end()) return;
        const auto& body = at->second->body;
        Json line = act_json(profile_.roster(), profile_.entries(), body.act);
        line["id"] = id.hex();
        line["by"] = name_of(profile_.roster(), body.signer);
        line["time"] = control::to_time_text(body.time_ms);
        auto seen = profile_.seen_ms(id);
        line["seen"] = seen == 0 ? Json() : Json(control::to_time_text(seen));
        line["standing"] = standing;
        if (const auto* added = std::get_if<roster::Add>(&body.act)) {
            if (auto asked = roster::read_request(added->request))
                names.try_emplace(added->request.id(), asked->name);
        } else if (const auto* renamed = std::get_if<roster::Rename>(&body.act)) {
            auto& name = names[renamed->device];
            line["former"] = name;
            if (standing == "counts") name = renamed->name;
        }
        list.push_back(std::move(line));
    };
    for (const auto& line : profile_.roster().lines) add_line(line.id, standing_name(line.standing));
    for (const auto& id : profile_.roster().pending) add_line(id, "pending");
    request->finish(std::move(list));
}

// Durable with all that it brings, or not at all.
Result<> Core::keep_signed(std::span<const roster::Entry> entries, bool renews_secrets,
                           const std::function<Result<>()>& besides) {
    const auto now = loop_.now().unix_ms;
    auto kept = [&]() -> Result<> {
        KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
        for (const auto& entry : entries) KITH_TRY(profile_.add_own_entry(entry, now));
        if (renews_secrets) KITH_TRY(profile_.mark_secrets_for_renewal());
        if (besides) KITH_TRY(besides());
        return tx.commit();
    }();
    if (!kept) {
        (void)profile_.reload_roster();
        return kept;
    }
    end_void_jobs();
    look_at_export();
    look_at_signers();
    if (peers_) peers_->refresh();
    renew_marked_secrets();
    look_at_own_state();
    return {};
}

// Only after the bar is durable and announced: with a long history this takes a while. A crash in between
// leaves the mark, and it is done at the next start.
void Core::renew_marked_secrets() {
    if (!profile_.term_key() || !profile_.secrets_to_be_renewed()) return;
    if (auto renewed = profile_.renew_person_secrets(); !renewed) {
        (void)profile_.reload_secrets();
        return log_("the shared secrets could not be renewed: " + renewed.error().what);
    }
    log_("the shared secrets were renewed");
    if (peers_) peers_->secrets_changed();
}

void Core::device_rename(const Request& request) {
    auto fields = request->fields();
    auto device = fields.text("device", limits::input_line), name = fields.text("name", limits::input_line);
    if (auto read = fields.finish("device.rename"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto target = find_device(device);
    if (!target) return request->fail(target.error());
    auto act = profile_.act_key(request->secret("passphrase"));
    if (!act) return request->fail(act.error());
    auto entry = roster::make_rename(profile_.roster(), profile_.device(), *act, (*target)->id, name,
                                     loop_.now().unix_ms);
    if (!entry) return request->fail(entry.error());
    if (auto kept = keep_signed({&*entry, 1}, false); !kept) return request->fail(kept.error());
    tell_devices(request, entry->id, Json::object());
}

void Core::device_revoke(const Request& request) {
    auto fields = request->fields();
    auto text = fields.text("device", limits::input_line);
    bool erase = fields.has("erase") && fields.flag("erase");
    if (auto read = fields.finish("device.revoke"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto found = find_device(text);
    if (!found) return request->fail(found.error());
    const roster::Device target = **found;
    if (target.id == profile_.device())
        return request->fail({Fault::forbidden, "a device does not bar itself", "do it from another one"});
    if (target.state == roster::DeviceState::barred && (!erase || target.erase))
        return request->fail(
            {Fault::forbidden, "this device is barred already", "'kith device log' shows since when"});
    auto act = profile_.act_key(request->secret("passphrase"));
    if (!act) return request->fail(act.error());
    auto entry =
        roster::make_bar(profile_.roster(), profile_.device(), *act, target.id, erase, loop_.now().unix_ms);
    if (!entry && entry.error().kind == Fault::forbidden) {
        auto error = entry.error();
        error.hint += "; if it was barred by somebody else, 'kith device contest' first";
        return request->fail(error);
    }
    if (!entry) return request->fail(entry.error());
    if (auto kept = keep_signed({&*entry, 1}, true); !kept) return request->fail(kept.error());
    log_("device " + target.id.hex().substr(0, 8) + " was barred");
    const auto* now = profile_.roster().find(target.id);
    auto brought = services_ ? services_->project(*act, {}) : std::vector<Services::Signed>();
    if (services_) services_->post_news();
    tell_devices(request, entry->id,
                 {{"device", target.id.hex()},
                  {"name", target.name},
                  {"state", now ? roster::device_state_name(now->state) : ""},
                  {"secrets", profile_.secrets_to_be_renewed() ? "not renewed yet" : "renewed"},
                  {"effects", effects_of_bar(target)}},
                 std::move(brought), {target});
}

// What a bar brings for the device itself, for the invitations that it made, and at each service that has no
// way to drop a node.
Json Core::effects_of_bar(const roster::Device& device) {
    Json effects = Json::array();
    effects.push_back(
        {{"peer", device.name}, {"outcome", "refused"}, {"text", "its link is refused, and cut"}});
    std::uint64_t ended = 0;
    if (auto cards = card_records(profile_))
        for (const auto& card : *cards)
            ended += !card.taken && card.device == device.id && card.out && !card.ended &&
                     card.expires_ms > loop_.now().unix_ms && card.used < card.uses;
    if (ended > 0)
        effects.push_back(
            {{"invitations", ended},
             {"outcome", "withdrawn"},
             {"text", "withdrawn: " + std::to_string(ended) + (ended == 1 ? " invitation" : " invitations") +
                          " that it made; nobody becomes your contact by them any more"}});
    if (!services_) return effects;
    auto labels = node_labels(profile_);
    for (const auto& service : services_->list()) {
        const auto& account = service.account;
        if (services_->rosters().ruled(account.id)) continue;  // effect_at() tells
        if (service.moved_to) continue;                        // it is left to whoever has it
        std::string label;
        if (labels)
            if (auto at = labels->find(account.id); at != labels->end())
                if (auto own = at->second.find(device.id); own != at->second.end()) label = own->second;
        const auto by_address = services_->named(account.address);
        const auto& named = by_address && by_address->id == account.id ? account.address : account.uid;
        const std::string node = label.empty() ? "one whose name this device does not know" : label;
        effects.push_back(
            {{"service", account.address},
             {"outcome", "still let in"},
             {"uid", account.uid},
             {"node", label.empty() ? Json() : Json(label)},
             {"text", account.address + " has no way for an owner to drop a device: it still lets " +
                          device.name +
                          " in, which goes on to receive all messages of this account. It also broadcasts "
                          "the secret of "
                          "every node that is added later to that device, which can then log in as your "
                          "other devices "
                          "and take their messages"},
             {"move", "kith service move " + named + " --alias NEW-NAME"},
             {"ask", "Please remove a node of my account: the device is lost. Account (uid): " + account.uid +
                         ". Node: " + node +
                         ". Please tell me when this is done; until then I add no further device."}});
    }
    return effects;
}

// The same at a service with node control, as far as it is known by now.
Json Core::effect_at(const Services::Signed& brought, const roster::Device& device) const {
    std::string address, uid;
    for (const auto& service : services_->list())
        if (service.account.id == brought.account) {
            address = service.account.address;
            uid = service.account.uid;
        }
    Json effect{{"service", address}, {"uid", uid}, {"node", nullptr}};
    const auto say = [&](const char* outcome, const std::string& text) {
        effect["outcome"] = outcome;
        effect["text"] = text;
        return effect;
    };
    const auto* node = services_->rosters().node_of(brought.account, device.id);
    if (!node) return say("no node", device.name + " has no access of its own at " + address);
    if (node->state == roster::DeviceState::active)
        return say("still let in",
                   address + " still lets " + device.name +
                       " in: this device has no say there yet. Do the same on another of your "
                       "devices, or use the recovery sheet");
    switch (services_->brought(brought)) {
        case Services::Brought::taken:
            return say("dropped",
                       address + " has cut " + device.name +
                           " off and lets it in no more; what waits for it there is erased after 30 "
                           "days, at once with the recovery sheet");
        case Services::Brought::waits:
            break;
        case Services::Brought::refused:
            return say("refused", address + " did not take the bar; 'kith service list' tells why");
    }
    return say("out of reach", address + " is not reached now and still lets " + device.name +
                                   " in; it drops it as soon as it is reached");
}

// The caller gets its result as soon as all devices and services in reach know of the entry.
void Core::tell_devices(const Request& request, const EntryId& entry, Json result,
                        std::vector<Services::Signed> brought, std::vector<roster::Device> dropped) {
    tellings_.push_back({request, entry, std::move(result), loop_.now().mono_ms + limits::revoke_wait_ms,
                         std::move(brought), std::move(dropped)});
    look_at_tellings();
}

void Core::look_at_tellings() {
    auto tellings = std::move(tellings_);
    tellings_.clear();
    for (auto& telling : tellings) {
        bool waiting = false;
        Json told = Json::array();
        for (const auto& device : profile_.roster().devices) {
            if (device.id == profile_.device() || device.state != roster::DeviceState::active) continue;
            auto* session = peers_ ? peers_->find(device.id) : nullptr;
            const bool linked = session && session->linked(),
                       knows = linked && session->peer_knows(telling.entry);
            waiting = waiting || (linked && !knows);
            told.push_back({{"peer", device.name}, {"outcome", knows ? "told" : "out of reach"}});
        }
        for (const auto& brought : telling.brought)
            waiting = waiting || (services_ && services_->reached(brought.account) &&
                                  services_->brought(brought) == Services::Brought::waits);
        if (waiting && loop_.now().mono_ms < telling.until_ms && telling.request->open()) {
            tellings_.push_back(std::move(telling));
            continue;
        }
        auto& effects = telling.result["effects"];
        if (!effects.is_array()) effects = Json::array();
        for (const auto& device : telling.dropped)
            for (const auto& brought : telling.brought)
                if (services_) effects.push_back(effect_at(brought, device));
        for (auto& each : told) effects.push_back(std::move(each));
        telling.request->finish(std::move(telling.result));
    }
    if (!tellings_.empty()) telling_timer_ = loop_.after(look_ms, [this] { look_at_tellings(); });
}

// All bars against this device at once: it may contest each once.
void Core::device_contest(const Request& request) {
    auto act = profile_.act_key(request->secret("passphrase"));
    if (!act) return request->fail(act.error());
    const auto own = profile_.device();
    std::vector<roster::Entry> entries;
    auto state = profile_.roster();
    std::vector<roster::Entry> all = profile_.entries();
    Result<roster::Entry> last =
        fail(Fault::forbidden, "nobody has barred this device", "'kith device list' tells");
    for (const auto& bar : profile_.roster().bars) {
        if (bar.device != own) continue;
        last = roster::make_contest(state, own, *act, bar.entry, loop_.now().unix_ms);
        if (!last) continue;
        entries.push_back(*last);
        all.push_back(*last);
        auto next = roster::fold(profile_.person(), all);
        if (!next) return request->fail(next.error());
        state = std::move(*next);
    }
    if (entries.empty()) return request->fail(last.error());
    if (auto kept = keep_signed(entries, false); !kept) return request->fail(kept.error());
    account::Wishes wishes;
    wishes.contests = true;
    auto brought = services_ ? services_->project(*act, wishes) : std::vector<Services::Signed>();
    if (services_) services_->post_news();
    // Suspended ones too: what suspends a thief's device may fall with the next thing that he signs.
    Json others = Json::array();
    for (const auto& device : profile_.roster().devices)
        if (device.id != own && device.state != roster::DeviceState::barred) others.push_back(device.name);
    const auto* self = profile_.roster().find(own);
    tell_devices(request, entries.back().id,
                 {{"state", self ? roster::device_state_name(self->state) : ""},
                  {"contested", entries.size()},
                  {"others", others}},
                 std::move(brought));
}

void Core::device_lift(const Request& request) {
    auto fields = request->fields();
    auto text = fields.text("device", limits::input_line);
    if (auto read = fields.finish("device.lift"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto found = find_device(text);
    if (!found) return request->fail(found.error());
    const roster::Device target = **found;
    const auto sheet_text = request->secret("sheet");
    std::optional<crypto::SignKey> key;
    std::optional<Key> seed;
    roster::Signer signer = profile_.device();
    if (!sheet_text.empty()) {
        auto sheet = roster::decode_sheet(as_text(sheet_text.view()));
        if (!sheet) return request->fail(sheet.error());
        key = roster::recovery_key(sheet->seed);
        seed = std::move(sheet->seed);
        signer.reset();
    } else {
        auto act = profile_.act_key(request->secret("passphrase"));
        if (!act) return request->fail(act.error());
        key = std::move(*act);
    }
    std::vector<roster::Entry> lifts, all = profile_.entries();
    Error why{Fault::forbidden, "no bar against this device can be lifted",
              target.state == roster::DeviceState::active ? "it is active" : target.why};
    auto state = profile_.roster();
    for (const auto& bar : profile_.roster().bars) {
        if (bar.device != target.id) continue;
        auto lift = roster::make_lift(state, signer, *key, bar.entry, loop_.now().unix_ms);
        if (!lift) {
            why = lift.error();
            continue;
        }
        all.push_back(*lift);
        auto next = roster::fold(profile_.person(), all);
        if (!next) return request->fail(next.error());
        if (std::ranges::find(next->lines, lift->id, &roster::Line::id) == next->lines.end()) {
            all.pop_back();
            why = {Fault::forbidden, "this device may not decide about that bar",
                   "once its target has contested it, a device can that was added before both and has no "
                   "part in "
                   "it; or the recovery sheet"};
            continue;
        }
        lifts.push_back(*lift);
        state = std::move(*next);
    }
    if (lifts.empty()) return request->fail(why);
    if (auto kept = keep_signed(lifts, false); !kept) return request->fail(kept.error());
    const auto* now = profile_.roster().find(target.id);
    account::Wishes wishes;
    wishes.lifts = true;
    std::vector<Services::Signed> brought;
    if (services_) brought = seed ? services_->recover_rosters(*seed) : services_->project(*key, wishes);
    if (services_) services_->post_news();
    tell_devices(request, lifts.back().id,
                 {{"device", target.id.hex()},
                  {"name", target.name},
                  {"state", now ? roster::device_state_name(now->state) : ""},
                  {"lifted", lifts.size()}},
                 std::move(brought));
}

// --- the recovery key

void Core::device_recover(const Request& request) {
    auto fields = request->fields();
    auto names = fields.has("devices") ? fields.texts("devices", limits::roster_devices, limits::input_line)
                                       : std::vector<std::string>();
    auto day = fields.has("day") ? fields.text("day", 32) : std::string();
    auto name =
        fields.has("name") ? fields.text("name", limits::name_bytes) : std::string("recovered device");
    bool erase = fields.has("erase") && fields.flag("erase");
    if (auto read = fields.finish("device.recover"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    std::optional<std::int64_t> day_ms;
    if (!day.empty()) {
        day_ms = control::from_time_text(day + "T00:00:00Z");
        if (!day_ms)
            return request->fail({Fault::invalid, "this is no day: " + day, "give it as 2026-12-31"});
    }
    if (joining_)
        return request->fail(
            {Fault::refused, "this device is joining just now", "'kith device cancel' stops it"});
    auto sheet = roster::decode_sheet(as_text(request->secret("sheet").view()));
    if (!sheet) return request->fail(sheet.error());
    if (profile_.exists() && !profile_.open())
        return request->fail({Fault::locked, "this device is locked", "run 'kith unlock'"});
    if (!profile_.exists() || profile_.membership() == Membership::none) {
        if (!names.empty() || day_ms)
            return request->fail({Fault::invalid, "there are no devices on this empty device to bar",
                                  "leave --revoke and --day out; bar the others when you meet them"});
        return recover_empty(request, *sheet, name);
    }
    if (!services_ || !peers_)
        return request->fail(
            {Fault::unavailable, "this device is just being set up", "try again in a moment"});
    if (sheet->person != roster::hint_of(profile_.person()))
        return request->fail(
            {Fault::refused, "this is another person's recovery sheet", "look for the right one"});
    recover_here(request, sheet->seed, names, day_ms, erase);
}

// All is lost but the sheet. What it gives back is the person: its id, the recovery key, and the keys by
// which services could know it. The rest was on the devices.
void Core::recover_empty(const Request& request, const roster::RecoverySheet& sheet,
                         const std::string& name) {
    if (profile_.open())
        if (auto gone = profile_.discard(); !gone) return request->fail(gone.error());
    auto founded =
        profile_.found_again(sheet.seed, sheet.person, name, request->secret("passphrase"), loop_.now());
    if (!founded) return request->fail(founded.error());
    if (auto opened = open(); !opened) return request->fail(opened.error());
    act_key_opened(request->secret("passphrase"));
    request->finish(
        {{"device", founded->device.hex()},
         {"person", founded->person.hex()},
         {"state", "active"},
         {"effects", Json::array()},
         {"fallen", Json::array()},
         {"remains",
          {"the history was on the devices that are lost: import it again where you have files of it",
           "the accounts were on them, too. Those at services with node control come back: kith service "
           "restore "
           "ADDRESS --uid UID. Elsewhere register anew, and tell your contacts",
           "this device does not know the former ones; should one turn up, it and this one refuse each "
           "other"}}});
}

// What the recovery key signs: the bars, with cuts where there was a day or a quarrel with this device, and
// lifts of whatever else keeps this device out.
Result<std::vector<roster::Entry>> Core::recovery_entries(const Key& seed, const std::vector<DeviceId>& out,
                                                          std::optional<std::int64_t> day_ms, bool erase) {
    const auto& state = profile_.roster();
    const auto key = roster::recovery_key(seed);
    const auto now = loop_.now().unix_ms;
    const auto own = profile_.device();
    std::map<EntryId, const roster::Entry*> by_id;
    for (const auto& entry : profile_.entries()) by_id[entry.id] = &entry;

    // The adds that this device's place rests on must stay.
    std::set<EntryId> needed;
    std::set<DeviceId> chain{own};
    for (bool more = true; more;) {
        more = false;
        for (const auto& line : state.lines)
            if (line.adds && chain.contains(*line.adds) && needed.insert(line.id).second) {
                if (line.signer) chain.insert(*line.signer);
                more = true;
            }
    }
    roster::Recover recover{std::nullopt, {}, out};
    for (const auto& device : out) {
        std::optional<std::uint64_t> limit;  // counters from here on are cut
        for (const auto& line : state.lines)
            if (line.signer == device && day_ms && profile_.seen_ms(line.id) >= *day_ms)
                limit = std::min(limit.value_or(line.counter), line.counter);
        if (!day_ms)
            for (const auto& bar : state.bars)
                if (bar.by == device && bar.device == own)
                    for (const auto& line : state.lines)
                        if (line.id == bar.entry)
                            limit = std::min(limit.value_or(line.counter), line.counter);
        if (!limit) continue;
        roster::Cut cut{device, std::nullopt};
        std::uint64_t highest = 0;
        for (const auto& line : state.lines) {
            if (line.signer != device || line.counter <= highest) continue;
            if (line.counter >= *limit && !needed.contains(line.id)) continue;
            highest = line.counter;
            cut.last = line.id;
        }
        recover.cuts.push_back(cut);
    }
    // A copy of this device has signed: what it and this one signed from the fork on falls.
    std::map<std::uint64_t, int> counters;
    for (const auto& line : state.lines)
        if (line.signer == own && line.standing != roster::Standing::is_void) ++counters[line.counter];
    for (const auto& [counter, times] : counters) {
        if (times < 2) continue;
        roster::Cut cut{own, std::nullopt};
        for (const auto& line : state.lines)
            if (line.signer == own && line.counter + 1 == counter) cut.last = line.id;
        recover.cuts.push_back(cut);
        break;
    }

    std::vector<roster::Entry> made, all = profile_.entries();
    auto next = state;
    auto take = [&](Result<roster::Entry> entry) -> Result<> {
        KITH_TRY(entry);
        made.push_back(*entry);
        all.push_back(*entry);
        KITH_TRY_VALUE(folded, roster::fold(profile_.person(), all));
        if (std::ranges::find(folded.lines, entry->id, &roster::Line::id) == folded.lines.end())
            return fail(Fault::forbidden, "the rules for the list of devices do not allow that");
        next = std::move(folded);
        return {};
    };
    KITH_TRY(take(roster::make_recover(next, key, recover, now)));
    if (erase)
        for (const auto& device : out)
            KITH_TRY(take(roster::make_bar(next, std::nullopt, key, device, true, now)));
    for (bool more = true; more;) {
        more = false;
        for (const auto& bar : next.bars)
            if (bar.device == own) {
                KITH_TRY(take(roster::make_lift(next, std::nullopt, key, bar.entry, now)));
                more = true;
                break;
            }
    }
    const auto* self = next.find(own);
    if (!self || self->state != roster::DeviceState::active)
        return fail(
            Fault::forbidden,
            "this device would stay out: " + (self ? self->why : std::string("it is not on the list")),
            "use the sheet on a device that was there before, or on an empty one");
    return made;
}

void Core::recover_here(const Request& request, const Key& seed, const std::vector<std::string>& names,
                        std::optional<std::int64_t> day_ms, bool erase) {
    if (names.empty() && day_ms)
        return request->fail(
            {Fault::invalid, "a day is of no use without a device to bar", "name it with --revoke"});
    std::vector<DeviceId> out;
    for (const auto& name : names) {
        auto found = find_device(name);
        if (!found) return request->fail(found.error());
        if ((*found)->id == profile_.device())
            return request->fail({Fault::invalid, "this is the device that is to be let in",
                                  "use the sheet on another one to bar this one"});
        out.push_back((*found)->id);
    }
    const auto before = profile_.roster();
    auto entries = recovery_entries(seed, out, day_ms, erase);
    if (!entries) return request->fail(entries.error());
    if (auto kept = keep_signed(*entries, true); !kept) return request->fail(kept.error());
    log_("the recovery key was used on this device");
    auto brought = services_->recover_rosters(seed);
    services_->post_news();
    Json effects = Json::array(), fallen = Json::array();
    std::vector<roster::Device> dropped;
    for (const auto& device : profile_.roster().devices) {
        const bool named = std::ranges::find(out, device.id) != out.end();
        if (named) dropped.push_back(device);
        if (named)
            for (auto& effect : effects_of_bar(device)) effects.push_back(effect);
        const auto* former = before.find(device.id);
        if (!named && device.state != roster::DeviceState::active && former &&
            former->state == roster::DeviceState::active)
            fallen.push_back({{"name", device.name}, {"why", device.why}});
    }
    tell_devices(request, entries->back().id,
                 {{"device", profile_.device().hex()},
                  {"person", profile_.person().hex()},
                  {"state", "active"},
                  {"effects", effects},
                  {"fallen", fallen},
                  {"remains", Json::array()}},
                 std::move(brought), std::move(dropped));
}

// The new sheet is shown and typed back before it counts: of a key that nobody wrote down, nobody can
// recover.
void Core::recovery_renew(const Request& request) {
    auto sheet = roster::decode_sheet(as_text(request->secret("sheet").view()));
    if (!sheet) return request->fail(sheet.error());
    if (sheet->person != roster::hint_of(profile_.person()) || profile_.roster().recovery_disputed ||
        roster::recovery_key(sheet->seed).public_key() != profile_.roster().recovery)
        return request->fail(
            {Fault::refused, "this is not the recovery sheet that holds now", "use the newest one"});
    auto old_seed = std::make_shared<Key>(sheet->seed.copy());
    auto fresh = std::make_shared<Key>(crypto::random_secret(random_));
    auto text = roster::encode_sheet({fresh->copy(), sheet->person});
    request->on_cancelled([request_ = std::weak_ptr<control::Request>(request)](control::Cancelled) {
        if (auto still = request_.lock())
            still->fail({Fault::cancelled, "the recovery key was not renewed",
                         "the sheet that you have still holds"});
    });
    request->on_answer([this, request_ = std::weak_ptr<control::Request>(request), old_seed, fresh](
                           std::string_view name, std::string_view value) {
        auto still = request_.lock();
        if (!still || name != "sheet") return;
        auto typed = roster::decode_sheet(value);
        if (!typed) {
            still->event("warning", {{"text", typed.error().what}});
            return still->ask("sheet");
        }
        if (!(typed->seed == *fresh)) {
            still->event("warning", {{"text", "that is another sheet"}});
            return still->ask("sheet");
        }
        renew_confirmed(still, *old_seed, *fresh);
    });
    request->event("sheet", {{"recovery", std::string(as_text(text.view()))}});
    request->ask("sheet");
    renewing_ = request;
}

void Core::renew_confirmed(const Request& request, const Key& seed, const Key& fresh) {
    renewing_ = nullptr;
    if (!profile_.open() || !peers_)
        return request->fail({Fault::unavailable, "this device is locked by now", ""});
    roster::Recover renewal{roster::recovery_key(fresh).public_key(), {}, {}};
    auto entry =
        roster::make_recover(profile_.roster(), roster::recovery_key(seed), renewal, loop_.now().unix_ms);
    if (!entry) return request->fail(entry.error());
    // Together: the former seed and the fresh one are in one hand now and never again.
    Json behind = Json::array();
    auto kept = keep_signed({&*entry, 1}, true, [&]() -> Result<> {
        KITH_TRY(profile_.put_recovery_accounts(fresh));
        if (!services_) return {};
        KITH_TRY_VALUE(left, services_->renew_rosters(seed, fresh));
        for (const auto& id : left)
            if (const auto* account = services_->find(id)) behind.push_back(account->address);
        return {};
    });
    if (!kept) {
        if (services_) (void)services_->reload_rosters();
        return request->fail(kept.error());
    }
    log_("the recovery key was renewed");
    if (services_) services_->bring_rosters();
    if (services_) services_->post_news();
    tell_devices(request, entry->id, {{"behind", behind}});
}

// --- this device's own place

void Core::look_at_own_state() {
    if (!profile_.open() || profile_.membership() != Membership::member) return;
    const auto* self = profile_.roster().find(profile_.device());
    if (!self) return;
    std::string state(roster::device_state_name(self->state));
    if (state != told_state_ && (self->state != roster::DeviceState::active || !told_state_.empty()))
        log_("this device is " + state + (self->why.empty() ? "" : ": " + self->why));
    told_state_ = state;
    erase_timer_.cancel();
    if (self->state != roster::DeviceState::barred || !self->erase) return;
    // At once when it cannot be contested; else after some days, in which its owner may.
    std::int64_t at_ms = INT64_MAX;
    for (const auto& bar : profile_.roster().bars)
        if (bar.device == self->id && bar.erase && bar.standing == roster::Standing::counts)
            at_ms = std::min(at_ms, bar.is_final ? 0 : profile_.seen_ms(bar.entry) + limits::erase_wait_ms);
    const auto wait = std::max<std::int64_t>(limits::outsider_ms, at_ms - loop_.now().unix_ms);
    erase_timer_ = loop_.after(std::min<std::int64_t>(wait, 3600 * 1000), [this, at_ms] {
        if (loop_.now().unix_ms < at_ms) return look_at_own_state();
        loop_.defer([this] { erase_keys(); });
    });
}

void Core::erase_keys() {
    log_("this device was barred, with the wish that it erases its keys: they are erased");
    close();
    if (auto erased = profile_.erase(); !erased) log_("erasing: " + erased.error().what);
    told_state_.clear();
}

}  // namespace kith::app
