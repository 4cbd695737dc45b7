// Node control: what this device signs in the rosters of its accounts, and brings to their services
// (src/account/README.md); and news of the person's own roster by a Post.
#include <algorithm>
#include <set>

#include "app/own_records.h"
#include "app/roster_news.h"
#include "app/services.h"
#include "app/services_link.h"
#include "app/trust_limits.h"

namespace kith::app {
namespace {

using namespace provision;

std::set<EntryId> ids_of(std::span<const roster::Entry> entries) {
    std::set<EntryId> ids;
    for (const auto& entry : entries) ids.insert(entry.id);
    return ids;
}

}  // namespace

// --- the act key

std::optional<crypto::SignKey> Services::open_act_key() const {
    if (act_key_) return act_key_->copy();
    if (profile_.has_passphrase()) return std::nullopt;
    auto act = profile_.act_key({});
    return act ? std::optional(std::move(*act)) : std::nullopt;
}

void Services::act_key_opened(const crypto::SignKey& act, bool keep) {
    if (keep) {
        act_key_ = act.copy();
        act_key_timer_ = loop_.after(limits::act_key_kept_ms, [this] { act_key_.reset(); });
    }
    if (auto prepared = rosters_.prepare(act); !prepared && events_.log) events_.log(prepared.error().what);
    (void)project(act, {});
    // Requests that were signed just now go to the other devices.
    if (auto wanted = rosters_.wanted(); wanted && !wanted->empty() && events_.on_provision)
        events_.on_provision(profile_.device());
}

std::vector<Services::Signed> Services::project(const crypto::SignKey& act, account::Wishes wishes) {
    std::vector<Signed> all;
    for (const auto& account : rosters_.accounts()) {
        auto asked = requests(account);
        wishes.asked = asked;
        all.push_back(signed_at(account, rosters_.project(account, act, wishes)));
    }
    return all;
}

std::vector<Services::Signed> Services::recover_rosters(const Key& seed) {
    std::vector<Signed> all;
    for (const auto& account : rosters_.accounts())
        all.push_back(signed_at(account, rosters_.recover(account, seed, requests(account))));
    return all;
}

Result<std::vector<AccountId>> Services::renew_rosters(const Key& seed, const Key& fresh) {
    std::vector<AccountId> behind;
    for (const auto& account : rosters_.accounts()) {
        auto renewed = rosters_.renew(account, seed, fresh);
        if (!renewed && renewed.error().kind != Fault::refused) return fail(renewed.error());
        if (!renewed || renewed->empty()) behind.push_back(account);
    }
    return behind;
}

void Services::bring_rosters() {
    for (auto& [id, link] : links_) bring(*link);
}

Services::Signed Services::signed_at(const AccountId& account, Result<std::vector<roster::Entry>> entries) {
    Signed result{account, {}};
    auto at = links_.find(account);
    if (!entries) {
        if (events_.log) events_.log("an account's roster: " + entries.error().what);
        return result;
    }
    for (const auto& entry : *entries) result.entries.push_back(entry.id);
    if (at != links_.end() && !entries->empty()) bring(*at->second);
    return result;
}

std::vector<account::Asked> Services::requests(const AccountId& account) const {
    std::vector<account::Asked> asked;
    auto provisions = profile_.store().provisions();
    if (!provisions) return asked;
    for (const auto& provision : *provisions) {
        if (provision.account != account || provision.state != requested) continue;
        auto request = roster::unpack_request(provision.nodeid.view());
        if (request) asked.push_back({provision.device, std::move(*request)});
    }
    return asked;
}

// --- to the service and back

// Shows first what the service has, once a connection; then brings what it lacks.
void Services::bring(Link& link) {
    using State = tmtp::Client::State;
    const auto id = link.account().id;
    const bool reached = link.client && link.tls && link.control &&
                         (link.client->state() == State::online || link.client->state() == State::held);
    if (!reached || link.roster_asked) return;
    tmtp::Roster op{{}, "show", 0};
    Bytes data;
    if (link.roster_shown) {
        std::vector<roster::Entry> missing;
        for (auto& entry : rosters_.lacking(id, {}))
            if (!link.roster_there.contains(entry.id) && !link.roster_refused.contains(entry.id))
                missing.push_back(std::move(entry));
        if (missing.empty()) return;
        op.act = "add";
        // What does not fit one request comes with the next.
        std::size_t size = 0, count = 0;
        while (count < missing.size() &&
               size + missing[count].bytes.size() + 100 <= limits::tmtp_roster_request)
            size += missing[count++].bytes.size() + 100;
        missing.resize(link.roster_singly ? 1 : count);
        data = roster::pack_entries(missing);
        link.roster_brought = ids_of(missing);
    }
    ask_roster(link, {std::move(op), std::move(data)});
}

void Services::ask_roster(Link& link, tmtp::Asking asking) {
    link.roster_asked = true;
    run(link, link.client->ask(of_roster, std::move(asking), loop_.now()));
}

void Services::roster_answered(Link& link, const tmtp::RequestResult& result) {
    link.roster_asked = false;
    if (link.restoration) return restore_answered(link, result);
    const auto brought = std::exchange(link.roster_brought, {});
    auto binding = std::exchange(link.binding, nullptr);
    if (binding && result.outcome != tmtp::RequestResult::Outcome::accepted) {
        auto error = result.error;
        if (error.hint.empty()) error.hint = "'kith service list' shows how it stands";
        binding(fail(error));
        binding = nullptr;
        if (!result.roster) return;
    }
    if (!result.roster) return;  // the link is lost, or busy: after the next login
    auto entries = roster::unpack_entries(result.log);
    if (!entries) {
        link.status.why = "the service shows a roster of this account that cannot be read";
        return;
    }
    link.roster_shown = true;
    link.status.binding_ms = result.roster->state == "binding" ? result.roster->due_ms : 0;
    if (result.roster->state == "bound") {
        link.roster_there = ids_of(*entries);
        for (const auto& id : brought) {
            if (link.roster_there.contains(id)) continue;
            if (brought.size() == 1) link.roster_refused.insert(id);
            link.roster_singly = true;
        }
        take_entries(link, *entries);
    } else if (rosters_.ruled(link.account().id)) {
        link.status.why = "the service has forgotten which devices may use this account";
    }
    if (binding) return binding(link.status);
    if (result.outcome == tmtp::RequestResult::Outcome::refused && !brought.empty())
        link.status.why = "the service does not take what was signed here: " + result.error.what;
    bring(link);
    if (events_.on_state) events_.on_state(link.account().id);
}

void Services::take_entries(Link& link, std::span<const roster::Entry> entries) {
    const auto id = link.account().id;
    auto nodeid = profile_.store().node(id);
    if (!nodeid) return;
    auto taken = rosters_.take(id, entries, *nodeid ? &**nodeid : nullptr);
    if (!taken) {
        link.status.why = taken.error().what;
        return;
    }
    if (*taken) link.roster_refused.clear();  // it may fit now
    look_at_nodes(link);
    // What another device brought may ask for something of this one.
    if (auto act = open_act_key()) (void)signed_at(id, rosters_.project(id, *act, {requests(id)}));
}

// Those that the service has made, as its roster tells.
void Services::look_at_nodes(Link& link) {
    const auto id = link.account().id;
    const auto* state = rosters_.state(id);
    auto provisions = profile_.store().provisions();
    if (!state || !provisions) return;
    for (auto& provision : *provisions) {
        if (provision.account != id || provision.state != requested) continue;
        if (taken_hash(provision) && events_.on_provision) events_.on_provision(provision.device);
        // By its key: it may have been added by a request that it has made anew since.
        const auto request = roster::unpack_request(provision.nodeid.view());
        if (!request) continue;
        const auto read = roster::read_request(*request);
        if (!read) continue;
        const auto node = std::ranges::find_if(state->devices, [&](const roster::Device& one) {
            return one.device_key == read->device_key && one.nonce == read->nonce &&
                   one.state == roster::DeviceState::active;
        });
        if (node == state->devices.end()) continue;
        const bool there =
            std::any_of(state->lines.begin(), state->lines.end(), [&](const roster::Line& line) {
                return line.adds == node->id && link.roster_there.contains(line.id);
            });
        if (!there) continue;
        provision.state = made;
        provision.nodeid = {};
        if (!profile_.store().put_provision(provision)) return;
        if (events_.on_provision) events_.on_provision(provision.device);
    }
}

// Queued for this node by the service. False: it could not be kept, and has to come again.
bool Services::roster_news(Link& link, const tmtp::Delivered& message) {
    auto entries = roster::unpack_entries(message.data());
    if (message.act == "binding") {
        link.status.binding_ms = message.due_ms;
        if (events_.log) events_.log("somebody wants to bind an account to a list of devices");
    } else if (message.act == "objected") {
        link.status.binding_ms = 0;
    } else if (entries) {
        link.status.binding_ms = 0;
        const bool ruled = rosters_.ruled(link.account().id);
        take_entries(link, *entries);
        if (rosters_.ruled(link.account().id))
            for (const auto& entry : *entries) link.roster_there.insert(entry.id);
        // The others' nodes are gone with their old secrets: they ask for new ones.
        if (message.act == "bound" && !ruled && rosters_.ruled(link.account().id) &&
            !want_others(link.account().id))
            return false;
    }
    if (events_.on_state) events_.on_state(link.account().id);
    return true;
}

void Services::held(Link& link) {
    link.backoff.reset();
    if (link.restoration) return ask_roster(link, {tmtp::Roster{{}, "show", 0}, {}});
    // Without a list of devices it is to let this one object to a proposed one.
    set_state(link, ServiceState::barred,
              rosters_.ruled(link.account().id)
                  ? Error{Fault::refused,
                          "the account's list of devices keeps this one out: it was barred, or is in doubt",
                          "'kith device list' says why"}
                  : Error{Fault::refused,
                          "somebody else is connected as this device, and a list of devices is proposed",
                          "'kith service object " + link.account().address + "' stops that"});
    if (!rosters_.ruled(link.account().id)) raise_alarm(link);
    link.status.settled = true;
    bring(link);
    if (events_.on_state) events_.on_state(link.account().id);
}

Services::Brought Services::brought(const Signed& what) const {
    auto at = links_.find(what.account);
    if (at == links_.end()) return Brought::waits;
    const auto& link = *at->second;
    const auto in = [&](const std::set<EntryId>& set) {
        return std::all_of(what.entries.begin(), what.entries.end(),
                           [&](const EntryId& id) { return set.contains(id); });
    };
    if (in(link.roster_there)) return Brought::taken;
    const bool refused = std::any_of(what.entries.begin(), what.entries.end(),
                                     [&](const EntryId& id) { return link.roster_refused.contains(id); });
    return refused ? Brought::refused : Brought::waits;
}

bool Services::reached(const AccountId& account) const {
    auto at = links_.find(account);
    return at != links_.end() && at->second->status.state == ServiceState::online;
}

// --- accounts of which no device is left

void Services::restore(const ServiceAddress& address, const std::string& uid, std::optional<net::Pin> pin,
                       const Key& seed, const crypto::SignKey& act, Done done) {
    for (const auto& [id, link] : links_) {
        if (link->account().address != address.text()) continue;
        if (link->account().uid == uid)
            return done(fail(Fault::refused, "this person's devices have that account",
                             "'kith service list' shows it"));
        if (link->restoration)
            return done(fail(Fault::refused, "an account is being restored there already", "wait a moment"));
    }
    store::Account account;
    account.id = crypto::random_id<AccountId>(random_);
    account.address = address.text();
    if (pin) account.pin = to_bytes(pin->view());
    auto& link = link_for(account);
    link.adding = std::move(done);
    link.restoration = Restoration{uid, {}, seed.copy(), act.copy(), account::make_nodeid(random_), {}};
    link.client = tmtp::Client::restoring(uid);
    connect(link);
}

void Services::prove(Link& link, const tmtp::ProofWanted& wanted) {
    if (!link.restoration || !link.shown) return;
    const auto key = SignPublic::from(wanted.key);
    const auto own = key ? account::account_key_of(link.restoration->seed, *key) : std::nullopt;
    if (!own || wanted.nonce.size() != 32)
        return later(link.account().id, [this](Link& at) {
            lost(at, {Fault::refused, "this recovery sheet has no key of that account",
                      "use the newest sheet of the person that it was, and the uid that belongs to it"});
        });
    const auto proof =
        own->sign(tmtp::restore_challenge(wanted.nonce, link.shown->view(), link.restoration->uid));
    run(link, link.client->prove(to_bytes(proof.view()), loop_.now()));
}

void Services::restore_answered(Link& link, const tmtp::RequestResult& result) {
    using Answer = tmtp::RequestResult::Outcome;
    if (result.outcome == Answer::unknown) return;  // the link is lost
    const auto done = [&]() -> Result<> {
        if (result.outcome != Answer::accepted) return fail(result.error);
        KITH_TRY_VALUE(log, roster::unpack_entries(result.log));
        if (!result.roster || result.roster->state != "bound" || log.empty())
            return fail(Fault::protocol, "the service shows no roster of this account");
        return link.restoration->signed_now.empty() ? bring_restoration(link, log) : keep_restored(link, log);
    }();
    if (!done) later(link.account().id, [this, error = done.error()](Link& at) { lost(at, error); });
}

Result<> Services::bring_restoration(Link& link, std::span<const roster::Entry> log) {
    auto& restoration = *link.restoration;
    KITH_TRY_VALUE(state, roster::fold(roster::person_of(log.front().id), log));
    KITH_TRY_VALUE(request, account::make_request(state.person, link.account().id, profile_.device(),
                                                  restoration.act.seed(), profile_.device_key().seed(),
                                                  account::hash_of(restoration.nodeid)));
    KITH_TRY_VALUE(renewal, rosters_.renewal_for(state));
    KITH_TRY_VALUE(entries, account::restore(log, request, restoration.seed, renewal));
    restoration.signed_now = std::move(entries);
    ask_roster(link, {tmtp::Roster{{}, "add", 0}, roster::pack_entries(restoration.signed_now)});
    return {};
}

// The service has all of it: the account is this device's from here on. Should it not be stored, the command
// does all of this once more, and the node that was made now falls with the others.
Result<> Services::keep_restored(Link& link, std::span<const roster::Entry> log) {
    const auto there = ids_of(log);
    for (const auto& entry : link.restoration->signed_now)
        if (!there.contains(entry.id))
            return fail(Fault::protocol, "the service did not take what restores the account");
    auto account = link.account();
    account.uid = link.restoration->uid;
    account.alias = link.restoration->alias;
    account.identity = account.address;
    auto kept = [&]() -> Result<> {
        KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
        KITH_TRY(profile_.store().put_account(account));
        KITH_TRY(profile_.store().put_node(account.id, link.restoration->nodeid));
        KITH_TRY(rosters_.restored(account.id, log));
        KITH_TRY(keep_account_record(profile_, account, loop_.now()));
        for (const auto& device : profile_.roster().devices)
            if (device.state == roster::DeviceState::active)
                KITH_TRY(prepare_provision(account.id, device.id));
        return tx.commit();
    }();
    if (!kept) {
        (void)rosters_.load();
        return kept;
    }
    later(account.id, [this, account](Link& at) {
        at.account() = account;
        at.client = tmtp::Client::login(account.uid, at.restoration->nodeid.copy());
        at.restoration.reset();
        at.restored = true;
        connect(at);
        if (events_.on_history) events_.on_history();
    });
    return {};
}

// --- older accounts

void Services::bind(const AccountId& account, const crypto::SignKey& act, Done done) {
    auto nodeid = profile_.store().node(account);
    if (!nodeid || !*nodeid) return done(fail(Fault::refused, "this device has no access there itself"));
    // A fresh secret: the present one went to all nodes that were there when it was made.
    const auto fresh = account::make_nodeid(random_);
    auto log = rosters_.found(account, fresh, act);
    if (!log) return done(fail(log.error()));
    if (auto kept = rosters_.propose(account, fresh, *log); !kept) return done(fail(kept.error()));
    ask_about_binding(account, {tmtp::Roster{{}, "bind", 0}, std::move(*log)}, std::move(done));
}

void Services::object(const AccountId& account, Done done) {
    ask_about_binding(account, {tmtp::Roster{{}, "object", 0}, {}}, std::move(done));
}

void Services::ask_about_binding(const AccountId& account, tmtp::Asking asking, Done done) {
    auto at = links_.find(account);
    if (at == links_.end())
        return done(fail(Fault::not_found, "no such account", "'kith service list' shows them"));
    auto& link = *at->second;
    const bool may_object = link.client && link.client->state() == tmtp::Client::State::held;
    if (link.status.state != ServiceState::online && !may_object)
        return done(fail(Fault::unreachable, "the service is not reached now: " + link.status.why,
                         "try again later"));
    if (!link.control)
        return done(fail(Fault::refused, "this service knows no lists of devices",
                         "ask its operator for node control"));
    if (rosters_.ruled(account))
        return done(fail(Fault::refused, "this account has its list of devices already", ""));
    if (link.roster_asked)
        return done(fail(Fault::unavailable, "the service is being asked just now", "try again"));
    link.binding = std::move(done);
    ask_roster(link, std::move(asking));
}

// The secret that the service does not know any more may be one that others had heard of, before a roster
// took effect that this device had proposed. True: the next login is with the secret of that one.
bool Services::try_proposed(Link& link) {
    const auto id = link.account().id;
    auto list = rosters_.proposed(id);
    auto former = profile_.store().node(id);
    if (!list || !former || !*former) return false;
    const bool more = link.tried < list->size();
    link.trying.reset();
    if (more) link.trying = (*list)[link.tried++].copy();
    if (more || std::exchange(link.tried, 0) > 0)
        link.client = tmtp::Client::login(link.account().uid, more ? link.trying->copy() : (**former).copy());
    return more;
}

void Services::keep_tried(Link& link) {
    link.tried = 0;
    auto tried = std::exchange(link.trying, std::nullopt);
    if (!tried) return;
    if (profile_.store().put_node(link.account().id, *tried))
        (void)rosters_.forget_proposed(link.account().id);
}

Result<> Services::want_others(const AccountId& account) {
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    for (const auto& device : profile_.roster().devices) {
        KITH_TRY(profile_.store().remove_provision(account, device.id));
        if (device.state == roster::DeviceState::active) KITH_TRY(prepare_provision(account, device.id));
    }
    return tx.commit();
}

// --- nodes of other devices

Result<> Services::want_node(const AccountId& account, const PersonId& roster) {
    KITH_TRY_VALUE(signed_now, rosters_.want_node(account, roster));
    if (!signed_now && act_key_) return rosters_.prepare(*act_key_);
    if (auto at = links_.find(account); !signed_now && at != links_.end())
        at->second->status.why = "this device's access waits for its passphrase: 'kith unlock'";
    return {};
}

Result<> Services::take_request(const DeviceId& device, const AccountId& account, ByteView packed) {
    auto id = rosters_.id(account);
    auto request = roster::unpack_request(packed);
    if (!id || !request || !gives_nodes(account)) return {};
    KITH_TRY_VALUE(read, roster::read_request(*request));
    if (read.person != *id || read.nonce != account::mark_of(account, device) || !is_active(device))
        return {};
    KITH_TRY_VALUE(kept, profile_.store().provision(account, device));
    if (kept && (kept->state == made || kept->state == handed_over)) return {};
    if (kept && kept->state == requested && to_bytes(kept->nodeid.view()) == to_bytes(packed)) return {};
    store::Provision provision{account, device, {}, SecretBytes(packed), std::string(requested), {}};
    if (kept) provision.label = kept->label;
    KITH_TRY(profile_.store().put_provision(provision));
    auto at = links_.find(account);
    if (auto act = open_act_key())
        (void)signed_at(account, rosters_.project(account, *act, {requests(account)}));
    else if (at != links_.end())
        at->second->status.why =
            "another device waits for access here, and that takes the passphrase: 'kith unlock'";
    if (at != links_.end()) look_at_nodes(*at->second);
    return {};
}

std::optional<LinkPublic> Services::taken_hash(const store::Provision& provision) const {
    const auto* state = rosters_.state(provision.account);
    const auto request = roster::unpack_request(provision.nodeid.view());
    if (!state || !request || provision.state != requested || state->find(request->id())) return std::nullopt;
    const auto read = roster::read_request(*request);
    if (!read || std::ranges::none_of(state->devices, [&](const roster::Device& node) {
            return node.link_key == read->link_key && node.device_key != read->device_key;
        }))
        return std::nullopt;
    return read->link_key;
}

Result<bool> Services::want_another(const AccountId& account, const LinkPublic& taken) {
    KITH_TRY_VALUE(drawn, rosters_.want_another(account, taken));
    if (drawn && act_key_) KITH_TRY(rosters_.prepare(*act_key_));
    return drawn;
}

Result<bool> Services::adopt_wanted(const store::Account& account) {
    KITH_TRY_VALUE(nodeid, rosters_.wanted_nodeid(account.id));
    if (!nodeid) return false;
    KITH_TRY(adopt(account, *nodeid));
    KITH_TRY(rosters_.node_given(account.id));
    return true;
}

// --- news by the services

void Services::post_news() {
    std::vector<LinkPublic> readers;
    for (const auto& device : profile_.roster().devices)
        if (device.id != profile_.device() && device.state != roster::DeviceState::barred)
            readers.push_back(device.link_key);
    if (readers.empty()) return;
    for (auto& [id, link] : links_) {
        if (!link->client || link->account().uid.empty()) continue;
        auto news = make_roster_news(profile_.entries(), readers, link->account().uid, random_);
        if (!news) {
            if (events_.log) events_.log("news of this person's devices: " + news.error().what);
            return;
        }
        bool any = false;
        for (auto& post : *news) {
            auto kept = outbox_.add(id, std::move(post), loop_.now());
            any = any || kept.has_value();
            if (!kept && events_.log) events_.log("news of this person's devices: " + kept.error().what);
        }
        if (any) (void)flush(*link);
    }
}

// From this account itself; the entries speak for themselves, so that nothing is lost by one that was made
// up.
Result<> Services::take_news(const Link& link, const tmtp::Delivered& message) {
    if (message.from != link.account_uid()) return {};
    auto entries = open_roster_news(message.data(), message.datahead, profile_.link_key());
    if (!entries) return {};
    KITH_TRY_VALUE(added, profile_.add_entries(*entries, loop_.now().unix_ms));
    if (added > 0 && events_.on_roster) events_.on_roster();
    return {};
}

}  // namespace kith::app
