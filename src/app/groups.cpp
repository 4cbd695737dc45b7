#include "app/groups.h"

#include <map>

#include "app/inbox.h"
#include "app/labels.h"

namespace kith::app {

Result<> possible_group(const std::string& name) {
    if (name.size() >= 8) return {};
    return fail(Fault::invalid, "a group's name has at least 8 characters", "choose a longer one");
}

Result<std::vector<JoinedGroup>> groups_of(Profile& profile, const store::Account& account) {
    std::map<std::string, std::string> in;  // the alias by the group
    KITH_TRY_VALUE(noted, noted_contacts(profile, account.id));
    for (const auto& one : noted)
        if (one.uid.empty()) in[one.alias] = account.alias;
    KITH_TRY_VALUE(events, profile.history().group_events(account.id));
    for (const auto& key : events) {
        auto record = profile.history().read(key);
        auto event = record ? read_message_record(record->leading_bytes())
                            : Result<MessageParts>(fail(Fault::not_found, ""));
        if (!event || event->gid.empty()) continue;  // erased, or left out here; or made up by the service
        const bool own = event->from == account.uid;
        auto at = in.find(event->gid);
        // Who is in a group may drop anyone, himself included, by the alias.
        if (event->act == "drop" && at != in.end() && event->alias == at->second) in.erase(at);
        if (!own) continue;
        if (event->act == "join") in[event->gid] = event->alias;
        if (event->act == "alias") in[event->gid] = event->newalias;
        // Who invites is a member; the first one made the group.
        if (event->act == "invite") in.try_emplace(event->gid, account.alias);
    }
    std::vector<JoinedGroup> groups;
    for (auto& [group, alias] : in)
        groups.push_back({group, alias.empty() ? account.alias : std::move(alias)});
    return groups;
}

}  // namespace kith::app
