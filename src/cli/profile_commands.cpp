#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <memory>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/prompt.h"
#include "cli/sheet.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

struct InitOptions {
    std::string name, passphrase_file;
};

// Whether a person can still be made here. A home that is not there yet is not made to find out; of a device
// that is joining, the daemon says why not.
Result<bool> is_free(Context& context) {
    std::error_code ignored;
    if (!std::filesystem::exists(context.home, ignored)) return true;
    KITH_TRY_VALUE(status, call(context, {"status", Json::object(), {}}));
    const auto state = text_in(status, "state");
    return state == "new" || state == "joining";
}

int init(Context& context, const InitOptions& options) {
    // Before a passphrase is made up in vain.
    if (context.can_ask && options.passphrase_file.empty()) {
        auto free = is_free(context);
        if (!free) return context.out.error(free.error());
        if (!*free)
            return context.out.error(
                {Fault::refused, "this device already belongs to a person",
                 "see kith status; another profile has a folder of its own: --home DIR"});
    }
    auto passphrase = new_passphrase(context, options.passphrase_file);
    if (!passphrase) return context.out.error(passphrase.error());
    control::Start start{"init", {{"name", options.name.empty() ? default_device_name() : options.name}}, {}};
    start.secrets.set("passphrase", std::move(*passphrase));
    return conclude(context, call(context, std::move(start)), [&](const Json& result) {
        context.out.say("This device is now the first of a new person.");
        std::string recovery = text_in(result, "recovery");
        show_sheet(context, recovery);
        if (context.can_ask) check_sheet(context, recovery);
    });
}

int lock(Context& context, const std::string& after) {
    if (after.empty())
        return conclude(context, call(context, {"lock", Json::object(), {}}),
                        [&](const Json&) { context.out.say("The profile is locked."); });
    double minutes = -1;
    const auto [end, error] = std::from_chars(after.data(), after.data() + after.size(), minutes);
    if (error != std::errc() || end != after.data() + after.size() || !(minutes >= 0) || minutes > 43200)
        return context.out.usage_error("--after takes minutes, 0 to 43200",
                                       "as in: kith lock --after 15; 0: never");
    const auto seconds = static_cast<std::uint64_t>(minutes * 60);
    return conclude(context, call(context, {"lock.after", {{"seconds", seconds}}, {}}), [&](const Json&) {
        context.out.say(seconds == 0
                            ? "The profile does not lock by itself."
                            : "The profile locks itself after " +
                                  duration_text(static_cast<std::int64_t>(seconds)) + " without use.");
    });
}

int unlock(Context& context, const std::string& file) {
    auto run = [&](SecretBytes passphrase) {
        control::Start start{"unlock", Json::object(), {}};
        start.secrets.set("passphrase", std::move(passphrase));
        return converse(context, std::move(start), {});
    };
    auto result = with_passphrase(context, file, Opens::yes, run);
    if (!result) return context.out.error(result.error());
    return conclude(context, **result, [&](const Json&) { context.out.say("The profile is open."); });
}

int passphrase(Context& context, const std::string& old_file, const std::string& new_file) {
    if (new_file.empty() && !context.can_ask)
        return context.out.usage_error("no new passphrase was given",
                                       "give it with --new-passphrase-file FILE");
    auto run = [&](SecretBytes old_passphrase) -> Result<std::optional<Json>> {
        KITH_TRY_VALUE(fresh, new_passphrase(context, new_file, EmptyLine::means_none));
        control::Start start{"passphrase", Json::object(), {}};
        start.secrets.set("passphrase", std::move(old_passphrase));
        start.secrets.set("new_passphrase", std::move(fresh));
        return converse(context, std::move(start), {});
    };
    Result<std::optional<Json>> result;
    if (old_file.empty() && context.can_ask) {
        // Asked for before the new one, as people expect.
        auto old_passphrase = ask_secret("Present passphrase (Enter alone: there is none): ");
        result = old_passphrase ? run(std::move(*old_passphrase)) : fail(old_passphrase.error());
    } else {
        result = with_passphrase(context, old_file, Opens::yes, run);
    }
    if (!result) return context.out.error(result.error());
    return conclude(context, **result, [&](const Json&) { context.out.say("The passphrase is changed."); });
}

