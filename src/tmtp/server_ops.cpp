#include <algorithm>
#include <cstdio>
#include <set>

#include "base/limits.h"
#include "tmtp/limits.h"
#include "tmtp/session.h"

namespace kith::tmtp {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

const std::string& request_id(const Op& op) {
    static const std::string none;
    return std::visit(
        [](const auto& one) -> const std::string& {
            if constexpr (requires { one.post; })
                return one.post.id;
            else if constexpr (requires { one.id; })
                return one.id;
            else
                return none;
        },
        op);
}

// Counts UTF-16 units; nothing when the bytes are not UTF-8 (RFC 3629: shortest form, no surrogates).
std::optional<std::size_t> utf16_units(ByteView bytes) {
    std::size_t units = 0;
    for (std::size_t i = 0; i < bytes.size();) {
        std::uint8_t lead = bytes[i];
        std::size_t more = lead < 0x80                   ? 0
                           : lead >= 0xc2 && lead < 0xe0 ? 1
                           : lead >= 0xe0 && lead < 0xf0 ? 2
                                                         : 3;
        if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || bytes.size() - i <= more) return std::nullopt;
        for (std::size_t k = 1; k <= more; ++k)
            if ((bytes[i + k] & 0xc0) != 0x80) return std::nullopt;
        if ((lead == 0xe0 && bytes[i + 1] < 0xa0) || (lead == 0xed && bytes[i + 1] >= 0xa0) ||
            (lead == 0xf0 && bytes[i + 1] < 0x90) || (lead == 0xf4 && bytes[i + 1] >= 0x90))
            return std::nullopt;
        units += more == 3 ? 2 : 1;
        i += more + 1;
    }
    return units;
}

// Whether it could be a uid at all: what the reference server looks up.
bool plausible_uid(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '%' || c == '+';
    });
}

}  // namespace

std::string id_text(std::uint64_t id) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
    return text;
}

StoredMessage stored(const Queued& message, std::uint64_t id) {
    return {id, encode(message), message.datalen};
}

// --- what comes in ---

void Hub::on_head(Session& session, Now now) {
    auto op = parse_op(session.reader.head());
    if (!op || request_id(*op).size() > limits::tmtpd_request_id)
        return refuse(session, "invalid header", now);
    if (auto reason = objection(session, *op); !reason.empty()) return refuse(session, reason, now);
    session.op = std::move(*op);
    if (std::holds_alternative<Roster>(*session.op)) return session.entries.clear();
    if (data_size(*session.op) > 0 || std::holds_alternative<Ping>(*session.op) ||
        std::holds_alternative<GroupInvite>(*session.op))
        begin_upload(session, now);
}

// Why this op ends the link, or nothing.
std::string_view Hub::objection(const Session& session, const Op& op) const {
    bool login = std::holds_alternative<Register>(op) || std::holds_alternative<Login>(op);
    bool greeting = std::holds_alternative<TmtpRev>(op);
    if (session.state == Session::State::fresh) return greeting ? "" : "no greeting";  // not told, see refuse
    if (greeting) return "disallowed op repetition";
    const bool restores = std::holds_alternative<Restore>(op);
    if (restores && !node_rules_) return "invalid header";
    if (session.state == Session::State::greeted && !login && !restores)
        return "disallowed op on unauthenticated link";
    if (session.state == Session::State::online && (login || restores))
        return "disallowed op on connected link";
    const bool roster = std::holds_alternative<Roster>(op);
    if (roster && !node_rules_) return "invalid header";
    if (session.state == Session::State::held && !roster && !std::holds_alternative<Pulse>(op) &&
        !std::holds_alternative<Quit>(op))
        return "node held";
    if (roster && data_size(op) > limits::tmtp_roster_request) return "data too long for request type";
    const bool words = std::holds_alternative<Ping>(op) || std::holds_alternative<GroupInvite>(op);
    if (data_size(op) > (words ? limits::tmtpd_ping_bytes : limits::tmtpd_post_bytes))
        return "data too long for request type";
    if (auto* one = std::get_if<PostNotify>(&op)) {
        if (one->notelen >= one->post.datalen) return "data too short for request type";
        if (one->fornotself && one->post.recipients.empty()) return "recipient list empty";
    }
    return {};
}

