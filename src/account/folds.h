// What accounts' rosters mean that were looked at lately. To fold one is to check every signature in it, some
// 60 ms for 500 entries, and whoever knows a uid can ask for it. Found by the bytes of the log themselves: a
// log that grew is another one, so nothing here is ever out of date. Bounded; for one thread.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "roster/roster.h"

namespace kith::account {

struct Fold {
    Bytes packed;
    std::vector<roster::Entry> entries;
    roster::State state;
    roster::Memory memory;
};

class Folds {
  public:
    // Null: it is not here.
    std::shared_ptr<const Fold> find(ByteView packed);
    // The same, folded now when it was not. Fault::refused when it is no log.
    Result<std::shared_ptr<const Fold>> of(ByteView packed);
    // One that was made of others; it must be what folding its bytes gives.
    std::shared_ptr<const Fold> keep(Fold fold);

    std::size_t count() const { return folds_.size(); }
    std::size_t bytes() const { return bytes_; }

  private:
    std::list<std::shared_ptr<const Fold>> folds_;  // the last one wanted first
    std::size_t bytes_ = 0;                         // of the packed logs
};

}  // namespace kith::account
