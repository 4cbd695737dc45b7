#include "tmtp/message.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "tmtp/head.h"
#include "tmtp/json_text.h"

namespace kith::tmtp {
namespace {

using Json = nlohmann::json;

// A text for people to read: bounded, cut between characters.
std::string shown(const Head& head, std::string_view key) {
    auto text = head.text(key).value_or(std::string());
    if (text.size() > limits::tmtp_text) {
        std::size_t end = limits::tmtp_text;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
        text.resize(end);
    }
    return text;
}

std::vector<Copy> read_cc(const Head& head) {
    std::vector<Copy> list;
    for (const auto& item : head.objects("cc", limits::tmtp_cc).value_or(std::vector<Head>{}))
        list.push_back({shown(item, "who"), shown(item, "whouid"), shown(item, "by"), shown(item, "byuid"),
                        shown(item, "date"), shown(item, "note"), item.flag("subscribe").value_or(false)});
    return list;
}

// The attachments fill the end of the data. Sizes that do not fit make none of them usable.
bool read_attachments(const Head& head, std::uint64_t datahead, std::uint64_t datalen, Message& message) {
    auto items = head.objects("attach", limits::tmtp_attachments);
    if (!items) return head.ok();
    std::uint64_t total = 0;
    for (const auto& item : *items) {
        auto size = item.number("size").value_or(-1);
        auto name = shown(item, "name"), ffn = shown(item, "ffn");
        if (!item.ok() || size < 0 || static_cast<std::uint64_t>(size) > datalen - datahead - total)
            return false;
        total += static_cast<std::uint64_t>(size);
        message.attachments.push_back(
            {std::move(name), std::move(ffn), {0, static_cast<std::uint64_t>(size)}});
    }
    message.body.size = datalen - datahead - total;
    std::uint64_t offset = datahead + message.body.size;
    for (auto& one : message.attachments) {
        one.span.offset = offset;
        offset += one.span.size;
    }
    return true;
}

}  // namespace

std::string_view Attachment::shown_name() const {
    std::string_view text = name;
    return text.size() > 2 && text[1] == ':' ? text.substr(2) : text;
}

std::vector<std::uint64_t> Message::part_offsets() const {
    std::vector<std::uint64_t> offsets;
    auto add = [&](const Span& span) {
        if (span.size > 0) offsets.push_back(span.offset);
    };
    add(body);
    for (const auto& one : attachments) add(one.span);
    return offsets;
}

std::uint64_t message_head_size(std::uint64_t datahead) {
    return datahead <= limits::tmtp_datahead ? datahead : 0;
}

Message read_message(ByteView data, std::uint64_t datahead, std::uint64_t datalen) {
    Message plain;
    plain.body = {0, datalen};
    if (datahead == 0 || datahead > limits::tmtp_datahead || datahead > datalen || datahead > data.size())
        return plain;
    auto head = Head::parse(as_text(data.first(static_cast<std::size_t>(datahead))));
    if (!head) return plain;

    Message message;
    message.structured = true;
    message.nodesync = head->flag("nodesync").value_or(false);
    message.threadid = shown(*head, "threadid");
    message.alias = shown(*head, "alias");
    message.subject = shown(*head, "subject");
    message.cc = read_cc(*head);
    message.confirmid = shown(*head, "confirmid");
    message.confirmposted = shown(*head, "confirmposted");
    message.body = {datahead, datalen - datahead};
    if (!read_attachments(*head, datahead, datalen, message)) {
        message.attachments.clear();
        message.body = {datahead, datalen - datahead};
    }
    return message;
}

Result<Asking> compose(const Draft& draft, const std::string& own_uid) {
    constexpr const char* shorter = "send it in several messages";
    if (draft.attachments.size() > limits::tmtp_attachments)
        return fail(Fault::invalid, "the message has too many attachments", shorter);
    if (draft.recipients.size() + draft.groups.size() >= limits::tmtp_recipients)
        return fail(Fault::invalid, "the message has too many recipients", "send it to fewer at a time");
    if (std::max({draft.subject.size(), draft.alias.size(), draft.threadid.size()}) > limits::tmtp_text)
        return fail(Fault::invalid, "the subject is too long",
                    "shorten it and put the rest into the message");

    // Capitalised keys, as the reference client writes them.
    Json head{{"ThreadId", draft.threadid}, {"Alias", draft.alias}, {"Subject", draft.subject}};
    std::uint64_t total = draft.body.size();
    if (!draft.key.empty()) head["KithKey"] = draft.key;
    for (const auto& one : draft.attachments) {
        if (one.name.empty() || one.name.size() > limits::tmtp_text)
            return fail(Fault::invalid, "an attachment's name is empty or too long", "rename the file");
        head["Attach"].push_back({{"Name", "u:" + one.name}, {"Size", one.bytes.size()}});
        total += one.bytes.size();
    }
    for (const auto& one : draft.cc)
        head["Cc"].push_back({{"Who", one.who},
                              {"WhoUid", one.whouid},
                              {"By", one.by},
                              {"ByUid", one.byuid},
                              {"Date", one.date},
                              {"Note", one.note},
                              {"Subscribe", one.subscribe}});
    std::string text = json_text(head);
    if (text.size() > limits::tmtp_datahead)
        return fail(Fault::invalid, "the message's list of attachments is too long", shorter);
    if (total > limits::tmtp_post_bytes - text.size())
        return fail(Fault::invalid, "the message is larger than 64 MiB", shorter);

    Post post;
    auto add = [&](Recipient one) {
        if (std::find(post.recipients.begin(), post.recipients.end(), one) == post.recipients.end())
            post.recipients.push_back(std::move(one));
    };
    add({own_uid, Recipient::uid});
    for (const auto& uid : draft.recipients) add({uid, Recipient::uid});
    for (const auto& group : draft.groups) add({group, Recipient::group});
    Bytes data;
    data.reserve(text.size() + static_cast<std::size_t>(total));
    append(data, text);
    append(data, draft.body);
    for (const auto& one : draft.attachments) append(data, one.bytes);
    post.datahead = text.size();
    post.datalen = data.size();
    return Asking{std::move(post), std::move(data)};
}

Result<Asking> compose_notify(const Draft& draft, const std::string& own_uid,
                              const std::vector<std::string>& notify, std::string_view note) {
    KITH_TRY_VALUE(asking, compose(draft, own_uid));
    PostNotify op{std::get<Post>(std::move(asking.op)), false, {}, note.size(), 0, {}};
    for (const auto& uid : notify) op.notefor.push_back({uid, Recipient::uid});
    if (note.empty())
        return fail(Fault::invalid, "who is notified gets a note, and it is empty", "say what it is about");
    if (asking.data.size() >
        limits::tmtp_post_bytes - std::min<std::size_t>(note.size(), limits::tmtp_post_bytes))
        return fail(Fault::invalid, "the message is larger than 64 MiB", "send it in several messages");
    asking.data.insert(asking.data.begin(), note.begin(), note.end());
    op.post.datalen = asking.data.size();
    return Asking{std::move(op), std::move(asking.data)};
}

}  // namespace kith::tmtp
