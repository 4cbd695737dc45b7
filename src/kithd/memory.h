// What becomes of the daemon's memory: what is freed is overwritten, so that after `lock` neither keys nor
// messages are left in it, and it is kept out of swap and core files as far as the system allows.
#pragma once

#include <string>

namespace kith {

// To be called first. Says what could not be done, for the log; empty when all was.
std::string protect_memory();

}  // namespace kith
