#include "cli/stick_view.h"

#include "cli/commands.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

std::string held(const Json& result) {
    return count_text(number_in(result, "records"), "record", "records") + " and " +
           count_text(number_in(result, "attachments"), "attachment", "attachments") + " (" +
           size_text(number_in(result, "bytes")) + ")";
}

}  // namespace

Listener StickView::listener() {
    Listener listener;
    listener.on_event = [this](const control::Event& what) { event(what); };
    listener.on_ask = [this](const control::Ask&) { ask_fingerprint(); };
    listener.on_interrupt = [] { return Interrupt::cancel; };
    return listener;
}

void StickView::event(const control::Event& event) {
    if (context_.out.json()) {
        Json line = event.fields;
        line["event"] = event.name;
        return context_.out.value(line);
    }
    if (event.name == "approved") {
        name_ = text_in(event.fields, "name");
        say(name_ + " is added. Leave the stick where it is until all is written.");
    } else if (event.name == "progress") {
        progress_.show(transfer_text(event.fields), number_in(event.fields, "bytes"),
                       number_in(event.fields, "bytes_total"), true);
    } else if (event.name == "warning") {
        say(text_in(event.fields, "text"));
    }
}

void StickView::ask_fingerprint() {
    if (context_.out.json()) return context_.out.value({{"event", "fingerprint_wanted"}});
    if (!context_.can_ask)
        return context_.out.say("The fingerprint that the new device shows is wanted on standard input.");
    say("This hands over EVERYTHING: all messages, all accounts. Only for a device of your own, with a stick "
        "that was in your "
        "hands all the time.");
    context_.out.write("Fingerprint shown on the new device: ");
    context_.out.flush();
    asking_ = true;
}

int StickView::conclude_add(const Result<std::optional<Json>>& result) {
    return conclude(result, "done", [this](const Json& shown) { show_payload(shown); });
}

int StickView::conclude_join(const Result<std::optional<Json>>& result) {
    const bool asked = result && *result && (*result)->is_object() && (*result)->contains("fingerprint");
    return conclude(result, asked ? "requested" : "done",
                    [this, asked](const Json& shown) { asked ? show_request(shown) : show_import(shown); });
}

int StickView::conclude(const Result<std::optional<Json>>& result, const char* event,
                        const std::function<void(const Json&)>& show) {
    if (!result) {
        failed(result.error());
        return context_.out.error(result.error());
    }
    if (!*result) return exit_code(Fault::cancelled);
    if (context_.out.json()) {
        Json line = (*result)->is_object() ? **result : Json::object();
        line["event"] = event;
        context_.out.value(line);
    } else {
        show(**result);
    }
    return exit_ok;
}

void StickView::failed(const Error& error) {
    context_.out.value({{"event", "failed"}, {"error", error.what}, {"hint", error.hint}});
    say("");
}

void StickView::show_request(const Json& result) {
    auto& out = context_.out;
    out.say("The fingerprint of this device's request:");
    out.say("");
    out.say("    " + text_in(result, "fingerprint"));
    out.say("");
    out.say("Keep it to yourself. Next, with this stick, on the device that has the account:");
    out.say("    kith device add --to DIR");
    out.say("It asks for the fingerprint. Then come back with the stick, and here, once more:");
    out.say("    kith device join --from " + clean(folder_));
}

void StickView::show_payload(const Json& result) {
    say("Written: " + held(result) + ".");
    if (const auto lacking = number_in(result, "lacking"); lacking > 0)
        say(count_text(lacking, "attachment is", "attachments are") +
            " not on this device, and so not on the stick; they come when the devices meet.");
    say("Next, with this stick, on " + (name_.empty() ? "the new device" : name_) + ":");
    say("    kith device join --from DIR");
    say("Nobody else can read what is on the stick. Each service makes a node for the new device while this "
        "one is online; "
        "it is handed over when the two meet in a network.");
}

void StickView::show_import(const Json& result) {
    const auto from = text_in(result, "from");
    say("Done: " + held(result) + " came from " + (from.empty() ? "the other device" : from) +
        ", whose person this device now "
        "belongs to.");
    say("digest " + text_in(result, "digest"));
    say("What is missing comes by itself when the two are in one network: access to the services, newer "
        "messages, the receipt.");
    say("What is on the stick is of no use to anybody any more; it can be removed.");
}

void StickView::say(const std::string& line) {
    if (asking_) context_.out.write("\n");
    asking_ = false;
    if (!line.empty()) context_.out.say(line);
}

}  // namespace kith::cli
