// The client's side of one connection to one account, as a machine without I/O. One Client lives across
// reconnects: connected() starts afresh with TmtpRev and Login, disconnected() ends the session.
//
// What it promises: nothing is acknowledged to the server before acked() says that it is stored; a message
// that comes again after that is acknowledged again and not handed out again; a node is not asked for a
// second time while the first request may still have worked. What it leaves to others: TLS, waiting before a
// reconnect (backoff.h), storing, and telling apart messages that arrive again after a restart (by account
// and msgid).
//
// Carry out the actions in their order. SendBytes may hold a secret: do not log it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/env.h"
#include "base/result.h"
#include "base/secret.h"
#include "tmtp/frame.h"
#include "tmtp/message.h"
#include "tmtp/replies.h"

namespace kith::tmtp {

struct SendBytes {
    Bytes bytes;
};
// The service has said who it is. Comes before the account is named to it.
struct SiteName {
    std::string name;
    int auth = 0;
    std::vector<AuthBy> authby;
    bool control = false;  // accounts may have rosters there
};
// The service registers only who signs in with one of these providers, and has not been asked: close the
// link, and connect a Client that has a token.
struct SignInWanted {
    std::vector<AuthBy> authby;
};
// The account exists: store uid and nodeid durably. With an error the alias was refused; another one can be
// asked for with add_alias().
struct Registered {
    std::string uid;
    SecretBytes nodeid;
    std::string error;
    bool founded = false;  // with the roster, and the nodeid, that were given
};
// Logged in: posts are taken from now on.
struct Online {
    std::vector<std::string> present;  // uids that are online and let this account know
};
// The account's roster keeps this node out: nothing is delivered, and Roster is all that may be asked. So too
// when the account is restored: it has no node here yet.
struct Held {};
// What has to be proved to restore the account, with the private half of `key`: call prove().
struct ProofWanted {
    Bytes nonce, key;
};
// The proof holds, and Held follows. `alias`: one of the account's names, if it has any.
struct Restoring {
    std::string alias;
};
// Nothing is waiting any more, as far as can be seen (TMTP does not say): no message came for a while, and
// all that came is acknowledged. Once a connection.
struct CaughtUp {};

// A queued message, whole. Store `raw` durably, then call acked(msgid).
struct Delivered {
    Kind kind = Kind::other;
    std::string op;
    std::string msgid, from, posted;
    std::int64_t posted_ms = 0;         // 0: unreadable
    std::string alias, to, gid;         // ping, invite, member: as Queued
    std::string newalias;               // user: the account has one more alias
    std::string act;                    // roster: as Queued
    std::int64_t due_ms = 0;            // roster: of a binding
    std::vector<Recipient> recipients;  // ohiedit
    std::string type;                   // ohiedit
    Bytes raw;                          // the header as received, hhhh included, then the data
    std::size_t head_size = 0;          // where the data begins in raw
    std::uint64_t datahead = 0;
    ByteView head() const { return ByteView(raw).first(head_size); }
    ByteView data() const { return ByteView(raw).subspan(head_size); }
};
// What `message` tells; raw stays empty, and its nodeid behind.
Delivered to_delivered(Queued message);
// The same for data over limits::tmtp_whole_bytes: `begin` as above, with the header alone in raw and the
// size that will follow; then the data in order; then the end, after which acked() is due. A lost link in
// between means that the message will come again from its start.
struct DeliveryBegin {
    Delivered message;
    std::uint64_t datalen = 0;
};
struct DeliveryData {
    std::string msgid;
    Bytes bytes;
};
struct DeliveryEnd {
    std::string msgid;
};

// A node of this account was made, by this device or another one. Never a Delivered, so that the secret does
// not end up in history. Keep nodeid if the label is one of ours, then call acked(msgid).
struct NodeAdded {
    std::string msgid, label;
    SecretBytes nodeid;
};
// The service refused the node (100 is the most that the reference server allows).
struct NodeRefused {
    std::string label;
    Error error;
};

// Another account that lets this one know comes or goes.
struct Presence {
    std::string uid;
    bool here = false;
};
// The service sent a message that this version does not know; it was passed over. Its values may be anything.
struct PassedOver {};
// Somebody else is connected as this node, and this device's own old connection cannot be it any more:
// whoever it is holds this node's secret. Said once until the node is online again.
struct NodeHeld {};

// The answer to ask(), exactly one each.
struct RequestResult {
    enum class Outcome {
        accepted,
        refused,  // by the service, or it was not sent: see error
        unknown,  // the link was lost before the answer; sending it again may double it
    };
    std::string local_id;
    Outcome outcome = Outcome::unknown;
    std::string msgid, posted;  // accepted posts and pings
    Error error{};
    // Of a Roster, refused or not: what the service has.
    std::optional<RosterReply> roster = {};
    Bytes log = {};
};

// The link is of no use any more: close it. Permanent: trying again cannot help until something is changed
// (the account or node is unknown to the service). Otherwise reconnect after backoff.
struct Failed {
    Error error;
    bool permanent = false;
};
// quit() was answered: close the link.
struct LoggedOut {};

using ClientAction =
    std::variant<SendBytes, SiteName, SignInWanted, Registered, Online, Held, ProofWanted, Restoring,
                 CaughtUp, Delivered, DeliveryBegin, DeliveryData, DeliveryEnd, NodeAdded, NodeRefused,
                 Presence, PassedOver, NodeHeld, RequestResult, Failed, LoggedOut>;
using ClientActions = std::vector<ClientAction>;

class Client {
  public:
    enum class State {
        offline,
        greeting,
        registering,
        restoring,
        logging_in,
        held,
        online,
        quitting,
        failed
    };

