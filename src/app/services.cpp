#include "app/services.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "app/node_labels.h"
#include "app/own_records.h"
#include "app/roster_news.h"
#include "app/services_link.h"
#include "base/limits.h"
#include "crypto/hash.h"

namespace kith::app {

using Json = nlohmann::json;

std::string_view service_state_name(ServiceState state) {
    switch (state) {
        case ServiceState::pending:
            return "pending";
        case ServiceState::offline:
            return "offline";
        case ServiceState::online:
            return "online";
        case ServiceState::barred:
            return "barred";
    }
    return "unknown";
}

namespace {

using namespace provision;

// What answers of the client machine are known by.
constexpr std::string_view of_outbox = "ask-", of_alias = "alias", of_presence = "presence";

std::string setting_of(std::string_view what, const AccountId& account) {
    return std::string(what) + "/" + account.hex();
}

std::optional<net::Pin> stored_pin(const store::Account& account) {
    return net::Pin::from(account.pin);
}

std::string random_label(Random& random) {
    return "kith-" + crypto::random_id<Id<struct LabelTag, 12>>(random).hex();
}

}  // namespace

Services::Services(net::Loop& loop, Profile& profile, Random& random, Events events)
    : loop_(loop),
      profile_(profile),
      random_(random),
      events_(std::move(events)),
      rosters_(profile, random),
      outbox_(profile) {}
Services::~Services() = default;

Result<> Services::start() {
    KITH_TRY_VALUE(accounts, profile_.store().accounts());
    KITH_TRY(rosters_.load());
    for (auto& account : accounts) link_for(std::move(account));
    // What a crash left between a record and its account.
    KITH_TRY(profile_.history().for_each_of_kind(
        history::kind::account, [&](const history::Key&, const history::Record& record) -> Result<> {
            auto account = read_account_record(profile_, record);
            if (account && !links_.contains(account->id)) link_for(std::move(*account));
            return {};
        }));
    KITH_TRY(read_moves());
    KITH_TRY_VALUE(provisions, profile_.store().provisions());
    for (auto& [id, link] : links_) {
        KITH_TRY_VALUE(node, profile_.store().node(id));
        if (!node) continue;
        link->client = tmtp::Client::login(link->account().uid, std::move(*node));
        // A disk that is full now must not keep the daemon from starting: asking again comes with the login.
        for (const auto& provision : provisions)
            if (provision.account == id && provision.state != handed_over)
                (void)provision_at(*link, provision.device);
        connect(*link);
    }
    return {};
}

void Services::stop() {
    for (auto& [id, link] : links_)
        if (link->client && link->tls && link->client->state() == tmtp::Client::State::online)
            run(*link, link->client->quit(loop_.now()));
    links_.clear();
    looks_.clear();
    asking_.clear();
}

void Services::add(const ServiceAddress& address, const std::string& alias, std::optional<net::Pin> pin,
                   Ask ask, Done done, std::optional<AccountId> beside) {
    if (beside)
        for (auto& [id, link] : links_)
            if (id != beside && link->account().address == address.text() && !link->status.moved &&
                !link->adding && !link->account().uid.empty() && link->account().alias == alias &&
                has_node(id))
                return done(link->status);
    for (auto& [id, link] : links_) {
        if (link->account().address != address.text() || link->status.moved_to || id == beside) continue;
        // One more account of the person's there is another matter.
        if (beside && !link->adding && !link->account().alias.empty()) continue;
        if (link->adding)
            return done(fail(Fault::refused, "this service is being added already", "wait a moment"));
        if (!link->account().alias.empty())
            return done(fail(Fault::refused, "this device has an account there: " + link->account().alias,
                             "'kith service list' shows it"));
        if (pin && stored_pin(link->account()) != pin)
            return done(fail(Fault::refused, "another key of this service is trusted here",
                             "'kith service repin " + link->account().address + "' shows it"));
        if (link->status.state != ServiceState::online)
            return done(fail(Fault::unreachable, "the service is not reached now: " + link->status.why,
                             "try again later"));
        link->adding = std::move(done);
        link->new_alias = alias;
        return run(*link, link->client->ask(of_alias, {tmtp::UserEdit{{}, {}, alias}, {}}, loop_.now()));
    }
    store::Account account;
    std::set<AccountId> taken;
    for (const auto& [id, link] : links_) taken.insert(id);
    auto founding = rosters_.founding(taken);
    if (!founding) return done(fail(founding.error()));
    account.id = *founding ? (**founding).account : crypto::random_id<AccountId>(random_);
    account.address = address.text();
    if (beside && links_.contains(*beside)) {
        const auto& former = links_.at(*beside)->account();
        account.identity = former.identity;
        account.pin = former.pin;
    }
    account.alias = alias;
    if (pin) account.pin = to_bytes(pin->view());
    auto& link = link_for(account);
    link.adding = std::move(done);
    link.ask = std::move(ask);
    link.label = random_label(random_);
    link.founding = std::move(*founding);
    begin_registering(link, {});
}

void Services::begin_registering(Link& link, std::string id_token) {
    std::optional<tmtp::Client::Founding> founding;
    if (link.founding) founding = {link.founding->log, link.founding->nodeid.copy()};
    link.client =
        tmtp::Client::registering(link.account().alias, link.label, std::move(id_token), std::move(founding));
    connect(link);
}

// The service lets the account's owner decide about its nodes. What goes to it now must never go to another.
Result<> Services::ready_to_found(const Link& link) {
    if (!link.founding)
        return fail(
            Fault::locked,
            "this service lets you decide by signature which devices get in, and that takes the passphrase",
            "run 'kith unlock' and give it; then add the service again");
    return rosters_.use_founding(link.founding->account);
}

// The service will not wait; its key is known by now, and no other one gets the token.
void Services::sign_in(Link& link, const std::vector<tmtp::AuthBy>& providers) {
    link.tls.reset();
    link.timer.cancel();
    const auto id = link.account().id;
    auto ask = std::exchange(link.ask, nullptr);
    if (!ask) return lost(link, {Fault::refused, "the service asks for a sign-in again", ""});
    ask(providers, [this, id, alive = std::weak_ptr<bool>(alive_)](Result<std::string> token) {
        if (alive.expired()) return;
        auto at = links_.find(id);
        if (at == links_.end()) return;
        if (!token) return lost(*at->second, token.error());
        begin_registering(*at->second, std::move(*token));
    });
}

Result<> Services::adopt(const store::Account& account, const SecretBytes& nodeid) {
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY_VALUE(known, profile_.store().account(account.id));
    if (!known) KITH_TRY(profile_.store().put_account(account));
    KITH_TRY(profile_.store().put_node(account.id, nodeid));
    KITH_TRY(tx.commit());
    auto& link = link_for(known ? *known : account);
    link.client = tmtp::Client::login(link.account().uid, nodeid.copy());
    set_state(link, ServiceState::pending, {});
    link.status.settled = false;
    link.backoff.reset();
    connect(link);
    return {};
}

Result<> Services::take_over(const store::Account& account, const SecretBytes& nodeid) {
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    for (const auto& device : profile_.roster().devices)
        if (device.state == roster::DeviceState::active) KITH_TRY(prepare_provision(account.id, device.id));
    KITH_TRY(tx.commit());
    return adopt(account, nodeid);
}

Result<> Services::learn(const store::Account& account) {
    if (!links_.contains(account.id)) {
        KITH_TRY(profile_.store().put_account(account));
        link_for(account);
        if (events_.on_state) events_.on_state(account.id);
    }
    // Once for all that come together.
    if (!std::exchange(moves_due_, true))
        loop_.defer([this, alive = std::weak_ptr<bool>(alive_)] {
            if (alive.expired()) return;
            moves_due_ = false;
            if (auto read = read_moves(); !read && events_.log) events_.log(read.error().what);
        });
    return {};
}

bool Services::drained(const AccountId& account) const {
    auto at = links_.find(account);
    return at != links_.end() && at->second->status.state == ServiceState::online && at->second->caught_up;
}

bool Services::has_node(const AccountId& account) const {
    auto at = links_.find(account);
    return at != links_.end() && at->second->client && at->second->status.state != ServiceState::barred;
}

bool Services::is_active(const DeviceId& device) const {
    const auto* found = profile_.roster().find(device);
    return found && found->state == roster::DeviceState::active;
}

Result<> Services::prepare_provisions(const DeviceId& device) {
    for (auto& [id, link] : links_)
        if (link->client && !link->account().uid.empty()) KITH_TRY(prepare_provision(id, device));
    return {};
}

Result<> Services::prepare_provision(const AccountId& account, const DeviceId& device) {
    if (!gives_nodes(account)) return {};
    KITH_TRY_VALUE(known, profile_.store().provision(account, device));
    if (known || device == profile_.device()) return {};
    store::Provision provision;
    provision.account = account;
    provision.device = device;
    provision.label = random_label(random_);
    provision.state = wanted;
    return profile_.store().put_provision(provision);
}

void Services::ask_provisions(const DeviceId& device) {
    for (auto& [id, link] : links_)
        if (link->client && !link->account().uid.empty()) (void)provision_at(*link, device);
}

// Asks for the node of a provision. The state "asked" is durable before the request can leave. A device that
// was barred meanwhile gets none.
Result<> Services::provision_at(Link& link, const DeviceId& device) {
    auto account = link.account().id;
    KITH_TRY_VALUE(found, profile_.store().provision(account, device));
    if (!found || found->state == made || found->state == handed_over) return {};
    if (!is_active(device)) return profile_.store().remove_provision(account, device);
    if (!gives_nodes(account)) return {};    // one that was asked for may come yet
    if (rosters_.ruled(account)) return {};  // the device asks for it itself: take_request()
    bool maybe_asked = found->state != wanted;
    if (found->state != asked) {
        found->state = asked;
        KITH_TRY(profile_.store().put_provision(*found));
    }
    run(link, link.client->add_node(found->label, maybe_asked, loop_.now()));
    return {};
}

std::vector<ServiceStatus> Services::list() const {
    std::vector<ServiceStatus> all;
    for (const auto& [id, link] : links_)
        if (!link->account().uid.empty()) all.push_back(link->status);
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.account.address < b.account.address; });
    return all;
}

