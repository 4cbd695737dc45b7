// The accounts of this device: a connection to each service, what comes in, what goes out, and the nodes that
// other devices are to get. One service that is down never holds up another.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "app/account_rosters.h"
#include "app/address.h"
#include "app/inbox.h"
#include "app/outbox.h"
#include "app/profile.h"
#include "net/loop.h"
#include "net/tls.h"
#include "tmtp/backoff.h"
#include "tmtp/client.h"

namespace kith::app {

enum class ServiceState {
    pending,  // no node here yet, or never been online with it
    offline,  // was online; trying again
    online,
    barred,  // the service does not know this node (any more)
};
std::string_view service_state_name(ServiceState state);

struct ServiceStatus {
    store::Account account;
    ServiceState state = ServiceState::pending;
    bool settled = false;           // online and its queue drained, or an attempt has failed
    std::string why;                // when not online: what happened last
    std::string hint;               // what can be done about that
    std::int64_t alarm_ms = 0;      // somebody else was connected as this node then; 0: no
    std::uint64_t passed_over = 0;  // messages of kinds that this version does not know, since the start
    std::int64_t binding_ms = 0;    // a roster is proposed for this account, and is bound then; 0: none is
    std::set<std::string> present;  // uids that let this account know that they are here
    std::optional<AccountId> moved_to;  // the person's account that took its place
    bool moved = false;                 // or a device has said so that is not active any more
};

class Services {
  public:
    struct Events {
        std::function<void(const AccountId&)> on_state;  // any of ServiceStatus changed
        // A ping, an invitation or news of a group were stored. What it fails with keeps the message from
        // being acknowledged: it comes again.
        std::function<Result<>(const AccountId&, const tmtp::Delivered&)> on_met;
        std::function<void()> on_history;  // records were added
        std::function<void(const DeviceId&)>
            on_provision;                 // a node was made for this device, or its state changed
        std::function<void()> on_roster;  // entries of the person's roster came by a service
        std::function<void(const std::string&)> log;
    };
    Services(net::Loop& loop, Profile& profile, Random& random, Events events);
    ~Services();

    // Connects all accounts that have a node here.
    Result<> start();
    void stop();

    using Done = std::function<void(Result<ServiceStatus>)>;
    // Signs in with one of the providers, for a token; answers once.
    using Ask = std::function<void(const std::vector<tmtp::AuthBy>& providers,
                                   std::function<void(Result<std::string> id_token)> answer)>;
    // Registers a new account (or gives an account that was refused its alias another one), and asks for a
    // node for each other device. `ask`: for services that register only who signs in. `beside`: an account
    // there that the new one is to take the place of; one of that alias, if there is one already, is the
    // new one.
    void add(const ServiceAddress& address, const std::string& alias, std::optional<net::Pin> pin, Ask ask,
             Done done, std::optional<AccountId> beside = {});
    // Reads anew which accounts moved.
    Result<> read_moves();
    // An account of this person at a service with node control, of which no device is left: `seed` is of the
    // recovery sheet, `act` this device's act key. All former nodes are dropped.
    void restore(const ServiceAddress& address, const std::string& uid, std::optional<net::Pin> pin,
                 const Key& seed, const crypto::SignKey& act, Done done);
    // Another device made this node for this one. Durable when it returns; connects.
    Result<> adopt(const store::Account& account, const SecretBytes& nodeid);
    // The person gave this device a node that another client had so far, of an account that is known. Like
    // adopt, and other devices of the person are to get nodes too.
    Result<> take_over(const store::Account& account, const SecretBytes& nodeid);
    // A record tells of this account, which may be new here, or of where it moved.
    Result<> learn(const store::Account& account);

    // That `device` is to get a node at each account that this device has a node of: first the durable wish,
    // within a transaction of the caller's if there is one, and after its commit the asking.
    Result<> prepare_provisions(const DeviceId& device);
    void ask_provisions(const DeviceId& device);

