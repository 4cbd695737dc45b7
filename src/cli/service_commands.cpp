#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/prompt.h"
#include "cli/sheet.h"
#include "cli/sign_in_view.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

struct Options {
    std::string address, alias, pin, sign_in, passphrase_file, uid, sheet_file;
    bool yes = false;
};

int add(Context& context, const Options& options) {
    Json args{{"address", options.address}, {"alias", options.alias}};
    if (!options.pin.empty()) args["pin"] = options.pin;
    if (!options.sign_in.empty()) args["sign_in"] = options.sign_in;
    auto on_event = [&](const control::Event& event) { show_sign_in(context, event); };
    auto added = call(context, {"service.add", std::move(args), {}}, on_event);
    return conclude(context, added, [&](const Json& service) {
        auto& out = context.out;
        out.say("Registered at " + text_in(service, "site") + " as " + text_in(service, "alias") + " (" +
                text_in(service, "uid") + "), " + text_in(service, "state") + ".");
        std::string pin = text_in(service, "pin");
        if (!pin.empty())
            out.say("The service's key, trusted from now on; compare it if you can:\n    " + pin);
        if (service.value("control", false))
            out.say(
                "Write the address and the uid on your recovery sheet: with them the account comes back, "
                "should all devices be lost.");
    });
}

int restore(Context& context, const Options& options) {
    if (auto missing = missing_sheet(context, options.sheet_file))
        return context.out.usage_error(missing->what, missing->hint);
    auto sheet = sheet_text(context, options.sheet_file);
    if (!sheet) return context.out.error(sheet.error());
    auto restored = with_passphrase(context, options.passphrase_file, Opens::no, [&](SecretBytes passphrase) {
        Json args{{"address", options.address}, {"uid", options.uid}};
        if (!options.pin.empty()) args["pin"] = options.pin;
        control::Start start{"service.restore", std::move(args), {}};
        start.secrets.set("passphrase", std::move(passphrase));
        start.secrets.set("sheet", SecretBytes(sheet->view()));
        return converse(context, std::move(start), {});
    });
    if (!restored) return context.out.error(restored.error());
    context.out.value(**restored);
    context.out.say("Restored: " + text_in(**restored, "alias") + " (" + text_in(**restored, "uid") +
                    ") at " + text_in(**restored, "site") + ". All former devices are out there.");
    return exit_ok;
}

std::string joined(const Json& names) {
    std::string text;
    for (const auto& name : names)
        if (name.is_string()) text += (text.empty() ? "" : ", ") + clean(name.get_ref<const std::string&>());
    return text;
}

// Access cannot be taken back there, so who gets it is said before.
Result<> agree_to_devices(Context& context) {
    KITH_TRY_VALUE(devices, call(context, {"device.list", Json::object(), {}}));
    Json others = Json::array();
    for (const auto& device : list_in(devices))
        if (text_in(device, "state") == "active" && !device.value("this", false))
            others.push_back(text_in(device, "name"));
    if (others.empty()) return {};
    context.out.say("These devices get access to the new account, too: " + joined(others));
    if (!context.can_ask)
        return fail(Fault::invalid, "nothing was done: nobody was there to ask",
                    "give --yes when all of these devices are in your hands");
    if (agrees("Are all of them in your hands?")) return {};
    return fail(Fault::cancelled, "nothing was done", "bar the lost one first: kith device revoke NAME");
}

