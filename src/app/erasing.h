// Erasing messages, on all of the person's devices: a record made by kith names them, and counts when a
// device of the person that is not barred signed it.
#pragma once

#include "app/profile.h"

namespace kith::app {

// Erases these, durably.
Result<> erase(Profile& profile, std::span<const history::Key> keys, Now now);

// What an erasure names; nothing when it does not count.
std::vector<store::HistoryStore::Erased> read_erasure(const Profile& profile, const history::Record& record);

// The roster changed: whom all erasures name that count now is erased, nothing else is.
Result<> recount_erasures(Profile& profile);

// Removes for good what was erased long enough ago. True: there may be more, call again.
Result<bool> purge_erased(Profile& profile, Now now);

}  // namespace kith::app
