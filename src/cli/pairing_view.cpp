#include "cli/pairing_view.h"

#include "cli/commands.h"
#include "cli/text.h"
#include "qr/qr.h"

namespace kith::cli {
namespace {

constexpr std::string_view hands_over =
    "This hands over EVERYTHING: all messages, all accounts. Only for a device of your own that is in "
    "front of you.";

}  // namespace

Listener PairingView::listener() {
    Listener listener;
    listener.on_event = [this](const control::Event& what) { event(what); };
    if (side_ == Side::adding)
        listener.on_ask = [this](const control::Ask& question) { ask_code(question.fields); };
    listener.on_interrupt = [this] { return interrupted(); };
    return listener;
}

void PairingView::event(const control::Event& event) {
    if (event.name == "approved") approved_ = true;
    if (context_.out.json()) {
        Json line = event.fields;
        line["event"] = event.name;
        return context_.out.value(line);
    }
    const Json& fields = event.fields;
    if (event.name == "offer") {
        show_offer(fields);
    } else if (event.name == "bell") {
        show_bell(fields);
    } else if (event.name == "rung") {
        say("The other device answers.");
    } else if (event.name == "handed") {
        say("The new device answers.");
        say(std::string(hands_over));
    } else if (event.name == "whose") {
        show_whose(fields);
    } else if (event.name == "found") {
        say("found: " + text_in(fields, "name"));
    } else if (event.name == "code") {
        show_code(text_in(fields, "code"));
    } else if (event.name == "wrong_code") {
        asking_ = false;
        say("That was not the code. " + count_text(number_in(fields, "left"), "try", "tries") +
            " left; the new device shows a fresh one.");
    } else if (event.name == "approved") {
        std::string name = text_in(fields, "name");
        say((name.empty() ? "The device" : name) +
            (side_ == Side::adding ? " is added. " : " has let this device in. ") +
            "The rest happens by itself; Ctrl-C leaves it going on.");
    } else if (event.name == "progress") {
        show_progress(fields);
    } else if (event.name == "service") {
        say("service " + text_in(fields, "address") + ": " + text_in(fields, "state"));
    } else if (event.name == "waiting") {
        if (auto what = text_in(fields, "for"); !what.empty()) say("waiting: " + what);
    } else if (event.name == "warning") {
        say(text_in(fields, "text"));
    }
}

void PairingView::show_offer(const Json& offer) {
    auto& out = context_.out;
    std::string text = text_in(offer, "text");
    out.say(text);
    out.say("");
    out.say("On the new device, scan the QR code or run:  kith device join TEXT");
    if (auto words = text_in(offer, "nearby"); !words.empty())
        out.say("In the same network also:  kith device join --nearby \"" + words + "\"");
    out.say(std::string(hands_over));
    std::string expires = text_in(offer, "expires");
    if (!expires.empty()) out.say("The offer ends at " + local_time(expires) + ".");
    show_qr(text);
}

void PairingView::show_bell(const Json& bell) {
    auto& out = context_.out;
    const auto text = text_in(bell, "text");
    out.say(text);
    out.say("");
    out.say("On the device that has the account, scan the QR code or run:  kith device add TEXT");
    out.say("Let nobody else see it. It ends at " + local_time(text_in(bell, "expires")) + ".");
    show_qr(text);
}

// Last: with the question or the wait below it, it fills a terminal of 24 rows.
void PairingView::show_qr(const std::string& text) {
    auto& out = context_.out;
    if (!out.terminal()) return;
    if (auto code = qr::encode(text)) out.write(qr::to_terminal(*code));
    out.flush();
}

void PairingView::show_whose(const Json& whose) {
    std::string line = "This device becomes one of the person whose device is " + text_in(whose, "name");
    for (const auto& other : list_in(whose, "others"))
        if (other.is_string()) line += ", " + clean(other.get_ref<const std::string&>());
    say(line + ".");
    say("Is that not you? Then somebody else has seen this screen: stop kith here and delete its folder.");
}

void PairingView::show_code(const std::string& code) {
    auto& out = context_.out;
    out.say("");
    if (out.terminal()) out.write(big_digits(code) + "\n");
    out.say("Code: " + code);
    out.say("Type it on the device that has the account. It is asked for there.");
}

void PairingView::show_progress(const Json& progress) {
    progress_.show(transfer_text(progress), number_in(progress, "bytes"), number_in(progress, "bytes_total"),
                   true);
}

void PairingView::ask_code(const Json& question) {
    if (context_.out.json()) {
        Json line = question;
        line["event"] = "code_wanted";
        return context_.out.value(line);
    }
    if (!context_.can_ask)
        return context_.out.say("The code that the new device shows is wanted on standard input.");
    if (asking_) context_.out.write("\n");
    context_.out.write("Code shown on the new device: ");
    context_.out.flush();
    asking_ = true;
}

Interrupt PairingView::interrupted() {
    return approved_ ? Interrupt::leave : Interrupt::cancel;
}

void PairingView::done(const Json& result) {
    if (context_.out.json()) {
        Json line = result.is_object() ? result : Json::object();
        line["event"] = "done";
        return context_.out.value(line);
    }
    std::string line = "Done: both devices hold the same history";
    if (result.is_object() && result.contains("seconds"))
        line += ", after " + duration_text(static_cast<std::int64_t>(number_in(result, "seconds")));
    say(line + ".");
    say("digest " + text_in(result, "digest"));
}

void PairingView::failed(const Error& error) {
    context_.out.value({{"event", "failed"}, {"error", error.what}, {"hint", error.hint}});
    if (asking_) say("");
}

void PairingView::left() {
    say("");
    if (approved_)
        say("It goes on by itself; kith status shows how far it is, kith device cancel stops it.");
    else
        say("kith device cancel makes sure that nothing stays open.");
}

void PairingView::say(const std::string& line) {
    if (asking_) context_.out.write("\n");
    asking_ = false;
    if (!line.empty() || context_.out.terminal()) context_.out.say(line);
}

}  // namespace kith::cli