int move(Context& context, const Options& options) {
    if (!options.yes)
        if (auto agreed = agree_to_devices(context); !agreed) return context.out.error(agreed.error());
    Json args{{"service", options.address}, {"alias", options.alias}};
    if (!options.sign_in.empty()) args["sign_in"] = options.sign_in;
    auto on_event = [&](const control::Event& event) { show_sign_in(context, event); };
    auto result = call(context, {"service.move", std::move(args), {}}, on_event);
    return conclude(context, result, [&](const Json& moved) {
        auto& out = context.out;
        out.say("You are " + text_in(moved, "alias") + " at " + text_in(moved, "address") +
                " now, no longer " + text_in(moved, "from") + ".");
        if (const auto told = moved.value("contacts", std::uint64_t{0}); told > 0)
            out.say("Messages go out to your contacts there: " + std::to_string(told) + ".");
        if (const auto more = moved.value("left_out", std::uint64_t{0}); more > 0)
            out.say("Not told, for there are too many who have written: " + std::to_string(more) + ".");
        if (auto groups = joined(list_in(moved, "groups")); !groups.empty())
            out.say("The new account is invited to these groups, and drops the former one there: " + groups);
        if (moved.value("partial", false))
            out.say(
                "This device holds a part of your history only: contacts and groups of the rest are not "
                "told.");
        if (moved.value("withdrawn", std::uint64_t{0}) > 0)
            out.say("Your open invitations to this service are withdrawn; make new ones.");
        out.say(
            "What is still sent to the former account is shown here; whoever has the lost device reads it, "
            "too, and can write in that name. Who knows you well should ask you in person.");
    });
}

std::string alias_shown(const Json& service) {
    auto alias = text_in(service, "alias");
    return alias.empty() ? "no alias yet: kith service add, with --alias" : alias;
}

int list(Context& context) {
    return conclude(context, call(context, {"service.list", Json::object(), {}}), [&](const Json& services) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& service : list_in(services))
            rows.push_back({text_in(service, "address"), text_in(service, "site"), alias_shown(service),
                            service.contains("moved_to") ? "moved to " + text_in(service["moved_to"], "alias")
                                                         : text_in(service, "state")});
        say_alarms(context, services);
        for (const auto& service : list_in(services))
            if (service.value("moved_in_doubt", false))
                context.out.say("A device that is barred has said that " + text_in(service, "alias") +
                                " at " + text_in(service, "address") +
                                " moved. New devices get no access to it. To leave it: kith service move " +
                                text_in(service, "uid") + " --alias NEW-NAME");
        if (rows.empty()) context.out.say("no service yet: kith service add ADDRESS --alias NAME");
        context.out.write(table(rows));
    });
}

int repin(Context& context, const Options& options) {
    Json args{{"address", options.address}};
    if (!options.pin.empty()) args["pin"] = options.pin;
    return conclude(context, call(context, {"service.repin", std::move(args), {}}), [&](const Json& result) {
        auto& out = context.out;
        if (!options.pin.empty()) return out.say("This key is trusted now: " + text_in(result, "pin"));
        std::string offered = text_in(result, "offered");
        out.say("trusted  " + text_in(result, "pinned"));
        out.say("offered  " + (offered.empty() ? "unknown, the service does not answer" : offered));
        if (!offered.empty() && offered != text_in(result, "pinned"))
            out.say("If the service's operator confirms the new key:\n    kith service repin " +
                    text_in(result, "address") + " --pin " + offered);
    });
}

// The account gets a list of the devices that may use it.
int bind(Context& context, const Options& options) {
    auto bound = with_passphrase(context, options.passphrase_file, Opens::no, [&](SecretBytes passphrase) {
        control::Start start{"service.bind", {{"address", options.address}}, {}};
        start.secrets.set("passphrase", std::move(passphrase));
        return converse(context, std::move(start), {});
    });
    if (!bound) return context.out.error(bound.error());
    if (context.out.json()) context.out.value(**bound);
    context.out.say("Your devices decide from " + local_time(text_in(**bound, "binding")) +
                    " on who has access to this account, unless one of them objects. Then the others get new "
                    "access by this device: leave it running, and meet them.");
    return exit_ok;
}

}  // namespace

