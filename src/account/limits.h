// Limits of an account's roster at a service, which reads and keeps it for everybody.
#pragma once

#include <cstddef>

#include "roster/limits.h"

namespace kith::limits {

// Entries and bytes kept of one signer: a device signs a few in its life, and adds a dozen others. The
// recovery key has to have the last word whatever 80 devices have signed. All of it together is below what a
// link may have waiting (tmtpd_output_bytes).
inline constexpr std::size_t account_signer_entries = 32;
inline constexpr std::size_t account_signer_bytes = 20 * 1024;
inline constexpr std::size_t account_recovery_entries = 256;
inline constexpr std::size_t account_recovery_bytes = 256 * 1024;
// Of one request to a service: what a device can bring at once.
inline constexpr std::size_t account_request_bytes = 256 * 1024;
inline constexpr std::size_t account_log_bytes = 2 * 1024 * 1024;
// Of rosters whose meaning is kept at hand (Folds). In memory each takes several times its bytes.
inline constexpr std::size_t account_folds = 64;
inline constexpr std::size_t account_folds_bytes = 2 * account_log_bytes;

}  // namespace kith::limits
