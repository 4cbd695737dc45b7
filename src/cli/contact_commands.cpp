// Other people at the services of this person: contacts, groups, and who is there just now.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/invite_commands.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

struct Options {
    std::string service, to, group, alias, text;
    std::vector<std::string> whom;
};

int contacts(Context& context) {
    return conclude(context, call(context, {"contact.list", Json::object(), {}}), [&](const Json& contacts) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& one : list_in(contacts))
            rows.push_back(
                {text_in(one, "alias"), text_in(one, "uid"), text_in(one, "service"), text_in(one, "trust")});
        if (rows.empty())
            context.out.say("nobody has written yet: kith invite new, or kith contact ping ALIAS");
        context.out.write(table(rows));
    });
}

int show_contact(Context& context, const Options& options) {
    Json args{{"who", options.to}};
    if (!options.service.empty()) args["service"] = options.service;
    return conclude(context, call(context, {"contact.show", std::move(args), {}}), [&](const Json& contact) {
        auto& out = context.out;
        out.say(text_in(contact, "alias") + " at " + text_in(contact, "service") + ", " +
                text_in(contact, "uid"));
        const auto trust = text_in(contact, "trust");
        if (trust.empty()) return out.say("Met at the service alone: who it is, the service alone says.");
        out.say(trust + " since " + local_time(text_in(contact, "since")) + ", person " +
                text_in(contact, "person").substr(0, 16));
        if (trust == "introduced")
            out.say("By an invitation, which somebody may have copied: nobody has compared a code.");
        if (trust == "changed")
            out.say("Somebody came under this account as another person, " +
                    text_in(contact, "offered_person").substr(0, 16) +
                    ". Meet and find out why; until then nobody takes the place of who you know.");
    });
}

int remove_contact(Context& context, const Options& options) {
    Json args{{"who", options.to}};
    if (!options.service.empty()) args["service"] = options.service;
    return conclude(context, call(context, {"contact.remove", std::move(args), {}}), [&](const Json&) {
        context.out.say("Removed here and on your other devices. They can still write to you.");
    });
}

// Asks a service for something, with these fields that are not empty.
int request(Context& context, const char* method, std::vector<std::pair<const char*, std::string>> fields) {
    Json args = Json::object();
    for (auto& [key, value] : fields)
        if (!value.empty()) args[key] = std::move(value);
    return conclude(context, call(context, {method, std::move(args), {}}),
                    [&](const Json& result) { say_asked(context, result); });
}

int groups(Context& context) {
    return conclude(context, call(context, {"group.list", Json::object(), {}}), [&](const Json& list) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& one : list_in(list))
            rows.push_back({text_in(one, "group"), "as " + text_in(one, "alias"), text_in(one, "service")});
        if (rows.empty()) context.out.say("no group yet: kith group invite NAME ALIAS makes one");
        context.out.write(table(rows));
    });
}

int presence(Context& context) {
    return conclude(context, call(context, {"presence.list", Json::object(), {}}), [&](const Json& services) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& service : list_in(services))
            for (auto [key, said] : {std::pair{"present", "is there"}, {"shown_to", "sees you"}})
                for (const auto& one : list_in(service, key)) {
                    auto alias = text_in(one, "alias");
                    rows.push_back(
                        {alias.empty() ? text_in(one, "uid") : alias, said, text_in(service, "service")});
                }
        if (rows.empty())
            context.out.say("nobody lets you know, and you let nobody know: kith presence show NAME");
        context.out.write(table(rows));
    });
}

int change_presence(Context& context, const char* method, const Options& options) {
    Json args{{"to", options.whom}};
    if (!options.service.empty()) args["service"] = options.service;
    return conclude(context, call(context, {method, std::move(args), {}}),
                    [&](const Json&) { context.out.say("Done; it holds for all of your devices."); });
}

void add_service_option(CLI::App* command, Options& options) {
    command->add_option(
        "--service", options.service,
        "the service, when there are several: its address or name, or the uid of the account there");
}

}  // namespace

void add_contact_commands(CLI::App& app, Command& chosen) {
    auto options = std::make_shared<Options>();
    auto* contact = app.add_subcommand("contact", "people at the services of this person");
    contact->require_subcommand(1);
    contact->add_subcommand("list", "who has written, asked for contact, or shares a group")
        ->callback([&chosen] { chosen = contacts; });
    for (auto [name, run, what] :
         {std::tuple{"show", &show_contact, "how somebody became a contact, and what is known of them"},
          {"remove", &remove_contact,
           "forget somebody: they are listed again when an invitation makes them a contact"}}) {
        auto* command = contact->add_subcommand(name, what);
        command->add_option("NAME", options->to, "alias or uid")->required();
        add_service_option(command, *options);
        command->callback(
            [=, &chosen, run = run] { chosen = [=](Context& context) { return run(context, *options); }; });
    }
    add_verify_command(*contact, chosen);
    {
        auto* command = contact->add_subcommand("ping", "ask somebody for contact, by alias");
        command->add_option("ALIAS", options->to, "the name that they have at the service")->required();
        command->add_option("--text", options->text, "a few words, 140 characters at most");
        add_service_option(command, *options);
        command->callback([=, &chosen] {
            chosen = [=](Context& context) {
                return request(context, "contact.ping",
                               {{"to", options->to}, {"text", options->text}, {"service", options->service}});
            };
        });
    }

    auto* group = app.add_subcommand("group", "groups at the services of this person");
    group->require_subcommand(1);
    group->add_subcommand("list", "the groups that you are in")->callback([&chosen] { chosen = groups; });
    auto add_group = [&](const char* name, const char* method, const char* what) {
        auto* command = group->add_subcommand(name, what);
        command->add_option("GROUP", options->group, "the group's name")->required();
        add_service_option(command, *options);
        command->callback([=, &chosen] {
            chosen = [=](Context& context) {
                return request(context, method,
                               {{"group", options->group},
                                {"to", options->to},
                                {"alias", options->alias},
                                {"text", options->text},
                                {"service", options->service}});
            };
        });
        return command;
    };
    auto* invite =
        add_group("invite", "group.invite", "invite somebody; a name that is free makes a new group");
    invite->add_option("ALIAS", options->to, "the name that they have at the service")->required();
    invite->add_option("--text", options->text, "a few words, 140 characters at most");
    add_group("join", "group.join", "accept an invitation")
        ->add_option("--alias", options->alias, "one of your names there, if not the one that was invited");
    add_group("leave", "group.leave", "leave a group, or with --alias drop somebody from it")
        ->add_option("--alias", options->alias, "who is to be dropped");

    auto* seen = app.add_subcommand("presence", "who is there just now, and who sees that you are");
    seen->require_subcommand(0, 1);
    seen->callback([&chosen, seen] {
        if (seen->get_subcommands().empty()) chosen = presence;
    });
    for (auto [name, method, what] :
         {std::tuple{"show", "presence.show", "let people know when you are there"},
          {"hide", "presence.hide", "let them know no more"}}) {
        auto* command = seen->add_subcommand(name, what);
        command->add_option("NAME", options->whom, "aliases or uids")->required();
        add_service_option(command, *options);
        command->callback([=, &chosen, method = method] {
            chosen = [=](Context& context) { return change_presence(context, method, *options); };
        });
    }
}

}  // namespace kith::cli
