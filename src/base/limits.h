// Every limit of kith, with its reason. A queue, frame, count or wait that is not bounded here is a bug.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// JSON heads. Deep nesting costs stack, so a hostile head could crash the parser.
inline constexpr std::size_t json_depth = 8;
// A head on the peer link: room for a page of roster entries' fields, small enough to hold thousands.
inline constexpr std::size_t head_bytes = 64 * 1024;
// A frame's bytes on the peer link. A batch is at most `batch_bytes` before compression plus one record.
inline constexpr std::size_t frame_bytes = 8 * 1024 * 1024;

// A record's part above this is a blob of its own, so that rows stay small and messages go before attachments.
inline constexpr std::size_t inline_part = 64 * 1024;
// All inline parts of one record together: keeps a record of many parts within one frame.
inline constexpr std::size_t inline_total = 256 * 1024;
// The pieces a blob is moved, verified and encrypted in.
inline constexpr std::size_t blob_piece = 1024 * 1024;
// A batch of records, before compression: what is at most sent twice after a cut.
inline constexpr std::size_t batch_bytes = 1024 * 1024;
inline constexpr std::size_t batch_records = 4096;

// Time in a record, in ms since 1970: 48 bits, so that time slots of the fingerprint index are whole.
inline constexpr std::uint64_t time_ms = (std::uint64_t{1} << 48) - 1;
// A kind's name.
inline constexpr std::size_t kind_bytes = 32;
// One record's content, blobs included: beyond this a forged size could overflow sums.
inline constexpr std::uint64_t content_bytes = std::uint64_t{1} << 44;

// An imported mail larger than this is skipped and listed: no mail system carries it.
inline constexpr std::uint64_t mail_bytes = 256ull * 1024 * 1024;

// Names of devices and the like, in bytes of UTF-8: what fits a line.
inline constexpr std::size_t name_bytes = 64;

// The text of an offer. Longer is not ours, and is not even decoded.
inline constexpr std::size_t offer_text = 512;
// What fits a QR code of version 6 at level L: 195 alphanumerics, an 80x24 terminal.
inline constexpr std::size_t offer_text_qr = 195;
// The largest QR code that is shown: with a quiet zone of 2 it takes 23 of a terminal's 24 rows.
inline constexpr int qr_version = 6;

// The control protocol (src/control). A request's line: holds a message's text; attachments go by path.
inline constexpr std::size_t control_request_bytes = 1024 * 1024;
// A line of the daemon's: room for a piece of raw bytes in base64, or a page of a list.
inline constexpr std::size_t control_reply_bytes = 4 * 1024 * 1024;
// Raw bytes in one reply: larger things are asked for piece by piece.
inline constexpr std::size_t control_piece = 1024 * 1024;
// Records in one reply of history.list: with long subjects still within a line.
inline constexpr std::size_t control_list = 1000;
// The text of one message in a reply: the rest is had as raw bytes.
inline constexpr std::size_t control_body_bytes = 256 * 1024;
// What may wait for a client that does not read: two full replies.
inline constexpr std::size_t control_queue_bytes = 8 * 1024 * 1024;
// Clients at the same time: programs of one person on one machine.
inline constexpr std::size_t control_clients = 64;
// How long the daemon's last words may take to be read before it ends all the same.
inline constexpr std::int64_t control_flush_ms = 1000;
// A passphrase, in bytes: longer is a wrong file.
inline constexpr std::size_t passphrase_bytes = 1024;
// How long the command line waits for a daemon that it started: the store may have to be migrated.
inline constexpr std::int64_t daemon_start_ms = 20000;

}  // namespace kith::limits
