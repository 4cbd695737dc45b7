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

// A record's part above this is a blob of its own, so that rows stay small and messages go before
// attachments.
inline constexpr std::size_t inline_part = 64 * 1024;
// All inline parts of one record together: keeps a record of many parts within one frame.
inline constexpr std::size_t inline_total = 256 * 1024;
// The pieces a blob is moved, verified and encrypted in.
inline constexpr std::size_t blob_piece = 1024 * 1024;
// A batch of records, as they are kept (mostly packed). Each costs a sync of the disk; as many as
// `sync_credit` are at most sent twice after a cut.
inline constexpr std::size_t batch_bytes = 512 * 1024;
inline constexpr std::size_t batch_records = 4096;
// The same records unpacked: a few times as much as mails pack to; bounds what a hostile batch can become.
inline constexpr std::uint64_t batch_unpacked = 16 * 1024 * 1024;

// Time in a record, in ms since 1970: 48 bits, so that it fits every integer it is kept in.
inline constexpr std::uint64_t time_ms = (std::uint64_t{1} << 48) - 1;
// A kind's name.
inline constexpr std::size_t kind_bytes = 32;
// One record's content, blobs included: beyond this a forged size could overflow sums.
inline constexpr std::uint64_t content_bytes = std::uint64_t{1} << 44;

// An imported mail larger than this is skipped and listed: no mail system carries it.
inline constexpr std::uint64_t mail_bytes = 256ull * 1024 * 1024;

// A record's canonical form: all inline parts, and names of as many blobs as boundaries allow.
inline constexpr std::size_t record_bytes = 1024 * 1024;
// Reconciliation: ranges compared in one frame, keys listed instead of splitting further, keys fetched in one
// stream, streams and blobs a peer may have open here, batches and pieces on the way.
inline constexpr std::size_t compare_ranges = 64;
inline constexpr std::size_t listed_keys = 256;
// Ranges that wait to be compared or fetched: a history of ten million that differs everywhere, on the level
// of its finest buckets.
inline constexpr std::size_t ranges_pending = 65'536;
inline constexpr std::size_t fetched_keys = 1024;
inline constexpr std::size_t sync_streams = 4;
// One batch is stored while a worker unpacks the next one and a third is on its way.
inline constexpr std::uint64_t sync_credit = 3;
inline constexpr std::size_t blobs_in_flight = 16;
inline constexpr std::size_t pieces_in_flight = 16;
inline constexpr std::size_t pieces_of_one_blob = 2;
// Missing blobs looked up at once, and blobs that are made durable together: syncing each small one by itself
// would take longer than moving it.
inline constexpr std::size_t blobs_listed = 256;
inline constexpr std::size_t blobs_settled = 64;
inline constexpr std::uint64_t blob_bytes_settled = 16 * 1024 * 1024;
// Accounts that a selection may name, and that a device tells of.
inline constexpr std::size_t accounts = 256;
// An erased message's bytes are kept this long: until then a barred device's erasures can be undone.
inline constexpr std::int64_t erased_kept_ms = 30ll * 24 * 3600 * 1000;
// Messages that one erasure names: fits a record's inline part.
inline constexpr std::size_t erased_keys = 256;

// How far into a mail header fields are looked for: more is not written by any mail system.
inline constexpr std::size_t mail_header = 256 * 1024;
// Cuts of one mail: bounds the table that a mail made of delimiter lines would need.
inline constexpr std::size_t mail_boundaries = 2048;
// MIME parts within parts that are looked into, and parts of one mail that are listed.
inline constexpr std::size_t mime_depth = 8;
inline constexpr std::size_t mime_parts = 200;
// Text of a message that is prepared for showing.
inline constexpr std::size_t shown_text = 1024 * 1024;

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
// A line of standard input, a pasted offer say.
inline constexpr std::size_t input_line = 16 * 1024;
// How long the command line waits for the end of what it asked to cancel.
inline constexpr std::int64_t cancel_wait_ms = 5000;
// How long `kith stop` waits until the daemon's process has ended.
inline constexpr std::int64_t daemon_stop_ms = 10000;
// Skipped files that one `kith history import --json` lists; the rest is counted.
inline constexpr std::size_t control_skipped = 10000;
// The daemon's log, above which the next start begins a new one.
inline constexpr std::uint64_t log_bytes = 4 * 1024 * 1024;
// How long the command line waits for a daemon that it started: the store may have to be migrated.
inline constexpr std::int64_t daemon_start_ms = 20000;

