// Groups on the server. Who invites to a name that is free makes the group; members invite others, drop them,
// and hear of every change.
#include <algorithm>

#include "base/limits.h"
#include "tmtp/session.h"

namespace kith::tmtp {
namespace {

auto find(std::vector<Member>& members, const std::string& uid) {
    return std::find_if(members.begin(), members.end(), [&](const Member& one) { return one.uid == uid; });
}

}  // namespace

// The nodes of all that have joined. One whose queue is full does not hear of it, and keeps nobody from
// hearing.
Result<std::vector<NodeRef>> Hub::member_nodes(const std::vector<Member>& members) {
    std::vector<NodeRef> list;
    for (const auto& member : members) {
        if (member.state != Member::joined) continue;
        KITH_TRY_VALUE(bytes, store_.queue_bytes(member.uid));
        if (bytes >= limits::tmtpd_queue_bytes) continue;
        KITH_TRY_VALUE(theirs, store_.nodes(member.uid));
        list.insert(list.end(), theirs.begin(), theirs.end());
    }
    return list;
}

Result<std::string> Hub::check_invite(const Session& session, const GroupInvite& op, Delivery& delivery) {
    KITH_TRY_VALUE(from, store_.owner_of(op.from));
    if (from != session.uid) return std::string("from must identify sender");
    if (op.gid.size() < 8) return std::string("gid must be 8+ characters");
    const auto unavailable = "GroupInvite: gid " + named(op.gid) + " not available";
    if (op.gid.size() > limits::tmtpd_name || !printable(op.gid)) return unavailable;
    KITH_TRY_VALUE(target, store_.owner_of(op.to));
    if (!target) return "GroupInvite: iAlias " + named(op.to) + " not found";
    KITH_TRY_VALUE(group, store_.group(op.gid));
    auto members = group.value_or(std::vector<Member>{});
    if (group) {
        const auto self = find(members, session.uid);
        if (self == members.end() || self->state != Member::joined)
            return "GroupInvite: iByUid " + session.uid + " not a member";
    } else {
        KITH_TRY_VALUE(taken, store_.owner_of(op.gid));
        if (taken) return unavailable;
        KITH_TRY_VALUE(groups, store_.groups_of(session.uid));
        if (groups >= limits::tmtpd_groups) return std::string("GroupInvite: too many groups");
        members.push_back({session.uid, op.from, Member::joined});
        delivery.places.push_back(members.back());
    }
    const auto invitee = find(members, *target);
    if (invitee == members.end() && members.size() >= limits::tmtpd_members)
        return "GroupInvite: gid " + named(op.gid) + " is full";
    // Who has joined already stays so; the invitation reaches them all the same.
    if (invitee == members.end() || invitee->state != Member::joined)
        delivery.places.push_back({*target, op.to, Member::invited});
    KITH_TRY_VALUE(nodes, member_nodes(members));
    delivery.members = std::move(nodes);
    return nodes_of(session, {{*target}, *target == session.uid, true}, op.datalen, delivery.to);
}

void Hub::group_edit(Session& session, const GroupEdit& op, Now now) {
    std::vector<NodeRef> woken;
    auto error = edit_group(session, op, woken, now);
    answer(session, op.id, error ? std::move(*error) : std::string(no_store), now);
    wake(woken, now);
    charge(session, woken.size(), now);
}

Result<std::string> Hub::edit_group(Session& session, const GroupEdit& op, std::vector<NodeRef>& woken,
                                    Now now) {
    const std::string what = op.act == "join" ? "GroupJoin" : op.act == "alias" ? "GroupAlias" : "GroupQuit";
    KITH_TRY_VALUE(group, store_.group(op.gid));
    if (!group) return what + ": iGid " + named(op.gid) + " not found";
    auto& members = *group;
    const auto self = find(members, session.uid);
    const bool joined = self != members.end() && self->state == Member::joined;
    if (op.act != "drop" && !op.newalias.empty()) {
        KITH_TRY_VALUE(owner, store_.owner_of(op.newalias));
        if (owner != session.uid)
            return what + ": iNewAlias " + named(op.newalias) + " not for iUid " + session.uid;
    }
    Queued news = stamp(Kind::member, session, now);
    news.act = op.act;
    news.gid = op.gid;
    std::vector<Member> hear;
    Member changed;
    if (op.act == "join") {
        if (self == members.end() || self->state == Member::dropped)
            return what + ": iUid " + session.uid + " not invited";
        KITH_TRY_VALUE(groups, store_.groups_of(session.uid));
        if (!joined && groups >= limits::tmtpd_groups) return what + ": too many groups";
        self->state = Member::joined;
        if (!op.newalias.empty()) self->alias = op.newalias;
        news.alias = self->alias;
        changed = *self;
        hear = members;
    } else if (op.act == "alias") {
        if (!joined) return what + ": iUid " + session.uid + " not a member";
        news.alias = std::exchange(self->alias, op.newalias);
        news.newalias = op.newalias;
        changed = *self;
        hear = members;
    } else {
        const auto gone = std::find_if(members.begin(), members.end(), [&](const Member& one) {
            return one.alias == op.to && one.state != Member::dropped;
        });
        if (gone == members.end()) return what + ": iAlias " + named(op.to) + " not a member";
        if (!joined && gone != self) return what + ": iByUid " + session.uid + " not a member";
        hear = members;
        hear[static_cast<std::size_t>(gone - members.begin())].state = Member::joined;  // hears of it too
        // Who leaves may come back; whom another one drops needs to be invited again.
        gone->state = gone == self ? Member::invited : Member::dropped;
        news.alias = gone->alias;
        changed = *gone;
    }
    KITH_TRY_VALUE(nodes, member_nodes(hear));
    KITH_TRY(store_.put_members(op.gid, {changed}, {{stored(news, last_id_), nodes}}));
    woken = std::move(nodes);
    return std::string();
}

}  // namespace kith::tmtp
