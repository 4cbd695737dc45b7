// Presence ("open hand indicator"): a node names accounts that hear when it comes and goes. In memory only: a
// node names them again after each login.
#include "base/limits.h"
#include "tmtp/session.h"

namespace kith::tmtp {

void Hub::ohi_edit(Session& session, const OhiEdit& op, Now now) {
    std::set<std::string> uids;
    for (const auto& one : op.recipients) {
        auto nodes = store_.nodes(one.id);
        if (!nodes) return answer(session, op.id, std::string(no_store), now);
        if (nodes->empty())
            return answer(session, op.id, "OpenNodes: iUid " + named(one.id) + " not found", now);
        uids.insert(one.id);
    }
    auto list = session.ohi;  // `init` is an `add` of which the own nodes are not told
    std::set<std::string> told;
    for (const auto& uid : uids)
        if (op.type == "drop" ? list.erase(uid) > 0 : list.insert(uid).second) told.insert(uid);
    if (list.size() > limits::tmtpd_ohi)
        return answer(session, op.id, "OhiEdit: exceeds " + std::to_string(limits::tmtpd_ohi), now);

    std::vector<NodeRef> own;
    if (op.type != "init") {
        auto nodes = store_.nodes(session.uid);
        if (!nodes) return answer(session, op.id, std::string(no_store), now);
        Queued news = stamp(Kind::ohiedit, session, now);
        news.type = op.type;
        for (const auto& one : op.recipients) news.recipients.push_back({one.id, Recipient::none});
        auto bytes = store_.queue_bytes(session.uid);
        if (!bytes || *bytes >= limits::tmtpd_queue_bytes ||
            !store_.enqueue({{stored(news, last_id_), *nodes}}))
            return answer(session, op.id, std::string(no_store), now);
        own = std::move(*nodes);
    }
    session.ohi = std::move(list);
    answer(session, op.id, {}, now);
    wake(own, now);
    charge(session, own.size(), now);
    tell_presence(session.uid, told, op.type == "drop" ? presence_gone : presence_here, now);
}

void Hub::tell_presence(const std::string& from, const std::set<std::string>& uids, int status, Now now) {
    if (uids.empty()) return;
    // Telling one may end it, and that is told in turn.
    std::vector<LinkId> links;
    for (const auto& [node, session] : online_)
        if (uids.contains(session->uid)) links.push_back(session->link);
    for (LinkId link : links) {
        auto at = sessions_.find(link);
        if (at != sessions_.end() && at->second->state == Session::State::online)
            reply(*at->second, OhiReply{from, status}, now);
    }
}

std::vector<std::string> Hub::present_for(const std::string& uid) const {
    std::set<std::string> present;
    for (const auto& [node, session] : online_)
        if (session->ohi.contains(uid)) present.insert(session->uid);
    return {present.begin(), present.end()};
}

}  // namespace kith::tmtp
