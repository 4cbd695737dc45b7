#include "app/card_records.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/own_records.h"
#include "base/limits.h"
#include "invite/limits.h"
#include "wire/fields.h"

namespace kith::app {
namespace {

using Json = nlohmann::json;

constexpr std::string_view given = "given", taken = "taken";

// Which of two states counts.
int weight(std::string_view state) {
    using namespace card_state;
    constexpr std::string_view rising[] = {open, expired, used_up, withdrawn, pending, refused, accepted};
    const auto* at = std::find(std::begin(rising), std::end(rising), state);
    return at == std::end(rising) ? -1 : static_cast<int>(at - std::begin(rising));
}

std::uint64_t number(wire::Fields& head, std::string_view key) {
    return head.has(key) ? head.u64(key) : 0;
}

std::optional<CardRecord> read(wire::Fields& head) {
    CardRecord one;
    one.card = head.id<invite::CardId>("card");
    const auto way = head.text("way", limits::name_bytes);
    one.taken = way == taken;
    one.state = head.text("state", limits::name_bytes);
    one.expires_ms = static_cast<std::int64_t>(number(head, "expires"));
    one.uses = number(head, "uses");
    one.used = number(head, "used");
    if (head.has("services"))
        one.services = head.texts("services", limits::card_services, limits::card_address_bytes);
    one.group = head.text_or_empty("group", limits::card_name_bytes);
    one.note = head.text_or_empty("note", limits::card_note_bytes);
    one.alias = head.text_or_empty("alias", limits::card_name_bytes);
    one.why = head.text_or_empty("why", limits::tmtp_text);
    if (!head.ok() || weight(one.state) < 0 || (way != given && way != taken)) return std::nullopt;
    return one;
}

void add_up(CardRecord& known, CardRecord&& more) {
    if (weight(more.state) > weight(known.state)) {
        known.state = more.state;
        known.why = more.why;
    }
    known.used = std::max(known.used, more.used);
    known.ended = known.ended || more.ended;
    if (known.services.empty() && !more.services.empty()) {
        known.device = more.device;
        known.out = more.out;
        known.services = std::move(more.services);
        known.expires_ms = more.expires_ms;
        known.uses = more.uses;
        known.group = std::move(more.group);
        known.note = std::move(more.note);
        known.alias = std::move(more.alias);
    }
}

// All that was said of one card. A device that is out must not be able to take another's card for its own,
// nor say more of it than that it is withdrawn: that fails on the safe side.
CardRecord sum(std::vector<CardRecord> said) {
    const bool owned = std::any_of(said.begin(), said.end(),
                                   [](const CardRecord& one) { return !one.out && !one.services.empty(); });
    std::erase_if(said, [&](const CardRecord& one) {
        return one.out && !one.ended && (owned || one.services.empty());
    });
    for (auto& one : said)
        if (one.out && owned) one.services.clear();
    if (said.empty()) return {};
    CardRecord all = std::move(said[0]);
    for (std::size_t i = 1; i < said.size(); ++i) add_up(all, std::move(said[i]));
    if (all.out && !all.taken && !all.services.empty()) {
        all.state = card_state::withdrawn;
        all.why = "the device that made it is out";
    }
    return all;
}

}  // namespace

Result<> keep_card_record(Profile& profile, const CardRecord& record, Now now) {
    Json fields{{"card", record.card.hex()},
                {"way", record.taken ? taken : given},
                {"state", record.state},
                {"services", record.services}};
    if (record.taken) {
        fields["alias"] = record.alias;
        if (!record.why.empty()) fields["why"] = record.why;
    } else {
        fields["expires"] = record.expires_ms;
        fields["uses"] = record.uses;
        fields["used"] = record.used;
        fields["group"] = record.group;
        fields["note"] = record.note;
    }
    return keep_own_record(profile, history::kind::card, {}, now.unix_ms, fields);
}

Result<> keep_withdrawal(Profile& profile, const invite::CardId& card, Now now) {
    return keep_own_record(profile, history::kind::card, {}, now.unix_ms,
                           {{"card", card.hex()}, {"way", given}, {"state", card_state::withdrawn}});
}

Result<std::vector<CardRecord>> card_records(const Profile& profile, const invite::CardId* only) {
    std::vector<CardRecord> list;
    std::vector<std::vector<CardRecord>> said;
    std::map<std::pair<invite::CardId, bool>, std::size_t> places;
    KITH_TRY_VALUE(any, profile.history().has_kind(history::kind::card));
    if (!any) return list;
    const auto named = only ? only->hex() : std::string();
    KITH_TRY(profile.history().for_each_of_kind(
        history::kind::card, [&](const history::Key& key, const history::Record& record) -> Result<> {
            if (only && as_text(record.leading_bytes()).find(named) == std::string_view::npos) return {};
            auto former = read_former_record(profile, record);
            if (!former) return {};
            auto one = read(former->head);
            if (!one || (only && one->card != *only)) return {};
            one->device = former->signer->id;
            one->out = !former->active;
            one->ended = one->state == card_state::withdrawn;
            one->time_ms = key.time_ms;
            const auto [at, is_new] = places.emplace(std::pair(one->card, one->taken), said.size());
            if (is_new) said.emplace_back();
            said[at->second].push_back(std::move(*one));
            return {};
        }));
    for (auto& of_one : said) {
        auto one = sum(std::move(of_one));
        if (!one.state.empty()) list.push_back(std::move(one));
    }
    return list;
}

}  // namespace kith::app