    // Whether the account is online and nothing is waiting for it any more, as far as can be seen.
    bool drained(const AccountId& account) const;
    // Whether this device has a node of the account that the service has not refused.
    bool has_node(const AccountId& account) const;
    std::vector<ServiceStatus> list() const;
    // As their user names them: by uid, or by the address or the site's name that only one has; by an empty
    // text the only account. One that moved is named by its uid alone.
    Result<store::Account> named(std::string_view address_site_or_uid) const;
    const store::Account* find(const AccountId& account) const;
    // The one that took its place, if it moved.
    const store::Account* current(AccountId account) const;

    // What key the service shows now; nothing is accepted by it.
    void look(const ServiceAddress& address, std::function<void(Result<net::Pin>)> done);
    Result<> repin(const AccountId& account, const net::Pin& pin);

    // Puts it into the outbox, durably. `done` is called when the service took or refused it, or when the
    // account is not online (state "queued": it goes out later by itself).
    struct Outcome {
        std::string state;  // "sent" or "queued"
        std::string msgid;
    };
    void ask(const AccountId& account, tmtp::Asking asking, std::function<void(Result<Outcome>)> done);
    // The same in two steps: queue() may be called within a transaction of the caller's, send() after its
    // commit. send() without `done` is for what nobody waits for.
    Result<std::int64_t> queue(const AccountId& account, tmtp::Asking asking);
    void send(const AccountId& account, std::int64_t id, std::function<void(Result<Outcome>)> done = nullptr);
    // Whatever waits for this account.
    void send_all(const AccountId& account);
    // What was refused is sent once more; what has not gone out is taken back.
    Result<> ask_again(const AccountId& account, std::int64_t id);
    Result<> take_back(const AccountId& account, std::int64_t id);
    Outbox& outbox() { return outbox_; }

    // Who hears when this account's devices come and go. Kept, and told to the service after each login.
    Result<std::set<std::string>> shown_to(const AccountId& account) const;
    // Within a transaction of the caller's; it is told with the next login.
    Result<> inherit_presence(const AccountId& to, const std::set<std::string>& uids);
    Result<> show_to(const AccountId& account, const std::set<std::string>& uids, bool show);

    // The owner has seen the alarm.
    Result<> dismiss_alarm(const AccountId& account);

    // Node control (services_control.cpp). The act key is open: what waits for it in the accounts' rosters is
    // signed, and brought to the services. `keep`: for a while also what a setup under way will bring.
    void act_key_opened(const crypto::SignKey& act, bool keep = false);
    // The accounts' rosters follow the person's: what was signed, for each account that has one. It is
    // durable, and brought as soon as the service is reached.
    struct Signed {
        AccountId account;
        std::vector<EntryId> entries;
    };
    std::vector<Signed> project(const crypto::SignKey& act, account::Wishes wishes);
    std::vector<Signed> recover_rosters(const Key& seed);
    // Within a transaction of the caller's: the accounts that stay with the former key, as theirs is another
    // one. After its commit bring_rosters(); when that fails, reload_rosters().
    Result<std::vector<AccountId>> renew_rosters(const Key& seed, const Key& fresh);
    void bring_rosters();
    Result<> reload_rosters() { return rosters_.load(); }
    enum class Brought { waits, taken, refused };
    Brought brought(const Signed& what) const;
    bool reached(const AccountId& account) const;
    const AccountRosters& rosters() const { return rosters_; }
    // An older account gets a roster, in a week in which its other devices can object; or this one does.
    void bind(const AccountId& account, const crypto::SignKey& act, Done done);
    void object(const AccountId& account, Done done);
    // Another device offers a node in this roster: asks for it, now or when the act key is open.
    Result<> want_node(const AccountId& account, const PersonId& roster);
    // `device` asks for a node. What is not in order is passed over.
    Result<> take_request(const DeviceId& device, const AccountId& account, ByteView packed);
    // The hash by which `device` asked is another node's by now. And: another device says so of this one's.
    std::optional<LinkPublic> taken_hash(const store::Provision& provision) const;
    Result<bool> want_another(const AccountId& account, const LinkPublic& taken);
    // The node that this device wanted is there. False: it did not ask.
    Result<bool> adopt_wanted(const store::Account& account);
    // Tells the person's other devices by every service what the roster says now.
    void post_news();

