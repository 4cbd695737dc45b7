// Node control: an account's roster decides which nodes it has. What entries mean is for NodeRules; here it
// is kept, carried out and told to the account's nodes. README.md has the protocol.
#include <algorithm>

#include "base/limits.h"
#include "tmtp/limits.h"
#include "tmtp/session.h"

namespace kith::tmtp {
namespace {

constexpr std::string_view node_held = "node held", let_in = "node let in", dropped = "node dropped";

// What a refusal says to the client; nothing: it is the store's.
std::optional<std::string> refusal(const Error& error) {
    if (error.kind != Fault::refused) return std::nullopt;
    return "Roster: " + error.what;
}

}  // namespace

// --- requests

void Hub::roster_op(Session& session, const Roster& op, Now now) {
    // Each may be a fold of all entries: who asks without end is made to wait by the end of the link. Counted
    // by account, for one may have many nodes and log in anew.
    if (now.mono_ms - roster_requests_since_ms_ >= 60'000) {
        roster_requests_since_ms_ = now.mono_ms;
        roster_requests_.clear();
    }
    if (++roster_requests_[session.uid] > limits::tmtpd_roster_requests)
        return refuse(session, "too many requests", now);
    Result<std::string> error;
    if (op.act == "add") error = add_entries(session, now);
    if (op.act == "bind") error = propose(session, now);
    if (op.act == "object") error = object(session, now);
    session.entries = {};
    if (session.state == Session::State::closing) return;  // its own node was barred by what it brought
    if (!error) error = refusal(error.error()).value_or(std::string(no_store));
    const std::string uid = session.uid;
    const bool objected = op.act == "object" && error->empty();
    answer_roster(session, op.id, *error, now);
    if (objected) end_objectors(uid, now);
}

void Hub::answer_roster(Session& session, const std::string& id, std::string error, Now now) {
    auto kept = store_.roster(session.uid);
    RosterReply answer{id, "none", 0, std::move(error)};
    Bytes log;
    if (!kept) {
        answer.error = no_store;
    } else if (!kept->log.empty()) {
        answer.state = "bound";
        log = std::move(kept->log);
    } else if (!kept->proposed.empty()) {
        answer.state = "binding";
        answer.due_ms = kept->due_ms;
        log = std::move(kept->proposed);
    }
    answer.datalen = log.size();
    const auto head = encode(answer);
    Bytes bytes;
    bytes.reserve(head.size() + log.size());
    append(bytes, head);
    append(bytes, log);
    if (!session.sending()) return send(session, bytes, now);
    append(session.held, bytes);
    if (session.held.size() > limits::tmtpd_output_bytes) end(session, now);
}

Result<std::string> Hub::add_entries(Session& session, Now now) {
    KITH_TRY_VALUE(kept, store_.roster(session.uid));
    if (kept.log.empty()) return std::string("Roster: the account has none");
    if (!node_rules_->brings_news(kept.log, session.entries)) return std::string();
    KITH_TRY_VALUE(ruling, node_rules_->judge(kept.log, session.entries));
    if (ruling.fresh.empty()) return std::string();
    RosterChange change;
    change.uid = session.uid;
    change.log = std::move(kept.log);
    append(*change.log, ruling.fresh);
    KITH_TRY(follow(session.uid, ruling, session.node != 0 ? session.node : every_queue, change, now));
    const auto news = roster_news(session.uid, "added", ruling.fresh.size(), now);
    change.news = stored(news, last_id_);
    change.news_data = std::move(ruling.fresh);
    KITH_TRY(carry_out(change, now));
    return std::string();
}

// An older account gets a roster: after a while in which each of its nodes can object. One of a client that
// does not know of such things could not, so there must be none.
Result<std::string> Hub::propose(Session& session, Now now) {
    KITH_TRY_VALUE(kept, store_.roster(session.uid));
    if (!kept.log.empty()) return std::string("Roster: the account has one");
    if (!kept.proposed.empty()) return std::string("Roster: one is proposed already");
    if (now.unix_ms < -kept.due_ms) return std::string("Roster: somebody has objected; not before tomorrow");
    KITH_TRY_VALUE(ruling, node_rules_->found(session.entries));
    KITH_TRY_VALUE(nodes, store_.controlled(session.uid));
    if (!std::all_of(nodes.begin(), nodes.end(), [](const ControlledNode& node) { return node.knows; }))
        return std::string("Roster: a node of the account does not know node control");
    for (const auto& node : nodes) {
        // The other nodes may have heard that secret.
        if (std::any_of(ruling.nodes.begin(), ruling.nodes.end(),
                        [&](const RuledNode& one) { return one.secret_hash == node.secret_hash; }))
            return std::string("Roster: a node in it has the secret of one that is there");
    }
    RosterChange change;
    change.uid = session.uid;
    change.proposal = AccountRoster{{}, session.entries, now.unix_ms + limits::tmtpd_bind_ms};
    // What is proposed is shown to who asks: in the news it would fill queues.
    auto news = roster_news(session.uid, "binding", 0, now);
    news.due_ms = change.proposal->due_ms;
    change.news = stored(news, last_id_);
    KITH_TRY(carry_out(change, now));
    return std::string();
}

Result<std::string> Hub::object(Session& session, Now now) {
    KITH_TRY_VALUE(kept, store_.roster(session.uid));
    if (!kept.log.empty()) return std::string("Roster: the account has one");
    if (kept.proposed.empty()) return std::string("Roster: none is proposed");
    KITH_TRY(withdraw(session.uid, now));
    return std::string();
}

// What was proposed is over; the next proposal has to wait, so that nobody is told of them without end.
Result<> Hub::withdraw(const std::string& uid, Now now) {
    RosterChange change;
    change.uid = uid;
    change.proposal = AccountRoster{{}, {}, -(now.unix_ms + limits::tmtpd_propose_again_ms)};
    const auto news = roster_news(uid, "objected", 0, now);  // takes the next id
    change.news = stored(news, last_id_);
    return carry_out(change, now);
}

// Who was let in to object alone logs in anew.
void Hub::end_objectors(const std::string& uid, Now now) {
    for (auto& [link, session] : sessions_)
        if (session->state == Session::State::held && session->uid == uid && online_.contains(session->node))
            refuse(*session, let_in, now);
}

// Somebody else speaks as this node, and a roster is proposed: the owner must be able to object all the same.
bool Hub::may_object(const Session& session) {
    if (!session.control) return false;
    auto kept = store_.roster(session.uid);
    return kept && kept->log.empty() && !kept->proposed.empty();
}

// --- without a node: by the key that recovers the account

void Hub::restore(Session& session, const Restore& op, Now now) {
    // Whoever knows a uid may ask, and each answer takes a look at all of a roster: once a link.
    if (op.proof.empty() && !session.restored_uid.empty())
        return refuse(session, "Restore: asked before", now);
    auto kept = store_.roster(op.uid);
    if (!kept) return refuse(session, no_store, now);
    if (kept->log.empty()) return refuse(session, "Restore: no such account", now);
    auto key = node_rules_->recovery(kept->log);
    if (!key) return refuse(session, "Restore: " + key.error().what, now);
    if (op.proof.empty()) {
        session.restored_uid = op.uid;
        session.restore_nonce.resize(32);
        random_.fill(session.restore_nonce);
        return reply(session, RestoreReply{op.id, session.restore_nonce, std::move(*key), {}}, now);
    }
    // Good once, and for the account that was asked for.
    const Bytes nonce = std::exchange(session.restore_nonce, {});
    if (nonce.empty() || session.restored_uid != op.uid ||
        !node_rules_->proves(*key, restore_challenge(nonce, service_key_, op.uid), op.proof))
        return refuse(session, "Restore: the proof does not hold", now);
    auto alias = store_.alias_of(op.uid);
    if (!alias) return refuse(session, no_store, now);
    session.uid = op.uid;
    session.control = true;
    session.state = Session::State::held;
    reply(session, RestoreReply{op.id, {}, {}, std::move(*alias)}, now);
    reply(session, InfoReply{"node held", {}}, now);
}

void Hub::register_ruled(Session& session, const Register& op, Now now) {
    auto ruling = node_rules_->found(op.roster);
    if (!ruling) return refuse(session, refusal(ruling.error()).value_or(std::string(no_store)), now);
    if (ruling->nodes.size() != 1) return refuse(session, "Roster: an account begins with one node", now);
    const std::string uid = new_code(32);
    const auto& first = ruling->nodes.front();
    auto node = store_.add_ruled_account(uid, {first.device, first.secret_hash, op.newnode, 0}, op.roster);
    if (!node) return refuse(session, no_store, now);
    session.uid = uid;
    session.node = *node;
    session.control = true;
    std::string error = set_alias(uid, op.newalias);
    session.state = Session::State::online;
    online_[*node] = &session;
    out_.push_back(LoggedIn{session.link, *node, LoggedIn::How::registered});
    reply(session, RegisteredReply{uid, {}, std::move(error)}, now);
    reply(session, InfoReply{"login ok", {}}, now);
}

// --- what follows from entries

// The nodes as the ruling wants them. `from`: whose queue new ones start with.
Result<> Hub::follow(const std::string& uid, const Ruling& ruling, NodeRef from, RosterChange& change,
                     Now now) {
    KITH_TRY_VALUE(nodes, store_.controlled(uid));
    std::size_t count = nodes.size();
    for (const auto& ruled : ruling.nodes) {
        const auto at = std::find_if(nodes.begin(), nodes.end(),
                                     [&](const ControlledNode& node) { return node.device == ruled.device; });
        if (at == nodes.end()) {
            if (ruled.standing != RuledNode::active || ruled.was_active) continue;
            if (++count > limits::tmtpd_nodes) return fail(Fault::refused, "exceeds 100 nodes");
            change.added.push_back({ruled.device, ruled.secret_hash, "node", from});
        } else if (ruled.standing == RuledNode::out) {
            change.dropped.push_back(at->node);
        } else if (ruled.standing == RuledNode::active) {
            if (at->held_ms != 0) change.held.emplace_back(at->node, 0);
        } else if (at->held_ms == 0 ||
                   ((ruled.contested || ruled.was_contested) && now.unix_ms > at->held_ms)) {
            // While it is contested the days do not count; when that ends, they begin.
            change.held.emplace_back(at->node, std::max<std::int64_t>(now.unix_ms, 1));
        }
    }
    return {};
}

Result<> Hub::carry_out(const RosterChange& change, Now now) {
    KITH_TRY_VALUE(before, store_.controlled(change.uid));
    KITH_TRY(store_.change_roster(change));
    for (NodeRef node : change.dropped) end_node(node, dropped, now);
    for (const auto& [node, since] : change.held) {
        const auto was = std::find_if(before.begin(), before.end(),
                                      [&, ref = node](const ControlledNode& one) { return one.node == ref; });
        // Whatever it sends or waits for, at once; also when it is let in again, so that it logs in anew.
        if (was != before.end() && (was->held_ms != 0) != (since != 0))
            end_node(node, since != 0 ? node_held : let_in, now);
    }
    if (change.news) {
        KITH_TRY_VALUE(nodes, store_.nodes(change.uid));
        wake(nodes, now);
    }
    return {};
}

Queued Hub::roster_news(const std::string& uid, std::string act, std::size_t size, Now now) {
    Queued news;
    news.kind = Kind::roster;
    news.id = id_text(++last_id_);
    news.from = uid;
    news.posted = format_posted(now.unix_ms);
    news.act = std::move(act);
    news.datalen = size;
    return news;
}

// --- what time brings

void Hub::look_at_rosters(Now now) {
    if (!node_rules_ || now.mono_ms < rosters_at_ms_) return;
    rosters_at_ms_ = now.mono_ms + limits::tmtpd_control_look_ms;
    auto uids = store_.rosters_due(now.unix_ms, now.unix_ms - limits::tmtpd_held_ms);
    if (!uids) return;
    for (const auto& uid : *uids) (void)look_at_roster(uid, now);  // what cannot be done now is done later
}

Result<> Hub::look_at_roster(const std::string& uid, Now now) {
    KITH_TRY_VALUE(kept, store_.roster(uid));
    RosterChange change;
    change.uid = uid;
    if (kept.log.empty() && !kept.proposed.empty() && kept.due_ms <= now.unix_ms) {
        KITH_TRY_VALUE(ruling, node_rules_->found(kept.proposed));
        KITH_TRY_VALUE(nodes, store_.controlled(uid));
        // Made meanwhile, or used by a client that could not have objected.
        if (std::any_of(nodes.begin(), nodes.end(), [](const ControlledNode& node) { return !node.knows; })) {
            KITH_TRY(withdraw(uid, now));
            end_objectors(uid, now);
            return {};
        }
        // No secret of before is good any more.
        for (const auto& node : nodes) change.dropped.push_back(node.node);
        for (const auto& ruled : ruling.nodes)
            change.added.push_back({ruled.device, ruled.secret_hash, "node", every_queue});
        change.log = kept.proposed;
        change.proposal = AccountRoster{};
        const auto news = roster_news(uid, "bound", kept.proposed.size(), now);  // takes the next id
        change.news = stored(news, last_id_);
        change.news_data = std::move(kept.proposed);
        return carry_out(change, now);
    }
    if (kept.log.empty()) return {};
    KITH_TRY_VALUE(ruling, node_rules_->judge(kept.log, {}));
    KITH_TRY(follow(uid, ruling, 0, change, now));
    KITH_TRY_VALUE(nodes, store_.controlled(uid));
    for (const auto& node : nodes) {
        if (node.held_ms == 0 || node.held_ms > now.unix_ms - limits::tmtpd_held_ms) continue;
        const bool waits = std::any_of(ruling.nodes.begin(), ruling.nodes.end(), [&](const RuledNode& one) {
            return one.device == node.device && (one.contested || one.standing == RuledNode::active);
        });
        if (!waits) change.dropped.push_back(node.node);
    }
    return carry_out(change, now);
}

}  // namespace kith::tmtp
