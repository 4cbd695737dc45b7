// Invitations: made, shown, listed and withdrawn.

#include "cli/invite_commands.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/meeting_view.h"
#include "cli/save.h"
#include "cli/text.h"
#include "qr/picture_file.h"
#include "qr/qr.h"

namespace kith::cli {
namespace {

struct NewOptions {
    std::vector<std::string> services;
    std::string group, note, expires, svg, png;
    std::uint64_t uses = 1;
    bool nearby = false;
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

Result<> write_png(const std::string& path, const std::string& text) {
    KITH_TRY_VALUE(code, qr::encode(text, 40));
    KITH_TRY_VALUE(picture, qr::to_png(code));
    return save_text(path, as_text(picture));
}

// Both or none of them.
Result<> write_pictures(const NewOptions& options, const std::string& text) {
    if (!options.svg.empty()) KITH_TRY(write_svg(options.svg, text));
    if (options.png.empty()) return {};
    auto written = write_png(options.png, text);
    std::error_code ignored;
    if (!written && !options.svg.empty()) std::filesystem::remove(options.svg, ignored);
    return written;
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

// To who is beside this device, by a live code.
int give_beside(Context& context, const NewOptions& options, Json args) {
    if (options.uses != 1 || !options.svg.empty() || !options.png.empty())
        return context.out.usage_error(
            "--nearby is for one person, who is here: not with --uses, --svg or --png", "leave them out");
    args.erase("uses");
    args["give"] = true;
    MeetingView view(context, "invite accept TEXT", "invite accept --nearby");
    return view.conclude(run_meeting(context, view, {}, std::move(args)));
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
    if (options.nearby) return give_beside(context, options, std::move(args));
    auto made = call(context, {"invite.new", std::move(args), {}});
    if (made)
        if (auto written = write_pictures(options, text_in(*made, "text")); !written) {
            // Nobody is to hold an invitation that its maker was told had failed.
            (void)call(context, {"invite.withdraw", {{"card", text_in(*made, "card")}}, {}});
            return context.out.error(written.error());
        }
    return conclude(context, made, [&](const Json& card) {
        auto& out = context.out;
        if (options.svg.empty() && options.png.empty()) show_code(context, card);
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
        for (const auto& path : {options.svg, options.png})
            if (!path.empty()) out.say("The QR code is in " + clean(path) + ".");
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
        command->add_flag(
            "--nearby", options->nearby,
            "give it to who is beside you, by a code that their device shows; --expires then says "
            "how long they are waited for (unless given: 10m)");
        command->add_option("--svg", options->svg, "write the QR code to this file, to print it");
        command->add_option("--png", options->png, "the same as a PNG picture");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return make(context, *options); }; });
    }
    add_accept_command(*invite, chosen);
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