  private:
    struct Link;
    void prove(Link& link, const tmtp::ProofWanted& wanted);
    void restore_answered(Link& link, const tmtp::RequestResult& result);
    Result<> bring_restoration(Link& link, std::span<const roster::Entry> log);
    Result<> keep_restored(Link& link, std::span<const roster::Entry> log);
    void begin_registering(Link& link, std::string id_token);
    Result<> ready_to_found(const Link& link);
    std::optional<crypto::SignKey> open_act_key() const;
    Signed signed_at(const AccountId& account, Result<std::vector<roster::Entry>> entries);
    std::vector<account::Asked> requests(const AccountId& account) const;
    void bring(Link& link);
    void roster_answered(Link& link, const tmtp::RequestResult& result);
    void take_entries(Link& link, std::span<const roster::Entry> entries);
    void look_at_nodes(Link& link);
    bool roster_news(Link& link, const tmtp::Delivered& message);
    Result<> take_news(const Link& link, const tmtp::Delivered& message);
    void held(Link& link);
    bool try_proposed(Link& link);
    void keep_tried(Link& link);
    void ask_roster(Link& link, tmtp::Asking asking);
    void ask_about_binding(const AccountId& account, tmtp::Asking asking, Done done);
    Result<> want_others(const AccountId& account);
    Link& link_for(store::Account account);
    void connect(Link& link);
    void sign_in(Link& link, const std::vector<tmtp::AuthBy>& providers);
    void run(Link& link, tmtp::ClientActions actions);
    void lost(Link& link, const Error& why, bool key_refused = false);
    void arm(Link& link);
    void set_state(Link& link, ServiceState state, Error why);
    void passed_over(Link& link);
    void registered(Link& link, tmtp::Registered registered);
    void delivered(Link& link, tmtp::Delivered message, const Spool* large = nullptr);
    void node_added(Link& link, tmtp::NodeAdded added);
    void result(Link& link, tmtp::RequestResult result);
    void online(Link& link);
    void caught_up(Link& link);
    Result<> keep_registered(Link& link, const SecretBytes& nodeid);
    Result<> flush(Link& link);
    void alias_answered(Link& link, const tmtp::RequestResult& result);
    Result<> accepted(Link& link, const Outbox::Item& item, const std::string& msgid,
                      const std::string& posted);
    void settle(std::int64_t id, Result<Outcome> outcome);
    Result<> keep_shown_to(const AccountId& account, const std::set<std::string>& uids);
    Result<> follow_ohiedit(Link& link, const tmtp::Delivered& message);
    void tell_presence(Link& link);
    void raise_alarm(Link& link);
    Result<> provision_at(Link& link, const DeviceId& device);
    Result<> prepare_provision(const AccountId& account, const DeviceId& device);
    bool is_active(const DeviceId& device) const;
    bool gives_nodes(const AccountId& account) const;
    void later(const AccountId& id, std::function<void(Link&)> fn);
    void receive_large(Link& link, tmtp::DeliveryBegin begin);

    net::Loop& loop_;
    Profile& profile_;
    Random& random_;
    Events events_;
    std::map<AccountId, std::unique_ptr<Link>> links_;
    std::map<std::uint64_t, std::unique_ptr<net::TlsClient>> looks_;
    AccountRosters rosters_;
    std::optional<crypto::SignKey> act_key_;  // for a while
    net::Timer act_key_timer_;
    Outbox outbox_;
    std::map<std::int64_t, std::function<void(Result<Outcome>)>> asking_;
    bool moves_due_ = false;  // read_moves() once the present callback has returned
    std::uint64_t next_look_ = 1;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace kith::app