void Hub::on_data(Session& session, ByteView data, Now now) {
    auto& upload = session.upload;
    if (session.op && std::holds_alternative<Roster>(*session.op)) return append(session.entries, data);
    while (upload && upload->error.empty() && !data.empty()) {
        std::uint64_t room = limits::tmtp_piece - upload->piece.size();
        if (upload->note_left > 0) room = std::min(room, upload->note_left);
        auto part = data.first(static_cast<std::size_t>(std::min<std::uint64_t>(room, data.size())));
        append(upload->piece, part);
        data = data.subspan(part.size());
        const bool full = upload->piece.size() == limits::tmtp_piece;
        const bool note_ends = upload->note_left > 0 && upload->note_left == part.size();
        if ((full || note_ends) && !store_piece(session, now)) return;
        if (upload->note_left > 0) upload->note_left -= part.size();
        if (note_ends) upload->pieces = 0;  // of the data that follows
    }
}

void Hub::on_end(Session& session, Now now) {
    if (session.upload) return end_upload(session, now);
    Op op = std::move(*session.op);
    session.op.reset();
    run(session, op, now);
}

void Hub::run(Session& session, Op& op, Now now) {
    std::visit(Overloaded{[&](TmtpRev&) {
                              session.state = Session::State::greeted;
                              TmtpRevReply rev{"1", site_name_, 0, {}};
                              if (sign_in_) rev = {"1", site_name_, 1, sign_in_->providers()};
                              rev.control = node_rules_ != nullptr;
                              reply(session, rev, now);
                          },
                          [&](Register& one) { register_account(session, one, now); },
                          [&](Login& one) { login(session, one, now); },
                          [&](UserEdit& one) { user_edit(session, one, now); },
                          [&](Ack& one) { acknowledge(session, one, now); },
                          [](Pulse&) {},  // any byte has reset the timer
                          [&](Quit&) { refuse(session, "logout ok", now); },
                          [&](OhiEdit& one) { ohi_edit(session, one, now); },
                          [&](GroupEdit& one) { group_edit(session, one, now); },
                          [&](Roster& one) { roster_op(session, one, now); },
                          [&](Restore& one) { restore(session, one, now); },
                          [](GroupInvite&) {},  // these four have data and end in end_upload
                          [](Post&) {}, [](PostNotify&) {}, [](Ping&) {}},
               op);
}

// --- ops with data ---

void Hub::begin_upload(Session& session, Now now) {
    auto& upload = session.upload.emplace();
    upload.id = ++last_id_;
    upload.posted = format_posted(now.unix_ms);
    upload.until_ms = now.mono_ms + limits::tmtpd_upload_ms +
                      static_cast<std::int64_t>(data_size(*session.op) * 1000 / limits::tmtpd_upload_bytes_s);
    due(upload.until_ms);
    if (auto* one = std::get_if<PostNotify>(&*session.op)) {
        upload.note_id = ++last_id_;
        upload.note_left = one->notelen;
    }
    Delivery delivery;
    upload.error = check_upload(session, delivery);  // no need to store what will be refused
}

bool Hub::store_piece(Session& session, Now) {
    auto& upload = *session.upload;
    if (upload.piece.empty()) return true;
    if (!store_.put_piece(upload.filling(), upload.pieces, upload.piece)) {
        drop_upload(session);
        upload.error = no_store;
        return false;
    }
    ++upload.pieces;
    upload.piece.clear();
    return true;
}

void Hub::drop_upload(Session& session) {
    store_.drop_pieces(session.upload->id);
    if (session.upload->note_id != 0) store_.drop_pieces(session.upload->note_id);
}

