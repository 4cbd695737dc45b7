// Two people whose devices are side by side: `contact verify` and `invite swap`. One side shows an offer, the
// other one takes it and shows a code.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/invite_commands.h"
#include "cli/meeting_view.h"

namespace kith::cli {
namespace {

struct MeetOptions {
    OfferSource source;
    std::vector<std::string> services;
    std::string who, service, alias, sign_in;
};

int meet(Context& context, const std::string& command, const MeetOptions& options, Json args) {
    for (auto [key, value] : {std::pair{"who", options.who},
                              {"service", options.service},
                              {"alias", options.alias},
                              {"sign_in", options.sign_in}})
        if (!value.empty()) args[key] = value;
    MeetingView view(context, command + " --with TEXT", command + " --nearby");
    return view.conclude(run_meeting(context, view, options.source, std::move(args)));
}

}  // namespace

void add_verify_command(CLI::App& contact, Command& chosen) {
    auto options = std::make_shared<MeetOptions>();
    auto* command = contact.add_subcommand("verify", "be sure of somebody who is beside you, by a code");
    command->add_option("NAME", options->who, "alias or uid")->required();
    command->add_option(
        "--service", options->service,
        "the service, when there are several: its address or name, or the uid of the account there");
    add_source_options(*command, options->source);
    command->callback([=, &chosen] {
        chosen = [=](Context& context) {
            return meet(context, "contact verify NAME", *options, Json::object());
        };
    });
}

void add_swap_command(CLI::App& invite, Command& chosen) {
    auto options = std::make_shared<MeetOptions>();
    auto* command =
        invite.add_subcommand("swap", "both at once: each invites the other, who is beside you, by one code");
    command->add_option(
        "--service", options->services,
        "address or site of a service to invite to, when there are several; may be given again");
    command->add_option("--alias", options->alias, "the name to have where this person is no member yet");
    command->add_option("--sign-in", options->sign_in,
                        "the provider to sign in with, where the service names several");
    add_source_options(*command, options->source);
    command->callback([=, &chosen] {
        chosen = [=](Context& context) {
            Json args = Json::object();
            // Who has no service yet has nothing to give, and can be given something.
            auto services = call(context, {"service.list", Json::object(), {}});
            if (!services) return context.out.error(services.error());
            args["give"] = !list_in(*services).empty();
            if (!options->services.empty()) args["services"] = options->services;
            return meet(context, "invite swap", *options, std::move(args));
        };
    });
}

}  // namespace kith::cli
