// Limits of discovery. What arrives here comes from anybody on the network.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// An announcement is replaced by another one, with other names, after this long: who listens for hours cannot
// follow one name, and a recorded one is soon worth nothing.
inline constexpr std::int64_t announcement_ms = 10 * 60 * 1000;
// A device's announcement is believed for this long after the time it holds, and before it: one lifetime, and
// clocks that are minutes apart.
inline constexpr std::int64_t announcement_age_ms = 15 * 60 * 1000;
// Announcements looked at, at the same time: a flood costs so much memory and traffic, and no more.
inline constexpr std::size_t announcements = 256;
// The data of one (RFC 6763 recommends 1300 bytes at most), its strings, and addresses it names: what one
// string of 255 bytes holds.
inline constexpr std::size_t announcement_bytes = 1300;
inline constexpr std::size_t announcement_strings = 16;
inline constexpr std::size_t announcement_addresses = 7;
// What announces the same name as we do is left alone for longer each time, up to this.
inline constexpr std::int64_t name_taken_ms = 500;
inline constexpr std::int64_t name_taken_max_ms = 60 * 1000;
// After the way to discover broke (the system's daemon was stopped), it is tried again.
inline constexpr std::int64_t discovery_retry_ms = 5000;
// Entries that the embedded stack remembers of one network, of all services.
inline constexpr unsigned mdns_cache_entries = 2048;

}  // namespace kith::limits
