#include "app/outbox.h"

#include <algorithm>

namespace kith::app {
namespace {

constexpr std::string_view queued = "queued", sent = "sent", refused = "refused";
constexpr std::size_t length_prefix = 4;

Outbox::State read_state(std::string_view text) {
    return text == sent      ? Outbox::State::sent
           : text == refused ? Outbox::State::refused
                             : Outbox::State::queued;
}

// One that is damaged is shown as refused, and keeps no other from going out.
Outbox::Item read_item(store::Asked row) {
    auto head = tmtp::Head::parse(as_text(row.head));
    auto op = head ? tmtp::parse_op(*head) : Result<tmtp::Op>(fail(Fault::corrupt, ""));
    if (!op)
        return {row.id, row.account, tmtp::Pulse{}, Outbox::State::refused, "it is damaged", row.made_ms, 0};
    return {row.id,      row.account,  std::move(*op), read_state(row.state), std::move(row.why),
            row.made_ms, row.body_size};
}

}  // namespace

std::string_view outbox_state_name(Outbox::State state) {
    switch (state) {
        case Outbox::State::queued:
            return queued;
        case Outbox::State::sent:
            return sent;
        case Outbox::State::refused:
            return refused;
    }
    return {};
}

const tmtp::Post* post_in(const tmtp::Op& op) {
    if (auto* post = std::get_if<tmtp::Post>(&op)) return post;
    if (auto* notify = std::get_if<tmtp::PostNotify>(&op)) return &notify->post;
    return nullptr;
}

Result<std::int64_t> Outbox::add(const AccountId& account, tmtp::Asking asking, Now now) {
    if (!tmtp::complete(asking, "-")) return fail(Fault::invalid, "this is no request to a service");
    KITH_TRY_VALUE(head, tmtp::encode(asking.op));
    // It is read again before it is sent.
    const auto text = std::string_view(head).substr(length_prefix);
    auto parsed = tmtp::Head::parse(text);
    if (!parsed || !tmtp::parse_op(*parsed))
        return fail(Fault::invalid,
                    "this is no request to a service: a name in it is missing or not possible");
    return profile_.store().ask(
        {0, account, to_bytes(text), std::move(asking.data), std::string(queued), now.unix_ms, {}});
}

Result<std::vector<Outbox::Item>> Outbox::read(const AccountId& account, const store::AskedOf& of) const {
    KITH_TRY_VALUE(rows, profile_.store().asked(account, of));
    std::vector<Item> items;
    for (auto& row : rows) items.push_back(read_item(std::move(row)));
    return items;
}

Result<std::vector<Outbox::Item>> Outbox::list(const AccountId& account) const {
    return read(account, {});
}

Result<std::vector<Outbox::Item>> Outbox::next(const AccountId& account, bool with_sent,
                                               std::size_t most) const {
    return read(account, {queued, with_sent ? sent : queued, most});
}

Result<std::optional<Outbox::Item>> Outbox::find(const AccountId& account, std::int64_t id) const {
    KITH_TRY_VALUE(row, profile_.store().asked(id));
    if (!row || row->account != account) return std::nullopt;
    return std::optional(read_item(std::move(*row)));
}

Result<Bytes> Outbox::data(const Item& item) const {
    return profile_.store().asked_body(item.id);
}

Result<> Outbox::set(std::int64_t id, State state, std::string_view why) {
    return profile_.store().set_asked(id, outbox_state_name(state), why);
}

Result<> Outbox::remove(std::int64_t id) {
    return profile_.store().remove_asked(id);
}

Result<std::optional<Outbox::Item>> Outbox::find_sent(const AccountId& account, ByteView data,
                                                      const std::function<bool(const Item&)>& open) const {
    KITH_TRY_VALUE(items, read(account, {sent, sent}));
    for (auto& item : items) {
        auto* notify = std::get_if<tmtp::PostNotify>(&item.op);
        const auto note = notify ? notify->notelen : 0;  // goes to others, and stands in front
        if (!post_in(item.op) || item.size != note + data.size() || !open(item)) continue;
        KITH_TRY_VALUE(own, this->data(item));
        if (std::ranges::equal(ByteView(own).subspan(note), data)) return std::move(item);
    }
    return std::nullopt;
}

}  // namespace kith::app
