// The accounts of this device: a connection to each service, what comes in, what goes out, and the nodes that
// other devices are to get. One service that is down never holds up another.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "app/address.h"
#include "app/inbox.h"
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
    bool settled = false;  // online and its queue drained, or an attempt has failed
    std::string why;       // when not online: what happened last
};

// A post as the outbox holds it.
struct OutgoingPost {
    std::string to;  // an alias or a uid
    std::string subject, body;
    std::vector<std::pair<std::string, Bytes>> attachments;
};

class Services {
  public:
    struct Events {
        std::function<void(const AccountId&)> on_state;  // any of ServiceStatus changed
        std::function<void()> on_history;                // records were added
        std::function<void(const DeviceId&)>
            on_provision;  // a node was made for this device, or its state changed
    };
    Services(net::Loop& loop, Profile& profile, Random& random, Events events);
    ~Services();

    // Connects all accounts that have a node here.
    Result<> start();
    void stop();

    using Done = std::function<void(Result<ServiceStatus>)>;
    // Registers a new account (or gives an account that was refused its alias another one), and asks for a
    // node for each other device.
    void add(const ServiceAddress& address, const std::string& alias, std::optional<net::Pin> pin, Done done);
    // Another device made this node for this one. Durable when it returns; connects.
    Result<> adopt(const store::Account& account, const SecretBytes& nodeid);
    // An account of the person that became known without a node.
    Result<> learn(const store::Account& account);

    // That `device` is to get a node at each account that this device has a node of: first the durable wish,
    // within a transaction of the caller's if there is one, and after its commit the asking.
    Result<> prepare_provisions(const DeviceId& device);
    void ask_provisions(const DeviceId& device);

    // Whether this device has a node of the account that the service has not refused.
    bool has_node(const AccountId& account) const;
    std::vector<ServiceStatus> list() const;
    // By address, or by a site's name that only one has; by an empty text the only account.
    const store::Account* find(std::string_view address_or_site) const;

    // What key the service shows now; nothing is accepted by it.
    void look(const ServiceAddress& address, std::function<void(Result<net::Pin>)> done);
    Result<> repin(const AccountId& account, const net::Pin& pin);

    // Puts it into the outbox, durably. `done` is called when the service took or refused it, or when the
    // account is not online (state "queued": it goes out later by itself).
    struct SendOutcome {
        std::string state;  // "sent" or "queued"
        std::string msgid;
    };
    void send(const AccountId& account, const OutgoingPost& post,
              std::function<void(Result<SendOutcome>)> done);

  private:
    struct Link;
    Link& link_for(store::Account account);
    void connect(Link& link);
    void run(Link& link, tmtp::ClientActions actions);
    void lost(Link& link, const Error& why, bool key_refused = false);
    void arm(Link& link);
    void set_state(Link& link, ServiceState state, std::string why);
    void registered(Link& link, tmtp::Registered registered);
    void delivered(Link& link, tmtp::Delivered message, const Spool* large = nullptr);
    void node_added(Link& link, tmtp::NodeAdded added);
    void result(Link& link, tmtp::RequestResult result);
    void online(Link& link);
    void caught_up(Link& link);
    Result<> keep_registered(Link& link, const SecretBytes& nodeid);
    Result<> flush_posts(Link& link);
    Result<> post_accepted(Link& link, std::int64_t post_id, const std::string& msgid,
                           const std::string& posted);
    Result<std::string> resolve(const store::Account& account, const std::string& to) const;
    Result<> provision_at(Link& link, const DeviceId& device);
    Result<> prepare_provision(const AccountId& account, const DeviceId& device);
    bool is_active(const DeviceId& device) const;
    void later(const AccountId& id, std::function<void(Link&)> fn);
    void receive_large(Link& link, tmtp::DeliveryBegin begin);

    net::Loop& loop_;
    Profile& profile_;
    Random& random_;
    Events events_;
    std::map<AccountId, std::unique_ptr<Link>> links_;
    std::map<std::uint64_t, std::unique_ptr<net::TlsClient>> looks_;
    std::map<std::int64_t, std::function<void(Result<SendOutcome>)>> sending_;
    std::uint64_t next_look_ = 1;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace kith::app