Result<store::Account> Services::named(std::string_view text) const {
    std::vector<const store::Account*> found;
    for (const auto& [id, link] : links_) {
        const auto& account = link->account();
        if (account.uid.empty()) continue;  // being registered
        if (account.uid == text) return account;
        if (!link->status.moved_to && (text.empty() || account.address == text || account.site == text))
            found.push_back(&account);
    }
    // Sites name themselves; an address is one service's.
    if (std::any_of(found.begin(), found.end(), [&](const auto* one) { return one->address == text; }))
        std::erase_if(found, [&](const auto* one) { return one->address != text; });
    if (found.size() == 1) return *found.front();
    if (found.empty() && !text.empty())
        return fail(Fault::not_found, "there is no account at " + std::string(text),
                    "'kith service list' shows them");
    if (found.empty())
        return fail(Fault::not_found, "there is no account yet", "'kith service add ADDRESS --alias NAME'");
    if (text.empty())
        return fail(Fault::invalid, "it is not clear at which service", "name it with --service");
    return fail(Fault::invalid, "there are several accounts at " + std::string(text),
                "name one by its uid: 'kith service list --json' shows it");
}

Result<> Services::read_moves() {
    KITH_TRY_VALUE(moves, account_moves(profile_));
    for (auto& [id, link] : links_) {
        const auto at = moves.find(id);
        const bool counts = at != moves.end() && at->second.counts;
        link->status.moved_to = counts ? std::optional(at->second.to) : std::nullopt;
        // A doubtful word is heeded where harm could come of it: where nodes' secrets are told to all others.
        link->status.moved = counts || (at != moves.end() && !rosters_.ruled(id));
    }
    KITH_TRY_VALUE(provisions, profile_.store().provisions());
    for (const auto& one : provisions) {
        if (gives_nodes(one.account)) continue;
        if (one.state == wanted || one.state == refused)
            KITH_TRY(profile_.store().remove_provision(one.account, one.device));
        auto at = links_.find(one.account);
        if (at != links_.end() && at->second->client) at->second->client->forget_node(one.label);
    }
    return {};
}

