// What is kept from one fold to the next, so that a log that grows entry by entry is not checked again and
// again: which signatures hold, and what requests say. Results never depend on it.
#pragma once

#include <map>
#include <optional>

#include "crypto/hash.h"
#include "roster/entry.h"

namespace kith::roster {

class Memory {
  public:
    bool signed_by(const Entry& entry, const SignPublic& key);
    // Nothing when it is malformed or not signed by its keys.
    std::optional<Request> request(const SignedRequest& request);

  private:
    std::map<crypto::Hash, bool> signatures_;
    std::map<crypto::Hash, std::optional<Request>> requests_;
};

}  // namespace kith::roster
