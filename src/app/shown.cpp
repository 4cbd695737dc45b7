#include "app/shown.h"

#include <algorithm>

#include "app/content.h"
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
    view.msgid = parts.msgid;
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

// Whether the part of a mail that follows these bytes is text that is shown: what the header in front says.
bool announces_text(std::string_view before) {
    auto delimiter = before.rfind("\n--");
    auto header = as_bytes(delimiter == std::string_view::npos ? before : before.substr(delimiter + 1));
    auto type = history::mail_field(header, "content-type");
    std::transform(type.begin(), type.end(), type.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return type.empty() || type.starts_with("text/");
}

// A mail without its large attachments. `whole` becomes false when a text is not here.
Bytes mail_texts(const history::Record& record, const store::BlobStore& blobs, bool& whole) {
    const Content all(record, blobs);
    Bytes content;
    std::size_t run = 0;       // where the last run of inline bytes begins
    std::uint64_t offset = 0;  // of the part
    // Text encoded in base64 or quoted takes more bytes than it holds.
    std::uint64_t left = 3 * limits::search_text;
    for (const auto& part : record.parts) {
        if (!part.is_blob) {
            append(content, part.bytes);
        } else {
            if (left > 0 && announces_text(as_text(ByteView(content).subspan(run)))) {
                const auto max = std::min(left, part.size);
                auto text = all.read(offset, max);
                whole = whole && text;
                if (text) append(content, *text);
                left -= max;
                append(content, "\n");  // a delimiter begins a line
            }
            run = content.size();
        }
        offset += part.size;
    }
    return content;
}

// A message up to the end of its body, or to limits::search_text of it. `whole` becomes false when that is
// not here.
Result<Bytes> message_texts(const history::Record& record, const store::BlobStore& blobs, bool& whole) {
    const Content all(record, blobs);
    // First the header with the inner head, which says where the body is.
    const std::uint64_t heads =
        std::min<std::uint64_t>(all.size(), limits::head_bytes + limits::tmtp_datahead);
    KITH_TRY_VALUE(start, all.beginning(heads));
    KITH_TRY_VALUE(parts, read_message_record(start));
    const auto& body = parts.message.body;
    const auto end = std::min(all.size(), parts.data_offset + body.offset +
                                              std::min<std::uint64_t>(body.size, limits::search_text));
    if (start.size() < end) {
        KITH_TRY_VALUE(longer, all.beginning(end));
        start = std::move(longer);
    }
    whole = start.size() >= end;
    return start;
}

// All of a mail that is here.
Result<Bytes> mail_here(const history::Record& record, const store::BlobStore& blobs) {
    if (record.content_size() > limits::shown_content)
        return fail(Fault::refused, "this is larger than can be shown at once", "save it with --raw");
    const Content all(record, blobs);
    KITH_TRY_VALUE(gaps, all.gaps());
    Bytes content;
    std::uint64_t offset = 0;
    for (const auto& gap : gaps) {
        KITH_TRY_VALUE(run, all.read(offset, gap.offset - offset));
        append(content, run);
        offset = gap.offset + gap.blob.size;
    }
    KITH_TRY_VALUE(rest, all.read(offset, all.size() - offset));
    append(content, rest);
    return content;
}

// A mail's attachment that is a gap is empty in what is here, and gaps come in the order of attachments; a
// message's header says where each begins.
void mark_missing(Shown& view, const std::vector<Content::Gap>& gaps) {
    auto next = gaps.begin();
    for (auto& item : view.attachments) {
        if (view.is_mail) {
            if (item.size > 0 || next == gaps.end()) continue;
            item.here = false;
            item.size = next++->blob.size;
        } else {
            item.here = std::none_of(gaps.begin(), gaps.end(), [&](const auto& gap) {
                return gap.offset < item.offset + item.size && item.offset < gap.offset + gap.blob.size;
            });
        }
    }
}

// At most `max` bytes, not cut within a character.
void cut_text(std::string& text, std::size_t max) {
    if (text.size() <= max) return;
    while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xc0) == 0x80) --max;
    text.resize(max);
}

}  // namespace

Result<Shown> shown(const history::Record& record, const store::BlobStore& blobs) {
    Shown view;
    if (record.kind == history::kind::mail) {
        KITH_TRY_VALUE(content, mail_here(record, blobs));
        view = shown_mail(content);
    } else if (record.kind == history::kind::message) {
        bool whole = true;
        KITH_TRY_VALUE(content, message_texts(record, blobs, whole));
        KITH_TRY_VALUE(message, shown_message(content));
        view = std::move(message);
    } else {
        return fail(Fault::refused, "this record is not a message", "'kith history list' shows messages");
    }
    KITH_TRY_VALUE(gaps, Content(record, blobs).gaps());
    mark_missing(view, gaps);
    return view;
}

std::optional<Searched> searched(const history::Record& record, const store::BlobStore& blobs) {
    if (!listing_of(record).shown) return std::nullopt;
    Searched result;
    const bool is_mail = record.kind == history::kind::mail;
    Bytes content;
    Result<Shown> view;
    if (is_mail) {
        content = mail_texts(record, blobs, result.whole);
        view = shown_mail(content);
    } else {
        auto texts = message_texts(record, blobs, result.whole);
        if (!texts) return std::nullopt;
        view = shown_message(*texts);
    }
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
