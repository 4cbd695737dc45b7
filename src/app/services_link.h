// Within Services only: one account's connection.
#pragma once

#include <set>

#include "app/services.h"
#include "app/spool.h"
#include "tmtp/limits.h"

namespace kith::app {

// States of a provision, as stored.
namespace provision {
inline constexpr std::string_view wanted = "wanted", asked = "asked", requested = "requested", made = "made",
                                  refused = "refused", handed_over = "done";
}

// An account that is being restored: what for, and how far it is.
struct Restoration {
    std::string uid, alias;
    Key seed;
    crypto::SignKey act;
    SecretBytes nodeid;
    std::vector<roster::Entry> signed_now;  // brought, or on the way
};

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
    Ask ask;                           // for it, once
    std::string new_alias;             // asked for, without an answer
    std::set<std::int64_t> in_flight;  // of the outbox: without an answer on this connection
    std::string label;                 // of the node that is being registered
    std::optional<Restoration> restoration;
    bool restored = false;          // and not online since
    std::optional<net::Pin> shown;  // the service's key on this connection

    // Node control.
    bool control = false;                              // the service knows it
    std::optional<AccountRosters::Founding> founding;  // of the account that is being registered
    bool founded = false;                              // the service took it
    bool roster_asked = false, roster_shown = false;   // on this connection
    std::set<EntryId> roster_there, roster_refused;    // what the service has, and does not take
    Done binding;                                      // waits for the answer about one
    std::set<EntryId> roster_brought;                  // by the request without an answer
    std::optional<SecretBytes> trying;  // a secret that it has proposed, in place of the one that failed
    std::size_t tried = 0;              // of these
    bool roster_singly = false;         // all at once was refused: one must not keep out the others

    store::Account& account() { return status.account; }
    const std::string& account_uid() const { return status.account.uid; }
};

// What answers about an account's roster are known by: one at a time.
inline constexpr std::string_view of_roster = "roster";

}  // namespace kith::app
