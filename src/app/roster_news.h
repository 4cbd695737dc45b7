// News of the person's roster in a Post to the account's own nodes, for devices that no peer link reaches:
// sealed to those that are not barred (src/app/README.md, "News by the services"). Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/keys.h"
#include "roster/entry.h"
#include "tmtp/client.h"
#include "tmtp/ops.h"

namespace kith::app {

// Posts to the account's own nodes, to be sent in this order: one, unless a thief has made the log long. Each
// can be read by itself.
Result<std::vector<tmtp::Asking>> make_roster_news(std::span<const roster::Entry> entries,
                                                   std::span<const LinkPublic> readers,
                                                   const std::string& own_uid, Random& random);
// Whether a Post's data, of which the first `datahead` bytes are the inner head, is such news.
bool is_roster_news(ByteView data, std::uint64_t datahead);
// What it says; nothing: it is not for this key, or cannot be read.
std::optional<std::vector<roster::Entry>> open_roster_news(ByteView data, std::uint64_t datahead,
                                                           const crypto::LinkKey& key);

}  // namespace kith::app
