// The options that choose what a device holds: of `device join` and `history select`.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"

namespace CLI {
class App;
}

namespace kith::cli {

struct SelectOptions {
    std::vector<std::string> accounts;
    std::string since, attachments;
};
void add_select_options(CLI::App& command, SelectOptions& options);
// As arguments of a method: "accounts", "since", "largest". Fault::invalid for a size that is none.
Result<> add_selection(Json& args, const SelectOptions& options);

}  // namespace kith::cli
