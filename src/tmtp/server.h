// The server's side: a Hub holds all sessions of a service, as a machine without I/O over a durable store.
// Events in (a link opened, bytes, its output drained, closed, time), actions out (send, close, pause). What
// a client is told has been stored before: the store is called within the event.
//
// What it leaves to others: TLS, sockets, and how many links there may be.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/env.h"
#include "base/result.h"
#include "tmtp/frame.h"
#include "tmtp/node_rules.h"
#include "tmtp/ops.h"
#include "tmtp/replies.h"
#include "tmtp/server_store.h"

namespace kith::tmtp {

using LinkId = std::uint64_t;

struct Send {
    LinkId link;
    Bytes bytes;
};
// Close the link once what was sent has left, or at once if it does not leave. closed() must still be called.
struct Close {
    LinkId link;
};
// Find out whether the other end of the link is still there, without a word of TMTP: its node logs in anew.
// Say alive() or closed(); when neither comes within limits::tmtpd_probe_ms, nobody is there.
struct Probe {
    LinkId link;
};
// The link speaks for a node now.
struct LoggedIn {
    enum class How { login, takeover, registered };
    LinkId link;
    NodeRef node;
    How how = How::login;
};
// Read nothing more from the link, or go on: it has filled more places in queues than it may in a second.
// What was read already may still be handed in.
struct Pause {
    LinkId link;
    bool paused;
};
using HubAction = std::variant<Send, Close, Probe, LoggedIn, Pause>;
using HubActions = std::vector<HubAction>;

// What the operator decides.
struct HubRules {
    // A Post to an account is refused unless one of the two has pinged or invited the other, or both have
    // joined one group.
    bool must_have_met = false;
    std::uint64_t accounts = 100'000;  // then nobody can register any more
};

// Who may register, where not everybody may.
class SignIn {
  public:
    virtual ~SignIn() = default;
    virtual std::vector<AuthBy> providers() const = 0;
    // Why this token registers nobody; empty: it does, once.
    virtual std::string objection(const std::string& id_token, Now now) = 0;
};

class Hub {
  public:
    // `store` and `random` must outlive the hub.
    Hub(std::string site_name, ServerStore& store, Random& random, HubRules rules = {});
    ~Hub();

    // Call once before anything else.
    Result<> start(Now now);
    // From now on only those register whom it lets. It must outlive the hub.
    void require(SignIn& sign_in) { sign_in_ = &sign_in; }
    // Accounts may have rosters, which decide by these rules; call it before start(). They must outlive the
    // hub.
    void govern(const NodeRules& rules) { node_rules_ = &rules; }
    // The hash of the key that clients see in TLS: who restores an account proves it for this service alone.
    void show_key(Bytes hash) { service_key_ = std::move(hash); }

    // A link id must not be used again while the hub lives.
    HubActions opened(LinkId link, Now now);
    HubActions received(LinkId link, ByteView bytes, Now now);
    // All that was sent to this link has left.
    HubActions drained(LinkId link, Now now);
    HubActions closed(LinkId link, Now now);
    // The answer to Probe.
    HubActions alive(LinkId link, Now now);
    // The node was removed from the store.
    HubActions node_dropped(NodeRef node, Now now);
    // The service ends: every link is told and closed.
    HubActions stop(Now now);
    HubActions tick(Now now);
    // When to call tick(). Early calls do no harm.
    std::optional<std::int64_t> next_tick_ms() const { return soonest_ms_; }

    bool online(NodeRef node) const { return online_.contains(node); }
    std::size_t links() const { return sessions_.size(); }

  private:
    struct Session;
    struct Audience;
    struct Delivery;