// Whoever holds a secret of an account that moved would be told of another one.
bool Services::gives_nodes(const AccountId& account) const {
    auto at = links_.find(account);
    return at == links_.end() || !at->second->status.moved;
}

const store::Account* Services::find(const AccountId& account) const {
    auto at = links_.find(account);
    return at == links_.end() ? nullptr : &at->second->account();
}

const store::Account* Services::current(AccountId account) const {
    for (auto at = links_.find(account); at != links_.end(); at = links_.find(account)) {
        if (!at->second->status.moved_to) return &at->second->account();
        account = *at->second->status.moved_to;
    }
    return nullptr;
}

void Services::look(const ServiceAddress& address, std::function<void(Result<net::Pin>)> done) {
    auto number = next_look_++;
    net::TlsConnect to{address.host,
                       address.port,
                       address.pinned ? net::TlsConnect::Trust::pinned : net::TlsConnect::Trust::authorities,
                       {},
                       {}};
    net::TlsClient::Events events;
    auto shared = std::make_shared<std::function<void(Result<net::Pin>)>>(std::move(done));
    events.on_connected = [this, number, shared](const net::Pin& pin) {
        auto call = std::move(*shared);
        looks_.erase(number);
        call(pin);
    };
    events.on_closed = [this, number, shared](const Error& why) {
        auto call = std::move(*shared);
        looks_.erase(number);
        call(fail(why));
    };
    looks_[number] = std::make_unique<net::TlsClient>(loop_, to, std::move(events));
}

Result<> Services::repin(const AccountId& account, const net::Pin& pin) {
    const auto* named = find(account);
    if (!named) return fail(Fault::not_found, "no such account");
    // The key is the service's: all accounts there that had the same one follow.
    const auto address = named->address;
    const auto former = named->pin;
    for (auto& [id, link] : links_) {
        const auto& there = link->account();
        if (there.uid.empty() || there.address != address || there.pin != former) continue;
        link->account().pin = to_bytes(pin.view());
        KITH_TRY(profile_.store().put_account(link->account()));
        if (!link->client) continue;
        link->backoff.reset();
        connect(*link);
    }
    return {};
}

void Services::ask(const AccountId& account, tmtp::Asking asking, std::function<void(Result<Outcome>)> done) {
    auto id = queue(account, std::move(asking));
    if (!id) return done(fail(id.error()));
    send(account, *id, std::move(done));
}

