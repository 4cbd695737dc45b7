// kith: the command line of a profile. What it prints and returns is specified in src/control/README.md.
#include <CLI/CLI.hpp>

#include "cli/invite_commands.h"

namespace kith::cli {
namespace {

struct Globals {
    std::string home;
    bool json = false;
};

// Whether --json was given, when the rest could not be understood.
bool wants_json(int count, char** words) {
    for (int i = 1; i < count; ++i)
        if (std::string_view(words[i]) == "--json") return true;
    return false;
}

int run(int count, char** words) {
    CLI::App app("kith: all your messages, on each of your devices", "kith");
    Globals globals;
    Command chosen;
    app.fallthrough();  // so that the global options are taken behind a command as well
    app.require_subcommand(1);
    app.add_option("--home", globals.home, "the profile's folder (KITH_HOME, else ~/.local/share/kith)");
    app.add_flag("--json", globals.json, "for programs: JSON, and nothing is ever asked");
    app.set_version_flag("--version", std::string("kith " KITH_VERSION));
    add_profile_commands(app, chosen);
    add_service_commands(app, chosen);
    add_history_commands(app, chosen);
    add_sync_commands(app, chosen);
    add_device_commands(app, chosen);
    add_nearby_commands(app, chosen);
    add_message_commands(app, chosen);
    add_contact_commands(app, chosen);
    add_invite_commands(app, chosen);
    app.footer("Exit codes and what programs can rely on: src/control/README.md");
    try {
        app.parse(count, words);
    } catch (const CLI::Success& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        return Output(wants_json(count, words))
            .usage_error(error.what(), "kith --help, or kith COMMAND --help");
    }

    auto home = find_home(globals.home);
    Output out(globals.json);
    if (!home) return out.error(home.error());
    bool person = !globals.json && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
    Context context{*home, out, person};
    int code = chosen(context);
    if (!context.out.flush() && code == exit_ok)
        return context.out.error(
            {Fault::io, "not everything could be written", "check where the output goes"});
    return code;
}

}  // namespace

int guarded(int count, char** words) {
    try {
        return run(count, words);
    } catch (const std::exception& error) {
        return Output(wants_json(count, words)).internal_error(error.what());
    }
}

}  // namespace kith::cli

int main(int count, char** words) {
    return kith::cli::guarded(count, words);
}