void say_alarms(Context& context, const Json& services) {
    for (const auto& service : list_in(services)) {
        if (auto why = text_in(service, "why"); !why.empty() && !service.contains("moved_to")) {
            context.out.say(text_in(service, "address") + ": " + why);
            if (auto hint = text_in(service, "hint"); !hint.empty()) context.out.say("  hint: " + hint);
        }
        auto when = text_in(service, "alarm");
        auto address = text_in(service, service.contains("moved_to") ? "uid" : "address");
        if (auto due = text_in(service, "binding"); !due.empty())
            context.out.say("From " + local_time(due) + " on a list of devices decides who has access to " +
                            address + ". Was that not you? Then now: kith service object " + address);
        if (when.empty()) continue;
        context.out.say(
            "ALARM: on " + local_time(when) + " somebody else was connected to " + address +
            " as this device. Who holds its secret reads what is sent to it. If it was not a copy of "
            "this device's own profile that runs somewhere else: tell the service's operator, and "
            "register afresh.\nWhen that is dealt with: kith service dismiss " +
            address);
    }
}

void add_service_commands(CLI::App& app, Command& chosen) {
    auto* service = app.add_subcommand("service", "the messaging services of this person");
    service->require_subcommand(1);
    auto options = std::make_shared<Options>();
    {
        auto* command = service->add_subcommand("add", "register with a service");
        command
            ->add_option("ADDRESS", options->address,
                         "=HOST:PORT (its key is pinned) or +HOST:PORT (certified)")
            ->required();
        command->add_option("--alias", options->alias, "the name to have there")->required();
        command->add_option("--pin", options->pin, "the key that a = service must have");
        command->add_option("--sign-in", options->sign_in,
                            "the provider to sign in with, where the service names several");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return add(context, *options); }; });
    }
    {
        auto* command = service->add_subcommand(
            "move", "leave an account that a lost device still gets into for a new one at the same service");
        command->add_flag("--yes", options->yes,
                          "all devices that are not barred are in your hands: do not ask");
        command->add_option("SERVICE", options->address, "its address or name, or the account's uid")
            ->required();
        command->add_option("--alias", options->alias, "the name to have there from now on")->required();
        command->add_option("--sign-in", options->sign_in,
                            "the provider to sign in with, where the service names several");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return move(context, *options); }; });
    }
    service->add_subcommand("list", "services and their states")->callback([&chosen] { chosen = list; });
    {
        auto* command = service->add_subcommand("dismiss", "an alarm of this service has been dealt with");
        command->add_option("ADDRESS", options->address, "the service's address")->required();
        command->callback([=, &chosen] {
            chosen = [=](Context& context) {
                return conclude(context,
                                call(context, {"service.dismiss", {{"address", options->address}}, {}}),
                                [&](const Json&) { context.out.say("The alarm is taken away."); });
            };
        });
    }
    {
        auto* command = service->add_subcommand(
            "bind", "your devices are to decide who has access to an account that is older than this");
        command->add_option("ADDRESS", options->address, "the service's address")->required();
        command->add_option("--passphrase-file", options->passphrase_file,
                            "a file whose first line is the passphrase");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return bind(context, *options); }; });
    }
    {
        auto* command = service->add_subcommand(
            "restore", "all devices are lost: get back an account, with the recovery sheet");
        command->add_option("ADDRESS", options->address, "the service's address")->required();
        command
            ->add_option("--uid", options->uid, "the account; 'service add' has shown it, contacts know it")
            ->required();
        command->add_option("--sheet-file", options->sheet_file, "a file whose first line is the sheet");
        command->add_option("--pin", options->pin, "the key that a = service must have");
        command->add_option("--passphrase-file", options->passphrase_file,
                            "a file whose first line is the passphrase");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return restore(context, *options); }; });
    }
    {
        auto* command = service->add_subcommand("object", "stop what somebody has begun with 'service bind'");
        command->add_option("ADDRESS", options->address, "the service's address")->required();
        command->callback([=, &chosen] {
            chosen = [=](Context& context) {
                return conclude(
                    context, call(context, {"service.object", {{"address", options->address}}, {}}),
                    [&](const Json&) { context.out.say("It is stopped. Whose device asked for it?"); });
            };
        });
    }
    {
        auto* command =
            service->add_subcommand("repin", "show, and with --pin accept, another key of a service");
        command->add_option("ADDRESS", options->address, "the service's address")->required();
        command->add_option("--pin", options->pin, "the key to trust from now on");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return repin(context, *options); }; });
    }
}

}  // namespace kith::cli