Result<std::int64_t> Services::queue(const AccountId& account, tmtp::Asking asking) {
    if (!links_.contains(account))
        return fail(Fault::not_found, "no such account", "'kith service list' shows them");
    return outbox_.add(account, std::move(asking), loop_.now());
}

void Services::send_all(const AccountId& account) {
    auto at = links_.find(account);
    if (at != links_.end() && at->second->status.state == ServiceState::online) (void)flush(*at->second);
}

void Services::send(const AccountId& account, std::int64_t id, std::function<void(Result<Outcome>)> done) {
    auto at = links_.find(account);
    if (at == links_.end() || at->second->status.state != ServiceState::online) {
        if (done) done(Outcome{std::string(outbox_state_name(Outbox::State::queued)), {}});
        return;
    }
    if (done) asking_[id] = std::move(done);
    if (auto flushed = flush(*at->second); !flushed) settle(id, fail(flushed.error()));
}

Result<> Services::ask_again(const AccountId& account, std::int64_t id) {
    KITH_TRY_VALUE(item, outbox_.find(account, id));
    auto at = links_.find(account);
    if (!item || at == links_.end())
        return fail(Fault::not_found, "no such request", "'kith outbox list' shows them");
    if (item->state != Outbox::State::refused)
        return fail(Fault::refused, "this request waits already", "it goes out by itself");
    KITH_TRY(outbox_.set(id, Outbox::State::queued));
    return flush(*at->second);
}

Result<> Services::take_back(const AccountId& account, std::int64_t id) {
    KITH_TRY_VALUE(item, outbox_.find(account, id));
    if (!item) return fail(Fault::not_found, "no such request", "'kith outbox list' shows them");
    if (item->state == Outbox::State::sent)
        return fail(Fault::refused, "this request may have reached the service already",
                    "it goes away when that is known");
    return outbox_.remove(id);
}

Result<std::set<std::string>> Services::shown_to(const AccountId& account) const {
    KITH_TRY_VALUE(kept, profile_.store().setting(setting_of(of_presence, account)));
    std::set<std::string> uids;
    if (!kept) return uids;
    auto text = as_text(kept->view());
    auto list = Json::parse(text.begin(), text.end(), nullptr, false);
    for (const auto& uid : list.is_array() ? list : Json::array())
        if (uid.is_string()) uids.insert(uid.get<std::string>());
    return uids;
}

Result<> Services::keep_shown_to(const AccountId& account, const std::set<std::string>& uids) {
    if (uids.size() > limits::presence_shown)
        return fail(Fault::refused, "presence is shown to at most " + std::to_string(limits::presence_shown),
                    "hide it from others first");
    return profile_.store().put_setting(setting_of(of_presence, account), as_bytes(Json(uids).dump()));
}

Result<> Services::inherit_presence(const AccountId& to, const std::set<std::string>& uids) {
    KITH_TRY_VALUE(shown, shown_to(to));
    const auto before = shown.size();
    shown.insert(uids.begin(), uids.end());
    return shown.size() == before ? Result<>() : keep_shown_to(to, shown);
}

Result<> Services::show_to(const AccountId& account, const std::set<std::string>& uids, bool show) {
    auto at = links_.find(account);
    if (at == links_.end())
        return fail(Fault::not_found, "no such account", "'kith service list' shows them");
    KITH_TRY_VALUE(shown, shown_to(account));
    for (const auto& uid : uids) show ? (void)shown.insert(uid) : (void)shown.erase(uid);
    KITH_TRY(keep_shown_to(account, shown));
    auto& link = *at->second;
    if (link.status.state != ServiceState::online) return {};  // told after the next login
    tmtp::OhiEdit op{{}, show ? "add" : "drop", {}};
    for (const auto& uid : uids) op.recipients.push_back({uid, tmtp::Recipient::none});
    run(link, link.client->ask(of_presence, {std::move(op), {}}, loop_.now()));
    return {};
}

// Another device of the person showed or hid: this one does the same after its next login.
Result<> Services::follow_ohiedit(Link& link, const tmtp::Delivered& message) {
    if (message.from != link.account().uid) return {};
    KITH_TRY_VALUE(shown, shown_to(link.account().id));
    auto before = shown;
    for (const auto& one : message.recipients)
        message.type == "drop" ? (void)shown.erase(one.id) : (void)shown.insert(one.id);
    return shown == before ? Result<>() : keep_shown_to(link.account().id, shown);
}

void Services::tell_presence(Link& link) {
    auto shown = shown_to(link.account().id);
    if (!shown || shown->empty()) return;
    tmtp::OhiEdit op{{}, "init", {}};
    for (const auto& uid : *shown) op.recipients.push_back({uid, tmtp::Recipient::none});
    run(link, link.client->ask(of_presence, {std::move(op), {}}, loop_.now()));
}

void Services::raise_alarm(Link& link) {
    link.status.alarm_ms = loop_.now().unix_ms;
    (void)profile_.store().put_setting(setting_of("alarm", link.account().id),
                                       as_bytes(std::to_string(link.status.alarm_ms)));
    if (events_.log) events_.log("alarm: somebody else is connected to a service as this device");
    if (events_.on_state) events_.on_state(link.account().id);
}

