// Limits of this room, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// A token, as text: it has to fit a TMTP header with room for the rest.
inline constexpr std::size_t token_bytes = 32 * 1024;
// Texts within one: issuers, audiences, key ids.
inline constexpr std::size_t token_text = 1024;
inline constexpr std::size_t token_audiences = 16;
// An address or list of parameters that a service gives.
inline constexpr std::size_t sign_in_text = 4096;
// Keys that a provider signs with: an old and a new one, for a few algorithms.
inline constexpr std::size_t sign_in_keys = 64;
// How long the owner has to sign in at the provider.
inline constexpr std::int64_t sign_in_ms = 10 * 60 * 1000;
// A token that was made longer ago registers nobody.
inline constexpr std::int64_t token_age_s = 15 * 60;
// Clocks that differ.
inline constexpr std::int64_t token_skew_s = 60;

}  // namespace kith::limits
