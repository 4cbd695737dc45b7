#include "app/services.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "app/own_records.h"
#include "app/spool.h"
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

struct Services::Link {
    ServiceStatus status;
    ServiceAddress address;
    std::optional<tmtp::Client> client;
    std::unique_ptr<net::TlsClient> tls;
    net::Timer timer;
    tmtp::Backoff backoff;
    bool was_online = false;
    bool caught_up = false;
    std::optional<SecretBytes> unsaved;  // the nodeid of a new account that could not be stored yet
    std::unique_ptr<Spool> large;        // a message too large for memory, on its way in
    std::optional<tmtp::Delivered> large_head;
    Done adding;                       // registration under way
    std::set<std::int64_t> in_flight;  // posts without an answer on this connection
    store::Account& account() { return status.account; }
};

namespace {

// States of a provision and of a post, as stored.
constexpr std::string_view wanted = "wanted", asked = "asked", made = "made", refused = "refused",
                           handed_over = "done";
constexpr std::string_view queued = "queued", sent = "sent";

std::optional<net::Pin> stored_pin(const store::Account& account) {
    return net::Pin::from(account.pin);
}

std::string random_label(Random& random) {
    return "kith-" + crypto::random_id<Id<struct LabelTag, 12>>(random).hex();
}

}  // namespace

Services::Services(net::Loop& loop, Profile& profile, Random& random, Events events)
    : loop_(loop), profile_(profile), random_(random), events_(std::move(events)) {}
Services::~Services() = default;

Result<> Services::start() {
    KITH_TRY_VALUE(accounts, profile_.store().accounts());
    for (auto& account : accounts) link_for(std::move(account));
    // What a crash left between a record and its account.
    KITH_TRY(profile_.history().for_each_of_kind(
        history::kind::account, [&](const history::Key&, const history::Record& record) -> Result<> {
            auto account = read_account_record(profile_, record);
            if (account && !links_.contains(account->id)) link_for(std::move(*account));
            return {};
        }));
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
    sending_.clear();
}