Result<> Services::dismiss_alarm(const AccountId& account) {
    KITH_TRY(profile_.store().remove_setting(setting_of("alarm", account)));
    if (auto at = links_.find(account); at != links_.end()) at->second->status.alarm_ms = 0;
    return {};
}

Services::Link& Services::link_for(store::Account account) {
    auto id = account.id;
    auto& link = links_[id];
    if (!link) link = std::make_unique<Link>();
    auto address = parse_address(account.address);
    if (address) link->address = *address;
    link->status.account = std::move(account);
    if (auto kept = profile_.store().setting(setting_of("alarm", id)); kept && *kept)
        link->status.alarm_ms = std::strtoll(std::string(as_text((*kept)->view())).c_str(), nullptr, 10);
    return *link;
}

void Services::connect(Link& link) {
    link.timer.cancel();
    net::TlsConnect to;
    to.host = link.address.host;
    to.port = link.address.port;
    to.trust = link.address.pinned ? net::TlsConnect::Trust::pinned : net::TlsConnect::Trust::authorities;
    to.pin = stored_pin(link.account());
    net::TlsClient::Events events;
    link.large.reset();
    events.on_drained = [this, &link] { (void)flush(link); };
    events.on_connected = [this, &link](const net::Pin& pin) {
        link.shown = pin;
        if (link.unsaved) {
            if (auto kept = keep_registered(link, *link.unsaved); !kept) return lost(link, kept.error());
            link.unsaved.reset();
        }
        if (link.address.pinned && link.account().pin.empty()) {
            link.account().pin = to_bytes(pin.view());
            if (!link.account().uid.empty())
                if (auto kept = profile_.store().put_account(link.account()); !kept)
                    return lost(link, kept.error());
        }
        run(link, link.client->connected(loop_.now()));
    };
    events.on_data = [this, &link](ByteView bytes) { run(link, link.client->received(bytes, loop_.now())); };
    events.on_closed = [this, &link](const Error& why) { lost(link, why, why.kind == Fault::refused); };
    link.tls = std::make_unique<net::TlsClient>(loop_, to, std::move(events));
}

// The connection is over: tells the machine, and tries again after a while.
void Services::lost(Link& link, const Error& why, bool key_refused) {
    link.tls.reset();
    link.in_flight.clear();
    link.caught_up = false;
    link.roster_asked = link.roster_shown = link.roster_singly = false;
    link.roster_brought.clear();
    link.status.present.clear();
    Error error = why;
    if (key_refused && link.address.pinned && !link.account().uid.empty())
        error.hint =
            "if the operator confirms it, accept it with 'kith service repin " + link.account().address + "'";
    if (link.adding && link.account().uid.empty()) {
        auto done = std::move(link.adding);
        links_.erase(link.account().id);
        return done(fail(error));
    }
    if (link.adding) {
        auto done = std::move(link.adding);
        link.adding = nullptr;
        done(fail(error));
    }
    run(link, link.client->disconnected(loop_.now()));
    if (link.status.state != ServiceState::barred)
        set_state(link, link.was_online ? ServiceState::offline : ServiceState::pending, error);
    link.status.settled = true;
    if (events_.on_state) events_.on_state(link.account().id);
    link.timer = loop_.after(link.backoff.next(random_), [this, &link] { connect(link); });
}

void Services::arm(Link& link) {
    if (!link.client || !link.tls) return;
    auto next = link.client->next_tick_ms();
    if (!next) return link.timer.cancel();
    link.timer = loop_.after(std::max<std::int64_t>(0, *next - loop_.now().mono_ms),
                             [this, &link] { run(link, link.client->tick(loop_.now())); });
}

void Services::set_state(Link& link, ServiceState state, Error why) {
    link.status.state = state;
    link.status.why = std::move(why.what);
    link.status.hint = std::move(why.hint);
}

void Services::passed_over(Link& link) {
    if (link.status.passed_over++ == 0 && events_.log)
        events_.log("a service sends messages that this version of kith does not know; they are passed over");
}

