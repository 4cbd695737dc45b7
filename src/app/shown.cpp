#include "app/shown.h"

#include <algorithm>

#include "app/inbox.h"
#include "base/limits.h"
#include "history/html_text.h"
#include "history/mail.h"
#include "history/mime_text.h"
#include "tmtp/message.h"

namespace kith::app {
namespace {

Shown shown_mail(ByteView content) {
    Shown view;
    view.is_mail = true;
    view.from = history::mail_field(content, "from");
    view.to = history::mail_field(content, "to");
    view.subject = history::mail_field(content, "subject");
    auto mail = history::view_mail(content);
    view.body = std::move(mail.text);
    view.is_html = mail.is_html;
    for (auto& attachment : mail.attachments)
        view.attachments.push_back(
            {history::valid_utf8(attachment.name), attachment.type, attachment.size, 0});
    return view;
}

Result<Shown> shown_message(ByteView content) {
    Shown view;
    KITH_TRY_VALUE(parts, read_message_record(content));
    view.from =
        parts.message.alias.empty() ? parts.alias.empty() ? parts.from : parts.alias : parts.message.alias;
    view.to = parts.to;
    view.subject = parts.message.subject;
    auto data = content.subspan(std::min(parts.data_offset, content.size()));
    const auto& body = parts.message.body;
    if (body.offset < data.size())
        view.body =
            as_text(data.subspan(body.offset, std::min<std::uint64_t>(body.size, data.size() - body.offset)));
    for (const auto& attachment : parts.message.attachments)
        view.attachments.push_back({history::valid_utf8(attachment.shown_name()), "application/octet-stream",
                                    attachment.span.size, parts.data_offset + attachment.span.offset});
    for (auto* text : {&view.from, &view.to, &view.subject, &view.body}) *text = history::valid_utf8(*text);
    return view;
}

// Adds up to `max` bytes of a blob to `content`. False: it has not arrived, or cannot be read.
bool append_blob(Bytes& content, const history::Part& part, const store::BlobStore& blobs,
                 std::uint64_t max) {
    auto info = blobs.info(part.blob);
    if (!info || info->state != store::BlobState::complete) return false;
    const auto wanted = std::min(max, part.size);
    for (std::uint64_t i = 0; i * limits::blob_piece < wanted; ++i) {
        auto piece = blobs.read_piece(part.blob, i);
        if (!piece) return false;
        const auto left = wanted - i * limits::blob_piece;
        append(content, ByteView(*piece).first(std::min<std::uint64_t>(left, piece->size())));
    }
    return true;
}

// Whether the part of a mail that follows these bytes is text that is shown: what the header in front says.
bool announces_text(std::string_view before) {
    auto delimiter = before.rfind("\n--");
    auto header = as_bytes(delimiter == std::string_view::npos ? before : before.substr(delimiter + 1));
    auto type = history::mail_field(header, "content-type");
    std::transform(type.begin(), type.end(), type.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return type.empty() || type.starts_with("text/");
}

// A mail without its large attachments.
Bytes mail_texts(const history::Record& record, const store::BlobStore& blobs, bool& whole) {
    Bytes content;
    std::size_t run = 0;  // where the last run of inline bytes begins
    // Text encoded in base64 or quoted takes more bytes than it holds.
    std::uint64_t left = 3 * limits::search_text;
    for (const auto& part : record.parts) {
        if (!part.is_blob) {
            append(content, part.bytes);
            continue;
        }
        if (left > 0 && announces_text(as_text(ByteView(content).subspan(run)))) {
            const auto max = std::min(left, part.size);
            whole = append_blob(content, part, blobs, max) && whole;
            left -= max;
            append(content, "\n");  // a delimiter begins a line
        }
        run = content.size();
    }
    return content;
}

// The first `size` bytes of a record's content.
Bytes beginning(const history::Record& record, const store::BlobStore& blobs, std::uint64_t size,
                bool& whole) {
    Bytes content;
    for (const auto& part : record.parts) {
        if (content.size() >= size) break;
        if (!part.is_blob) {
            append(content, part.bytes);
        } else if (!append_blob(content, part, blobs, size - content.size())) {
            whole = false;
            break;
        }
    }
    return content;
}

// A message up to the end of its body.
Bytes message_texts(const history::Record& record, const store::BlobStore& blobs, bool& whole) {
    // First the header with the inner head, which says where the body is.
    auto content = beginning(record, blobs, limits::head_bytes + limits::tmtp_datahead, whole);
    auto parts = read_message_record(content);
    if (!parts) return content;
    const auto& body = parts->message.body;
    const auto end =
        parts->data_offset + body.offset + std::min<std::uint64_t>(body.size, limits::search_text);
    whole = true;
    return content.size() >= end ? content : beginning(record, blobs, end, whole);
}

// At most `max` bytes, not cut within a character.
void cut_text(std::string& text, std::size_t max) {
    if (text.size() <= max) return;
    while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xc0) == 0x80) --max;
    text.resize(max);
}

}  // namespace

Result<Shown> shown(const history::Record& record, ByteView content) {
    if (record.kind == history::kind::mail) return shown_mail(content);
    if (record.kind == history::kind::message) return shown_message(content);
    return fail(Fault::refused, "this record is not a message", "'kith history list' shows messages");
}

std::optional<Searched> searched(const history::Record& record, const store::BlobStore& blobs) {
    if (!listing_of(record).shown) return std::nullopt;
    Searched result;
    const bool is_mail = record.kind == history::kind::mail;
    const auto content =
        is_mail ? mail_texts(record, blobs, result.whole) : message_texts(record, blobs, result.whole);
    auto view = shown(record, content);
    if (!view) return std::nullopt;
    auto& text = result.text;
    text = {std::move(view->from), std::move(view->to), std::move(view->subject), std::move(view->body), {}};
    if (is_mail) text.to += "\n" + history::mail_field(content, "cc");
    if (view->is_html) text.body = history::html_text(text.body);
    for (const auto& attachment : view->attachments) text.files += attachment.name + "\n";
    for (auto* field : {&text.from, &text.to, &text.subject, &text.body, &text.files})
        cut_text(*field, limits::search_text);
    return result;
}

}  // namespace kith::app
