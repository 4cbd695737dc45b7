// Limits of this room, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// A thread's index and its list of subscribers, each: some 30,000 messages. They are held in memory while the
// thread is read, where they take ten times as much.
inline constexpr std::uint64_t mnm_index_bytes = 8 * 1024 * 1024;
inline constexpr std::size_t mnm_thread_messages = 100'000;
// An account's configuration: a few hundred bytes, and a list of nodes.
inline constexpr std::size_t mnm_config_bytes = 256 * 1024;
// An address book, a list of tags, the queue: an entry is some 150 bytes.
inline constexpr std::size_t mnm_list_bytes = 8 * 1024 * 1024;
inline constexpr std::size_t mnm_list_entries = 100'000;
// A table of filled forms, held in memory whole while messages that have some of them are read.
inline constexpr std::size_t mnm_form_bytes = 64 * 1024 * 1024;
// Tags of one message, and the bytes of a tag's name: what people can read.
inline constexpr std::size_t mnm_tags = 64;
inline constexpr std::size_t mnm_tag_bytes = 256;
// Accounts in one store.
inline constexpr std::size_t mnm_accounts = 256;

}  // namespace kith::limits