    // An account that exists.
    static Client login(std::string uid, SecretBytes nodeid);
    // A new account. After Registered the machine logs in with what it was given. If the link is lost before
    // the answer, the account may exist without anyone knowing its secret, and hold the alias.
    // `id_token`: from signing in, where SignInWanted asked for it.
    // `founding`: where the service knows node control, the beginning of the account's roster, and the secret
    // that it was made for.
    struct Founding {
        Bytes roster;
        SecretBytes nodeid;
    };
    static Client registering(std::string alias, std::string node_label, std::string id_token = {},
                              std::optional<Founding> founding = {});

    // An account of which no node is left: by the key that recovers it. Where the service knows node control.
    static Client restoring(std::string uid);

    ClientActions connected(Now now);
    ClientActions received(ByteView bytes, Now now);
    // Call when the link is gone, and after Failed or LoggedOut once it is closed. Twice does no harm.
    ClientActions disconnected(Now now);
    ClientActions tick(Now now);
    // When tick() has to be called at the latest (mono_ms); nothing: no need.
    std::optional<std::int64_t> next_tick_ms() const;

    // The message is stored durably. In any state; what cannot be acknowledged now is when it comes again.
    ClientActions acked(std::string_view msgid, Now now);

    // Answered by RequestResult with `local_id` (unique among those without an answer; 64 bytes at most).
    // Refused at once when not online (held: but for a Roster) or when limits::tmtp_requests are without an
    // answer. Nodes are asked for by add_node() alone.
    ClientActions ask(std::string_view local_id, Asking asking, Now now);

    // Wants a node with this label, which must be random and stored before the call: the answer, NodeAdded,
    // is known by it. `maybe_asked`: it may have been asked for before (after a restart): then the queue is
    // drained first, and the request is sent only if no such node turned up. Remembered across reconnects; in
    // any state.
    ClientActions add_node(std::string label, bool maybe_asked, Now now);

    // A node that has not been asked for in this connection is not wanted any more.
    void forget_node(std::string_view label);

    // The answer to ProofWanted: a signature over restore_challenge().
    ClientActions prove(Bytes proof, Now now);

    ClientActions quit(Now now);

    State state() const { return state_; }
    const std::string& uid() const { return uid_; }

  private:
    struct Request {
        bool is_node = false;
        std::string local_id;  // node: the label
        std::int64_t deadline_ms = 0;
    };
    enum class NodeState { wanted, uncertain, asked };
    struct Incoming {
        Incoming() {}  // not implicit: clang 14 could not make an optional of it within this class
        Delivered message;
        std::uint64_t datalen = 0;
        std::uint32_t sum = 0;
        bool large = false, again = false, skip = false;
        SecretBytes nodeid;
        std::string label;
        std::optional<RosterReply> roster;
    };

    Client() = default;
    void send(const Op& op, ByteView data, Now now, ClientActions& out);
    void on_head(Now now, ClientActions& out);
    void on_data(ClientActions& out);
    void on_end(Now now, ClientActions& out);
    void on_queued(Queued message, ClientActions& out);
    void on_reply(Reply reply, Now now, ClientActions& out);
    void on_tmtprev(TmtpRevReply reply, Now now, ClientActions& out);
    void on_registered(RegisteredReply reply, Now now, ClientActions& out);
    void on_info(InfoReply reply, Now now, ClientActions& out);
    void on_ack(AckReply reply, ClientActions& out);
    void on_ohi(OhiReply reply, ClientActions& out);
    void on_restore(RestoreReply reply, Now now, ClientActions& out);
    void on_roster(RosterReply reply, Bytes log, ClientActions& out);
    void on_quit(const QuitReply& reply, Now now, ClientActions& out);
    void node_is_held(Now now, ClientActions& out);
    void fail(Error error, bool permanent, ClientActions& out);
    void end_requests(ClientActions& out);
    void ask_for_nodes(NodeState which, Now now, ClientActions& out);
    bool draining() const { return !unconfirmed_.empty() || incoming_; }

    State state_ = State::offline;
    std::string uid_;
    SecretBytes nodeid_;
    std::string alias_, node_label_, id_token_;  // to register
    std::optional<Founding> founding_;
    bool founds_ = false;  // the roster went with the Register
    bool restores_ = false;

    FrameReader reader_;
    std::optional<Incoming> incoming_;
    std::map<std::string, Request, std::less<>> requests_;  // by the id on the wire
    std::uint64_t next_request_ = 1;
    std::map<std::string, NodeState, std::less<>> nodes_;  // labels without an answer

    std::map<std::string, std::uint32_t, std::less<>> unconfirmed_;  // handed out: msgid, sum of its bytes
    std::map<std::string, std::uint32_t, std::less<>> confirmed_;
    std::deque<std::string> confirmed_order_;

    std::int64_t state_deadline_ms_ = 0;
    std::int64_t pulse_at_ms_ = 0;
    std::int64_t quiet_at_ms_ = 0;
    bool caught_up_ = false;
    // Since when the service may still hold a connection of ours that we know to be lost.
    std::optional<std::int64_t> held_since_ms_;
    bool held_told_ = false;
    bool was_online_ = false;
};

}  // namespace kith::tmtp
