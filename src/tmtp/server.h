// The server's side: a Hub holds all sessions of a service, as a machine without I/O over a durable store.
// Events in (a link opened, bytes, its output drained, closed, time), actions out (send, close). What a
// client is told has been stored before: the store is called within the event.
//
// What it leaves to others: TLS, sockets, and how many links there may be (limits::tmtpd_links).
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
using HubAction = std::variant<Send, Close>;
using HubActions = std::vector<HubAction>;

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
    Hub(std::string site_name, ServerStore& store, Random& random);
    ~Hub();

    // Call once before anything else.
    Result<> start(Now now);
    // From now on only those register whom it lets. It must outlive the hub.
    void require(SignIn& sign_in) { sign_in_ = &sign_in; }

    // A link id must not be used again while the hub lives.
    HubActions opened(LinkId link, Now now);
    HubActions received(LinkId link, ByteView bytes, Now now);
    // All that was sent to this link has left.
    HubActions drained(LinkId link, Now now);
    HubActions closed(LinkId link, Now now);
    HubActions tick(Now now);
    std::optional<std::int64_t> next_tick_ms() const;

    std::size_t links() const { return sessions_.size(); }

  private:
    struct Session;
    struct Audience;
    struct Delivery;

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
    Result<std::string> nodes_of(const Session& session, const Audience& audience, std::uint64_t datalen,
                                 std::vector<NodeRef>& to);
    void run(Session& session, Op& op, Now now);
    void register_account(Session& session, const Register& op, Now now);
    void login(Session& session, const Login& op, Now now);
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
    Queued stamp(Kind kind, const Session& session, Now now);
    std::string new_code(std::size_t characters);

    // What goes out (server.cpp).
    void reply(Session& session, const Reply& reply, Now now);
    void answer(Session& session, const std::string& id, std::string error, Now now);
    void refuse(Session& session, std::string_view reason, Now now);
    void end(Session& session, Now now);
    void send(Session& session, ByteView bytes, Now now);
    void wake(const std::vector<NodeRef>& nodes, Now now);
    void send_next(Session& session, Now now);
    void send_message(Session& session, Now now);
    void send_pieces(Session& session, Now now);
    void check_time(Session& session, Now now);
    HubActions take();

    std::string site_name_;
    ServerStore& store_;
    Random& random_;
    SignIn* sign_in_ = nullptr;
    std::map<LinkId, std::unique_ptr<Session>> sessions_;
    std::map<NodeRef, Session*> online_;
    std::uint64_t last_id_ = 0;
    HubActions out_;
};

// The alphabet of uids and nodeids: 32 characters, 5 bits each.
inline constexpr std::string_view code_alphabet = "%+123456789BCDFGHJKLMNPQRSTVWXYZ";

}  // namespace kith::tmtp
