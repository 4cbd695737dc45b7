// What is around this device, and why something may not be.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

std::string kind_text(const std::string& kind) {
    if (kind == "offer") return "offer to set up a device";
    if (kind == "invitation") return "invitation, or somebody to meet";
    if (kind == "device") return "your device";
    return "newer version of kith";
}

std::string line_of(const Json& neighbour) {
    std::string line = text_in(neighbour, "name");
    if (line.empty()) line = "?";
    return line + ": " + kind_text(text_in(neighbour, "kind")) + ", " + text_in(neighbour, "state");
}

void show(Context& context, const Json& result) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& neighbour : list_in(result, "nearby")) {
        std::string where;
        for (const auto& endpoint : list_in(neighbour, "endpoints"))
            if (endpoint.is_string())
                where += (where.empty() ? "" : " ") + clean(endpoint.get_ref<const std::string&>());
        rows.push_back({text_in(neighbour, "name"), kind_text(text_in(neighbour, "kind")),
                        text_in(neighbour, "state"), where});
    }
    context.out.write(table(rows));
    for (const auto& note : list_in(result, "notes"))
        if (note.is_string()) context.out.say(clean(note.get_ref<const std::string&>()));
}

int nearby(Context& context, bool watch) {
    Json args = Json::object();
    if (!watch)
        return conclude(context, call(context, {"nearby", std::move(args), {}}),
                        [&](const Json& result) { show(context, result); });
    args["watch"] = true;
    Listener listener;
    listener.on_event = [&](const control::Event& event) {
        if (context.out.json()) {
            Json line = event.fields;
            line["event"] = event.name;
            context.out.value(line);
        } else {
            context.out.say((event.name == "gone" ? "gone  " : "      ") + line_of(event.fields));
        }
        context.out.flush();
    };
    listener.on_interrupt = [] { return Interrupt::leave; };
    auto result = converse(context, {"nearby", std::move(args), {}}, listener);
    if (!result) return context.out.error(result.error());
    return exit_ok;
}

int doctor(Context& context) {
    return conclude(context, call(context, {"doctor", Json::object(), {}}), [&](const Json& findings) {
        for (const auto& finding : list_in(findings)) {
            const bool good = finding.is_object() && finding.value("good", false);
            context.out.say((good ? "  ok  " : "  !!  ") + text_in(finding, "what"));
            if (auto hint = text_in(finding, "hint"); !hint.empty()) context.out.say("      " + hint);
        }
    });
}

}  // namespace

void add_nearby_commands(CLI::App& app, Command& chosen) {
    auto watch = std::make_shared<bool>(false);
    auto* command = app.add_subcommand("nearby", "what is announced around this device");
    command->add_flag("--watch", *watch, "go on, and tell what comes and goes");
    command->callback([=, &chosen] { chosen = [=](Context& context) { return nearby(context, *watch); }; });
    app.add_subcommand("doctor", "what could keep devices from finding and reaching this one")
        ->callback([&chosen] { chosen = doctor; });
}

}  // namespace kith::cli