// TMTP (src/tmtp). A message up to this size is handed over whole, a larger one piece by piece: most mails
// with their attachments fit, and a few accounts at once still fit a small machine's memory.
inline constexpr std::size_t tmtp_whole_bytes = 64 * 1024 * 1024;
// What kith itself posts: so that each of its devices can take it whole.
inline constexpr std::size_t tmtp_post_bytes = tmtp_whole_bytes;
// The inner head of a message: longer is not read, and the message shown as plain bytes.
inline constexpr std::size_t tmtp_datahead = 256 * 1024;
inline constexpr std::size_t tmtp_attachments = 1000;
inline constexpr std::size_t tmtp_cc = 1000;
// Texts in heads (aliases, subjects, labels): what people can read.
inline constexpr std::size_t tmtp_text = 4096;
inline constexpr std::size_t tmtp_local_id = 64;
// Recipients of one post: what fits its header of 64 KiB.
inline constexpr std::size_t tmtp_recipients = 1200;
// Requests without an answer on one link: enough to fill the link, few enough to end as "unknown" when it
// breaks.
inline constexpr std::size_t tmtp_requests = 64;
// Nodes that are wanted at the same time: the reference server allows 100 in all.
inline constexpr std::size_t tmtp_nodes = 100;
// Message ids that are known to be stored, to acknowledge again what comes again; older ones the store knows.
inline constexpr std::size_t tmtp_confirmed = 1024;
// Messages handed out and not yet stored. A service sends one at a time; more is one that does not wait.
inline constexpr std::size_t tmtp_unconfirmed = 64;
// A message id: 16 digits, with room for other services' ways.
inline constexpr std::size_t tmtp_id = 64;
// From connecting to the login's answer. The reference server gives 5 s to our part of it.
inline constexpr std::int64_t tmtp_login_ms = 20'000;
// The answer to a request: a minute, and longer for data over the slowest link we care for (16 KiB a second).
inline constexpr std::int64_t tmtp_answer_ms = 60'000;
inline constexpr std::int64_t tmtp_slowest_bytes_per_ms = 16;
// The server ends a link after 120 s without a byte; two pulses may be late.
inline constexpr std::int64_t tmtp_pulse_ms = 45'000;
// The answer to Quit: after that the link is closed all the same.
inline constexpr std::int64_t tmtp_quit_ms = 3'000;
// A service ends a connection that was silent for 120 s; after this long one of ours cannot be there any
// more.
inline constexpr std::int64_t tmtp_lingers_ms = 150'000;
// No message for this long: the queue is taken to be empty. The next one follows an ack at once.
inline constexpr std::int64_t tmtp_quiet_ms = 2'000;

// The TMTP server. Its waits are the reference server's.
inline constexpr std::int64_t tmtpd_login_ms = 5'000;
inline constexpr std::int64_t tmtpd_idle_ms = 120'000;
inline constexpr std::int64_t tmtpd_resend_ms = 30'000;
// A client that takes nothing of what is sent for this long is dropped: it may hold our memory no longer.
inline constexpr std::int64_t tmtpd_stalled_ms = 60'000;
// What may wait for one client: a piece and the answers to what it sent; more means that it does not read.
inline constexpr std::size_t tmtpd_output_bytes = 2 * 1024 * 1024;
// The data of one message; the reference server has no limit, a disk has.
inline constexpr std::uint64_t tmtpd_post_bytes = 512ull * 1024 * 1024;
// Data moves between link and store in pieces of this size, so that memory is flat.
inline constexpr std::size_t tmtp_piece = 256 * 1024;
// What one account's fullest queue may hold: a device that never comes back must not fill the disk.
inline constexpr std::uint64_t tmtpd_queue_bytes = 2ull * 1024 * 1024 * 1024;
// A ping's data, in UTF-16 units and in bytes: the protocol's.
inline constexpr std::size_t tmtpd_ping_units = 140;
inline constexpr std::size_t tmtpd_ping_bytes = 420;
// The id that a client gives a request, and names of nodes and aliases: an answer that repeats them, each
// character escaped to six, still fits a header.
inline constexpr std::size_t tmtpd_request_id = 256;
inline constexpr std::size_t tmtpd_name = 4096;
inline constexpr std::size_t tmtpd_nodes = 100;  // of one account
// Places in one group, groups of one account, and accounts that hear of one node's presence.
inline constexpr std::size_t tmtpd_members = 1000;
inline constexpr std::size_t tmtpd_groups = 1000;
inline constexpr std::size_t tmtpd_ohi = 1000;

