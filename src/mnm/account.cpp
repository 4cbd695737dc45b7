#include "mnm/account.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "mnm/limits.h"
#include "tmtp/head.h"
#include "tmtp/replies.h"

namespace kith::mnm {
namespace {

using tmtp::Head;

// A header names three of them, each byte of which JSON may write as six.
constexpr std::size_t name_bytes = 2048;

std::string text(const Head& head, std::string_view key) {
    return head.text(key).value_or(std::string());
}

std::optional<std::vector<Head>> read_list(std::string_view json) {
    auto head = Head::parse("{\"list\":" + std::string(json) + "}");
    return head ? head->objects("list", limits::mnm_list_entries) : std::nullopt;
}

// Types of an address book's entries.
enum Type {
    ping_received = 4,
    message_to = 5,
    message_from = 6,
    invitation_sent = 7,
    invitation_received = 8,
    accepted = 9
};

tmtp::Delivered delivered(const Head& item, tmtp::Kind kind) {
    tmtp::Queued queued;
    queued.kind = kind;
    queued.op = tmtp::kind_name(kind);
    queued.id = text(item, "msgid");
    queued.from = text(item, "uid");
    queued.posted = text(item, "date");
    queued.alias = text(item, "alias");
    queued.to = text(item, "myalias");
    if (kind == tmtp::Kind::invite) queued.gid = text(item, "gid");
    auto data = text(item, "text");
    queued.datalen = data.size();
    tmtp::Delivered message;
    message.kind = kind;
    message.op = queued.op;
    message.msgid = queued.id;
    message.from = queued.from;
    message.posted = queued.posted;
    message.posted_ms = std::max<std::int64_t>(0, tmtp::parse_posted(queued.posted).value_or(0));
    message.alias = queued.alias;
    message.to = queued.to;
    message.gid = queued.gid;
    message.raw = to_bytes(tmtp::encode(queued));
    message.head_size = message.raw.size();
    append(message.raw, data);
    return message;
}

bool fits(const Head& item) {
    auto within = [&](std::string_view key, std::size_t max) { return text(item, key).size() <= max; };
    return within("alias", name_bytes) && within("myalias", name_bytes) && within("gid", name_bytes) &&
           within("uid", limits::tmtp_id) && within("msgid", limits::tmtp_id) &&
           within("text", limits::tmtp_text) && tmtp::parse_posted(text(item, "date")) && item.ok();
}

// {"name":"id", ...}, keeping the case of names, which Head does not.
class TagReader : public nlohmann::json_sax<nlohmann::json> {
  public:
    std::map<std::string, std::string> names;
    bool null() override { return false; }
    bool boolean(bool) override { return false; }
    bool number_integer(number_integer_t) override { return false; }
    bool number_unsigned(number_unsigned_t) override { return false; }
    bool number_float(number_float_t, const string_t&) override { return false; }
    bool binary(binary_t&) override { return false; }
    bool start_array(std::size_t) override { return false; }
    bool end_array() override { return false; }
    bool start_object(std::size_t) override { return depth_++ == 0; }
    bool end_object() override { return true; }
    bool key(string_t& name) override {
        name_ = name;
        return name.size() <= limits::mnm_tag_bytes;
    }
    bool string(string_t& id) override {
        names[id] = name_;
        return depth_ == 1 && names.size() <= limits::mnm_list_entries;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
        return false;
    }

  private:
    int depth_ = 0;
    std::string name_;
};

}  // namespace

Result<Config> read_config(std::string_view json) {
    auto head = Head::parse(json);
    if (!head) return fail(Fault::corrupt, "its configuration is damaged");
    const auto host = text(*head, "addr");
    const bool verify = head->flag("verify").value_or(false);
    const bool marked = host.starts_with('=') || host.starts_with('+');
    Config config{text(*head, "name"),
                  (marked   ? ""
                   : verify ? "+"
                            : "=") +
                      host,
                  text(*head, "alias"), text(*head, "uid"), SecretBytes(as_bytes(text(*head, "node")))};
    if (!head->ok() || host.empty() || host.size() > 300 || config.uid.empty() ||
        config.uid.size() > limits::tmtp_id || config.alias.size() > limits::tmtp_text ||
        config.node.size() > limits::tmtp_id)
        return fail(Fault::corrupt, "its configuration is damaged");
    return config;
}

Result<AddressBook> read_address_book(std::string_view json, std::size_t& skipped) {
    auto list = read_list(json);
    if (!list) return fail(Fault::corrupt, "its address book is damaged");
    AddressBook book;
    std::map<std::string, Contact> contacts;
    for (const auto& item : *list) {
        const auto type = item.number("type").value_or(0);
        if (!fits(item)) {
            ++skipped;
            continue;
        }
        const auto alias = text(item, "alias"), uid = text(item, "uid"), gid = text(item, "gid");
        const auto met =
            static_cast<std::uint64_t>(std::max<std::int64_t>(0, *tmtp::parse_posted(text(item, "date"))));
        if (type == ping_received || type == invitation_received) {
            auto message = delivered(item, type == ping_received ? tmtp::Kind::ping : tmtp::Kind::invite);
            if (!message.msgid.empty() && !message.from.empty()) book.received.push_back(std::move(message));
        }
        const bool person = type == ping_received || type == message_from || type == message_to ||
                            type == invitation_received;
        if (person && !alias.empty() && !uid.empty()) contacts[alias] = {alias, uid, met};
        if ((type == accepted || type == invitation_sent) && !gid.empty()) contacts[gid] = {gid, {}, met};
    }
    for (auto& [alias, contact] : contacts) book.contacts.push_back(std::move(contact));
    return book;
}

Result<std::map<std::string, std::string>> read_tags(std::string_view json) {
    TagReader reader;
    if (!nlohmann::json::sax_parse(json, &reader)) return fail(Fault::corrupt, "its list of tags is damaged");
    return std::move(reader.names);
}

Result<std::size_t> read_queue(std::string_view json) {
    auto list = read_list(json);
    if (!list) return fail(Fault::corrupt, "its queue is damaged");
    return list->size();
}

}  // namespace kith::mnm
