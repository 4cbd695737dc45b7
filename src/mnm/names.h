// Names of files in the reference client's store: query-escaped, with a leading dot escaped too.
#pragma once

#include <string>
#include <string_view>

namespace kith::mnm {

// What may stand in a name is kept, a space becomes `+`, anything else `%XX`. The result holds no slash and
// does not begin with a dot, so it stays in its folder whatever `text` is.
std::string escape(std::string_view text);

// Of the files in `thread/`: those that hold a thread are named by its id, 16 hexadecimal digits.
bool is_thread_name(std::string_view name);
// `thread/<threadid>_<12 digits>` or `_<12 digits>`: a draft.
bool is_draft_name(std::string_view name);

}  // namespace kith::mnm