// Network (src/net). From the name to the end of the TLS handshake: a phone's radio may take seconds to wake.
inline constexpr std::int64_t connect_ms = 15000;
// One of several addresses of a host: so that a silent one leaves time for the next.
inline constexpr std::int64_t connect_one_ms = 5000;
// Addresses of one host that are tried.
inline constexpr std::size_t connect_addresses = 8;
// A client of ours that has not finished its TLS handshake by then only holds a socket.
inline constexpr std::int64_t tls_handshake_ms = 10000;
// How long a connection that is being closed may take to send what is queued.
inline constexpr std::int64_t close_ms = 3000;
// With this much waiting to be sent, no more is taken: the other side does not read. Room for the largest
// post that kith makes (tmtp_post_bytes), and for acknowledgements behind it.
inline constexpr std::size_t tls_queue_bytes = 160 * 1024 * 1024;
// What is read at once: a TLS record.
inline constexpr std::size_t tls_read_bytes = 16 * 1024;
// Connections to our TLS server, handshakes included: below the usual 1024 open files of a process.
inline constexpr std::size_t tls_sessions = 800;
// Pause before accepting again after the system refused (no file descriptors left), instead of spinning.
inline constexpr std::int64_t accept_retry_ms = 200;

// Links (CurveZMQ). Messages that libzmq itself holds for one connection that is slow to take them: few, for
// each may be frame_bytes.
inline constexpr int link_messages = 16;
// What one connection has sent and we have not handled: more than any credit allows. More is a flood, and
// ends the connection. Where the system cannot tell it, a count of messages has to do.
inline constexpr std::uint64_t link_unread_bytes = 128 * 1024 * 1024;
inline constexpr int link_unread_messages = 256;
inline constexpr std::int64_t link_watch_ms = 100;
// What waits beyond that for one connection: a few batches; the puller's credit asks for less.
inline constexpr std::size_t link_queue_bytes = 16 * 1024 * 1024;
// Frames handled before the loop turns to others: a flood from one device must not starve the rest.
inline constexpr int link_burst = 1;
// Room to send is looked for this often, should libzmq's own word of it be lost.
inline constexpr std::int64_t link_full_ms = 5;
// Connections of one listener that showed themselves: a person's devices, and old connections on their way
// out.
inline constexpr std::size_t link_connections = 256;
// Of these, how many may be one device's.
inline constexpr std::size_t link_connections_each = 16;
// Addresses of one device that are dialed: what an offer or a roster entry may name.
inline constexpr std::size_t link_endpoints = 16;
// A silent path is noticed after `link_timeout_ms`; pings are sent each `link_heartbeat_ms`.
inline constexpr int link_heartbeat_ms = 500;
inline constexpr std::uint64_t link_heartbeat_bytes = 512;  // a ping and a pong, with room
inline constexpr int link_timeout_ms = 1500;
// Who opened a TCP connection and does not finish the handshake only holds a socket.
inline constexpr int link_handshake_ms = 5000;
// An endpoint that does not answer is tried again after the first, later up to the second.
inline constexpr int link_retry_ms = 200;
inline constexpr int link_retry_max_ms = 2000;
// A server that denied our key is asked again after this: its roster may just be behind.
inline constexpr std::int64_t denied_retry_ms = 5000;
// Events of libzmq's monitor that may wait for the loop; libzmq's own thread would stop when it is reached.
inline constexpr int link_monitor_events = 100000;

