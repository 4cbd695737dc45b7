#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/prompt.h"
#include "cli/sheet.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

struct ActOptions {
    std::string device, name, passphrase_file, sheet_file;
    bool erase = false;
    bool yes = false;
};
struct RecoverOptions {
    std::vector<std::string> revoke;
    std::string day, name, sheet_file, passphrase_file;
    bool erase = false;
};

void show_effects(Context& context, const Json& result) {
    auto& out = context.out;
    for (const auto& effect : list_in(result, "effects")) {
        auto peer = text_in(effect, "peer"), text = text_in(effect, "text"),
             outcome = text_in(effect, "outcome");
        if (!peer.empty()) {
            out.say("  " + peer + ": " + (text.empty() ? outcome : text));
            continue;
        }
        out.say("  " + text + ".");
        if (text_in(effect, "ask").empty()) continue;
        out.say("    Write to its operator:");
        out.say("      " + text_in(effect, "ask"));
        out.say(
            "    Or leave this account for a new one there; contacts and groups are told, your history "
            "stays:");
        out.say("      " + text_in(effect, "move"));
    }
}

// Under --json one object for each peer and service; without any, the result itself.
int show_told(Context& context, const Json& result) {
    if (context.out.json())
        for (const auto& effect : list_in(result, "effects")) context.out.value(effect);
    return exit_ok;
}

Result<std::optional<Json>> act(Context& context, const ActOptions& options, const std::string& method,
                                const Json& args) {
    return with_passphrase(context, options.passphrase_file, Opens::no, [&](SecretBytes passphrase) {
        control::Start start{method, args, {}};
        start.secrets.set("passphrase", std::move(passphrase));
        return converse(context, std::move(start), {});
    });
}

int log(Context& context) {
    return conclude(context, call(context, {"device.log", Json::object(), {}}), [&](const Json& lines) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& line : list_in(lines)) {
            std::string what = text_in(line, "act") + " " + text_in(line, "device");
            if (auto former = text_in(line, "former"); !former.empty())
                what = text_in(line, "act") + " " + former + " to " + text_in(line, "name");
            for (const auto& barred : list_in(line, "bars"))
                if (barred.is_string()) what += " " + clean(barred.get_ref<const std::string&>());
            rows.push_back({local_time(text_in(line, "time")), "by " + text_in(line, "by"), what,
                            text_in(line, "standing") == "counts" ? "" : text_in(line, "standing")});
        }
        context.out.write(table(rows));
    });
}

int rename(Context& context, const ActOptions& options) {
    auto result =
        act(context, options, "device.rename", {{"device", options.device}, {"name", options.name}});
    if (!result) return context.out.error(result.error());
    show_told(context, **result);
    context.out.say(clean(options.device) + " is called " + clean(options.name) + " now.");
    return exit_ok;
}

// What cannot be taken back is asked about once; who gives his passphrase for it has been asked.
bool sure(Context& context, const ActOptions& options, const std::string& question) {
    return options.yes || !context.can_ask || !options.passphrase_file.empty() || agrees(question);
}

int revoke(Context& context, const ActOptions& options) {
    if (!sure(context, options,
              "Bar " + clean(options.device) + " for good? It can come back only as a new device."))
        return context.out.error({Fault::cancelled, "nothing was done", ""});
    auto result =
        act(context, options, "device.revoke", {{"device", options.device}, {"erase", options.erase}});
    if (!result) return context.out.error(result.error());
    show_told(context, **result);
    auto name = text_in(**result, "name");
    if (text_in(**result, "state") == "barred")
        context.out.say(name + " is barred.");
    else
        context.out.say(name +
                        " is suspended: this device is in doubt itself, so its word waits for a decision.");
    context.out.say("The secrets that your devices share are " + text_in(**result, "secrets") + ".");
    show_effects(context, **result);
    if (options.erase)
        context.out.say(
            name +
            " erases its keys three days after it hears of this; at once with the recovery sheet: "
            "kith device recover --revoke NAME --erase");
    return exit_ok;
}

