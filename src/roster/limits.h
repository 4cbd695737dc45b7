// Limits of this room alone; base/limits.h has those that other rooms share.
#pragma once

#include <cstddef>

#include "base/limits.h"

namespace kith::limits {

// Bytes kept of one signer: its entries may each name 256 heads (17 KiB), and the log must stay small enough
// to be handed over whenever two devices meet. Enough for a hundred devices added.
inline constexpr std::size_t roster_signer_bytes = 256 * 1024;
// Devices that the recovery key may add beyond the 64 that devices may: a thief who used these up must not
// keep the owner from starting over.
inline constexpr std::size_t roster_recovery_devices = 16;

}  // namespace kith::limits
