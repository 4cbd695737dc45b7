// Invitations: made, shown, accepted, listed and withdrawn.

#include "cli/invite_commands.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/prompt.h"
#include "cli/save.h"
#include "cli/sign_in_view.h"
#include "cli/text.h"
#include "qr/qr.h"

namespace kith::cli {
namespace {

struct NewOptions {
    std::vector<std::string> services;
    std::string group, note, expires, svg;
    std::uint64_t uses = 1;
};
struct AcceptOptions {
    std::string text, alias, service, sign_in;
    bool yes = false;
};

// Of the terminal that standard output is.
std::size_t screen_rows() {
    winsize size{};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 ? 24 : size.ws_row;
}

// "90", "90s", "30m", "12h", "7d": seconds.
Result<std::uint64_t> seconds_in(const std::string& text) {
    const auto digits = text.find_first_not_of("0123456789");
    const auto unit = digits == std::string::npos ? std::string("s") : text.substr(digits);
    const std::uint64_t each = unit == "s"   ? 1
                               : unit == "m" ? 60
                               : unit == "h" ? 3600
                               : unit == "d" ? 86400
                                             : 0;
    if (digits == 0 || each == 0 || std::min(digits, text.size()) > 9)
        return fail(Fault::invalid, "'" + clean(text) + "' is no length of time", "write 45m, 12h or 7d");
    return std::stoull(text) * each;
}

// A picture for who has no room on the screen, or wants to print it. What it shows is as good as the text.
Result<> write_svg(const std::string& path, const std::string& text) {
    KITH_TRY_VALUE(code, qr::encode(text, 40));
    return save_text(path, qr::to_svg(code));
}

void show_code(Context& context, const Json& card) {
    auto& out = context.out;
    const auto text = text_in(card, "text");
    if (!out.terminal()) return;
    const auto code = qr::encode(text, 40);
    if (!code) return;
    const auto picture = qr::to_terminal(*code);
    const auto rows = static_cast<std::size_t>(std::count(picture.begin(), picture.end(), '\n'));
    const auto wide = static_cast<std::size_t>(code->size()) + 4;
    if (rows < screen_rows() && wide <= out.columns()) return out.write(picture);
    const auto path = "invitation-" + text_in(card, "card").substr(0, 8) + ".svg";
    auto written = write_svg(path, text);
    out.say("The QR code needs " + std::to_string(rows) + " rows of " + std::to_string(wide) +
            " columns, which this screen does not have. " +
            (written ? "It is in " + path + "; whoever has that file can use the invitation."
                     : written.error().what));
}

int make(Context& context, const NewOptions& options) {
    Json args{{"uses", options.uses}};
    if (!options.services.empty()) args["services"] = options.services;
    if (!options.group.empty()) args["group"] = options.group;
    if (!options.note.empty()) args["note"] = options.note;
    if (!options.expires.empty()) {
        auto seconds = seconds_in(options.expires);
        if (!seconds) return context.out.error(seconds.error());
        args["expires"] = *seconds;
    }
    auto made = call(context, {"invite.new", std::move(args), {}});
    if (made && !options.svg.empty())
        if (auto written = write_svg(options.svg, text_in(*made, "text")); !written) {
            // Nobody is to hold an invitation that its maker was told had failed.
            (void)call(context, {"invite.withdraw", {{"card", text_in(*made, "card")}}, {}});
            return context.out.error(written.error());
        }
    return conclude(context, made, [&](const Json& card) {
        auto& out = context.out;
        if (options.svg.empty()) show_code(context, card);
        out.say(text_in(card, "text"));
        out.say("");
        out.say("They run:  kith invite accept TEXT");
        const auto uses = number_in(card, "uses");
        out.say(uses == 1 ? "Good for one person, whoever has it first: hand it over yourself."
                          : "Good for " + std::to_string(uses) + " people, whoever has it.");
        if (uses > 1 && !options.group.empty())
            out.say("As it is for several, you let each into the group yourself: kith group invite " +
                    clean(options.group) + " ALIAS");
        out.say("It ends at " + local_time(text_in(card, "expires")) +
                "; to end it now:  kith invite withdraw " + text_in(card, "card").substr(0, 8));
        if (!options.svg.empty()) out.say("The QR code is in " + clean(options.svg) + ".");
    });
}

// The text holds a secret: "-" keeps it out of the list of processes.
Result<std::string> card_text(Context& context, const std::string& option) {
    if (!option.empty() && option != "-") return option;
    if (option.empty() && !context.can_ask)
        return fail(Fault::invalid, "the invitation's text is missing",
                    "give it as TEXT, or as - to read it from standard input");
    auto line = option == "-" ? standard_input().wait() : ask("The invitation's text (KITH-INVITE:...): ");
    if (!line || line->empty())
        return fail(Fault::invalid, "no invitation was given", "paste the text that kith invite new shows");
    return *line;
}

// What is accepted, in words, before it is.
void show_card(Context& context, const Json& card) {
    auto& out = context.out;
    for (const auto& service : list_in(card, "services")) {
        const auto site = text_in(service, "site"), group = text_in(service, "group"),
                   as = text_in(service, "as");
        out.say(text_in(service, "alias") + " invites you to " + (site.empty() ? "" : site + ", ") +
                text_in(service, "address"));
        if (!text_in(service, "pin").empty()) out.say("  its key:  " + text_in(service, "pin"));
        out.say(as.empty() ? "  You will be registered there as a new member."
                           : "  You are a member there already, as " + as + ".");
        if (!group.empty()) out.say("  You will join the group " + group + " when they let you in.");
        if (const auto trust = text_in(service, "trust"); !trust.empty())
            out.say("  They are a contact of yours already: " + trust + ".");
    }
    if (const auto note = text_in(card, "note"); !note.empty()) out.say("They write: " + note);
    out.say("They get to know your alias there, and who you are to your other contacts (a key, no name).");
    if (card.value("over", false))
        out.say("By this device's clock it is over since " + local_time(text_in(card, "expires")) +
                "; whoever made it decides.");
}

int accept(Context& context, const AcceptOptions& options) {
    auto text = card_text(context, options.text);
    if (!text) return context.out.error(text.error());
    auto alias = options.alias;
    if (!context.out.json() || !options.yes) {
        auto card = call(context, {"invite.look", {{"text", *text}}, {}});
        if (!card) return context.out.error(card.error());
        show_card(context, *card);
        const auto services = list_in(*card, "services");
        const bool registers = std::any_of(services.begin(), services.end(), [](const Json& service) {
            return !service.value("member", true);
        });
        if (!options.yes && !context.can_ask)
            return context.out.error({Fault::invalid, "nothing was accepted: nobody was there to ask",
                                      "give --yes to accept it unseen"});
        if (!options.yes) {
            const auto said = ask("Accept? [y/N] ");
            if (!said || (*said != "y" && *said != "Y" && *said != "yes"))
                return context.out.error({Fault::cancelled, "nothing was accepted", ""});
        }
        if (registers && alias.empty() && context.can_ask)
            alias = ask("The name that you want to have there (8 characters or more): ").value_or("");
    }
    Json args{{"text", *text}};
    for (auto [key, value] :
         {std::pair{"alias", alias}, {"service", options.service}, {"sign_in", options.sign_in}})
        if (!value.empty()) args[key] = value;
    auto done = call(context, {"invite.accept", std::move(args), {}},
                     [&](const control::Event& event) { show_sign_in(context, event); });
    return conclude(context, done, [&](const Json& result) {
        for (const auto& service : list_in(result, "services")) {
            const auto state = text_in(service, "state"), who = text_in(service, "alias");
            if (state == "accepted")
                context.out.say(who + " is a contact already.");
            else if (state == "failed")
                context.out.say(text_in(service, "address") + ": " + text_in(service, "why"));
            else
                context.out.say("The answer to " + who +
                                (state == "sent" ? " is on its way." : " waits for the service.") +
                                " They become a contact when their device replies: kith invite list");
        }
    });
}

int list_cards(Context& context) {
    return conclude(context, call(context, {"invite.list", Json::object(), {}}), [&](const Json& cards) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& card : list_in(cards)) {
            std::string services, what;
            for (const auto& service : list_in(card, "services"))
                services += (services.empty() ? "" : ", ") +
                            clean(service.is_string() ? service.get<std::string>() : "");
            if (text_in(card, "way") == "taken") {
                what = "from " + text_in(card, "alias");
            } else {
                what = "used " + std::to_string(number_in(card, "used")) + " of " +
                       std::to_string(number_in(card, "uses"));
                for (const auto& guest : list_in(card, "guests")) what += ", " + text_in(guest, "alias");
                if (text_in(card, "state") == "open")
                    what += "; until " + local_time(text_in(card, "expires"));
            }
            if (const auto why = text_in(card, "why"); !why.empty()) what += "; " + why;
            rows.push_back({text_in(card, "card").substr(0, 8), text_in(card, "way"), text_in(card, "state"),
                            services, what});
        }
        if (rows.empty()) context.out.say("no invitation yet: kith invite new");
        context.out.write(table(rows));
    });
}

}  // namespace

