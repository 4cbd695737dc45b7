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
    queued.id = item.text_or_empty("msgid");
    queued.from = item.text_or_empty("uid");
    queued.posted = item.text_or_empty("date");
    queued.alias = item.text_or_empty("alias");
    queued.to = item.text_or_empty("myalias");
    if (kind == tmtp::Kind::invite) queued.gid = item.text_or_empty("gid");
    auto data = item.text_or_empty("text");
    queued.datalen = data.size();
    const auto head = tmtp::encode(queued);
    auto message = tmtp::to_delivered(std::move(queued));
    message.raw = to_bytes(head);
    message.head_size = message.raw.size();
    append(message.raw, data);
    return message;
}

bool fits(const Head& item) {
    auto within = [&](std::string_view key, std::size_t max) {
        return item.text_or_empty(key).size() <= max;
    };
    return within("alias", name_bytes) && within("myalias", name_bytes) && within("gid", name_bytes) &&
           within("uid", limits::tmtp_id) && within("msgid", limits::tmtp_id) &&
           within("text", limits::tmtp_text) && tmtp::parse_posted(item.text_or_empty("date")) && item.ok();
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
    const auto host = head->text_or_empty("addr");
    const bool verify = head->flag("verify").value_or(false);
    const bool marked = host.starts_with('=') || host.starts_with('+');
    Config config{head->text_or_empty("name"),
                  (marked   ? ""
                   : verify ? "+"
                            : "=") +
                      host,
                  head->text_or_empty("alias"), head->text_or_empty("uid"),
                  SecretBytes(as_bytes(head->text_or_empty("node")))};
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
        const auto alias = item.text_or_empty("alias"), uid = item.text_or_empty("uid"),
                   gid = item.text_or_empty("gid");
        const auto met = static_cast<std::uint64_t>(
            std::max<std::int64_t>(0, *tmtp::parse_posted(item.text_or_empty("date"))));
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
