// Limits of what this layer does about trust; base/limits.h has those that other rooms share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace kith::limits {

// Entries of the roster in one frame of the peer link.
inline constexpr std::size_t roster_frame_bytes = 1024 * 1024;
// By how much the number of the shared secrets may grow at once: one for each device that was barred while
// another one was away.
inline constexpr std::uint64_t term_steps = 1024;
// A device that is out is handed what concerns it, may answer, and is then refused for a while: it can cost
// one exchange in so long.
inline constexpr std::int64_t outsider_ms = 1000;
inline constexpr std::int64_t outsider_refused_ms = 3000;
// A device that is out and does not know why is dialed this often.
inline constexpr std::int64_t outsider_visit_ms = 6000;
// How long `kith device revoke` waits for devices that are in reach.
inline constexpr std::int64_t revoke_wait_ms = 5000;
// A name that a service gives a node: kith makes names of 29 characters.
inline constexpr std::size_t node_label_bytes = 64;
// Rosters of one account in which one device may say that it has a key: the present one, and ones that were
// proposed.
inline constexpr std::size_t claimed_rosters = 4;
// What `revoke --erase` does takes effect this long after the device has learned of it, unless the recovery
// key says so: a thief with a passphrase must not be able to destroy the owner's last copy at once.
inline constexpr std::int64_t erase_wait_ms = 3ll * 24 * 3600 * 1000;
// Foundings of accounts' rosters that are made in advance, when the passphrase was given: so many services
// can be added before it is needed again.
inline constexpr std::size_t foundings = 4;
// Secrets of requests for one node that were made anew; each is one more to try at a login.
inline constexpr std::size_t former_nodeids = 16;
// A setup of a device goes on after the passphrase was given for it: for this long the act key signs what
// that brings in accounts' rosters, and nothing else.
inline constexpr std::int64_t act_key_kept_ms = 10 * 60 * 1000;
// News of the roster by a Post: devices that can read one, its inner head, and its entries. Of a log that is
// longer each Post carries a part.
inline constexpr std::size_t news_readers = 80;
inline constexpr std::size_t news_head = 1024;
inline constexpr std::size_t news_bytes = 4 * 1024 * 1024;
// What keeps a profile from locking itself is looked at this often.
inline constexpr std::int64_t lock_look_ms = 10'000;
// The longest time after which a profile locks itself.
inline constexpr std::int64_t lock_after_max_s = 30 * 24 * 3600;

}  // namespace kith::limits