void Services::run(Link& link, tmtp::ClientActions actions) {
    auto id = link.account().id;
    auto gone = [&] { return !links_.contains(id); };
    for (auto& action : actions) {
        if (gone()) return;
        if (auto* send = std::get_if<tmtp::SendBytes>(&action)) {
            if (link.tls && !link.tls->write(std::move(send->bytes)))
                return later(id, [this](Link& at) {
                    lost(at, {Fault::unreachable, "the service does not read", ""});
                });
        } else if (auto* site = std::get_if<tmtp::SiteName>(&action)) {
            link.control = site->control;
            if (link.control && link.account().uid.empty() && !link.restoration)
                if (auto ready = ready_to_found(link); !ready)
                    return later(id, [this, error = ready.error()](Link& at) { lost(at, error); });
            if (link.account().site != site->name) {
                link.account().site = site->name;
                if (!link.account().uid.empty()) (void)profile_.store().put_account(link.account());
            }
        } else if (auto* wanted_by = std::get_if<tmtp::SignInWanted>(&action)) {
            return later(
                id, [this, providers = std::move(wanted_by->authby)](Link& at) { sign_in(at, providers); });
        } else if (auto* account = std::get_if<tmtp::Registered>(&action)) {
            registered(link, std::move(*account));
            if (gone() || !link.tls) return;
        } else if (auto* here = std::get_if<tmtp::Online>(&action)) {
            link.status.present = {here->present.begin(), here->present.end()};
            online(link);
        } else if (auto* presence = std::get_if<tmtp::Presence>(&action)) {
            auto& present = link.status.present;
            if (!presence->here)
                present.erase(presence->uid);
            else if (present.size() < limits::presence_seen)
                present.insert(std::move(presence->uid));
            if (events_.on_state) events_.on_state(id);
        } else if (auto* proof = std::get_if<tmtp::ProofWanted>(&action)) {
            prove(link, *proof);
        } else if (auto* named = std::get_if<tmtp::Restoring>(&action)) {
            if (link.restoration) link.restoration->alias = named->alias;
        } else if (std::get_if<tmtp::Held>(&action)) {
            held(link);
        } else if (std::get_if<tmtp::NodeHeld>(&action)) {
            raise_alarm(link);
        } else if (std::get_if<tmtp::PassedOver>(&action)) {
            passed_over(link);
        } else if (std::get_if<tmtp::CaughtUp>(&action)) {
            caught_up(link);
        } else if (auto* message = std::get_if<tmtp::Delivered>(&action)) {
            delivered(link, std::move(*message));
        } else if (auto* node = std::get_if<tmtp::NodeAdded>(&action)) {
            node_added(link, std::move(*node));
        } else if (auto* no_node = std::get_if<tmtp::NodeRefused>(&action)) {
            auto provisions = profile_.store().provisions();
            if (!provisions) continue;
            for (auto& provision : *provisions) {
                if (provision.account != id || provision.label != no_node->label) continue;
                provision.state = refused;
                (void)profile_.store().put_provision(provision);
                link.status.why = "the service made no node for a device: " + no_node->error.what;
                if (events_.on_provision) events_.on_provision(provision.device);
            }
        } else if (auto* answer = std::get_if<tmtp::RequestResult>(&action)) {
            result(link, std::move(*answer));
        } else if (auto* failed = std::get_if<tmtp::Failed>(&action)) {
            if (failed->permanent && !link.account().uid.empty() && !try_proposed(link))
                set_state(link, ServiceState::barred, failed->error);
            return later(id, [this, error = failed->error](Link& at) {
                if (at.tls) lost(at, error);
            });
        } else if (auto* begin = std::get_if<tmtp::DeliveryBegin>(&action)) {
            receive_large(link, std::move(*begin));
        } else if (auto* data = std::get_if<tmtp::DeliveryData>(&action)) {
            if (link.large && link.large_head && data->msgid == link.large_head->msgid)
                if (auto kept = link.large->append(data->bytes); !kept) {
                    link.large.reset();
                    set_state(
                        link, link.status.state,
                        {kept.error().kind, "a large message waits at the service: " + kept.error().what,
                         kept.error().hint});
                }
        } else if (auto* ending = std::get_if<tmtp::DeliveryEnd>(&action)) {
            if (link.large && link.large_head && ending->msgid == link.large_head->msgid) {
                auto spool = std::move(link.large);
                delivered(link, std::move(*link.large_head), spool.get());
            }
        }
    }
    if (!gone()) arm(link);
}

// Calls `fn` once the present callback has returned, if the link is still there.
void Services::later(const AccountId& id, std::function<void(Link&)> fn) {
    loop_.defer([this, id, fn = std::move(fn), alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        if (auto at = links_.find(id); at != links_.end()) fn(*at->second);
    });
}

Result<> Services::keep_registered(Link& link, const SecretBytes& nodeid) {
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(profile_.store().put_account(link.account()));
    KITH_TRY(profile_.store().put_node(link.account().id, nodeid));
    if (link.founded) KITH_TRY(rosters_.founded(link.account().id, link.founding->log));
    if (link.founding) KITH_TRY(rosters_.use_founding(link.founding->account));
    KITH_TRY(keep_account_record(profile_, link.account(), loop_.now()));
    KITH_TRY(keep_node_labels(profile_, {{link.account().id, {{profile_.device(), link.label}}}}));
    for (const auto& device : profile_.roster().devices)
        if (device.state == roster::DeviceState::active)
            KITH_TRY(prepare_provision(link.account().id, device.id));
    return tx.commit();
}

