// `invite accept`: an invitation taken from its text, its QR code, or the device beside this one; shown, and
// accepted.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/invite_commands.h"
#include "cli/meeting_view.h"
#include "cli/prompt.h"
#include "cli/scan.h"
#include "cli/sign_in_view.h"
#include "cli/text.h"
#include "invite/card.h"

namespace kith::cli {
namespace {

struct AcceptOptions {
    std::string text, scan, alias, service, sign_in;
    std::optional<std::string> nearby;  // the words of an invitation, or empty
    bool yes = false;
};

// What a device shows that gives its invitation to who is beside it.
bool is_offer_to_meet(std::string_view text) {
    return pairing::decode_offer(text, pairing::OfferKind::invitation).has_value();
}

Result<> reads_invitation(std::string_view text) {
    if (is_offer_to_meet(text)) return {};
    auto card = invite::decode_card(text);
    if (!card) return fail(card.error());
    return {};
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
        if (service.value("other_person", false))
            out.say("  TAKE CARE: you know " + text_in(service, "alias") +
                    " there as somebody else than who made this invitation.");
        else if (const auto trust = text_in(service, "trust"); !trust.empty())
            out.say("  They are a contact of yours already: " + trust + ".");
    }
    if (const auto note = text_in(card, "note"); !note.empty()) out.say("They write: " + note);
    out.say("They get to know your alias there, and who you are to your other contacts (a key, no name).");
    if (card.value("over", false))
        out.say("By this device's clock it is over since " + local_time(text_in(card, "expires")) +
                "; whoever made it decides.");
}

Error nobody_to_ask() {
    return {Fault::invalid, "nothing was accepted: nobody was there to ask",
            "give --yes to accept it unseen"};
}

// Shows it, asks where there is something to ask, and accepts; what became of it.
Result<Json> accept_card(Context& context, const AcceptOptions& options, const std::string& text) {
    auto alias = options.alias;
    if (!context.out.json() || !options.yes) {
        KITH_TRY_VALUE(card, call(context, {"invite.look", {{"text", text}}, {}}));
        show_card(context, card);
        const auto services = list_in(card, "services");
        const bool registers = std::any_of(services.begin(), services.end(), [](const Json& service) {
            return !service.value("member", true);
        });
        if (!options.yes && !context.can_ask) return fail(nobody_to_ask());
        if (!options.yes && !agrees("Accept?")) return fail(Fault::cancelled, "nothing was accepted");
        if (registers && alias.empty() && context.can_ask)
            alias = ask("The name that you want to have there (8 characters or more): ").value_or("");
    }
    Json args{{"text", text}};
    for (auto [key, value] :
         {std::pair{"alias", alias}, {"service", options.service}, {"sign_in", options.sign_in}})
        if (!value.empty()) args[key] = value;
    return call(context, {"invite.accept", std::move(args), {}},
                [&](const control::Event& event) { show_sign_in(context, event); });
}

void show_accepted(Context& context, const Json& result) {
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
}

// From the device beside this one: a live code first, then as any other invitation.
int accept_beside(Context& context, const AcceptOptions& options, const OfferSource& source) {
    MeetingView view(context, "", "");
    if (!options.yes && !context.can_ask) return view.failed(nobody_to_ask());
    // Agreed to beforehand, the answer goes over with the meeting, and both have the contact at once.
    const bool at_once = options.yes && options.service.empty();
    Json args{{"accept", at_once}};
    if (at_once && !options.alias.empty()) args["alias"] = options.alias;
    if (at_once && !options.sign_in.empty()) args["sign_in"] = options.sign_in;
    auto met = run_meeting(context, view, source, std::move(args));
    if (!met || !*met) return view.conclude(met);
    const auto text = (*met)->value("invitation", "");
    if (text.empty()) {
        if (list_in(**met, "services").empty()) context.out.say("They gave no invitation.");
        return view.done(**met);
    }
    auto accepted = accept_card(context, options, text);
    if (!accepted) {
        context.out.say("You can still accept it:  kith invite accept " + text);
        return view.failed(accepted.error(), {{"invitation", text}});
    }
    if (!context.out.json()) return show_accepted(context, *accepted), exit_ok;
    Json result = **met;
    for (const auto* key : {"invitation", "why"}) result.erase(key);
    result["services"] = list_in(*accepted, "services");
    return view.done(result);
}

int accept(Context& context, const AcceptOptions& options) {
    if (!options.text.empty() + !options.scan.empty() + options.nearby.has_value() > 1)
        return context.out.usage_error("an invitation's text, --scan and --nearby exclude each other",
                                       "give one of them");
    if (options.nearby) return accept_beside(context, options, {{}, {}, options.nearby});
    const ShownText card{"invitation's text", "The invitation's text (KITH-INVITE:...): ", "kith invite new"};
    if (options.text.empty() && options.scan.empty() && !context.can_ask) {
        const auto lacking = missing(card);
        return context.out.usage_error(lacking.what, lacking.hint);
    }
    auto text = options.scan.empty() ? read_shown(context, options.text, card)
                                     : scan_text(context, options.scan, reads_invitation);
    if (!text) return context.out.error(text.error());
    if (is_offer_to_meet(*text)) return accept_beside(context, options, {*text, {}, {}});
    return conclude(context, accept_card(context, options, *text),
                    [&](const Json& result) { show_accepted(context, result); });
}

}  // namespace

void add_accept_command(CLI::App& invite, Command& chosen) {
    auto options = std::make_shared<AcceptOptions>();
    auto* command = invite.add_subcommand("accept", "accept an invitation");
    command->add_option("TEXT", options->text, "what kith invite new shows; - reads it from standard input");
    command
        ->add_option("--scan", options->scan,
                     "read the QR code from a picture (PNG or JPEG), or a camera such as /dev/video0")
        ->type_name("FILE");
    command
        ->add_option(
            "--nearby", options->nearby,
            "take the invitation that the device beside this one gives, or the one of these two words")
        ->expected(0, 1)
        ->default_str("")
        ->type_name("WORDS");
    command->add_option("--alias", options->alias, "the name to have where this person is no member yet");
    command->add_option("--service", options->service, "only this one of the services that it names");
    command->add_option("--sign-in", options->sign_in,
                        "the provider to sign in with, where the service names several");
    command->add_flag("--yes", options->yes, "ask nothing");
    command->callback([=, &chosen] { chosen = [=](Context& context) { return accept(context, *options); }; });
}

}  // namespace kith::cli
