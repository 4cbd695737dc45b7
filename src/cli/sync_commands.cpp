// What this device holds: bringing it up to date, choosing, erasing.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/select_options.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

int sync(Context& context, std::uint64_t wait) {
    Progress progress(context.out);
    std::string waiting;
    auto on_event = [&](const control::Event& event) {
        if (event.name != "progress") return;
        progress.show(transfer_text(event.fields), number_in(event.fields, "bytes"),
                      number_in(event.fields, "bytes_total"), true);
        auto now = text_in(event.fields, "waiting_for");
        if (now != waiting && !now.empty()) context.out.say("waiting: " + now);
        waiting = now;
    };
    Json args = Json::object();
    if (wait != UINT64_MAX) args["wait"] = wait;
    auto result = call(context, {"sync", std::move(args), {}}, on_event);
    progress.end();
    return conclude(context, result, [&](const Json& done) {
        for (const auto& peer : list_in(done, "peers"))
            context.out.say(text_in(peer, "name") + ": " + text_in(peer, "state"));
    });
}

struct ChooseOptions {
    SelectOptions select;
    bool all = false;
};

int select(Context& context, const ChooseOptions& options) {
    Json args = Json::object();
    if (auto chosen = add_selection(args, options.select); !chosen) return context.out.error(chosen.error());
    if (options.all || (args.empty() && options.select.attachments == "all")) args["all"] = true;
    return conclude(context, call(context, {"history.select", std::move(args), {}}), [&](const Json& result) {
        context.out.say("This device holds: " + text_in(result, "selection"));
        if (result.is_object() && result.contains("left_out"))
            context.out.say("Left out: " + left_out_text(result["left_out"]));
    });
}

int erase(Context& context, const std::vector<std::string>& ids) {
    return conclude(context, call(context, {"history.erase", {{"ids", ids}}, {}}), [&](const Json& result) {
        context.out.say(count_text(number_in(result, "erased"), "message is", "messages are") +
                        " erased here, and on the other devices as soon as they are reached.");
    });
}

}  // namespace

void add_sync_commands(CLI::App& app, Command& chosen) {
    auto wait = std::make_shared<std::uint64_t>(UINT64_MAX);
    auto* command = app.add_subcommand("sync", "bring this device and the others up to date");
    command->add_option("--wait", *wait, "seconds to wait for devices that are not in reach (5)")
        ->check(CLI::Range(0, 86400));
    command->callback([=, &chosen] { chosen = [=](Context& context) { return sync(context, *wait); }; });
}

void add_holding_commands(CLI::App& history, Command& chosen) {
    {
        auto options = std::make_shared<ChooseOptions>();
        auto* command = history.add_subcommand("select", "what this device holds, and what it leaves out");
        add_select_options(*command, options->select);
        command->add_flag("--all", options->all, "everything");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return select(context, *options); }; });
    }
    {
        auto ids = std::make_shared<std::vector<std::string>>();
        auto* command = history.add_subcommand("erase", "erase messages, on all of this person's devices");
        command->add_option("ID", *ids, "their ids, or the first 8 or more digits of them")->required();
        command->callback([=, &chosen] { chosen = [=](Context& context) { return erase(context, *ids); }; });
    }
}

}  // namespace kith::cli
