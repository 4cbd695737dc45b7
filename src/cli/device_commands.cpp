#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/pairing_view.h"
#include "cli/prompt.h"
#include "cli/scan.h"
#include "cli/select_options.h"
#include "cli/stick_view.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

struct AddOptions {
    std::string passphrase_file, to, text, scan;
    std::uint64_t expires = 0;
};
struct JoinOptions {
    std::string text, scan, from, name, passphrase_file;
    std::optional<std::string> nearby;  // the words of an offer, or empty
    bool show = false;
    SelectOptions select;
};

const ShownText shown_offer{"offer's text", "The text below the other device's QR code: ", "kith device add"};

// The end of a pairing, which under --json is its last event.
int conclude_pairing(Context& context, PairingView& view, const Result<std::optional<Json>>& result) {
    if (!result) {
        view.failed(result.error());
        return context.out.error(result.error());
    }
    if (*result)
        view.done(**result);
    else
        view.left();
    return exit_ok;
}

// What is wrong with the command line, and the parser could not see: a program still gets the last event.
template <class View>
int wrong_usage(Context& context, View& view, const Error& error) {
    view.failed(error);
    return context.out.usage_error(error.what, error.hint);
}

int add_by_stick(Context& context, const AddOptions& options) {
    StickView view(context, options.to);
    if (options.expires > 0)
        return wrong_usage(context, view,
                           {Fault::invalid, "--to and --expires exclude each other",
                            "a request on a stick does not expire"});
    auto folder = absolute_path(options.to);
    if (!folder) return view.conclude_add(fail(folder.error()));
    auto run = [&](SecretBytes passphrase) {
        control::Start start{"device.add", {{"to", *folder}}, {}};
        start.secrets.set("passphrase", std::move(passphrase));
        return converse(context, std::move(start), view.listener());
    };
    return view.conclude_add(with_passphrase(context, options.passphrase_file, Opens::no, run));
}

int add(Context& context, const AddOptions& options) {
    PairingView view(context, PairingView::Side::adding);
    if (!options.to.empty() + !options.text.empty() + !options.scan.empty() > 1)
        return wrong_usage(
            context, view,
            {Fault::invalid, "a new device's text, --scan and --to exclude each other", "give one of them"});
    if (!options.to.empty()) return add_by_stick(context, options);
    Json args = Json::object();
    if (!options.scan.empty() || !options.text.empty()) {
        auto bell = options.scan.empty() ? read_shown(context, options.text,
                                                      {"new device's text", {}, "kith device join --show"})
                                         : scan_bell(context, options.scan);
        if (!bell) return conclude_pairing(context, view, fail(bell.error()));
        args["bell"] = *bell;
    }
    auto run = [&](SecretBytes passphrase) {
        control::Start start{"device.add", args, {}};
        if (options.expires > 0) start.args["expires"] = options.expires;
        start.secrets.set("passphrase", std::move(passphrase));
        return converse(context, std::move(start), view.listener());
    };
    return conclude_pairing(context, view, with_passphrase(context, options.passphrase_file, Opens::no, run));
}

// Asked once, when the keys are made: the second time this device has them.
Result<SecretBytes> passphrase_of(Context& context, const std::string& file) {
    std::error_code ignored;
    if (file.empty() && std::filesystem::exists(context.home / "keys.json", ignored)) return SecretBytes();
    return new_passphrase(context, file);
}

Result<control::Start> stick_request(Context& context, const JoinOptions& options) {
    KITH_TRY_VALUE(folder, absolute_path(options.from));
    Json args{{"from", folder}, {"name", options.name.empty() ? default_device_name() : options.name}};
    KITH_TRY(add_selection(args, options.select));
    KITH_TRY_VALUE(passphrase, passphrase_of(context, options.passphrase_file));
    control::Start start{"device.join", std::move(args), {}};
    start.secrets.set("passphrase", std::move(passphrase));
    return start;
}

int join_by_stick(Context& context, const JoinOptions& options) {
    StickView view(context, options.from);
    auto start = stick_request(context, options);
    if (!start) return view.conclude_join(fail(start.error()));
    return view.conclude_join(converse(context, std::move(*start), view.listener()));
}

// The offer's text, read from wherever it is. A person is told of a wrong one before he makes up a
// passphrase.
Result<std::string> offer_text(Context& context, const JoinOptions& options) {
    if (!options.scan.empty()) return scan_offer(context, options.scan, pairing::OfferKind::device);
    KITH_TRY_VALUE(text, read_shown(context, options.text, shown_offer));
    if (context.can_ask) KITH_TRY(pairing::decode_offer(text, pairing::OfferKind::device));
    return text;
}