void Hub::end_upload(Session& session, Now now) {
    Op op = std::move(*session.op);
    const std::string id = request_id(op);
    auto& upload = *session.upload;
    Queued message, note, news;
    auto* ping = std::get_if<Ping>(&op);
    // They go to people who have not met the sender: no more than a few words.
    if ((ping || std::holds_alternative<GroupInvite>(op)) && upload.error.empty()) {
        auto units = utf16_units(upload.piece);
        if (!units || *units > limits::tmtpd_ping_units)
            return refuse(session, units ? "data too long for request type" : "data not valid UTF8", now);
    }
    if (ping) {
        message.kind = Kind::ping;
        message.alias = ping->from;
        message.to = ping->to;
    } else if (auto* post = std::get_if<Post>(&op)) {
        message.kind = Kind::delivery;
        message.datahead = post->datahead;
        message.datasum = post->datasum;
    } else if (auto* both = std::get_if<PostNotify>(&op)) {
        message.kind = Kind::delivery;
        message.datahead = both->post.datahead;
        message.datasum = both->post.datasum;
        note.kind = Kind::notify;
        note.datahead = both->notehead;
        note.datasum = both->notesum;
        note.datalen = both->notelen;
        note.postid = id_text(upload.id);
    } else if (auto* invite = std::get_if<GroupInvite>(&op)) {
        message.kind = Kind::invite;
        message.alias = invite->from;
        message.to = invite->to;
        message.gid = invite->gid;
        news.kind = Kind::member;
        news.act = "invite";
        news.alias = invite->to;
        news.gid = invite->gid;
    }
    message.id = id_text(upload.id);
    message.posted = note.posted = news.posted = upload.posted;
    message.from = note.from = news.from = session.uid;
    message.datalen = data_size(op) - note.datalen;

    session.op = std::move(op);
    Delivery delivery;
    // Again: a node that was made during the upload copied a queue without this message.
    if (upload.error.empty() && store_piece(session, now)) upload.error = check_upload(session, delivery);
    if (upload.error.empty()) {
        auto met = meet(session, *session.op);
        upload.error = met ? *met : std::string(no_store);
    }
    message.notify = delivery.notify;
    std::vector<Outgoing> out;
    auto add = [&](const Queued& one, std::uint64_t number, const std::vector<NodeRef>& to) {
        if (to.empty())
            store_.drop_pieces(number);
        else
            out.push_back({stored(one, number), to});
    };
    if (upload.error.empty()) {
        add(message, upload.id, delivery.to);
        if (upload.note_id != 0) {
            note.id = id_text(upload.note_id);
            add(note, upload.note_id, delivery.note_to);
        }
        if (!delivery.members.empty()) {
            const auto number = ++last_id_;
            news.id = id_text(number);
            add(news, number, delivery.members);
        }
        auto kept = delivery.places.empty() ? store_.enqueue(out)
                                            : store_.put_members(message.gid, delivery.places, out);
        if (!kept) upload.error = no_store;
    }
    if (!upload.error.empty()) drop_upload(session);

    std::string error = std::move(upload.error);
    session.upload.reset();
    session.op.reset();
    if (!error.empty()) return answer(session, id, std::move(error), now);
    reply(session, AckReply{id, message.id, message.posted, {}}, now);
    std::size_t places = 0;
    for (const auto& one : out) {
        places += one.to.size();
        wake(one.to, now);
    }
    charge(session, places, now);
}

// Whom the upload goes to, or why it cannot.
std::string Hub::check_upload(const Session& session, Delivery& delivery) {
    const Op& op = *session.op;
    Result<std::string> error;
    if (auto* post = std::get_if<Post>(&op)) {
        Audience audience;
        error = add_recipients(session, post->recipients, audience);
        if (error && error->empty()) error = nodes_of(session, audience, data_size(op), delivery.to);
    } else if (auto* both = std::get_if<PostNotify>(&op)) {
        error = check_notify(session, *both, delivery);
    } else if (auto* ping = std::get_if<Ping>(&op)) {
        auto from = store_.owner_of(ping->from), target = store_.owner_of(ping->to);
        if (!from || !target) return std::string(no_store);
        if (*from != session.uid) return "from must identify sender";
        if (!*target) return "Lookup: iAlias " + named(ping->to) + " not found";
        Audience audience{{**target}, **target == session.uid, true};
        error = nodes_of(session, audience, data_size(op), delivery.to);
    } else {
        error = check_invite(session, std::get<GroupInvite>(op), delivery);
    }
    return error ? *error : std::string(no_store);
}

// The post to its recipients, the note to these and to those of its own.
Result<std::string> Hub::check_notify(const Session& session, const PostNotify& op, Delivery& delivery) {
    Audience post;
    KITH_TRY_VALUE(error, add_recipients(session, op.post.recipients, post));
    if (!error.empty()) return error;
    Audience note = post;
    KITH_TRY_VALUE(other, add_recipients(session, op.notefor, note));
    if (!other.empty()) return other;
    auto heard = note.uids;
    heard.insert(session.uid);
    delivery.notify =
        static_cast<int>(heard.size()) - (op.fornotself && !note.uids.contains(session.uid) ? 1 : 0);
    post.other_nodes = !op.fornotself;
    KITH_TRY_VALUE(room, nodes_of(session, post, data_size(op), delivery.to));
    if (!room.empty()) return room;
    return nodes_of(session, note, data_size(op), delivery.note_to);
}

