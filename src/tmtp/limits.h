// Limits of the server that base/limits.h does not hold: what a client can make it keep or do, each with its
// reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// How long a second login of a node waits for a sign of life from the link that the node seems to have. TCP's
// own probes of it take a second or two where somebody answers.
inline constexpr std::int64_t tmtpd_probe_ms = 5'000;
// What a client may send behind such a login before it is answered.
inline constexpr std::size_t tmtpd_early_bytes = 64 * 1024;
// What waits for all clients together: many that do not read must not take the memory that each alone may.
inline constexpr std::size_t tmtpd_output_total = 256 * 1024 * 1024;
// Who uploads slower than this holds the link and the disk for nothing; the start is given as well.
inline constexpr std::int64_t tmtpd_upload_ms = 60'000;
inline constexpr std::uint64_t tmtpd_upload_bytes_s = 8 * 1024;
// Groups that one request names, and nodes that one message goes to: each is looked up and written.
inline constexpr std::size_t tmtpd_request_groups = 20;
inline constexpr std::size_t tmtpd_audience = 10'000;
// Places in queues (a message times the nodes it goes to) that one link fills in a second. Each is a row in
// the database, so a few bytes to many nodes would hold the loop, and with it everybody. A link that fills
// more is not read for as long as that takes at this rate; what of it had arrived is kept up to a limit,
// which is more than the network hands over before it knows.
inline constexpr std::size_t tmtpd_places_s = 10'000;
inline constexpr std::size_t tmtpd_backlog_bytes = 256 * 1024;
// Aliases of one account, so that nobody takes all good names.
inline constexpr std::size_t tmtpd_aliases = 100;
// Others that one account makes itself known to by ping or invitation, which the server remembers.
inline constexpr std::size_t tmtpd_met = 10'000;

// Node control. Entries of one request, and of one account's roster in an answer (src/account/limits.h keeps
// it below that); requests a minute about one account, each of which may be folded.
inline constexpr std::uint64_t tmtp_roster_request = 256 * 1024;
inline constexpr std::uint64_t tmtp_roster_bytes = 2 * 1024 * 1024;
inline constexpr std::size_t tmtpd_roster_requests = 60;
// How long the nodes of an older account can object to a roster that is to be bound to it, and how long a
// node that was barred keeps its queue when nobody contests that.
inline constexpr std::int64_t tmtpd_bind_ms = 7ll * 24 * 3600 * 1000;
inline constexpr std::int64_t tmtpd_held_ms = 30ll * 24 * 3600 * 1000;
// After an objection: so that nobody has to object all day.
inline constexpr std::int64_t tmtpd_propose_again_ms = 24ll * 3600 * 1000;
// How often it is looked whether one of these times is over.
inline constexpr std::int64_t tmtpd_control_look_ms = 60'000;

}  // namespace kith::limits
