#include "cli/meeting_view.h"

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/scan.h"
#include "cli/sign_in_view.h"
#include "cli/text.h"
#include "qr/qr.h"

namespace kith::cli {

void add_source_options(CLI::App& command, OfferSource& source) {
    command.add_option("--with", source.with,
                       "the text that the other device shows, when this one shows the code");
    command
        .add_option("--scan", source.scan,
                    "read it from a picture of its QR code (PNG or JPEG), or a camera such as /dev/video0")
        ->type_name("FILE");
    command
        .add_option(
            "--nearby", source.nearby,
            "find it in this network, by the two words that the other device shows if there are several")
        ->expected(0, 1)
        ->default_str("")
        ->type_name("WORDS");
}

Listener MeetingView::listener() {
    Listener listener;
    listener.on_event = [this](const control::Event& event) { show(event); };
    listener.on_ask = [this](const control::Ask& question) { ask_code(question.fields); };
    listener.on_interrupt = [] { return Interrupt::cancel; };
    return listener;
}

int MeetingView::failed(const Error& error, Json more) {
    more["event"] = "failed";
    more["error"] = error.what;
    more["hint"] = error.hint;
    context_.out.value(more);
    return context_.out.error(error);
}

int MeetingView::done(const Json& result) {
    Json line = result;
    line["event"] = "done";
    context_.out.value(line);
    if (!context_.out.json()) show_end(result);
    return exit_ok;
}

int MeetingView::conclude(const Result<std::optional<Json>>& result) {
    if (!result) return failed(result.error());
    return *result ? done(**result) : exit_ok;
}

void MeetingView::show(const control::Event& event) {
    if (event.name == "sign_in") return show_sign_in(context_, event);
    auto& out = context_.out;
    if (out.json()) {
        Json line = event.fields;
        line["event"] = event.name;
        return out.value(line);
    }
    const auto& fields = event.fields;
    if (event.name == "offer") {
        show_offer(fields);
    } else if (event.name == "found") {
        out.say("found: " + text_in(fields, "name"));
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

void MeetingView::show_offer(const Json& offer) {
    auto& out = context_.out;
    const auto text = text_in(offer, "text"), words = text_in(offer, "nearby");
    out.say(text);
    out.say("");
    out.say("On their device, beside this one:  kith " + by_text_);
    if (!words.empty()) out.say("In the same network also:  kith " + by_itself_ + " \"" + words + "\"");
    out.say("It ends at " + local_time(text_in(offer, "expires")) + ".");
    // Last: with the question below it, it fills a terminal of 24 rows.
    if (out.terminal())
        if (auto code = qr::encode(text)) out.write(qr::to_terminal(*code));
}

void MeetingView::ask_code(const Json& question) {
    auto& out = context_.out;
    if (out.json()) {
        Json line = question;
        line["event"] = "code_wanted";
        return out.value(line);
    }
    out.write("Code that their device shows: ");
    out.flush();
}

void MeetingView::show_end(const Json& met) {
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
    if (list_in(met, "verified").empty() && list_in(met, "services").empty() && text_in(met, "why").empty())
        out.say("You have met, and share no contact yet: they become one when they accept your invitation.");
}

Result<std::optional<Json>> run_meeting(Context& context, MeetingView& view, const OfferSource& source,
                                        Json args) {
    if (!source.with.empty() + !source.scan.empty() + source.nearby.has_value() > 1)
        return fail(Fault::invalid, "--with, --scan and --nearby exclude each other", "give one of them");
    if (source.nearby) args["nearby"] = *source.nearby;
    if (!source.with.empty()) args["text"] = source.with;
    if (!source.scan.empty()) {
        KITH_TRY_VALUE(text, scan_offer(context, source.scan, pairing::OfferKind::invitation));
        args["text"] = text;
    }
    return converse(context, {source.given() ? "meet.join" : "meet.open", std::move(args), {}},
                    view.listener());
}

}  // namespace kith::cli
