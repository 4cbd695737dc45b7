// What every command works with: where the profile is, and how to talk to whoever called.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "control/message.h"

namespace kith::cli {

using control::Json;

// Exit codes, as src/control/README.md lists them.
inline constexpr int exit_ok = 0;
inline constexpr int exit_internal = 1;
inline constexpr int exit_usage = 2;
int exit_code(Fault kind);

// Standard output and error. People get lines; under --json, programs get JSON, one value a line, on standard
// output, and errors as one JSON line on standard error.
class Output {
  public:
    explicit Output(bool json);

    bool json() const { return json_; }
    bool terminal() const { return terminal_; }  // standard output is one, and not in JSON
    std::size_t columns() const;                 // of the terminal; very many without one

    // For people: nothing under --json. Text must be clean (cli/text.h); `say` adds the line end.
    void say(std::string_view line);
    void write(std::string_view text);
    void note(std::string_view line);  // on standard error: remarks, prompts' surroundings
    // Redraws the line that the cursor is on; terminal only.
    void redraw(std::string_view line);
    void end_redraw();

    // For programs: nothing without --json.
    void value(const Json& json);
    // Bytes as they are, in either mode.
    void raw(std::string_view bytes);

    // "kith: what" and "hint: ..." or {"error":{...}}. Returns the exit code.
    int error(const Error& error);
    int usage_error(std::string_view what, std::string_view hint);
    int internal_error(std::string_view what);

    // False when something could not be written (a full disk).
    bool flush();

  private:
    void report(std::string_view kind, std::string_view what, std::string_view hint);

    bool json_;
    bool terminal_;
    bool on_redrawn_line_ = false;
};

struct Context {
    std::filesystem::path home;  // absolute
    Output out;
    bool can_ask;  // a person sits there: standard input and error are a terminal, and not --json
};

// --home, else KITH_HOME, else $XDG_DATA_HOME/kith, else ~/.local/share/kith; absolute.
Result<std::filesystem::path> find_home(const std::string& option);

}  // namespace kith::cli