// What cannot be stored now is kept in memory and stored before the next login.
void Services::registered(Link& link, tmtp::Registered registered) {
    link.account().uid = registered.uid;
    if (link.account().identity.empty()) link.account().identity = link.account().address;
    link.founded = registered.founded;
    if (!registered.error.empty()) link.account().alias.clear();
    if (auto kept = keep_registered(link, registered.nodeid); !kept) {
        link.unsaved = std::move(registered.nodeid);
        return lost(link, kept.error());
    }
    if (events_.on_history) events_.on_history();
    if (registered.error.empty()) return;
    auto done = std::move(link.adding);
    link.adding = nullptr;
    if (done)
        done(fail(Fault::refused, "the service made the account but refused the alias: " + registered.error,
                  "run the command again with another --alias"));
}

void Services::online(Link& link) {
    auto id = link.account().id;
    keep_tried(link);
    link.backoff.reset();
    link.was_online = true;
    set_state(link, ServiceState::online, {});
    if (link.adding && (!link.account().alias.empty() || std::exchange(link.restored, false))) {
        auto done = std::move(link.adding);
        link.adding = nullptr;
        done(link.status);
    }
    // Nodes for devices that were admitted while this account had none here, and what was refused before.
    auto jobs = profile_.store().jobs();
    for (const auto& job : jobs ? *jobs : std::vector<store::Job>())
        if (job.role == "host" && is_active(job.peer)) (void)prepare_provision(id, job.peer);
    if (auto provisions = profile_.store().provisions())
        for (const auto& provision : *provisions)
            if (provision.account == id && (provision.state == wanted || provision.state == refused))
                (void)provision_at(link, provision.device);
    tell_presence(link);
    (void)flush(link);
    bring(link);
    if (events_.on_state) events_.on_state(id);
}

void Services::caught_up(Link& link) {
    link.caught_up = true;
    link.status.settled = true;
    (void)flush(link);
    if (events_.on_state) events_.on_state(link.account().id);
}

void Services::receive_large(Link& link, tmtp::DeliveryBegin begin) {
    link.large_head = std::move(begin.message);
    auto spool = store::free_bytes(profile_.home()).value_or(0) > 2 * begin.datalen + limits::spare_bytes
                     ? Spool::open(profile_.home(), random_)
                     : Result<std::unique_ptr<Spool>>(fail(Fault::disk_full, "not enough space"));
    if (spool) {
        link.large = std::move(*spool);
        return;
    }
    link.large.reset();
    link.status.settled = true;  // as far as it goes: this message keeps what is behind it waiting
    set_state(link, link.status.state,
              {spool.error().kind,
               "a message of " + std::to_string(begin.datalen >> 20) +
                   " MiB waits at the service: " + spool.error().what,
               spool.error().hint});
    if (events_.on_state) events_.on_state(link.account().id);
}

// Stores durably, then acknowledges. What cannot be stored stays with the service, which sends it again.
void Services::delivered(Link& link, tmtp::Delivered message, const Spool* large) {
    const bool own_post =
        message.from == link.account().uid && message.kind == tmtp::Kind::delivery && !large;
    const bool news = own_post && is_roster_news(message.data(), message.datahead);
    // A post of ours whose answer was lost: its bytes tell that it did arrive.
    const auto look_for_answer = [&] {
        if (!own_post) return;
        auto own = outbox_.find_sent(link.account().id, message.data(),
                                     [&](const auto& item) { return !link.in_flight.contains(item.id); });
        if (own && *own) (void)accepted(link, **own, message.msgid, message.posted);
    };
    if (news) {
        if (auto taken = take_news(link, message); !taken) {
            link.status.why = "news of this person's devices could not be stored and wait at the service: " +
                              taken.error().what;
            if (events_.on_state) events_.on_state(link.account().id);
            return;
        }
        look_for_answer();
    } else if (is_history(message)) {
        auto kept = [&]() -> Result<> {
            KITH_TRY_VALUE(record, message_record(message, link.account().id, profile_.blobs(), large));
            KITH_TRY_VALUE(added, profile_.history().add({&record, 1}));
            (void)added;
            return {};
        }();
        if (!kept) {
            link.status.why = "a message could not be stored and waits at the service: " + kept.error().what;
            if (events_.on_state) events_.on_state(link.account().id);
            return;
        }
        look_for_answer();
        const bool meets = message.kind == tmtp::Kind::ping || message.kind == tmtp::Kind::invite ||
                           message.kind == tmtp::Kind::member;
        if (meets && !large && events_.on_met)
            if (auto taken = events_.on_met(link.account().id, message); !taken) {
                link.status.why = "an answer to an invitation waits at the service: " + taken.error().what;
                if (events_.on_state) events_.on_state(link.account().id);
                return;
            }
        if (events_.on_history) events_.on_history();
    } else if (message.kind == tmtp::Kind::ohiedit) {
        if (!follow_ohiedit(link, message)) return;
    } else if (message.kind == tmtp::Kind::roster) {
        if (!roster_news(link, message)) return;
    } else if (message.kind == tmtp::Kind::other) {
        passed_over(link);
    }
    run(link, link.client->acked(message.msgid, loop_.now()));
}

