// kith: the command line of a profile. What it prints and returns is specified in src/control/README.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <numeric>
#include <utility>

#include "cli/invite_commands.h"
#include "cli/text.h"

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

// How many letters are to be put in, left out or replaced to make one word of the other.
std::size_t distance(std::string_view one, std::string_view other) {
    std::vector<std::size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < one.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < other.size(); ++j) {
            const auto replaced = diagonal + (one[i] != other[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

// What was wrong with the words, and where to look. The parser says only that a command is missing, not which
// word stands in its place.
Error misunderstood(const CLI::App& app, const CLI::ParseError& error) {
    const CLI::App* command = &app;
    std::string path = app.get_name();
    for (auto below = app.get_subcommands(); !below.empty(); below = command->get_subcommands()) {
        command = below.front();
        path += " " + command->get_name();
    }
    const auto parts = command->get_subcommands(nullptr);
    if (parts.empty()) return {Fault::invalid, error.what(), "see " + path + " --help"};

    const std::string lists = path + " --help lists the commands";
    for (const auto& word : app.remaining(true)) {
        if (word.starts_with("-")) continue;
        std::string nearest;
        auto least = std::min<std::size_t>(3, word.size());
        for (const auto* part : parts)
            if (const auto far = distance(word, part->get_name()); far < least) {
                least = far;
                nearest = part->get_name();
            }
        return {Fault::invalid, "there is no command '" + path + " " + clean(word) + "'",
                nearest.empty() ? lists : "did you mean '" + path + " " + nearest + "'? " + lists};
    }
    return {Fault::invalid, "'" + path + "' needs to be told what to do", lists};
}

int run(int count, char** words) {
    CLI::App app("kith: all your messages, on each of your devices", "kith");
    Globals globals;
    Command chosen;
    app.fallthrough();  // so that the global options are taken behind a command as well
    app.require_subcommand(1);
    app.add_option("--home", globals.home,
                   "the profile's folder (KITH_HOME, else $XDG_DATA_HOME/kith, else ~/.local/share/kith)");
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
        const auto wrong = misunderstood(app, error);
        return Output(wants_json(count, words)).usage_error(wrong.what, wrong.hint);
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