    void feed(Session& session, ByteView in, Now now);
    // What comes in (server_ops.cpp).
    void on_head(Session& session, Now now);
    void on_data(Session& session, ByteView data, Now now);
    void on_end(Session& session, Now now);
    std::string_view objection(const Session& session, const Op& op) const;
    void begin_upload(Session& session, Now now);
    bool store_piece(Session& session, Now now);
    void end_upload(Session& session, Now now);
    void drop_upload(Session& session);
    std::string check_upload(const Session& session, Delivery& delivery);
    Result<std::string> check_notify(const Session& session, const PostNotify& op, Delivery& delivery);
    Result<std::string> add_recipients(const Session& session, const std::vector<Recipient>& recipients,
                                       Audience& to);
    Result<std::string> meet(const Session& session, const Op& op);
    Result<std::vector<NodeRef>> with_room(const std::vector<NodeRef>& nodes, std::uint64_t datalen);
    Result<std::string> nodes_of(const Session& session, const Audience& audience, std::uint64_t datalen,
                                 std::vector<NodeRef>& to);
    void run(Session& session, Op& op, Now now);
    void register_account(Session& session, const Register& op, Now now);
    void login(Session& session, const Login& op, Now now);
    void contend(Session& session, Session& held, Now now);
    void admit(Session& session, LoggedIn::How how, Now now);
    void release(Session& held, Now now);
    void user_edit(Session& session, const UserEdit& op, Now now);
    void acknowledge(Session& session, const Ack& op, Now now);
    // Groups (server_groups.cpp) and presence (server_presence.cpp).
    Result<std::string> check_invite(const Session& session, const GroupInvite& op, Delivery& delivery);
    void group_edit(Session& session, const GroupEdit& op, Now now);
    Result<std::string> edit_group(Session& session, const GroupEdit& op, std::vector<NodeRef>& woken,
                                   Now now);
    Result<std::vector<NodeRef>> member_nodes(const std::vector<Member>& members);
    void ohi_edit(Session& session, const OhiEdit& op, Now now);
    void tell_presence(const std::string& from, const std::set<std::string>& uids, int status, Now now);
    std::vector<std::string> present_for(const std::string& uid) const;
    Result<std::string> alias_objection(const std::string& uid, const std::string& alias);
    // Node control (server_control.cpp).
    void roster_op(Session& session, const Roster& op, Now now);
    void restore(Session& session, const Restore& op, Now now);
    bool may_object(const Session& session);
    Result<std::string> add_entries(Session& session, Now now);
    Result<std::string> propose(Session& session, Now now);
    Result<std::string> object(Session& session, Now now);
    Result<> withdraw(const std::string& uid, Now now);
    void end_objectors(const std::string& uid, Now now);
    void answer_roster(Session& session, const std::string& id, std::string error, Now now);
    void register_ruled(Session& session, const Register& op, Now now);
    Result<> follow(const std::string& uid, const Ruling& ruling, NodeRef from, RosterChange& change,
                    Now now);
    Result<> carry_out(const RosterChange& change, Now now);
    void look_at_rosters(Now now);
    Result<> look_at_roster(const std::string& uid, Now now);
    Queued roster_news(const std::string& uid, std::string act, std::size_t size, Now now);
    void end_node(NodeRef node, std::string_view reason, Now now);
    std::string set_alias(const std::string& uid, const std::string& alias);
    Queued stamp(Kind kind, const Session& session, Now now);
    std::string new_code(std::size_t characters);

    // What goes out (server.cpp).
    void reply(Session& session, const Reply& reply, Now now);
    void answer(Session& session, const std::string& id, std::string error, Now now);
    void refuse(Session& session, std::string_view reason, Now now);
    void end(Session& session, Now now);
    void send(Session& session, ByteView bytes, Now now);
    void relieve(Now now);
    void charge(Session& session, std::size_t places, Now now);
    void resume(Session& session, Now now);
    void wake(const std::vector<NodeRef>& nodes, Now now);
    void send_next(Session& session, Now now);
    void send_message(Session& session, Now now);
    void send_pieces(Session& session, Now now);
    void check_time(Session& session, Now now);
    void acked(Session& session, Now now);
    void due(std::int64_t time_ms);
    Session* by_link(LinkId link);
    HubActions take();

    std::string site_name_;
    ServerStore& store_;
    Random& random_;
    SignIn* sign_in_ = nullptr;
    const NodeRules* node_rules_ = nullptr;
    std::int64_t rosters_at_ms_ = 0;  // when they are looked at again
    // Requests about each account's roster, by whichever link, since then.
    std::map<std::string, std::size_t> roster_requests_;
    std::int64_t roster_requests_since_ms_ = 0;
    Bytes service_key_;
    std::map<LinkId, std::unique_ptr<Session>> sessions_;
    std::map<NodeRef, Session*> online_;
    HubRules rules_;
    std::uint64_t last_id_ = 0;
    std::size_t output_ = 0;  // bytes that wait for all links that are not at their end
    // Not later than the first thing that is due; exact after a tick.
    std::optional<std::int64_t> soonest_ms_;
    HubActions out_;
};

// The alphabet of uids and nodeids: 32 characters, 5 bits each.
inline constexpr std::string_view code_alphabet = "%+123456789BCDFGHJKLMNPQRSTVWXYZ";

}  // namespace kith::tmtp
