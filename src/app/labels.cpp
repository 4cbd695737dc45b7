#include "app/labels.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/limits.h"
#include "app/own_records.h"
#include "base/limits.h"
#include "wire/json.h"

namespace kith::app {
namespace {

using Json = nlohmann::json;

// Items in runs that each fit one record: limits::labels of them, and as many bytes as one part takes.
template <class Item, class ToJson, class Time>
std::vector<store::NewRecord> in_runs(const Profile& profile, std::string_view kind, const AccountId& account,
                                      const char* key, std::span<const Item> items, const ToJson& to_json,
                                      const Time& time_of) {
    std::vector<store::NewRecord> records;
    Json run = Json::array();
    std::uint64_t newest = 0;
    std::size_t bytes = 0;
    auto end_run = [&] {
        if (!run.empty()) records.push_back(own_record(profile, kind, account, newest, {{key, run}}));
        run = Json::array();
        newest = 0;
        bytes = 0;
    };
    for (const auto& item : items) {
        Json json = to_json(item);
        const auto size = wire::json_text(json).size();
        if (run.size() == limits::labels || bytes + size > limits::label_bytes) end_run();
        run.push_back(std::move(json));
        bytes += size;
        newest = std::max(newest, std::min(time_of(item), limits::time_ms));
    }
    end_run();
    return records;
}

}  // namespace

Result<> for_each_about(const Profile& profile, std::string_view kind, const AccountId& account,
                        const std::string& text, const std::function<void(wire::Fields&)>& fn) {
    KITH_TRY_VALUE(any, profile.history().has_kind(kind));
    if (!any) return {};
    return profile.history().for_each_of_kind(
        kind, [&](const history::Key&, const history::Record& record) -> Result<> {
            if (record.account != account || !mentions(record, text)) return {};
            if (auto head = read_own_record(profile, record)) fn(*head);
            return {};
        });
}

std::vector<store::NewRecord> mark_records(const Profile& profile, const AccountId& account,
                                           std::span<const Seen> seen) {
    return in_runs(
        profile, history::kind::mark, account, "seen", seen,
        [](const Seen& one) {
            return Json{{"msgid", one.msgid}, {"time", one.time_ms}};
        },
        [](const Seen& one) { return one.time_ms; });
}

std::vector<store::NewRecord> tag_records(const Profile& profile, const AccountId& account,
                                          std::span<const Tagged> tagged) {
    return in_runs(
        profile, history::kind::tag, account, "tagged", tagged,
        [](const Tagged& one) {
            return Json{{"msgid", one.msgid}, {"names", one.names}};
        },
        [](const Tagged& one) { return one.posted_ms; });
}

store::NewRecord contact_record(const Profile& profile, const AccountId& account, const std::string& alias,
                                const std::string& uid, std::uint64_t met_ms) {
    return own_record(profile, history::kind::contact, account, std::min(met_ms, limits::time_ms),
                      {{"alias", alias}, {"uid", uid}});
}

Result<Labels> labels_of(const Profile& profile, const AccountId& account, const std::string& msgid) {
    Labels labels;
    KITH_TRY(for_each_about(profile, history::kind::mark, account, msgid, [&](wire::Fields& head) {
        for (auto& item : head.objects("seen", limits::labels)) {
            const auto time = item.u64("time");
            if (item.text("msgid", limits::tmtp_id) != msgid || !item.ok()) continue;
            labels.seen_ms = std::min(time, labels.seen_ms.value_or(time));
        }
    }));
    KITH_TRY(for_each_about(profile, history::kind::tag, account, msgid, [&](wire::Fields& head) {
        for (auto& item : head.objects("tagged", limits::labels)) {
            auto names = item.texts("names", limits::tags, limits::tag_bytes);
            if (item.text("msgid", limits::tmtp_id) != msgid || !item.ok()) continue;
            labels.tags.insert(names.begin(), names.end());
        }
    }));
    return labels;
}

Result<std::vector<NotedContact>> noted_contacts(const Profile& profile, const AccountId& account) {
    std::set<NotedContact> found;
    KITH_TRY(for_each_about(profile, history::kind::contact, account, {}, [&](wire::Fields& head) {
        NotedContact one{head.text("alias", limits::tmtp_text), head.text("uid", limits::tmtp_id)};
        if (head.ok()) found.insert(std::move(one));
    }));
    return std::vector<NotedContact>(found.begin(), found.end());
}

}  // namespace kith::app