void show_status(Context& context, const Json& status) {
    auto& out = context.out;
    std::string name = text_in(status, "name"), device = text_in(status, "device");
    out.say("profile   " + clean(context.home.string()));
    const bool locked = text_in(status, "state") == "locked";
    out.say("device    " + (!name.empty()     ? name
                            : !device.empty() ? device
                            : locked          ? "(locked)"
                                              : "none yet"));
    out.say("state     " + text_in(status, "state") + (locked ? ": kith unlock" : ""));
    if (auto standing = text_in(status, "standing"); !standing.empty())
        out.say("standing  " + standing + ": " + text_in(status, "why"));
    std::vector<std::vector<std::string>> rows;
    say_alarms(context, list_in(status, "services"));
    for (const auto& service : list_in(status, "services"))
        rows.push_back(
            {"service", text_in(service, "address"), text_in(service, "alias"), text_in(service, "state")});
    for (const auto& peer : list_in(status, "peers"))
        rows.push_back({"device", text_in(peer, "name"), "", text_in(peer, "state")});
    out.write(table(rows));
    if (status.is_object() && status.contains("transfer") && status["transfer"].is_object()) {
        const Json& transfer = status["transfer"];
        out.say("transfer  " + transfer_text(transfer));
        if (auto waiting = text_in(transfer, "waiting_for"); !waiting.empty())
            out.say("waiting   " + waiting);
    }
    if (auto selection = text_in(status, "selection"); !selection.empty()) out.say("holds     " + selection);
    if (status.is_object() && status.contains("left_out"))
        out.say("left out  " + left_out_text(status["left_out"]));
}

int stop(Context& context) {
    auto caller = find_daemon(context.home);
    if (!caller) {
        if (caller.error().kind != Fault::not_found) return context.out.error(caller.error());
        context.out.value({{"stopped", false}});
        context.out.say("kithd is not running");
        return exit_ok;
    }
    const pid_t peer = process_of(*caller);
    // A daemon that ends while it says so has stopped all the same.
    auto result = converse_on(std::move(*caller), {"stop", Json::object(), {}}, {});
    if (!result && result.error().kind != Fault::unavailable) return context.out.error(result.error());
    // A socket that a service manager made tells of the manager; the daemon's lock tells of itself.
    pid_t process = 0;
    std::ifstream(context.home / "kithd.lock") >> process;
    if (!wait_for_end(process > 0 ? process : peer))
        return context.out.error(
            {Fault::timed_out, "the daemon takes long to end", "look again in a while: kith stop"});
    context.out.value({{"stopped", true}});
    context.out.say("kithd has stopped");
    return exit_ok;
}

int show_version(Context& context) {
    Json versions{{"kith", KITH_VERSION}, {"kithd", nullptr}};
    if (auto caller = find_daemon(context.home)) {
        auto result = converse_on(std::move(*caller), {"version", Json::object(), {}}, {});
        if (!result) return context.out.error(result.error());
        versions["kithd"] = (**result).is_object() ? (**result).value("version", Json()) : Json();
    }
    context.out.value(versions);
    context.out.say("kith   " + text_in(versions, "kith"));
    context.out.say("kithd  " + (versions["kithd"].is_null() ? "not running" : text_in(versions, "kithd")));
    return exit_ok;
}

}  // namespace

void add_profile_commands(CLI::App& app, Command& chosen) {
    {
        auto options = std::make_shared<InitOptions>();
        auto* command = app.add_subcommand("init", "make a person with this as the first device");
        command->add_option("--name", options->name, "what this device is called (the host's name)");
        command->add_option("--passphrase-file", options->passphrase_file,
                            "a file whose first line is the passphrase");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return init(context, *options); }; });
    }
    {
        auto after = std::make_shared<std::string>();
        auto* command = app.add_subcommand("lock", "forget the keys until the passphrase is given again");
        command->add_option("--after", *after,
                            "not now, but whenever nobody asks for anything for so many minutes; 0: never");
        command->callback([=, &chosen] { chosen = [=](Context& context) { return lock(context, *after); }; });
    }
    {
        auto file = std::make_shared<std::string>();
        auto* command = app.add_subcommand("unlock", "open the profile with its passphrase");
        command->add_option("--passphrase-file", *file, "a file whose first line is the passphrase");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return unlock(context, *file); }; });
    }
    {
        auto files = std::make_shared<std::pair<std::string, std::string>>();
        auto* command = app.add_subcommand("passphrase", "set, change or remove the passphrase");
        command->add_option("--passphrase-file", files->first,
                            "a file whose first line is the present passphrase");
        command->add_option("--new-passphrase-file", files->second,
                            "a file whose first line is the new one; an empty line: none");
        command->callback([=, &chosen] {
            chosen = [=](Context& context) { return passphrase(context, files->first, files->second); };
        });
    }
    app.add_subcommand("status", "what this device is doing")->callback([&chosen] {
        chosen = [](Context& context) {
            return conclude(context, call(context, {"status", Json::object(), {}}),
                            [&](const Json& status) { show_status(context, status); });
        };
    });
    app.add_subcommand("stop", "end the daemon")->callback([&chosen] { chosen = stop; });
    app.add_subcommand("version", "which versions these are")->callback([&chosen] { chosen = show_version; });
}

}  // namespace kith::cli
