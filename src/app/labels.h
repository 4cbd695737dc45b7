// What a person's devices note about messages and people: when a message was read first, its tags, whom an
// alias stands for. Records of kinds mark, tag and contact (src/history/README.md); they add up, in whatever
// order they come.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "app/profile.h"
#include "wire/fields.h"

namespace kith::app {

struct Seen {
    std::string msgid;
    std::uint64_t time_ms = 0;
};
struct Tagged {
    std::string msgid;
    std::vector<std::string> names;
    std::uint64_t posted_ms = 0;  // the message's
};

// The heads of an account's records of this kind, made by devices that belong, that may tell of `text`; all
// of them when it is empty.
Result<> for_each_about(const Profile& profile, std::string_view kind, const AccountId& account,
                        const std::string& text, const std::function<void(wire::Fields&)>& fn);

// The same input gives the same records on one device.
std::vector<store::NewRecord> mark_records(const Profile& profile, const AccountId& account,
                                           std::span<const Seen> seen);
std::vector<store::NewRecord> tag_records(const Profile& profile, const AccountId& account,
                                          std::span<const Tagged> tagged);
// `uid` empty: a group that the account is in.
store::NewRecord contact_record(const Profile& profile, const AccountId& account, const std::string& alias,
                                const std::string& uid, std::uint64_t met_ms);

// For a person's question, not for a loop: reads all marks and tags.
struct Labels {
    std::optional<std::uint64_t> seen_ms;
    std::set<std::string> tags;
};
Result<Labels> labels_of(const Profile& profile, const AccountId& account, const std::string& msgid);

// Whom the contacts of an account name: each alias with each of its uids, once.
struct NotedContact {
    std::string alias, uid;
    auto operator<=>(const NotedContact&) const = default;
};
Result<std::vector<NotedContact>> noted_contacts(const Profile& profile, const AccountId& account);

}  // namespace kith::app