int contest(Context& context, const ActOptions& options) {
    if (!sure(context, options,
              "Contest? This device and those that barred it are suspended until that is decided."))
        return context.out.error({Fault::cancelled, "nothing was done", ""});
    auto result = act(context, options, "device.contest", Json::object());
    if (!result) return context.out.error(result.error());
    if (context.out.json()) context.out.value(**result);
    context.out.say("Contested. Both this device and those that barred it are suspended now.");
    context.out.say(
        "Not barred are these. Is one not in your hands? Bar it too, now: kith device revoke NAME");
    for (const auto& name : list_in(**result, "others"))
        if (name.is_string()) context.out.say("  " + clean(name.get_ref<const std::string&>()));
    context.out.say(
        "To decide: kith device lift, on a device that was added before both; or the recovery sheet.");
    return exit_ok;
}

int lift(Context& context, const ActOptions& options) {
    Result<std::optional<Json>> result;
    const Json args{{"device", options.device}};
    if (!options.sheet_file.empty()) {
        auto sheet = read_secret_file(options.sheet_file);
        if (!sheet) return context.out.error(sheet.error());
        control::Start start{"device.lift", args, {}};
        start.secrets.set("sheet", std::move(*sheet));
        result = converse(context, std::move(start), {});
    } else {
        result = act(context, options, "device.lift", args);
    }
    if (!result) return context.out.error(result.error());
    if (context.out.json()) context.out.value(**result);
    context.out.say(text_in(**result, "name") + " is " + text_in(**result, "state") + " now.");
    return exit_ok;
}

int recover(Context& context, const RecoverOptions& options) {
    if (auto missing = missing_sheet(context, options.sheet_file))
        return context.out.usage_error(missing->what, missing->hint);
    auto sheet = sheet_text(context, options.sheet_file);
    if (!sheet) return context.out.error(sheet.error());
    Json args = Json::object();
    if (!options.revoke.empty()) args["devices"] = options.revoke;
    if (!options.day.empty()) args["day"] = options.day;
    if (options.erase) args["erase"] = true;
    auto status = call(context, {"status", Json::object(), {}});
    if (!status) return context.out.error(status.error());
    control::Start start{"device.recover", std::move(args), {}};
    if (text_in(*status, "state") == "new") {
        start.args["name"] = options.name.empty() ? default_device_name() : options.name;
        auto passphrase = new_passphrase(context, options.passphrase_file);
        if (!passphrase) return context.out.error(passphrase.error());
        start.secrets.set("passphrase", std::move(*passphrase));
    }
    start.secrets.set("sheet", std::move(*sheet));
    return conclude(context, call(context, std::move(start)), [&](const Json& result) {
        context.out.say("This device is active, by the recovery key.");
        show_effects(context, result);
        for (const auto& fallen : list_in(result, "fallen"))
            context.out.say("  " + text_in(fallen, "name") + " falls with it: " + text_in(fallen, "why") +
                            ". If it is yours, add it anew.");
        for (const auto& remains : list_in(result, "remains"))
            if (remains.is_string())
                context.out.say("  What does not come back: " + clean(remains.get_ref<const std::string&>()));
        context.out.say("If somebody may have seen the sheet: kith recovery renew");
    });
}