void Services::add(const ServiceAddress& address, const std::string& alias, std::optional<net::Pin> pin,
                   Done done) {
    for (auto& [id, link] : links_) {
        if (link->account().address != address.text()) continue;
        if (link->adding)
            return done(fail(Fault::refused, "this service is being added already", "wait a moment"));
        if (!link->account().alias.empty())
            return done(fail(Fault::refused, "this device has an account there: " + link->account().alias,
                             "'kith service list' shows it"));
        if (link->status.state != ServiceState::online)
            return done(fail(Fault::unreachable, "the service is not reached now: " + link->status.why,
                             "try again later"));
        link->adding = std::move(done);
        return run(*link, link->client->add_alias(alias, alias, loop_.now()));
    }
    store::Account account;
    account.id = crypto::random_id<AccountId>(random_);
    account.address = address.text();
    account.alias = alias;
    if (pin) account.pin = to_bytes(pin->view());
    auto& link = link_for(account);
    link.adding = std::move(done);
    link.client = tmtp::Client::registering(alias, random_label(random_));
    connect(link);
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

Result<> Services::learn(const store::Account& account) {
    if (links_.contains(account.id)) return {};
    KITH_TRY(profile_.store().put_account(account));
    link_for(account);
    if (events_.on_state) events_.on_state(account.id);
    return {};
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

const store::Account* Services::find(std::string_view address_or_site) const {
    const store::Account* found = nullptr;
    for (const auto& [id, link] : links_) {
        const auto& account = link->account();
        if (account.address == address_or_site) return &account;
        if (!address_or_site.empty() && account.site != address_or_site) continue;
        if (found) return nullptr;  // two of that name: only an address can tell them apart
        found = &account;
    }
    return found;
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
    auto at = links_.find(account);
    if (at == links_.end()) return fail(Fault::not_found, "no such account");
    at->second->account().pin = to_bytes(pin.view());
    KITH_TRY(profile_.store().put_account(at->second->account()));
    if (at->second->client) {
        at->second->backoff.reset();
        connect(*at->second);
    }
    return {};
}

void Services::send(const AccountId& account, const OutgoingPost& post,
                    std::function<void(Result<SendOutcome>)> done) {
    auto at = links_.find(account);
    if (at == links_.end())
        return done(fail(Fault::not_found, "no such account", "'kith service list' shows them"));
    auto& link = *at->second;
    auto put = [&]() -> Result<std::int64_t> {
        KITH_TRY_VALUE(uid, resolve(link.account(), post.to));
        tmtp::Draft draft;
        draft.alias = link.account().alias;
        draft.subject = post.subject;
        draft.body = post.body;
        draft.recipients = {uid};
        for (const auto& [name, bytes] : post.attachments) draft.attachments.push_back({name, bytes});
        KITH_TRY_VALUE(composed, tmtp::compose(draft, link.account().uid));
        Json head{{"for", Json::array()}, {"datahead", composed.head.datahead}};
        for (const auto& recipient : composed.head.recipients) head["for"].push_back(recipient.id);
        store::Post row{0,
                        account,
                        to_bytes(head.dump()),
                        std::move(composed.data),
                        std::string(queued),
                        loop_.now().unix_ms};
        return profile_.store().add_post(row);
    }();
    if (!put) return done(fail(put.error()));
    if (link.status.state != ServiceState::online) return done(SendOutcome{std::string(queued), {}});
    sending_[*put] = std::move(done);
    if (auto flushed = flush_posts(link); !flushed) {
        auto call = std::move(sending_[*put]);
        sending_.erase(*put);
        if (call) call(fail(flushed.error()));
    }
}

Services::Link& Services::link_for(store::Account account) {
    auto id = account.id;
    auto& link = links_[id];
    if (!link) link = std::make_unique<Link>();
    auto address = parse_address(account.address);
    if (address) link->address = *address;
    link->status.account = std::move(account);
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
    events.on_drained = [this, &link] { (void)flush_posts(link); };
    events.on_connected = [this, &link](const net::Pin& pin) {
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
    Error error = why;
    if (key_refused && link.address.pinned)
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
        set_state(link, link.was_online ? ServiceState::offline : ServiceState::pending, error.what);
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

void Services::set_state(Link& link, ServiceState state, std::string why) {
    link.status.state = state;
    link.status.why = std::move(why);
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
            if (link.account().site != site->name) {
                link.account().site = site->name;
                if (!link.account().uid.empty()) (void)profile_.store().put_account(link.account());
            }
        } else if (auto* account = std::get_if<tmtp::Registered>(&action)) {
            registered(link, std::move(*account));
            if (gone() || !link.tls) return;
        } else if (std::get_if<tmtp::Online>(&action)) {
            online(link);
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
            if (failed->permanent && !link.account().uid.empty())
                set_state(link, ServiceState::barred, failed->error.what);
            return later(id, [this, error = failed->error](Link& at) {
                if (at.tls) lost(at, error);
            });
        } else if (auto* begin = std::get_if<tmtp::DeliveryBegin>(&action)) {
            receive_large(link, std::move(*begin));
        } else if (auto* data = std::get_if<tmtp::DeliveryData>(&action)) {
            if (link.large && link.large_head && data->msgid == link.large_head->msgid)
                if (auto kept = link.large->append(data->bytes); !kept) {
                    link.large.reset();
                    set_state(link, link.status.state,
                              "a large message waits at the service: " + kept.error().what);
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
    KITH_TRY(keep_account_record(profile_, link.account(), loop_.now()));
    for (const auto& device : profile_.roster().devices)
        if (device.state == roster::DeviceState::active)
            KITH_TRY(prepare_provision(link.account().id, device.id));
    return tx.commit();
}

// What cannot be stored now is kept in memory and stored before the next login.
void Services::registered(Link& link, tmtp::Registered registered) {
    link.account().uid = registered.uid;
    link.account().identity = link.account().address;
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
    link.backoff.reset();
    link.was_online = true;
    set_state(link, ServiceState::online, {});
    if (link.adding && !link.account().alias.empty()) {
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
    (void)flush_posts(link);
    if (events_.on_state) events_.on_state(id);
}

void Services::caught_up(Link& link) {
    link.caught_up = true;
    link.status.settled = true;
    (void)flush_posts(link);
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
              "a message of " + std::to_string(begin.datalen >> 20) +
                  " MiB waits at the service: " + spool.error().what);
    if (events_.on_state) events_.on_state(link.account().id);
}

// Stores durably, then acknowledges. What cannot be stored stays with the service, which sends it again.
void Services::delivered(Link& link, tmtp::Delivered message, const Spool* large) {
    if (is_history(message)) {
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
        if (message.from == link.account().uid) {
            // A post of ours whose answer was lost: its bytes tell that it did arrive.
            auto posts = profile_.store().posts(link.account().id);
            for (const auto& post : posts ? *posts : std::vector<store::Post>())
                if (post.state == sent && !link.in_flight.contains(post.id) &&
                    std::ranges::equal(post.body, message.data())) {
                    (void)post_accepted(link, post.id, message.msgid, message.posted);
                    break;
                }
        }
        if (events_.on_history) events_.on_history();
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
    using Outcome = tmtp::RequestResult::Outcome;
    if (link.adding && result.local_id.rfind("post-", 0) != 0) {  // the alias
        auto done = std::move(link.adding);
        link.adding = nullptr;
        if (result.outcome != Outcome::accepted)
            return done(fail(Fault::refused, "the service refused the alias: " + result.error.what,
                             "choose another --alias"));
        link.account().alias = result.local_id;
        (void)profile_.store().put_account(link.account());
        (void)keep_account_record(profile_, link.account(), loop_.now());
        return done(link.status);
    }
    if (result.local_id.rfind("post-", 0) != 0) return;
    std::int64_t id = std::strtoll(result.local_id.c_str() + 5, nullptr, 10);
    link.in_flight.erase(id);
    if (result.outcome == Outcome::accepted) {
        (void)post_accepted(link, id, result.msgid, result.posted);
        return later(link.account().id, [this](Link& at) { (void)flush_posts(at); });
    }
    // "Not now" is the client machine's own word, and nothing that the service said of the message.
    bool not_now = result.outcome == Outcome::refused && result.error.kind == Fault::unavailable;
    if (not_now)
        (void)profile_.store().set_post_state(id, queued);
    else if (result.outcome == Outcome::refused)
        (void)profile_.store().remove_post(id);
    auto at = sending_.find(id);
    if (at == sending_.end()) return;
    auto done = std::move(at->second);
    sending_.erase(at);
    if (result.outcome == Outcome::refused && !not_now)
        done(fail(Fault::refused, "the service refused the message: " + result.error.what));
    else
        done(SendOutcome{std::string(queued), {}});
}

// Sends what waits in the outbox. A post whose answer was lost is sent again only once the queue was drained
// and showed no copy of it.
Result<> Services::flush_posts(Link& link) {
    KITH_TRY_VALUE(posts, profile_.store().posts(link.account().id));
    for (auto& post : posts) {
        if (link.in_flight.contains(post.id) || (post.state == sent && !link.caught_up)) continue;
        // A few at a time: what is on the way is held in memory, and acknowledgements must get through.
        bool room = link.client && link.client->state() == tmtp::Client::State::online && link.tls &&
                    link.tls->queued() < limits::post_pause_bytes &&
                    link.in_flight.size() < limits::posts_in_flight;
        if (!room) break;
        auto head = Json::parse(as_text(post.head).begin(), as_text(post.head).end(), nullptr, false);
        if (!head.is_object()) return fail(Fault::corrupt, "a message of the outbox is damaged");
        tmtp::ComposedPost composed;
        for (const auto& uid : head.value("for", Json::array()))
            composed.head.recipients.push_back({uid.get<std::string>(), tmtp::Recipient::uid});
        composed.head.datahead = head.value("datahead", std::uint64_t{0});
        composed.head.datalen = post.body.size();
        composed.data = post.body;
        KITH_TRY(profile_.store().set_post_state(post.id, sent));
        link.in_flight.insert(post.id);
        run(link, link.client->post("post-" + std::to_string(post.id), std::move(composed), loop_.now()));
    }
    return {};
}

Result<> Services::post_accepted(Link& link, std::int64_t post_id, const std::string& msgid,
                                 const std::string& posted) {
    KITH_TRY_VALUE(posts, profile_.store().posts(link.account().id));
    auto post = std::find_if(posts.begin(), posts.end(), [&](const auto& row) { return row.id == post_id; });
    if (post == posts.end()) return {};
    auto head = Json::parse(as_text(post->head).begin(), as_text(post->head).end(), nullptr, false);
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    if (!head.is_object()) return fail(Fault::corrupt, "a message of the outbox is damaged");
    auto time = tmtp::parse_posted(posted).value_or(loop_.now().unix_ms);
    KITH_TRY(keep_recipients_record(profile_, link.account().id, msgid,
                                    head.value("for", Json::array()).dump(), time));
    KITH_TRY(profile_.store().remove_post(post_id));
    KITH_TRY(tx.commit());
    if (events_.on_history) events_.on_history();
    auto at = sending_.find(post_id);
    if (at == sending_.end()) return {};
    auto done = std::move(at->second);
    sending_.erase(at);
    done(SendOutcome{std::string(sent), msgid});
    return {};
}

// A uid as it stands; an alias by what is known of it: one's own, or the newest message that came from it.
Result<std::string> Services::resolve(const store::Account& account, const std::string& to) const {
    constexpr std::string_view uid_alphabet = "%+123456789BCDFGHJKLMNPQRSTVWXYZ";
    if (to.size() == 32 && to.find_first_not_of(uid_alphabet) == std::string::npos) return to;
    if (to == account.alias) return account.uid;
    std::optional<history::Key> before;
    std::set<std::string> uids;
    for (std::size_t looked = 0; looked < limits::alias_search;) {
        KITH_TRY_VALUE(page, profile_.history().list(limits::control_list, before));
        if (page.empty()) break;
        for (const auto& row : page) {
            before = row.key;
            if (row.account != account.id || row.from != to) continue;
            KITH_TRY_VALUE(record, profile_.history().read(row.key));
            KITH_TRY_VALUE(parts, read_message_record(record.leading_bytes()));
            if (parts.from != account.uid) uids.insert(parts.from);
        }
        looked += page.size();
    }
    // A sender writes what alias it likes into a message, so an alias that two have used names nobody.
    if (uids.size() > 1)
        return fail(Fault::refused, "more than one person has written as '" + to + "'",
                    "use the uid (32 characters), which its owner finds with 'kith service list'");
    if (uids.size() == 1) return *uids.begin();
    return fail(Fault::not_found, "nobody with the alias '" + to + "' has written to this account yet",
                "use the uid (32 characters), which its owner finds with 'kith service list'");
}

}  // namespace kith::app