// Who pings or invites somebody has made themselves known to them, for good.
Result<std::string> Hub::meet(const Session& session, const Op& op) {
    const auto* ping = std::get_if<Ping>(&op);
    const auto* invite = std::get_if<GroupInvite>(&op);
    if (!ping && !invite) return std::string();
    KITH_TRY_VALUE(target, store_.owner_of(ping ? ping->to : invite->to));
    if (!target || *target == session.uid) return std::string();
    KITH_TRY_VALUE(kept, store_.meet(session.uid, *target, limits::tmtpd_met));
    if (kept) return std::string();
    return (ping ? "Ping: exceeds " : "GroupInvite: exceeds ") + std::to_string(limits::tmtpd_met) +
           " contacts";
}

Result<std::string> Hub::add_recipients(const Session& session, const std::vector<Recipient>& recipients,
                                        Audience& to) {
    for (const auto& one : recipients) {
        if (one.type == Recipient::uid) {
            if (!plausible_uid(one.id)) return "fetchUser: invalid string '" + named(one.id) + "'";
            KITH_TRY_VALUE(theirs, store_.nodes(one.id));
            if (theirs.empty()) return "OpenNodes: iUid " + named(one.id) + " not found";
            const bool self = one.id == session.uid;
            if (rules_.must_have_met && !self && !to.uids.contains(one.id)) {
                KITH_TRY_VALUE(met, store_.met(session.uid, one.id));
                if (!met) return "Post: iUid " + one.id + " not met by iByUid " + session.uid;
            }
            to.uids.insert(one.id);
            to.this_node = to.this_node || self;
            continue;
        }
        if (!to.groups.emplace(one.id, one.type).second) continue;
        if (to.groups.size() > limits::tmtpd_request_groups)
            return "GroupGetUsers: exceeds " + std::to_string(limits::tmtpd_request_groups) + " groups";
        KITH_TRY_VALUE(members, store_.group(one.id));
        if (!members) return "GroupGetUsers: iGid " + named(one.id) + " not found";
        bool place = false;
        for (const auto& member : *members) {
            const bool self = member.uid == session.uid;
            place = place || (self && member.state != Member::dropped);
            if (member.state != Member::joined) continue;
            to.uids.insert(member.uid);
            to.this_node = to.this_node || (self && one.type == Recipient::group_and_self);
        }
        if (!place) return "GroupGetUsers: iByUid " + session.uid + " not a member";
    }
    return std::string();
}

// All nodes of an audience, and the sender's other nodes.
Result<std::string> Hub::nodes_of(const Session& session, const Audience& audience, std::uint64_t datalen,
                                  std::vector<NodeRef>& to) {
    std::set<NodeRef> nodes;
    auto uids = audience.uids;
    if (audience.other_nodes) uids.insert(session.uid);
    for (const auto& uid : uids) {
        KITH_TRY_VALUE(theirs, store_.nodes(uid));
        // The sender's own full queue keeps nobody else from the message.
        if (audience.uids.contains(uid)) {
            KITH_TRY_VALUE(bytes, store_.queue_bytes(uid));
            if (bytes + datalen > limits::tmtpd_queue_bytes) {
                KITH_TRY_VALUE(room, with_room(theirs, datalen));
                if (room.empty()) return "uid " + named(uid) + " has no room for more messages";
                theirs = std::move(room);
            }
        }
        for (NodeRef node : theirs)
            if (node != session.node || audience.this_node) nodes.insert(node);
        if (nodes.size() > limits::tmtpd_audience)
            return "OpenNodes: exceeds " + std::to_string(limits::tmtpd_audience) + " nodes";
    }
    to.assign(nodes.begin(), nodes.end());
    return std::string();
}

// Without the nodes that the account's roster keeps out and whose queues are full: nobody can drain these,
// and they must not keep messages from the others. Empty: another one is full.
Result<std::vector<NodeRef>> Hub::with_room(const std::vector<NodeRef>& nodes, std::uint64_t datalen) {
    std::vector<NodeRef> room;
    for (NodeRef node : nodes) {
        KITH_TRY_VALUE(bytes, store_.queue_bytes(node));
        if (bytes + datalen <= limits::tmtpd_queue_bytes) {
            room.push_back(node);
            continue;
        }
        KITH_TRY_VALUE(held, store_.is_held(node));
        if (!held) return std::vector<NodeRef>();
    }
    return room;
}