// Pairing. How long an offer is good: long enough to fetch the other device, short enough that a photograph
// of the code on the screen is soon worth nothing.
inline constexpr std::int64_t offer_valid_ms = 10 * 60 * 1000;
// Wrong codes before the offer ends: each gives a thief of the offer one chance in a million.
inline constexpr int pairing_tries = 5;
// Sessions one offer serves, and connections one joiner makes: wrong codes, and a bad radio link on top.
inline constexpr int pairing_sessions = 16;
// Waits: for the first answer of a host (people stand beside it); for the owner to read and type a code; for
// the machine's answer to a code; for what the joiner's side prepares; for the owner's passphrase on the
// host's; for the last word, without which all is well too.
inline constexpr std::int64_t pairing_connect_ms = 20 * 1000;
inline constexpr std::int64_t pairing_code_ms = 5 * 60 * 1000;
inline constexpr std::int64_t pairing_answer_ms = 30 * 1000;
inline constexpr std::int64_t pairing_reply_ms = 2 * 60 * 1000;
inline constexpr std::int64_t pairing_decide_ms = 10 * 60 * 1000;
inline constexpr std::int64_t pairing_done_ms = 10 * 1000;
// A head of a pairing message: all are a few fixed fields. Strangers may send these.
inline constexpr std::size_t pairing_head = 1024;
// An introduction, reply or verdict: an introduction holds a roster.
inline constexpr std::size_t pairing_payload = 4 * 1024 * 1024;
inline constexpr std::size_t pairing_reason = 200;
// What is held of a stranger's connection: a few payloads.
inline constexpr std::uint64_t pairing_unread_bytes = 16 * 1024 * 1024;

// Roster. An entry's bytes: an `add` holds a request in hexadecimal, any entry may name all heads.
inline constexpr std::size_t roster_entry_bytes = 64 * 1024;
// A device's request: fixed fields and a name, which JSON may escape to six times its size.
inline constexpr std::size_t roster_request_bytes = 2048;
// Heads one entry names: more than there are devices to write at once.
inline constexpr std::size_t roster_heads = 256;
// Devices a person adds, barred ones included; also what a `recover` may name.
inline constexpr std::size_t roster_devices = 64;
// Entries kept of one signer: one device with a stolen passphrase must not fill the log for the others.
inline constexpr std::size_t roster_signer_entries = 256;
// Entries that may wait for a predecessor: they cannot be told from garbage yet.
inline constexpr std::size_t roster_pending = 256;
// Entries a fold takes: the share of every device, of the recovery key, and what waits.
inline constexpr std::size_t roster_entries = (roster_devices + 1) * roster_signer_entries + roster_pending;

// The store. The key file is some 500 bytes; a larger one is not ours.
inline constexpr std::size_t key_file_bytes = 4096;
// The cost of a passphrase that a key file may ask for: a damaged file must not take all memory, or hours.
inline constexpr std::uint64_t stretch_operations = 32;
inline constexpr std::uint64_t stretch_memory = 1024ull * 1024 * 1024;
// A sender's or subject's text in lists: enough for any line, and a hostile mail cannot bloat each row.
inline constexpr std::size_t listing_bytes = 512;
// The parts that a range of records is split into: few enough that their fingerprints fit one frame.
inline constexpr std::size_t split_parts = 64;
// Records in a bucket of the fingerprint index: what a range's two ends cost to scan.
inline constexpr std::uint64_t bucket_records = 512;
// Pieces of one blob: 64 GiB. The list of their hashes (2 MiB) fits one frame.
inline constexpr std::uint64_t blob_pieces = 64 * 1024;
// Pieces of a blob between two syncs: what is received again after a power cut.
inline constexpr std::size_t blob_sync_pieces = 16;
// Blobs being received at once whose lists of hashes are kept in memory; of more, the list is read again.
inline constexpr std::size_t blobs_receiving = 2 * blobs_in_flight + blobs_settled;

