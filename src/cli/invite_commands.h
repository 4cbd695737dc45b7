// Commands for becoming contacts (cli/commands.h has the others).
#pragma once

#include "cli/commands.h"

namespace kith::cli {

void add_invite_commands(CLI::App& app, Command& chosen);
void add_accept_command(CLI::App& invite, Command& chosen);
// The parts of `contact` and `invite` for people who are beside each other.
void add_verify_command(CLI::App& contact, Command& chosen);
void add_swap_command(CLI::App& invite, Command& chosen);

}  // namespace kith::cli