// --- ops without ---

void Hub::register_account(Session& session, const Register& op, Now now) {
    if (op.newnode.size() > limits::tmtpd_name) return refuse(session, "invalid header", now);
    auto accounts = store_.accounts();
    if (!accounts) return refuse(session, no_store, now);
    if (*accounts >= rules_.accounts) return refuse(session, "registration closed", now);
    if (sign_in_) {
        if (op.id_token.empty()) return refuse(session, "authentication required", now);
        if (auto why = sign_in_->objection(op.id_token, now); !why.empty()) return refuse(session, why, now);
    }
    if (node_rules_ && !op.roster.empty()) return register_ruled(session, op, now);
    std::string uid = new_code(32), code = new_code(40);
    SecretBytes nodeid{as_bytes(code)};
    wipe({reinterpret_cast<std::uint8_t*>(code.data()), code.size()});
    auto node = store_.add_account(uid, nodeid, op.newnode);
    if (!node) return refuse(session, no_store, now);
    std::string error = set_alias(uid, op.newalias);
    session.uid = uid;
    session.node = *node;
    session.state = Session::State::online;
    online_[*node] = &session;
    out_.push_back(LoggedIn{session.link, *node, LoggedIn::How::registered});
    reply(session, RegisteredReply{uid, std::move(nodeid), std::move(error)}, now);
    reply(session, InfoReply{"login ok", {}}, now);
}

// Of a new account; what went wrong.
std::string Hub::set_alias(const std::string& uid, const std::string& alias) {
    if (alias == "_") return {};
    auto objected = alias_objection(uid, alias);
    if (!objected) return std::string(no_store);
    if (objected->empty() && !store_.add_alias(uid, alias, nullptr)) return std::string(no_store);
    return *objected;
}

void Hub::login(Session& session, const Login& op, Now now) {
    auto code = as_text(op.node.view());
    if (code.find_first_not_of(code_alphabet) != std::string_view::npos)
        return refuse(session, "corrupt base32 value", now);
    auto node = store_.find_node(op.uid, op.node);
    if (!node) return refuse(session, no_store, now);
    if (!*node) return refuse(session, "login failed", now);
    session.uid = op.uid;
    session.node = **node;
    session.control = node_rules_ && op.control;
    // Also when the operator has turned node control off since: who was barred stays out.
    auto held = store_.is_held(session.node);
    if (!held) return refuse(session, no_store, now);
    if (*held && !session.control) return refuse(session, "node held", now);
    if (*held) {
        session.state = Session::State::held;
        return reply(session, InfoReply{"node held", {}}, now);
    }
    if (auto at = online_.find(session.node); at != online_.end()) return contend(session, *at->second, now);
    admit(session, LoggedIn::How::login, now);
}

// The node has a link. If that is dead, and TCP has not noticed, the new one takes its place; if somebody is
// there, somebody else has this node's secret, and the client has to learn it. The newest login is the one
// that waits.
void Hub::contend(Session& session, Session& held, Now now) {
    if (held.challenger != 0) release(held, now);
    held.challenger = session.link;
    session.state = Session::State::waiting;
    session.wait_until_ms = now.mono_ms + limits::tmtpd_probe_ms;
    due(session.wait_until_ms);
    out_.push_back(Probe{held.link});
}

// The link is alive, so the login that waits for its end is refused.
void Hub::release(Session& held, Now now) {
    auto* waiting = by_link(std::exchange(held.challenger, 0));
    if (!waiting) return;
    if (!may_object(*waiting)) return refuse(*waiting, "node already connected", now);
    waiting->state = Session::State::held;
    reply(*waiting, InfoReply{"node held", {}}, now);
    const Bytes early = std::exchange(waiting->early, {});
    if (!early.empty()) feed(*waiting, early, now);
}

