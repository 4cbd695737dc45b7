// Two people whose devices are side by side: `contact verify` and `invite swap`. One side shows an offer, the
// other one takes its text and shows a code.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/invite_commands.h"
#include "cli/sign_in_view.h"
#include "cli/text.h"
#include "qr/qr.h"

namespace kith::cli {
namespace {

struct Options {
    std::vector<std::string> services;
    std::string with, who, service, alias, sign_in;
};

// What the two see of a meeting; under --json one object a line.
class MeetingView {
  public:
    MeetingView(Context& context, std::string command) : context_(context), command_(std::move(command)) {}
    MeetingView(const MeetingView&) = delete;
    MeetingView& operator=(const MeetingView&) = delete;

    Listener listener() {
        Listener listener;
        listener.on_event = [this](const control::Event& event) { show(event); };
        listener.on_ask = [this](const control::Ask& question) { ask_code(question.fields); };
        listener.on_interrupt = [] { return Interrupt::cancel; };
        return listener;
    }
    int conclude(const Result<std::optional<Json>>& result) {
        if (!result) {
            context_.out.value(
                {{"event", "failed"}, {"error", result.error().what}, {"hint", result.error().hint}});
            return context_.out.error(result.error());
        }
        if (!*result) return exit_ok;
        Json line = **result;
        line["event"] = "done";
        context_.out.value(line);
        if (!context_.out.json()) show_end(**result);
        return exit_ok;
    }

  private:
    void show(const control::Event& event) {
        if (event.name == "sign_in") return show_sign_in(context_, event);
        auto& out = context_.out;
        if (out.json()) {
            Json line = event.fields;
            line["event"] = event.name;
            return out.value(line);
        }
        const auto& fields = event.fields;
        if (event.name == "offer") {
            const auto text = text_in(fields, "text");
            if (out.terminal())
                if (auto code = qr::encode(text)) out.write(qr::to_terminal(*code));
            out.say(text);
            out.say("");
            out.say("On their device, beside this one:  kith " + command_ + " --with TEXT");
            out.say("It ends at " + local_time(text_in(fields, "expires")) + ".");
        } else if (event.name == "code") {
            if (out.terminal()) out.write(big_digits(text_in(fields, "code")) + "\n");
            out.say("Code: " + text_in(fields, "code"));
            out.say("Say it to them: they type it on their device, which asks for it.");
        } else if (event.name == "wrong_code") {
            out.say("That was not the code. " + count_text(number_in(fields, "left"), "try", "tries") +
                    " left; their device shows a fresh one.");
        } else if (event.name == "warning") {
            out.say(text_in(fields, "text"));
        }
        out.flush();
    }

    void ask_code(const Json& question) {
        auto& out = context_.out;
        if (out.json()) {
            Json line = question;
            line["event"] = "code_wanted";
            return out.value(line);
        }
        out.write("Code that their device shows: ");
        out.flush();
    }

    void show_end(const Json& met) {
        auto& out = context_.out;
        for (const auto& one : list_in(met, "verified"))
            out.say("Verified: " + text_in(one, "alias") + ", " + text_in(one, "uid"));
        for (const auto& service : list_in(met, "services"))
            out.say(text_in(service, "state") == "failed"
                        ? text_in(service, "address") + ": " + text_in(service, "why")
                        : "The answer to " + text_in(service, "alias") + ": " + text_in(service, "state"));
        if (const auto why = text_in(met, "why"); !why.empty()) {
            out.say("Their invitation was not accepted: " + why + ". You can do that yourself:");
            out.say("    kith invite accept " + text_in(met, "invitation"));
        }
        if (list_in(met, "verified").empty() && list_in(met, "services").empty() &&
            text_in(met, "why").empty())
            out.say(
                "You have met, and share no contact yet: they become one when they accept your invitation.");
    }

    Context& context_;
    std::string command_;
};

int meet(Context& context, const std::string& command, const Options& options, Json args) {
    for (auto [key, value] : {std::pair{"who", options.who},
                              {"service", options.service},
                              {"alias", options.alias},
                              {"sign_in", options.sign_in},
                              {"text", options.with}})
        if (!value.empty()) args[key] = value;
    MeetingView view(context, command);
    const auto* method = options.with.empty() ? "meet.open" : "meet.join";
    return view.conclude(converse(context, {method, std::move(args), {}}, view.listener()));
}

void add_with(CLI::App* command, Options& options) {
    command->add_option("--with", options.with,
                        "the text that the other device shows, when this one shows the code");
}

}  // namespace

void add_verify_command(CLI::App& contact, Command& chosen) {
    auto options = std::make_shared<Options>();
    auto* command = contact.add_subcommand("verify", "be sure of somebody who is beside you, by a code");
    command->add_option("NAME", options->who, "alias or uid")->required();
    command->add_option("--service", options->service, "address of the service, when there are several");
    add_with(command, *options);
    command->callback([=, &chosen] {
        chosen = [=](Context& context) {
            return meet(context, "contact verify NAME", *options, Json::object());
        };
    });
}

void add_swap_command(CLI::App& invite, Command& chosen) {
    auto options = std::make_shared<Options>();
    auto* command =
        invite.add_subcommand("swap", "both at once: each invites the other, who is beside you, by one code");
    command->add_option(
        "--service", options->services,
        "address or site of a service to invite to, when there are several; may be given again");
    command->add_option("--alias", options->alias, "the name to have where this person is no member yet");
    command->add_option("--sign-in", options->sign_in,
                        "the provider to sign in with, where the service names several");
    add_with(command, *options);
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
