// What an index of the texts asks of history: what arrived since it last asked, and what people may see.
// Everything here only reads.
#pragma once

#include <cstdint>
#include <vector>

#include "history/record.h"
#include "store/database.h"

namespace kith::store {

// A record by its place in the order of arrival. A record whose bytes come later than its row arrives again.
struct Arrival {
    std::int64_t seq = 0;
    history::Key key;
};

// The newest place; 0: there is no record.
Result<std::int64_t> last_arrival(Database& db);
// What arrived after `seq`, in the order of arrival.
Result<std::vector<Arrival>> arrivals_after(Database& db, std::int64_t seq, std::size_t limit);
// What stands below `key`, newest first. Reads the index of keys alone, so a walk through all is cheap.
Result<std::vector<Arrival>> arrivals_below(Database& db, const history::Key& key, std::size_t limit);

struct Standing {
    bool here = false;   // there is such a record, its bytes are here, and it was not erased
    bool shown = false;  // and people see it
};
Result<Standing> standing(Database& db, const history::Key& key);

}  // namespace kith::store