void Hub::admit(Session& session, LoggedIn::How how, Now now) {
    session.state = Session::State::online;
    online_[session.node] = &session;
    out_.push_back(LoggedIn{session.link, session.node, how});
    if (node_rules_ && !store_.knows_control(session.node, session.control))
        return refuse(session, no_store, now);
    reply(session, InfoReply{"login ok", present_for(session.uid)}, now);

    // All nodes hear of it, unless a node that never comes has let the queue fill up: this one is no loss.
    auto nodes = store_.nodes(session.uid);
    auto bytes = store_.queue_bytes(session.uid);
    if (nodes && bytes && *bytes < limits::tmtpd_queue_bytes) {
        Queued news = stamp(Kind::login, session, now);
        news.node = "tbd";  // what the reference server writes
        // Should it fail, the next login tells; the login itself stands.
        if (store_.enqueue({{stored(news, last_id_), *nodes}})) wake(*nodes, now);
        charge(session, nodes->size(), now);
    }
    send_next(session, now);
    const Bytes early = std::exchange(session.early, {});
    if (!early.empty()) feed(session, early, now);
}

void Hub::user_edit(Session& session, const UserEdit& op, Now now) {
    auto nodes = store_.nodes(session.uid);
    if (!nodes) return answer(session, op.id, std::string(no_store), now);
    if (!op.newnode.empty()) {
        if (nodes->size() >= limits::tmtpd_nodes)
            return answer(session, op.id, "AddNode: Exceeds 100 nodes", now);
        if (op.newnode.size() > limits::tmtpd_name) return answer(session, op.id, "newnode is too long", now);
        auto roster = store_.roster(session.uid);
        if (!roster) return answer(session, op.id, std::string(no_store), now);
        if (!roster->log.empty()) return answer(session, op.id, "AddNode: the account's roster decides", now);
        std::string code = new_code(40);
        SecretBytes nodeid{as_bytes(code)};
        wipe({reinterpret_cast<std::uint8_t*>(code.data()), code.size()});
        Queued news = stamp(Kind::user, session, now);
        news.newnode = op.newnode;
        news.nodeid = nodeid.copy();
        if (!store_.add_node(session.uid, nodeid, op.newnode, session.node, stored(news, last_id_)))
            return answer(session, op.id, std::string(no_store), now);
    } else {
        auto objected = alias_objection(session.uid, op.newalias);
        if (!objected || !objected->empty())
            return answer(session, op.id, objected ? *objected : std::string(no_store), now);
        Queued news = stamp(Kind::user, session, now);
        news.newalias = op.newalias;
        auto message = stored(news, last_id_);
        if (!store_.add_alias(session.uid, op.newalias, &message))
            return answer(session, op.id, std::string(no_store), now);
    }
    answer(session, op.id, {}, now);
    wake(*nodes, now);
    charge(session, nodes->size(), now);
}

// Why the account cannot have this alias; empty: it can, or it has it already.
Result<std::string> Hub::alias_objection(const std::string& uid, const std::string& alias) {
    if (alias.size() < 8) return std::string("newalias must be 8+ characters");
    if (alias.size() > limits::tmtpd_name) return std::string("newalias is too long");
    if (!printable(alias)) return "AddAlias: invalid string '" + named(alias) + "'";
    KITH_TRY_VALUE(owner, store_.owner_of(alias));
    KITH_TRY_VALUE(group, store_.group(alias));
    if (group || (owner && *owner != uid)) return "AddAlias: alias " + named(alias) + " already taken";
    KITH_TRY_VALUE(aliases, store_.aliases_of(uid));
    if (!owner && aliases >= limits::tmtpd_aliases)
        return "AddAlias: exceeds " + std::to_string(limits::tmtpd_aliases) + " aliases";
    return std::string();
}

// Only what is in flight and was sent whole can be acknowledged; anything else is passed over. An answer to
// the first time may come while the message is sent again: that one is finished, and not waited for.
void Hub::acknowledge(Session& session, const Ack& op, Now now) {
    if (!session.in_flight || op.id != id_text(session.in_flight->id)) return;
    if (session.sending()) {
        session.acked = session.sent_before;
        return;
    }
    acked(session, now);
}

Queued Hub::stamp(Kind kind, const Session& session, Now now) {
    Queued message;
    message.kind = kind;
    message.id = id_text(++last_id_);
    message.from = session.uid;
    message.posted = format_posted(now.unix_ms);
    return message;
}

std::string Hub::new_code(std::size_t characters) {
    Bytes dice(characters);
    random_.fill(dice);
    std::string code;
    for (std::uint8_t byte : dice) code += code_alphabet[byte & 31];
    wipe(dice);
    return code;
}

}  // namespace kith::tmtp
