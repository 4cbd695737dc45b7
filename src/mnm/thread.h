// A thread's file, taken apart (README.md has its format), and the message that each of its parts once was.
// Nothing here reads files: the caller does, in pieces, from the tail on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tmtp/client.h"
#include "tmtp/message.h"

namespace kith::mnm {

// The file's last 16 bytes: the sizes of the two lists before them.
struct Tail {
    std::uint64_t index = 0, cc = 0;
};
inline constexpr std::size_t tail_bytes = 16;
std::optional<Tail> read_tail(std::string_view text);

struct Entry {
    std::string id;
    std::string seen;               // empty: not read yet; ".": one's own; else when
    std::vector<std::string> tags;  // ids
    // Not empty: the uid that passed the message on. Its author has not confirmed it.
    std::string forward_by;
    bool is_draft = false;  // of no offset; the rest is its own file's
    std::uint64_t offset = 0, size = 0;
    std::uint32_t checksum = 0;  // CRC-32C of all but the last byte
};
// `messages`: the bytes before the index, which the entries must cover without a gap. Fault::corrupt.
Result<std::vector<Entry>> read_index(std::string_view json, std::uint64_t messages);
Result<std::vector<tmtp::Copy>> read_cc(std::string_view json);

struct Attached {
    std::string name, ffn;  // as on the wire
    std::uint64_t size = 0;
    bool is_form() const { return name.starts_with("r:"); }  // kept in a table, not in a file
};
// What stands in front of a message's body.
struct MessageHead {
    std::string id, from, posted;
    std::uint64_t body = 0;  // bytes
    std::string threadid, alias, subject;
    std::vector<Attached> attached;
};
Result<MessageHead> read_message_head(std::string_view json);

// The delivery that the message was, as near as the store tells (README.md): `raw` holds the header and the
// inner head alone; body and attachments come behind them. The size of all data but the inner head is given.
struct Delivery {
    tmtp::Delivered message;
    std::string inner;
};
Delivery delivery_of(const MessageHead& head, const std::vector<tmtp::Copy>& cc);

}  // namespace kith::mnm