void Services::node_added(Link& link, tmtp::NodeAdded added) {
    auto provisions = profile_.store().provisions();
    if (!provisions) return;  // not acknowledged: it comes again
    for (auto& provision : *provisions) {
        if (provision.account != link.account().id || provision.label != added.label ||
            provision.state == handed_over || !is_active(provision.device))
            continue;
        provision.nodeid = added.nodeid.copy();
        provision.state = made;
        provision.msgid = added.msgid;
        if (!profile_.store().put_provision(provision)) return;
        if (events_.on_provision) events_.on_provision(provision.device);
    }
    run(link, link.client->acked(added.msgid, loop_.now()));
}

void Services::result(Link& link, tmtp::RequestResult result) {
    using Answer = tmtp::RequestResult::Outcome;
    if (result.local_id == of_alias) return alias_answered(link, result);
    if (result.local_id == of_roster) return roster_answered(link, result);
    if (result.local_id == of_presence) {
        if (result.outcome == Answer::refused) link.status.why = "presence is not told: " + result.error.what;
        return;
    }
    std::int64_t id = std::strtoll(result.local_id.c_str() + of_outbox.size(), nullptr, 10);
    link.in_flight.erase(id);
    // "Not now" is the client machine's own word, and nothing that the service said of the request.
    bool not_now = result.outcome == Answer::refused && result.error.kind == Fault::unavailable;
    if (result.outcome == Answer::accepted) {
        auto item = outbox_.find(link.account().id, id);
        if (item && *item) (void)accepted(link, **item, result.msgid, result.posted);
        return later(link.account().id, [this](Link& at) { (void)flush(at); });
    }
    if (result.outcome == Answer::refused && !not_now) {
        // Who waits for the answer is told; otherwise it is kept for the owner to see.
        later(link.account().id, [this](Link& at) { (void)flush(at); });
        if (!asking_.contains(id)) return (void)outbox_.set(id, Outbox::State::refused, result.error.what);
        (void)outbox_.remove(id);
        return settle(id, fail(result.error));
    }
    if (not_now) (void)outbox_.set(id, Outbox::State::queued);
    settle(id, Outcome{std::string(outbox_state_name(Outbox::State::queued)), {}});
}

void Services::alias_answered(Link& link, const tmtp::RequestResult& result) {
    if (!link.adding) return;
    auto done = std::move(link.adding);
    link.adding = nullptr;
    if (result.outcome != tmtp::RequestResult::Outcome::accepted)
        return done(fail(Fault::refused, "the service refused the alias: " + result.error.what,
                         "choose another --alias"));
    link.account().alias = link.new_alias;
    (void)profile_.store().put_account(link.account());
    (void)keep_account_record(profile_, link.account(), loop_.now());
    done(link.status);
}

void Services::settle(std::int64_t id, Result<Outcome> outcome) {
    auto at = asking_.find(id);
    if (at == asking_.end()) return;
    auto done = std::move(at->second);
    asking_.erase(at);
    done(std::move(outcome));
}

// Sends what waits in the outbox. What lost its answer is sent again only once the queue was drained and
// showed no copy of it.
Result<> Services::flush(Link& link) {
    KITH_TRY_VALUE(items, outbox_.next(link.account().id, link.caught_up, 2 * limits::posts_in_flight));
    for (auto& item : items) {
        if (link.in_flight.contains(item.id) || item.state == Outbox::State::refused) continue;
        // A few at a time: what is on the way is held in memory, and acknowledgements must get through.
        bool room = link.client && link.client->state() == tmtp::Client::State::online && link.tls &&
                    link.tls->queued() < limits::post_pause_bytes &&
                    link.in_flight.size() < limits::posts_in_flight;
        if (!room) break;
        KITH_TRY_VALUE(data, outbox_.data(item));
        KITH_TRY(outbox_.set(item.id, Outbox::State::sent));
        link.in_flight.insert(item.id);
        run(link, link.client->ask(std::string(of_outbox) + std::to_string(item.id),
                                   {std::move(item.op), std::move(data)}, loop_.now()));
    }
    return {};
}

// The service has it: of a message it is kept whom it went to.
Result<> Services::accepted(Link& link, const Outbox::Item& item, const std::string& msgid,
                            const std::string& posted) {
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    const auto* post = post_in(item.op);
    KITH_TRY_VALUE(data, post ? outbox_.data(item) : Result<Bytes>(Bytes()));
    if (post && !is_roster_news(data, post->datahead)) {
        auto time = tmtp::parse_posted(posted).value_or(loop_.now().unix_ms);
        std::vector<std::string> uids, groups;
        for (const auto& to : post->recipients)
            (to.type == tmtp::Recipient::uid ? uids : groups).push_back(to.id);
        KITH_TRY(keep_recipients_record(profile_, link.account().id, msgid, uids, groups, time));
    }
    KITH_TRY(outbox_.remove(item.id));
    KITH_TRY(tx.commit());
    if (events_.on_history) events_.on_history();
    settle(item.id, Outcome{std::string(outbox_state_name(Outbox::State::sent)), msgid});
    return {};
}

}  // namespace kith::app
