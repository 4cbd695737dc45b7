// Messages, and what of them waits to be sent.
#include <CLI/CLI.hpp>
#include <memory>

#include "base/limits.h"
#include "cli/commands.h"
#include "cli/prompt.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

struct SendOptions {
    std::string service, subject, body, reply, note;
    std::vector<std::string> to, groups, notify, attach;
    bool has_body = false, all = false;
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

int send(Context& context, SendOptions options) {
    if (!options.has_body) {
        if (!context.can_ask)
            return context.out.usage_error("the message has no text", "give it with --body TEXT");
        options.body = ask_body(context);
    }
    Json args{
        {"to", options.to}, {"subject", options.subject}, {"body", options.body}, {"attach", Json::array()}};
    for (auto [key, value] :
         {std::pair{"service", &options.service}, {"reply", &options.reply}, {"note", &options.note}})
        if (!value->empty()) args[key] = *value;
    for (auto [key, value] : {std::pair{"groups", &options.groups}, {"notify", &options.notify}})
        if (!value->empty()) args[key] = *value;
    if (options.all) args["all"] = true;
    for (const auto& file : options.attach) {
        auto path = absolute_path(file);
        if (!path) return context.out.error(path.error());
        args["attach"].push_back(*path);
    }
    return conclude(context, call(context, {"message.send", std::move(args), {}}),
                    [&](const Json& result) { say_asked(context, result); });
}

struct MessageListOptions {
    std::string service, thread, before;
    std::size_t limit = 20;
};

int list_messages(Context& context, const MessageListOptions& options) {
    Json args{{"limit", options.limit}};
    for (auto [key, value] :
         {std::pair{"service", &options.service}, {"thread", &options.thread}, {"before", &options.before}})
        if (!value->empty()) args[key] = *value;
    return conclude(context, call(context, {"message.list", std::move(args), {}}), [&](const Json& messages) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& one : list_in(messages))
            rows.push_back({text_in(one, "id").substr(0, 8), local_time(text_in(one, "time")),
                            text_in(one, "from"), text_in(one, "subject")});
        if (rows.empty()) context.out.say("no messages");
        context.out.write(table(rows));
    });
}

int outbox(Context& context) {
    return conclude(context, call(context, {"outbox.list", Json::object(), {}}), [&](const Json& items) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& item : list_in(items)) {
            std::string to;
            for (const auto& one : list_in(item, "to"))
                if (one.is_string())
                    to += (to.empty() ? "" : ", ") + clean(one.get_ref<const std::string&>());
            auto why = text_in(item, "why");
            rows.push_back({std::to_string(number_in(item, "number")), local_time(text_in(item, "made")),
                            text_in(item, "what"), to,
                            text_in(item, "state") + (why.empty() ? "" : ": " + why)});
        }
        if (rows.empty()) context.out.say("nothing waits to be sent");
        context.out.write(table(rows));
    });
}

int change_outbox(Context& context, const char* method, std::uint64_t number, const char* said) {
    return conclude(context, call(context, {method, {{"number", number}}, {}}),
                    [&](const Json&) { context.out.say(said); });
}

}  // namespace

void say_asked(Context& context, const Json& result) {
    const auto state = text_in(result, "state");
    context.out.say(state);
    if (state == "queued")
        context.out.note("It goes out when the service is reached; 'kith outbox list' shows what waits.");
}

void add_message_commands(CLI::App& app, Command& chosen) {
    auto* message = app.add_subcommand("message", "messages");
    message->require_subcommand(1);
    {
        auto options = std::make_shared<SendOptions>();
        auto* command = message->add_subcommand("send", "send a message");
        command->add_option("--to", options->to, "alias or uid of who shall have it; may be given again");
        command->add_option("--group", options->groups, "a group that shall have it; may be given again");
        auto* reply =
            command->add_option("--reply", options->reply, "the message that this answers, by its id");
        command->add_flag("--all", options->all, "answer all who got that message")->needs(reply);
        command->add_option("--subject", options->subject, "its subject");
        auto* body = command->add_option("--body", options->body, "its text");
        command->add_option("--attach", options->attach, "a file to send with it; may be given again");
        auto* note = command->add_option("--note", options->note, "what those of --notify are told");
        command->add_option("--notify", options->notify, "who is only told of it; may be given again")
            ->needs(note);
        command->add_option(
            "--service", options->service,
            "the service, when there are several: its address or name, or the uid of the account there");
        command->callback([=, &chosen] {
            options->has_body = body->count() > 0;
            chosen = [=](Context& context) { return send(context, *options); };
        });
    }
    {
        auto options = std::make_shared<MessageListOptions>();
        auto* command = message->add_subcommand("list", "messages by services, the newest first");
        command->add_option("--thread", options->thread,
                            "only those of one thread, by the id of any message of it");
        command->add_option("--service", options->service, "only those by one service");
        command->add_option("--before", options->before, "only what is older than this id");
        command->add_option("--limit", options->limit, "how many at most (20)")
            ->check(CLI::Range(std::size_t{1}, limits::control_list));
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return list_messages(context, *options); }; });
    }
    add_show_command(*message, chosen);

    auto* box = app.add_subcommand("outbox", "what services have not answered yet");
    box->require_subcommand(1);
    box->add_subcommand("list", "what waits, and what was refused")->callback([&chosen] { chosen = outbox; });
    auto number = std::make_shared<std::uint64_t>(0);
    for (auto [name, method, what, said] :
         {std::tuple{"retry", "outbox.retry", "send once more what was refused", "It is sent again."},
          {"drop", "outbox.drop", "take back what was not sent", "It is taken back."}}) {
        auto* command = box->add_subcommand(name, what);
        command->add_option("NUMBER", *number, "as 'kith outbox list' shows it")->required();
        command->callback([=, &chosen, method = method, said = said] {
            chosen = [=](Context& context) { return change_outbox(context, method, *number, said); };
        });
    }
}

}  // namespace kith::cli