void add_invite_commands(CLI::App& app, Command& chosen) {
    auto* invite = app.add_subcommand("invite", "become another person's contact");
    invite->require_subcommand(1);
    {
        auto options = std::make_shared<NewOptions>();
        auto* command = invite->add_subcommand("new", "an invitation to give to somebody");
        command->add_option("--service", options->services,
                            "address or site of a service, when there are several; may be given again");
        command->add_option("--group", options->group, "a group that they are to join");
        command->add_option("--note", options->note, "a few words for who reads it");
        command->add_option("--expires", options->expires,
                            "how long it is good for: 45m, 12h, 7d (unless given: 7d)");
        command->add_option("--uses", options->uses, "for how many people (unless given: 1)");
        command->add_option("--svg", options->svg, "write the QR code to this file, to print it");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return make(context, *options); }; });
    }
    {
        auto options = std::make_shared<AcceptOptions>();
        auto* command = invite->add_subcommand("accept", "accept an invitation");
        command->add_option("TEXT", options->text,
                            "what kith invite new shows; - reads it from standard input");
        command->add_option("--alias", options->alias, "the name to have where this person is no member yet");
        command->add_option("--service", options->service, "only this one of the services that it names");
        command->add_option("--sign-in", options->sign_in,
                            "the provider to sign in with, where the service names several");
        command->add_flag("--yes", options->yes, "ask nothing");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return accept(context, *options); }; });
    }
    add_swap_command(*invite, chosen);
    invite->add_subcommand("list", "invitations given and taken")->callback([&chosen] {
        chosen = list_cards;
    });
    {
        auto card = std::make_shared<std::string>();
        auto* command = invite->add_subcommand("withdraw", "end an invitation before it is used");
        command->add_option("INVITATION", *card, "its first 8 digits or more: kith invite list")->required();
        command->callback([=, &chosen] {
            chosen = [=](Context& context) {
                return conclude(context, call(context, {"invite.withdraw", {{"card", *card}}, {}}),
                                [&](const Json&) { context.out.say("It is withdrawn."); });
            };
        });
    }
}

}  // namespace kith::cli
