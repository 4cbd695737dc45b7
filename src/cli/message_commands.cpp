#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/prompt.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

struct Options {
    std::string service, to, subject, body;
    bool has_body = false;
    std::vector<std::string> attach;
};

// Standard input to its end, or to a line with a dot alone: people cannot always find Ctrl-D.
std::string ask_body(Context& context) {
    context.out.note("Write the message; a line with only a dot ends it.");
    std::string body;
    while (auto line = standard_input().wait()) {
        if (*line == ".") break;
        body += *line + "\n";
    }
    return body;
}

int send(Context& context, Options options) {
    if (!options.has_body) {
        if (!context.can_ask)
            return context.out.usage_error("the message has no text", "give it with --body TEXT");
        options.body = ask_body(context);
    }
    Json args{
        {"to", options.to}, {"subject", options.subject}, {"body", options.body}, {"attach", Json::array()}};
    if (!options.service.empty()) args["service"] = options.service;
    for (const auto& file : options.attach) {
        auto path = absolute_path(file);
        if (!path) return context.out.error(path.error());
        args["attach"].push_back(*path);
    }
    return conclude(context, call(context, {"message.send", std::move(args), {}}), [&](const Json& result) {
        std::string id = text_in(result, "id");
        context.out.say(text_in(result, "state") + (id.empty() ? "" : "  " + id));
    });
}

}  // namespace

void add_message_commands(CLI::App& app, Command& chosen) {
    auto* message = app.add_subcommand("message", "messages");
    message->require_subcommand(1);
    auto options = std::make_shared<Options>();
    auto* command = message->add_subcommand("send", "send a message");
    command->add_option("--to", options->to, "alias or uid of who shall have it")->required();
    command->add_option("--subject", options->subject, "its subject");
    auto* body = command->add_option("--body", options->body, "its text");
    command->add_option("--attach", options->attach, "a file to send with it; may be given again");
    command->add_option("--service", options->service, "address of the service, when there are several");
    command->callback([=, &chosen] {
        options->has_body = body->count() > 0;
        chosen = [=](Context& context) { return send(context, *options); };
    });
}

}  // namespace kith::cli