Result<control::Start> join_request(Context& context, const JoinOptions& options) {
    Json args{{"name", options.name.empty() ? default_device_name() : options.name}};
    if (options.nearby) {
        args["nearby"] = *options.nearby;
    } else if (options.show) {
        args["show"] = true;
    } else {
        KITH_TRY_VALUE(text, offer_text(context, options));
        args["text"] = text;
    }
    KITH_TRY(add_selection(args, options.select));
    KITH_TRY_VALUE(passphrase, new_passphrase(context, options.passphrase_file));
    control::Start start{"device.join", std::move(args), {}};
    start.secrets.set("passphrase", std::move(passphrase));
    return start;
}

int join(Context& context, const JoinOptions& options) {
    PairingView view(context, PairingView::Side::joining);
    const int sources = options.nearby.has_value() + !options.text.empty() + !options.scan.empty() +
                        !options.from.empty() + options.show;
    if (sources > 1)
        return wrong_usage(
            context, view,
            {Fault::invalid, "an offer's text, --scan, --show, --nearby and --from exclude each other",
             "give one of them"});
    if (!options.from.empty()) return join_by_stick(context, options);
    if (sources == 0 && !context.can_ask) return wrong_usage(context, view, missing(shown_offer));
    auto start = join_request(context, options);
    if (!start) return conclude_pairing(context, view, fail(start.error()));
    return conclude_pairing(context, view, converse(context, std::move(*start), view.listener()));
}

int cancel(Context& context) {
    return conclude(context, call(context, {"device.cancel", Json::object(), {}}), [&](const Json& result) {
        context.out.say(text_in(result, "state"));
        for (const auto& remains : list_in(result, "remains"))
            if (remains.is_string()) context.out.say("  " + clean(remains.get_ref<const std::string&>()));
    });
}

int list(Context& context) {
    return conclude(context, call(context, {"device.list", Json::object(), {}}), [&](const Json& devices) {
        std::vector<std::vector<std::string>> rows;
        bool confirmed = true;
        for (const auto& device : list_in(devices)) {
            std::string by = text_in(device, "by");
            bool own = device.is_object() && device.value("this", false);
            confirmed = confirmed && device.is_object() && device.value("confirmed", true);
            rows.push_back({text_in(device, "name"), text_in(device, "state") + (own ? ", this device" : ""),
                            local_time(text_in(device, "added")), by.empty() ? "" : "by " + by,
                            text_in(device, "why")});
        }
        context.out.write(table(rows));
        if (!confirmed)
            context.out.say("not confirmed: only the device that let this one in has shown this list so far");
    });
}

}  // namespace

void add_device_commands(CLI::App& app, Command& chosen) {
    auto* device = app.add_subcommand("device", "the devices of this person");
    device->require_subcommand(1);
    {
        auto options = std::make_shared<AddOptions>();
        auto* command = device->add_subcommand(
            "add", "add a new device: this one shows a QR code, or reads the new one's");
        command->add_option("--passphrase-file", options->passphrase_file,
                            "a file whose first line is the passphrase");
        command
            ->add_option(
                "--to", options->to,
                "without a network, by a stick: the folder on it that holds the new device's request "
                "(there, first: kith device join --from)")
            ->type_name("DIR");
        command->add_option("TEXT", options->text,
                            "what the new device shows with kith device join --show; -: read it");
        command
            ->add_option("--scan", options->scan,
                         "read the new device's QR code (kith device join --show) from a picture (PNG or "
                         "JPEG), or a camera such as /dev/video0")
            ->type_name("FILE");
        command
            ->add_option("--expires", options->expires,
                         "seconds that the offer is good for (unless given: 600)")
            ->check(CLI::Range(10, 86400));
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return add(context, *options); }; });
    }
    {
        auto options = std::make_shared<JoinOptions>();
        auto* command = device->add_subcommand("join", "make this the new device");
        command->add_option("TEXT", options->text, "the text below the other device's QR code; -: read it");
        command
            ->add_option_function<std::string>(
                "--nearby", [=](const std::string& words) { options->nearby = words; },
                "take the offer that is announced nearby, or the one of these two words")
            ->expected(0, 1)
            ->default_str("")
            ->type_name("WORDS");
        command
            ->add_option("--scan", options->scan,
                         "read the QR code from a picture (PNG or JPEG), or a camera such as /dev/video0")
            ->type_name("FILE");
        command
            ->add_option(
                "--from", options->from,
                "without a network, by a stick: a folder on it. The first time, this device's request is "
                "written there; the second time, what the other device has written is taken in")
            ->type_name("DIR");
        command->add_flag("--show", options->show,
                          "show a QR code for the other device to scan: kith device add --scan");
        command->add_option("--name", options->name, "what this device is called (the host's name)");
        command->add_option("--passphrase-file", options->passphrase_file,
                            "a file whose first line is to be this device's passphrase");
        add_select_options(*command, options->select);
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return join(context, *options); }; });
    }
    device->add_subcommand("cancel", "stop adding or joining")->callback([&chosen] { chosen = cancel; });
    device->add_subcommand("list", "this person's devices")->callback([&chosen] { chosen = list; });
    add_trust_commands(app, *device, chosen);
}

}  // namespace kith::cli
