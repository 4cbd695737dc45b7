#include "app/erasing.h"

#include <nlohmann/json.hpp>

#include "app/own_records.h"
#include "base/limits.h"
#include "history/signed_record.h"
#include "wire/fields.h"

namespace kith::app {

using Erased = store::HistoryStore::Erased;

Result<> erase(Profile& profile, std::span<const history::Key> keys, Now now) {
    auto list = nlohmann::json::array();
    std::vector<Erased> erased;
    for (const auto& key : keys) {
        list.push_back({{"time", key.time_ms}, {"id", key.id.hex()}});
        erased.push_back({key, static_cast<std::uint64_t>(std::max<std::int64_t>(now.unix_ms, 0))});
    }
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile.db()));
    KITH_TRY(keep_own_record(profile, history::kind::erasure, {}, now.unix_ms, {{"records", list}}));
    KITH_TRY(profile.history().add_erased(erased));
    return tx.commit();
}

std::vector<Erased> read_erasure(const Profile& profile, const history::Record& record) {
    auto head = read_own_record(profile, record);
    if (!head) return {};
    std::vector<Erased> erased;
    for (auto& item : head->objects("records", limits::erased_keys)) {
        history::Key key{item.u64("time"), item.id<RecordId>("id")};
        if (!item.ok() || key.time_ms > limits::time_ms) return {};
        erased.push_back({key, record.time_ms});
    }
    return head->ok() ? erased : std::vector<Erased>{};
}

Result<> recount_erasures(Profile& profile) {
    std::vector<Erased> erased;
    KITH_TRY(profile.history().for_each_of_kind(
        history::kind::erasure, [&](const history::Key&, const history::Record& record) -> Result<> {
            auto named = read_erasure(profile, record);
            erased.insert(erased.end(), named.begin(), named.end());
            return {};
        }));
    return profile.history().set_erased(erased);
}

Result<bool> purge_erased(Profile& profile, Now now) {
    constexpr std::size_t at_once = 500;
    if (now.unix_ms <= limits::erased_kept_ms) return false;
    KITH_TRY_VALUE(purged, profile.history().purge_erased(
                               static_cast<std::uint64_t>(now.unix_ms - limits::erased_kept_ms), at_once));
    return purged == at_once;
}

}  // namespace kith::app
