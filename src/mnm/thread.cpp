#include "mnm/thread.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "mnm/limits.h"
#include "tmtp/json_text.h"

namespace kith::mnm {
namespace {

using tmtp::Head;

// A list as an object's only field, which is what Head reads.
std::optional<std::vector<Head>> read_list(std::string_view json, std::size_t max) {
    auto head = Head::parse("{\"list\":" + std::string(json) + "}");
    return head ? head->objects("list", max) : std::nullopt;
}

tl::unexpected<Error> damaged(const char* what) {
    return fail(Fault::corrupt, what);
}

// A string as JSON.
std::string quoted(const std::string& value) {
    return tmtp::json_text(nlohmann::json(value));
}

std::string inner_head(const MessageHead& head, const std::vector<tmtp::Copy>& cc) {
    const bool starts = head.threadid == head.id;
    std::string json = "{\"Alias\":" + quoted(head.alias) +
                       ",\"ThreadId\":" + quoted(starts ? std::string() : head.threadid) +
                       ",\"Subject\":" + quoted(head.subject);
    const char* before = ",\"Attach\":[";
    for (const auto& one : head.attached) {
        json += before + ("{\"Name\":" + quoted(one.name));
        if (one.size > 0) json += ",\"Size\":" + std::to_string(one.size);
        if (!one.ffn.empty()) json += ",\"Ffn\":" + quoted(one.ffn);
        json += "}";
        before = ",";
    }
    if (!head.attached.empty()) json += "]";
    before = ",\"Cc\":[";
    bool any = false;
    for (const auto& one : cc) {
        if (!starts || one.date != head.posted) continue;  // who came later was not in it
        json += before + ("{\"Who\":" + quoted(one.who)) + ",\"By\":" + quoted(one.by) +
                ",\"WhoUid\":" + quoted(one.whouid) + ",\"ByUid\":" + quoted(one.byuid) +
                ",\"Date\":" + quoted(one.date) + ",\"Note\":" + quoted(one.note) +
                ",\"Subscribe\":" + (one.subscribe ? "true" : "false") + "}";
        before = ",";
        any = true;
    }
    if (any) json += "]";
    return json + "}";
}

}  // namespace

std::optional<Tail> read_tail(std::string_view text) {
    if (text.size() != tail_bytes) return std::nullopt;
    auto raw = from_hex(text);
    if (!raw) return std::nullopt;
    return Tail{load_u32(raw->data()), load_u32(raw->data() + 4)};
}

Result<std::vector<Entry>> read_index(std::string_view json, std::uint64_t messages) {
    auto list = read_list(json, limits::mnm_thread_messages);
    if (!list) return damaged("its index is damaged");
    std::vector<Entry> entries;
    std::uint64_t covered = 0;
    for (const auto& item : *list) {
        Entry entry;
        entry.id = item.text_or_empty("id");
        entry.seen = item.text_or_empty("seen");
        entry.forward_by = item.text_or_empty("forwardby");
        entry.tags = item.texts("tags", limits::mnm_tags).value_or(std::vector<std::string>());
        const auto offset = item.number("offset").value_or(-2), size = item.number("size").value_or(-1),
                   sum = item.number("checksum").value_or(-1);
        if (!item.ok() || entry.id.empty() || entry.id.size() > limits::tmtp_id || size < 0 || sum < 0 ||
            sum > UINT32_MAX)
            return damaged("its index is damaged");
        entry.is_draft = offset == -1;
        entry.size = static_cast<std::uint64_t>(size);
        entry.checksum = static_cast<std::uint32_t>(sum);
        if (!entry.is_draft) {
            entry.offset = static_cast<std::uint64_t>(std::max<std::int64_t>(offset, 0));
            if (offset < 0 || entry.offset != covered || entry.size > messages - covered || entry.size < 6)
                return damaged("its index does not fit its messages");
            covered += entry.size;
        }
        entries.push_back(std::move(entry));
    }
    if (covered != messages) return damaged("its index does not fit its messages");
    return entries;
}

Result<std::vector<tmtp::Copy>> read_cc(std::string_view json) {
    auto list = read_list(json, limits::tmtp_cc);
    if (!list) return damaged("its list of subscribers is damaged");
    std::vector<tmtp::Copy> copies;
    for (const auto& item : *list) {
        copies.push_back({item.text_or_empty("who"), item.text_or_empty("whouid"), item.text_or_empty("by"),
                          item.text_or_empty("byuid"), item.text_or_empty("date"), item.text_or_empty("note"),
                          item.flag("subscribe").value_or(false)});
        if (!item.ok()) return damaged("its list of subscribers is damaged");
    }
    return copies;
}

Result<MessageHead> read_message_head(std::string_view json) {
    auto head = Head::parse(json);
    auto inner = head ? head->object("subhead") : std::nullopt;
    if (!inner) return damaged("its header is damaged");
    MessageHead message{head->text_or_empty("id"),
                        head->text_or_empty("from"),
                        head->text_or_empty("posted"),
                        0,
                        {},
                        {},
                        {},
                        {}};
    const auto size = head->number("size").value_or(-1);
    message.threadid = inner->text_or_empty("threadid");
    message.alias = inner->text_or_empty("alias");
    message.subject = inner->text_or_empty("subject");
    auto attached = inner->objects("attach", limits::tmtp_attachments).value_or(std::vector<Head>());
    std::uint64_t total = 0;
    for (const auto& item : attached) {
        const auto bytes = item.number("size").value_or(0);
        if (!item.ok() || bytes < 0 || static_cast<std::uint64_t>(bytes) > limits::content_bytes - total)
            return damaged("its header is damaged");
        total += static_cast<std::uint64_t>(bytes);
        message.attached.push_back(
            {item.text_or_empty("name"), item.text_or_empty("ffn"), static_cast<std::uint64_t>(bytes)});
        if (!item.ok()) return damaged("its header is damaged");
    }
    const bool fits = head->ok() && inner->ok() && size >= 0 && !message.id.empty() &&
                      message.id.size() <= limits::tmtp_id && !message.from.empty() &&
                      message.from.size() <= limits::tmtp_id && tmtp::parse_posted(message.posted) &&
                      std::max({message.threadid.size(), message.alias.size(), message.subject.size()}) <=
                          limits::tmtp_text;
    if (!fits) return damaged("its header is damaged");
    message.body = static_cast<std::uint64_t>(size);
    return message;
}

Delivery delivery_of(const MessageHead& head, const std::vector<tmtp::Copy>& cc) {
    Delivery delivery;
    delivery.inner = inner_head(head, cc);
    if (delivery.inner.size() > limits::tmtp_datahead) delivery.inner = inner_head(head, {});
    tmtp::Queued queued;
    queued.kind = tmtp::Kind::delivery;
    queued.op = "delivery";
    queued.id = head.id;
    queued.from = head.from;
    queued.posted = head.posted;
    queued.datahead = delivery.inner.size();
    queued.datalen = delivery.inner.size() + head.body;
    for (const auto& one : head.attached) queued.datalen += one.size;
    const auto outer = tmtp::encode(queued);
    delivery.message = tmtp::to_delivered(std::move(queued));
    delivery.message.raw = to_bytes(outer);
    delivery.message.head_size = outer.size();
    return delivery;
}

}  // namespace kith::mnm
