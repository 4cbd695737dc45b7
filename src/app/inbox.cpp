#include "app/inbox.h"

#include <algorithm>

#include "base/limits.h"
#include "history/mail.h"
#include "history/mime_text.h"
#include "invite/letter.h"
#include "tmtp/frame.h"
#include "tmtp/replies.h"

namespace kith::app {
namespace {

// Content of any size: reads `into.size()` bytes from `offset` on.
using Source = store::BlobStore::Source;

Result<store::NewRecord> make_record(std::string_view kind, const AccountId& account, std::uint64_t time_ms,
                                     std::uint64_t size, const Source& content,
                                     const history::Boundaries& boundaries, store::BlobStore& blobs) {
    history::Record record{std::string(kind), account, std::min(time_ms, limits::time_ms), {}};
    for (const auto& cut : history::cut(size, boundaries)) {
        history::Part part{cut.is_blob, {}, {}, cut.size};
        if (cut.is_blob) {
            auto of_part = [&](std::uint64_t offset, std::span<std::uint8_t> into) {
                return content(cut.offset + offset, into);
            };
            KITH_TRY_VALUE(named, blobs.write(cut.size, of_part));
            part.blob = named.id;
        } else {
            part.bytes.resize(cut.size);
            KITH_TRY(content(cut.offset, part.bytes));
        }
        record.parts.push_back(std::move(part));
    }
    return new_record(std::move(record));
}

Source in_memory(ByteView bytes) {
    return [bytes](std::uint64_t offset, std::span<std::uint8_t> into) -> Result<> {
        auto from = bytes.subspan(offset, into.size());
        std::copy(from.begin(), from.end(), into.begin());
        return {};
    };
}

store::Listing mail_listing(ByteView header) {
    store::Listing listing;
    listing.from = history::mail_field(header, "from");
    listing.subject = history::mail_field(header, "subject");
    listing.shown = true;
    return listing;
}

}  // namespace

store::Listing listing_of(const history::Record& record) {
    Bytes joined;
    const auto leading = record.leading_bytes(joined);
    if (record.kind == history::kind::mail) return mail_listing(leading);
    store::Listing listing;
    if (record.kind != history::kind::message) return listing;
    auto parts = read_message_record(leading);
    if (!parts) return listing;
    listing.from = parts->alias.empty() ? parts->from : parts->alias;
    listing.msgid = parts->msgid;
    listing.uid = parts->from;
    if (parts->op == "delivery") {
        listing.shown = !parts->message.nodesync;
        listing.subject = history::valid_utf8(parts->message.subject);
        if (!parts->message.alias.empty()) {
            listing.from = parts->message.alias;
            listing.met = store::wrote;
        }
        listing.thread = parts->message.threadid.empty() ? parts->msgid : parts->message.threadid;
    } else if (parts->op == "ping" || parts->op == "invite") {
        // What devices tell each other about an invitation is nothing to read.
        listing.shown = parts->op != "ping" ||
                        !invite::read_letter(
                            as_text(ByteView(leading).subspan(std::min(parts->data_offset, leading.size()))));
        listing.subject =
            parts->op == "ping" ? "(wants to be in contact)" : "(invites to " + parts->gid + ")";
        listing.met = parts->op == "ping" ? store::pinged : store::invited;
    } else if (parts->op == "notify") {
        listing.shown = true;
        listing.subject = "(a note)";
    } else if (parts->op == "member") {
        listing.group = true;
        if (parts->act == "alias") listing.from = parts->newalias;
        if (parts->act == "join" || parts->act == "alias") listing.met = store::shares_group;
    }
    listing.from = history::valid_utf8(listing.from);
    return listing;
}

Result<store::NewRecord> mail_record(ByteView header, const history::ScannedMail& mail, const Source& content,
                                     store::BlobStore& blobs) {
    return make_record(history::kind::mail, {}, history::mail_time(header), mail.size, content,
                       mail.boundaries, blobs);
}

bool is_history(const tmtp::Delivered& message) {
    using tmtp::Kind;
    switch (message.kind) {
        case Kind::delivery:
        case Kind::notify:
        case Kind::ping:
        case Kind::invite:
        case Kind::member:
            return true;
        case Kind::user:
            return !message.newalias.empty();
        case Kind::login:
        case Kind::ohiedit:
        case Kind::roster:
        case Kind::other:
            return false;
    }
    return false;
}

Result<store::NewRecord> message_record(const tmtp::Delivered& message, const AccountId& account,
                                        store::BlobStore& blobs, const Spool* large) {
    if (!large)
        return message_record(message, account, blobs, message.data().size(), in_memory(message.data()));
    return message_record(
        message, account, blobs, large->size(),
        [large](std::uint64_t offset, std::span<std::uint8_t> into) { return large->read(offset, into); });
}

Result<store::NewRecord> message_record(const tmtp::Delivered& message, const AccountId& account,
                                        store::BlobStore& blobs, std::uint64_t data_size,
                                        const Source& data) {
    Bytes start(std::min<std::uint64_t>(data_size, tmtp::message_head_size(message.datahead)));
    KITH_TRY(data(0, start));
    auto parts = tmtp::read_message(start, message.datahead, data_size);
    history::Boundaries boundaries{message.head_size, message.head_size + message.datahead};
    for (auto offset : parts.part_offsets()) boundaries.push_back(message.head_size + offset);
    std::sort(boundaries.begin(), boundaries.end());
    auto time = message.posted_ms < 0 ? 0 : static_cast<std::uint64_t>(message.posted_ms);
    Source content = [&](std::uint64_t offset, std::span<std::uint8_t> into) -> Result<> {
        auto head = message.head();
        auto of_head = offset < head.size() ? std::min<std::size_t>(head.size() - offset, into.size()) : 0;
        if (of_head > 0)
            std::copy_n(head.begin() + static_cast<std::ptrdiff_t>(offset), of_head, into.begin());
        if (of_head == into.size()) return {};
        return data(offset + of_head - head.size(), into.subspan(of_head));
    };
    return make_record(history::kind::message, account, time, message.head_size + data_size, content,
                       boundaries, blobs);
}

store::NewRecord new_record(history::StoredRecord stored, history::Record record, store::Listing listing) {
    return {std::move(stored), std::move(record), std::move(listing)};
}

store::NewRecord new_record(history::Record record) {
    auto canonical = history::encode(record);
    auto key = history::key_of(record, canonical);
    auto stored = history::plain_record(key, record.account, std::move(canonical));
    auto listing = listing_of(record);
    return new_record(std::move(stored), std::move(record), std::move(listing));
}

Result<MessageParts> read_message_record(ByteView leading) {
    tmtp::FrameReader reader;
    ByteView in = leading;
    if (reader.next(in) != tmtp::FrameReader::Got::head)
        return fail(Fault::corrupt, "a message's header is damaged");
    auto reply = tmtp::parse_reply(reader.head());
    const auto* queued = reply ? std::get_if<tmtp::Queued>(&*reply) : nullptr;
    if (!queued) return fail(Fault::corrupt, "a message's header is damaged");
    MessageParts parts{queued->op, queued->id,         queued->from, queued->alias,
                       queued->to, queued->gid,        queued->act,  queued->newalias,
                       {},         reader.raw().size()};
    parts.message = tmtp::read_message(leading.subspan(std::min(parts.data_offset, leading.size())),
                                       queued->datahead, queued->datalen);
    return parts;
}

}  // namespace kith::app
