// Limits of this room, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// Of a card: with all of them at their longest it still fits a QR code of version 40.
inline constexpr std::size_t card_services = 4;
inline constexpr std::size_t card_note_bytes = 140;
inline constexpr std::size_t card_address_bytes = 128;
inline constexpr std::size_t card_name_bytes = 64;
// Its text. Longer is none of ours, and is not even decoded.
inline constexpr std::size_t card_text = 4096;

// What a person says of an account of his own, face to face: its uid, its alias.
inline constexpr std::size_t told_name_bytes = 256;
// A ping's text, in UTF-16 units: TMTP's.
inline constexpr std::size_t letter_units = 140;

// Answers to one card that wait for a decision. Only who has the card can send one, and he sends it again.
inline constexpr std::size_t answers_waiting = 64;
// The same answer again, so that a lost reply does not leave one side with half a contact.
inline constexpr std::int64_t answer_again_ms = 24ll * 3600 * 1000;
inline constexpr std::uint64_t answers_again = 30;
// What became of a card is told for so long after its end.
inline constexpr std::int64_t card_kept_ms = 90ll * 24 * 3600 * 1000;

}  // namespace kith::limits
