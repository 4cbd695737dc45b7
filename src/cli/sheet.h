// The recovery sheet, shown and asked for.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "cli/context.h"

namespace kith::cli {

// With what it means, for somebody who is to write it down.
void show_sheet(Context& context, const std::string& recovery);
// Has it typed back.
void check_sheet(Context& context, const std::string& recovery);
// Whether the sheet is neither in a file nor can be asked for: the usage error that a command tells, as for
// any missing option, before it calls sheet_text.
std::optional<Error> missing_sheet(const Context& context, const std::string& file);
// The sheet that its owner has: from `file`, or asked for.
Result<SecretBytes> sheet_text(Context& context, const std::string& file);

}  // namespace kith::cli
