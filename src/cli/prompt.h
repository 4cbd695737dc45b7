// Questions to a person, and lines from standard input.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "cli/context.h"

namespace kith::cli {

// Standard input as lines. One object for the whole program (standard_input()): it reads ahead.
class InputLines {
  public:
    // A line that is already here, without its end.
    std::optional<std::string> next();
    // Reads what is there, waiting for it if need be. False: the end (what stands before it without a line
    // end becomes a line), or a line longer than limits::input_line.
    bool read_more();
    // next(), reading as long as needed; nothing at the end.
    std::optional<std::string> wait();

  private:
    std::string buffer_;
    bool ended_ = false;
};
InputLines& standard_input();

// Asks on standard error; nothing at the end of input. Only when context.can_ask.
std::optional<std::string> ask(const std::string& question);
// `ask` for what is done only when the answer is "y" or "yes".
bool agrees(const std::string& question);
// `ask` without echo. Empty when only Enter was pressed. Fault::cancelled at the end of input.
Result<SecretBytes> ask_secret(const std::string& question);
// Asks twice until both are the same.
Result<SecretBytes> ask_new_secret(const std::string& question, const std::string& again);

// A text that another device shows, and that holds a secret: as an option, as a line of standard input ("-",
// which keeps it out of the list of processes), or asked for where the option is empty. Fault::invalid.
struct ShownText {
    std::string name;      // "offer's text"
    std::string question;  // who is asked
    std::string shown_by;  // "kith device add"
};
// What to say where it is not given and nobody can be asked: a usage error, as of any missing option, which
// the command tells before it calls read_shown.
Error missing(const ShownText& wanted);
Result<std::string> read_shown(Context& context, const std::string& option, const ShownText& wanted);

// The first line of `file`. Fault::not_found, Fault::io, Fault::invalid (too long).
Result<SecretBytes> read_secret_file(const std::string& file);

}  // namespace kith::cli