int renew(Context& context, const std::string& sheet_file) {
    if (auto missing = missing_sheet(context, sheet_file))
        return context.out.usage_error(missing->what, missing->hint);
    auto sheet = sheet_text(context, sheet_file);
    if (!sheet) return context.out.error(sheet.error());
    control::Start start{"recovery.renew", Json::object(), {}};
    start.secrets.set("sheet", std::move(*sheet));
    Listener listener;
    auto print = [&](const std::string& name, Json line) {
        line["event"] = name;
        context.out.value(line);
    };
    listener.on_event = [&](const control::Event& event) {
        if (context.out.json()) return print(event.name, event.fields);
        if (event.name == "sheet") show_sheet(context, text_in(event.fields, "recovery"));
        if (event.name == "warning") context.out.note(text_in(event.fields, "text"));
    };
    listener.on_ask = [&](const control::Ask&) {
        if (context.out.json()) return print("sheet_wanted", Json::object());
        context.out.say("Type it back from the paper; until then the former sheet holds:");
    };
    listener.on_interrupt = [] { return Interrupt::cancel; };
    auto result = converse(context, std::move(start), listener);
    if (!result) return context.out.error(result.error());
    if (context.out.json()) print("done", {{"behind", (*result)->value("behind", Json::array())}});
    if (list_in(**result, "behind").empty()) {
        context.out.say("The new sheet holds from now on. Destroy the former one.");
        return exit_ok;
    }
    context.out.say(
        "The new sheet holds from now on. Keep the former one: only with it these can be restored,");
    context.out.say("whose list of devices has a key that neither sheet is known here to replace:");
    for (const auto& address : list_in(**result, "behind"))
        if (address.is_string()) context.out.say("  " + clean(address.get_ref<const std::string&>()));
    return exit_ok;
}

template <class Options>
void add_passphrase_file(CLI::App& command, Options& options) {
    command.add_option("--passphrase-file", options.passphrase_file,
                       "a file whose first line is the passphrase");
}

}  // namespace

void add_trust_commands(CLI::App& app, CLI::App& device, Command& chosen) {
    device.add_subcommand("log", "what was signed about this person's devices, and what counts")
        ->callback([&chosen] { chosen = log; });
    auto add = [&](const char* name, const char* about, int (*run)(Context&, const ActOptions&)) {
        auto options = std::make_shared<ActOptions>();
        auto* command = device.add_subcommand(name, about);
        add_passphrase_file(*command, *options);
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return run(context, *options); }; });
        return std::pair(command, options);
    };
    {
        auto [command, options] = add("rename", "give a device another name", rename);
        command->add_option("DEVICE", options->device, "its name, or the first digits of its id")->required();
        command->add_option("NAME", options->name, "the new name")->required();
    }
    {
        auto [command, options] = add("revoke", "bar a device that is lost, for good", revoke);
        command->add_option("DEVICE", options->device, "its name, or the first digits of its id")->required();
        command->add_flag("--erase", options->erase, "it is to erase its keys when it hears of this");
        command->add_flag("--yes", options->yes, "ask nothing");
    }
    {
        auto [command, options] =
            add("contest", "this device was barred by one that is not in your hands", contest);
        command->add_flag("--yes", options->yes, "ask nothing");
    }
    {
        auto [command, options] = add("lift", "decide a quarrel: take back what bars a device", lift);
        command->add_option("DEVICE", options->device, "its name, or the first digits of its id")->required();
        command->add_option("--sheet-file", options->sheet_file,
                            "decide with the recovery sheet in this file");
    }
    {
        auto options = std::make_shared<RecoverOptions>();
        auto* command = device.add_subcommand("recover", "let this device in again, with the recovery sheet");
        command->add_option("--revoke", options->revoke, "a device to bar; as often as needed");
        command->add_option("--day", options->day,
                            "2026-12-31: what it signed from this day (UTC) on is void");
        command->add_flag("--erase", options->erase, "the barred devices are to erase their keys");
        command->add_option("--sheet-file", options->sheet_file, "a file whose first line is the sheet");
        command->add_option("--name", options->name, "on an empty device: what it is called");
        add_passphrase_file(*command, *options);
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return recover(context, *options); }; });
    }
    auto* recovery = app.add_subcommand("recovery", "the recovery sheet");
    recovery->require_subcommand(1);
    {
        auto file = std::make_shared<std::string>();
        auto* command =
            recovery->add_subcommand("renew", "make a new sheet; the one you have is worth nothing then");
        command->add_option("--sheet-file", *file, "a file whose first line is the sheet that holds now");
        command->callback([=, &chosen] { chosen = [=](Context& context) { return renew(context, *file); }; });
    }
}

}  // namespace kith::cli
