// The inner layer of a Post: what normal clients put into its data. A second JSON head (`datahead` bytes),
// the body (UTF-8, CommonMark), then the attachments in the order that the head lists them. Servers enforce
// none of this, so reading it never fails: what is not understood is body.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "tmtp/ops.h"

namespace kith::tmtp {

// A run of bytes in a message's data.
struct Span {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    bool operator==(const Span&) const = default;
};

struct Attachment {
    std::string name;  // as on the wire: "u:" an upload, "f:" and "r:" forms
    std::string ffn;   // the form's type
    Span span;
    std::string_view shown_name() const;  // without the prefix
};
struct Copy {  // one of `cc`
    std::string who, whouid, by, byuid, date, note;
    bool subscribe = false;
};

struct Message {
    bool structured = false;  // the inner head was understood
    bool nodesync = false;    // for the account's own nodes, not for people
    std::string threadid;     // empty: the message starts a thread
    std::string alias, subject;
    std::vector<Copy> cc;
    std::string confirmid, confirmposted;
    Span body;
    std::vector<Attachment> attachments;

    // Where its parts that are not empty begin, rising: body and attachments. The boundaries at which a
    // record is cut.
    std::vector<std::uint64_t> part_offsets() const;
};

// Reads the inner head. `data` may be a prefix of the message's data as long as it holds the first `datahead`
// bytes; `datalen` is the whole size. All spans lie within datalen.
Message read_message(ByteView data, std::uint64_t datahead, std::uint64_t datalen);

// Bytes of `data` that read_message needs at most.
std::uint64_t message_head_size(std::uint64_t datahead);

struct DraftAttachment {
    std::string name;  // without a prefix; an upload
    ByteView bytes;    // borrowed
};
struct Draft {
    // Random: by it the sender tells its own copy from that of another message of the same words. Normal
    // clients pass over it.
    std::string key;
    std::string threadid, alias, subject;
    std::string_view body;
    std::vector<DraftAttachment> attachments;
    std::vector<Copy> cc;
    std::vector<std::string> recipients;  // uids
    std::vector<std::string> groups;      // their names
};

// A Post. The sender's own uid is always added to the recipients: a post comes back to the posting node only
// then, and what comes back is the record. Refuses what is over the limits.
Result<Asking> compose(const Draft& draft, const std::string& own_uid);
// A PostNotify: the draft's recipients get it as by a Post, the accounts of `notify` a message of its own,
// the `note`, that names it.
Result<Asking> compose_notify(const Draft& draft, const std::string& own_uid,
                              const std::vector<std::string>& notify, std::string_view note);

}  // namespace kith::tmtp