// The peer link (src/app). Changes of a burst are announced together; progress is told a few times a second.
inline constexpr std::int64_t announce_ms = 200;
inline constexpr std::int64_t announce_busy_ms = 2000;
inline constexpr std::int64_t progress_ms = 250;
// Frames of records or pieces that are read before their turn: each may hold a batch unpacked.
inline constexpr std::size_t frames_read_ahead = 4;
// Troubles of a peer that are written down and shown: more would fill the log.
inline constexpr std::size_t troubles = 1000;
// A node that a service has not made by then is reported as pending; it still comes later.
inline constexpr std::int64_t node_wait_ms = 8000;
// Answers wait until the link holds less than this: enough to keep it busy, little to throw away when it is
// cut.
inline constexpr std::size_t link_pump_bytes = 4 * 1024 * 1024;
// Digests that differ, though the peers' states are the same, are compared again after this.
inline constexpr std::int64_t prove_again_ms = 1000;
// When nothing has moved for this long the owner is told what is known about it.
inline constexpr std::int64_t stalled_ms = 4000;
// How long whoever opens an attachment that is not here yet waits for it, when its device is in reach.
inline constexpr std::int64_t fetch_wait_ms = 30'000;
// How long `kith sync` waits for devices that are not in reach.
inline constexpr std::int64_t sync_wait_ms = 5000;
// After trouble of our own, a full disk say, it is tried again.
inline constexpr std::int64_t trouble_retry_ms = 5000;
// Free space that is left alone: the database's log, and other programs.
inline constexpr std::uint64_t spare_bytes = 64ull * 1024 * 1024;

// Pairing (src/app): a plain connection that tells whether an offer can be reached, the last frames' time to
// leave, and how often a machine is told the time.
inline constexpr std::int64_t offer_probe_ms = 4000;
inline constexpr std::int64_t pairing_flush_ms = 150;
inline constexpr std::int64_t pairing_tick_ms = 200;

// Mails of one import step: a step holds the loop for some milliseconds.
inline constexpr std::size_t import_batch = 200;
// Content that is put together in memory to be shown or saved: any mail, and any message that is taken whole.
inline constexpr std::uint64_t shown_content = mail_bytes;

// Accounts that one's presence is shown to, and whose presence is kept in memory: what services allow.
inline constexpr std::size_t presence_shown = 1000;
inline constexpr std::size_t presence_seen = 10'000;
// Posts on the way to a service at once, and what may wait for the wire before the next one is read from the
// outbox.
inline constexpr std::size_t posts_in_flight = 16;
inline constexpr std::size_t post_pause_bytes = 1024 * 1024;
// What of a file is read for import at once: memory stays flat, however large a mail is.
inline constexpr std::size_t import_window = 256 * 1024;
// Of a line that may begin a mail in an mbox, what is looked at: longer ones are text.
inline constexpr std::size_t mbox_line = 1000;

// Search (src/app/indexer). Text of one message that is searched: more is a log or a dump, and would hold the
// loop for longer than a slice.
inline constexpr std::size_t search_text = 256 * 1024;
// What a person may ask for at once.
inline constexpr std::size_t search_query = 1024;
inline constexpr std::size_t search_words = 32;
// The shortest beginning of a word that is searched: of a single letter, a good part of all words would be
// read.
inline constexpr std::size_t search_prefix = 2;
// Records that arrived since are taken one after the other up to this many; beyond, history is walked anew,
// newest first.
inline constexpr std::size_t search_follow = 1000;
// Records that arrived just now are taken before a search answers, up to this many: some milliseconds.
inline constexpr std::size_t search_at_once = 64;
// Indexing works for so long and rests for so long, and not within so long after a transfer moved anything.
inline constexpr std::int64_t search_slice_ms = 5;
inline constexpr std::int64_t search_rest_ms = 2;
inline constexpr std::int64_t search_quiet_ms = 1000;
// What was indexed becomes durable this often: a crash repeats that much.
inline constexpr std::int64_t search_keep_ms = 1000;

// What `history show --raw` has put together stays this long for the next piece that is asked for.
inline constexpr std::int64_t raw_cache_ms = 5000;

}  // namespace kith::limits
