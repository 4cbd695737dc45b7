// `device add` and `device join`: with programs, and with a person at a terminal.
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/result.h"
#include "cli/context.h"
#include "cli/process.h"
#include "crypto/keys.h"
#include "pairing/offer.h"

using namespace kith::cli_test;
using kith::Fault;
using Json = nlohmann::json;

namespace {

Json next_event(Dialogue& dialogue) {
    auto line = dialogue.line();
    return line ? Json::parse(*line, nullptr, false) : Json();
}
bool mentions(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}
std::string offer_text() {
    REQUIRE(kith::crypto::start());
    kith::crypto::SystemRandom random;
    auto made =
        kith::pairing::make_offer(kith::pairing::OfferKind::device,
                                  {*kith::pairing::Address::parse("192.0.2.1")}, 4567, 600'000, {}, random);
    auto text = kith::pairing::encode_offer(made.offer);
    REQUIRE(text);
    return *text;
}
// Waits for what the daemon notes when a client has gone.
bool noted(const Setting& setting, const std::string& part) {
    for (int i = 0; i < 1000 && !mentions(setting.seen(), part); ++i) run(setting.command({"status"}));
    return mentions(setting.seen(), part);
}

}  // namespace

TEST_CASE("a program adds a device by events and one line for each code") {
    Setting setting;
    Dialogue dialogue(setting.command({"--json", "device", "add", "--expires", "300"}));
    auto offer = next_event(dialogue);
    CHECK(offer["event"] == "offer");
    CHECK(offer["text"] == "KITH:D1ABCDEFGH");
    CHECK(next_event(dialogue) == Json{{"event", "code_wanted"}});
    dialogue.say("111111\n");
    CHECK(next_event(dialogue) == Json{{"event", "wrong_code"}, {"left", 4}});
    CHECK(next_event(dialogue) == Json{{"event", "code_wanted"}});
    dialogue.say(" 123456 \n");
    CHECK(next_event(dialogue)["event"] == "approved");
    for (int i = 0; i < 3; ++i) CHECK(next_event(dialogue)["event"] == "progress");
    CHECK(next_event(dialogue) == Json{{"event", "service"}, {"address", "=h:1"}, {"state", "online"}});
    CHECK(next_event(dialogue) == Json{{"event", "done"}, {"digest", "dd"}, {"seconds", 1.5}});
    CHECK_FALSE(dialogue.line());
    CHECK(dialogue.wait() == 0);
    CHECK(mentions(setting.seen(), R"({"expires":300})"));
    CHECK(mentions(setting.seen(), R"({"answer":"123456"})"));
}

TEST_CASE("codes that were written beforehand are taken one at a time") {
    Setting setting;
    auto outcome = run(setting.command({"device", "add", "--json"}), "\n111111\n123456\n");
    CHECK(outcome.code == 0);
    CHECK(mentions(outcome.out, R"("event":"done")"));
    auto plain = run(setting.command({"device", "add"}), "123456");  // without a line end
    CHECK(plain.code == 0);
    CHECK(mentions(plain.out, "KITH:D1ABCDEFGH\n"));
    CHECK(mentions(plain.out, "EVERYTHING"));
    CHECK(mentions(plain.out, "digest dd\n"));
    CHECK_FALSE(mentions(plain.out, "\x1b"));
}

TEST_CASE("standard input that ends before the code drops the offer") {
    Setting setting;
    auto outcome = run(setting.command({"device", "add", "--json"}));
    CHECK(outcome.code == kith::cli::exit_code(Fault::invalid));
    CHECK(mentions(outcome.err, "standard input ended"));
    CHECK(mentions(outcome.out, R"("event":"failed")"));
    CHECK(mentions(setting.seen(), R"({"cancelled":"asked"})"));
}

TEST_CASE("an interrupt before the approval drops the offer, whether a code is wanted or not") {
    for (const char* scenario : {"", "silent"}) {
        Setting setting;
        setting.scenario(scenario);
        Dialogue dialogue(setting.command({"--json", "device", "add"}));
        CHECK(next_event(dialogue)["event"] == "offer");
        dialogue.interrupt();
        Json last;
        while (auto line = dialogue.line()) last = Json::parse(*line, nullptr, false);
        CHECK(last["event"] == "failed");
        CHECK(dialogue.wait() == kith::cli::exit_code(Fault::cancelled));
        CHECK(mentions(setting.seen(), R"({"cancelled":"asked"})"));
    }
}

TEST_CASE("an interrupt after the approval leaves the transfer going on") {
    Setting setting;
    setting.scenario("endless");
    Dialogue dialogue(setting.command({"--json", "device", "add"}));
    dialogue.say("123456\n");
    while (next_event(dialogue).value("records", 0) != 100) {
    }
    dialogue.interrupt();
    CHECK(dialogue.wait() == 0);
    CHECK(noted(setting, R"({"cancelled":"gone"})"));
    CHECK_FALSE(mentions(setting.seen(), R"({"cancelled":"asked"})"));
}

TEST_CASE("a device joins by events") {
    Setting setting;
    auto outcome = run(setting.command({"device", "join", "KITH:D1ABCDEFGH", "--name", "new", "--json"}));
    CHECK(outcome.code == 0);
    CHECK(outcome.out.starts_with("{\"code\":\"123456\",\"event\":\"code\"}\n{\"event\":\"approved\"}\n"));
    CHECK(mentions(outcome.out, R"("event":"done")"));
    CHECK(mentions(setting.seen(), R"({"name":"new","text":"KITH:D1ABCDEFGH"})"));
    auto read = run(setting.command({"device", "join", "-"}), "KITH:READ\n");
    CHECK(read.code == 0);
    CHECK(mentions(setting.seen(), "KITH:READ"));
    CHECK(mentions(read.out, "Code: 123456\n"));
}

TEST_CASE("an offer that is none is an error, in its last event too") {
    Setting setting;
    auto outcome = run(setting.command({"device", "join", "KITH:BAD", "--json"}));
    CHECK(outcome.code == kith::cli::exit_code(Fault::invalid));
    auto event = Json::parse(outcome.out, nullptr, false);
    CHECK(event == Json{{"event", "failed"},
                        {"error", "this is not an offer of kith"},
                        {"hint", "copy the whole text"}});
    CHECK(Json::parse(outcome.err)["error"]["message"] == "this is not an offer of kith");
}

TEST_CASE("what fails before anything is asked of the daemon ends with the event, too") {
    Setting setting;
    const auto& code = kith::cli::exit_code;
    const std::pair<std::vector<std::string>, int> wrong[] = {
        {{"device", "add", "-"}, code(Fault::invalid)},
        {{"device", "add", "--scan", "/nowhere"}, code(Fault::not_found)},
        {{"device", "add", "KITH-JOIN:A", "--scan", "/nowhere"}, kith::cli::exit_usage},
        {{"device", "add", "--to", "x", "--expires", "60"}, kith::cli::exit_usage},
        {{"device", "add", "--to", "x", "--passphrase-file", "/nowhere"}, code(Fault::not_found)},
        {{"device", "add", "--passphrase-file", "/nowhere"}, code(Fault::not_found)},
        {{"device", "join"}, kith::cli::exit_usage},
        {{"device", "join", "-"}, code(Fault::invalid)},
        {{"device", "join", "KITH:A", "--show"}, kith::cli::exit_usage},
        {{"device", "join", "--scan", "/nowhere"}, code(Fault::not_found)},
        {{"device", "join", "KITH:A", "--passphrase-file", "/nowhere"}, code(Fault::not_found)},
        {{"device", "join", "KITH:A", "--attachments", "x"}, code(Fault::invalid)},
        {{"device", "join", "--from", "x", "--attachments", "x"}, code(Fault::invalid)},
        {{"device", "join", "--from", "x", "--passphrase-file", "/nowhere"}, code(Fault::not_found)}};
    for (auto [words, expected] : wrong) {
        words.emplace_back("--json");
        auto outcome = run(setting.command(words));
        CAPTURE(outcome.err);
        CHECK(outcome.code == expected);
        auto event = Json::parse(outcome.out, nullptr, false), error = Json::parse(outcome.err)["error"];
        CHECK(event == Json{{"event", "failed"}, {"error", error["message"]}, {"hint", error["hint"]}});
    }
    CHECK_FALSE(std::filesystem::exists(setting.home));
}

TEST_CASE("on a terminal the offer is drawn, the code asked for, and progress redrawn in place") {
    Setting setting;
    setting.scenario("locked");
    Terminal terminal(setting.command({"device", "add"}));
    REQUIRE(terminal.expect("Passphrase: "));
    terminal.type("wrong\n");
    REQUIRE(terminal.expect("That is not the passphrase."));
    REQUIRE(terminal.expect("Passphrase: "));
    terminal.type("right\n");
    REQUIRE(terminal.expect("KITH:D1ABCDEFGH"));
    REQUIRE(terminal.expect("EVERYTHING"));
    REQUIRE(terminal.expect("▀"));  // the QR code
    REQUIRE(terminal.expect("Code shown on the new device: "));
    terminal.type("111111\n");
    REQUIRE(terminal.expect("4 tries left"));
    REQUIRE(terminal.expect("Code shown on the new device: "));
    terminal.type("123456\n");
    REQUIRE(terminal.expect("is added"));
    REQUIRE(terminal.expect("\r\x1b[K"));
    REQUIRE(terminal.expect("100 of 100 messages"));
    REQUIRE(terminal.expect("digest dd"));
    CHECK(terminal.wait() == 0);
    CHECK_FALSE(mentions(terminal.screen(), "wrong\r"));  // passphrases are not echoed
    CHECK_FALSE(mentions(terminal.screen(), "right\r"));
    CHECK_FALSE(mentions(terminal.screen(), "\x1b[2J"));  // nor is a device's name obeyed
}

TEST_CASE("Ctrl-C at the question for the code drops the offer") {
    Setting setting;
    Terminal terminal(setting.command({"device", "add"}));
    REQUIRE(terminal.expect("Code shown on the new device: "));
    terminal.type("\x03");
    REQUIRE(terminal.expect("kith: the offer is withdrawn"));
    CHECK(terminal.wait() == kith::cli::exit_code(Fault::cancelled));
    CHECK(mentions(setting.seen(), R"({"cancelled":"asked"})"));
}

TEST_CASE("Ctrl-C during the transfer says that it goes on, and how to stop it") {
    Setting setting;
    setting.scenario("endless");
    Terminal terminal(setting.command({"device", "add"}));
    REQUIRE(terminal.expect("Code shown on the new device: "));
    terminal.type("123456\n");
    REQUIRE(terminal.expect("100 of 100 messages"));
    terminal.type("\x03");
    REQUIRE(terminal.expect("goes on by itself"));
    REQUIRE(terminal.expect("kith device cancel"));
    CHECK(terminal.wait() == 0);
}

TEST_CASE("a closed terminal is a client that is gone") {
    Setting setting;
    {
        Terminal terminal(setting.command({"device", "add"}));
        REQUIRE(terminal.expect("Code shown on the new device: "));
    }
    CHECK(noted(setting, R"({"cancelled":"gone"})"));
}

TEST_CASE("joining at a terminal asks for what is missing and shows the code big") {
    Setting setting;
    Terminal terminal(setting.command({"device", "join"}));
    REQUIRE(terminal.expect("QR code: "));
    terminal.type(offer_text() + "\n");
    REQUIRE(terminal.expect("New passphrase"));
    terminal.type("one\n");
    REQUIRE(terminal.expect("The same again: "));
    terminal.type("two\n");
    REQUIRE(terminal.expect("These two differ"));
    REQUIRE(terminal.expect("New passphrase"));
    terminal.type("three\n");
    REQUIRE(terminal.expect("The same again: "));
    terminal.type("three\n");
    REQUIRE(terminal.expect("██"));
    REQUIRE(terminal.expect("Code: 123456"));
    CHECK(terminal.wait() == 0);
    CHECK(mentions(setting.seen(), R"("secrets":{"passphrase":"three"})"));
    CHECK_FALSE(mentions(terminal.screen(), "three"));
}

TEST_CASE("a terminal is told that it cannot go on before a passphrase is made up") {
    Setting setting;
    for (const char* text : {"KITH:BAD", "-"}) {
        Terminal join(setting.command({"device", "join", text}));
        if (std::string_view(text) == "-") join.type("KITH:BAD\n");
        REQUIRE(join.expect("hint: "));
        CHECK(join.wait() == kith::cli::exit_code(Fault::invalid));
        CHECK_FALSE(mentions(join.screen(), "New passphrase"));
    }
    CHECK_FALSE(std::filesystem::exists(setting.home));

    setting.scenario("");
    Terminal again(setting.command({"init"}));
    REQUIRE(again.expect("already belongs to a person"));
    CHECK(again.wait() == kith::cli::exit_code(Fault::refused));
    CHECK_FALSE(mentions(again.screen(), "New passphrase"));
    CHECK_FALSE(mentions(setting.seen(), R"("method":"init")"));

    setting.scenario("new");
    Terminal first(setting.command({"init"}));
    REQUIRE(first.expect("New passphrase"));
    first.type("\x04");
    REQUIRE(first.expect("--passphrase-file"));
    CHECK(first.wait() == kith::cli::exit_code(Fault::cancelled));
}

// At most one row for what follows, so that 24 rows hold the largest code (qr/qr.h).
TEST_CASE("the QR code comes last, and one line behind it") {
    Setting setting;
    auto behind_code = [](const std::string& screen, const std::string& next) {
        const auto end = screen.find(next);
        const auto last = screen.rfind("▀", end);
        REQUIRE(end != std::string::npos);
        REQUIRE(last != std::string::npos);
        const auto between = screen.substr(last, end - last);
        return std::count(between.begin(), between.end(), '\n');
    };
    Terminal add(setting.command({"device", "add"}));
    REQUIRE(add.expect("Code shown on the new device: "));
    CHECK(behind_code(add.screen(), "Code shown") <= 2);  // of the code's own last rows
    add.type("111111\n");
    REQUIRE(add.expect("4 tries left"));
    add.type("\x03");
    add.wait();

    Terminal join(setting.command({"device", "join", "--show"}));
    REQUIRE(join.expect("New passphrase"));
    join.type("\n");
    REQUIRE(join.expect("It ends at"));
    REQUIRE(join.expect("▀"));
    REQUIRE(join.expect("The other device answers."));
    CHECK(behind_code(join.screen(), "The other device answers.") <= 2);
    CHECK(join.wait() == 0);
}

TEST_CASE("init at a terminal asks for a passphrase and for the sheet to be typed back") {
    Setting setting;
    Terminal terminal(setting.command({"init"}));
    REQUIRE(terminal.expect("New passphrase"));
    terminal.type("\n");
    REQUIRE(terminal.expect("Without a passphrase"));
    REQUIRE(terminal.expect("KITH RECOVERY ABCD-1234"));
    REQUIRE(terminal.expect("Type it back"));
    terminal.type("kith recovery abcd 9999\n");
    REQUIRE(terminal.expect("That is not what is above"));
    REQUIRE(terminal.expect("Type it back"));
    terminal.type("kith recovery abcd1234\n");
    REQUIRE(terminal.expect("The sheet is right."));
    CHECK(terminal.wait() == 0);
}

TEST_CASE("Ctrl-C at a passphrase ends kith and gives the terminal its echo back") {
    Setting setting;
    Terminal terminal({"/bin/sh", "-c", "trap : INT; \"$0\" --home \"$1\" init; stty -a; echo end",
                       setting.kith.string(), setting.home.string()});
    REQUIRE(terminal.expect("New passphrase"));
    terminal.type("\x03");
    REQUIRE(terminal.expect("end"));
    CHECK(mentions(terminal.screen(), " echo "));
    CHECK_FALSE(std::filesystem::exists(setting.home));
    terminal.wait();
}

TEST_CASE("raw bytes are not sent to a terminal") {
    Setting setting;
    Terminal terminal(setting.command({"history", "show", "1", "--raw"}));
    REQUIRE(terminal.expect("> FILE"));
    CHECK(terminal.wait() == kith::cli::exit_code(Fault::refused));
}

TEST_CASE("a message is written at the terminal when no --body is given") {
    Setting setting;
    Terminal terminal(setting.command({"message", "send", "--to", "bob"}));
    REQUIRE(terminal.expect("only a dot"));
    terminal.type("one\ntwo\n.\n");
    REQUIRE(terminal.expect("sent"));
    CHECK(terminal.wait() == 0);
    CHECK(mentions(setting.seen(), R"("body":"one\ntwo\n")"));
}

TEST_CASE("at a terminal a device is barred only after a yes, or --yes") {
    Setting setting;
    for (const char* answer : {"\n", "n\n", "phone\n"}) {
        Terminal terminal(setting.command({"device", "revoke", "phone"}));
        REQUIRE(terminal.expect("Bar phone for good?"));
        terminal.type(answer);
        REQUIRE(terminal.expect("nothing was done"));
        CHECK(terminal.wait() == kith::cli::exit_code(Fault::cancelled));
    }
    CHECK_FALSE(mentions(setting.seen(), "device.revoke"));
    Terminal agreed(setting.command({"device", "revoke", "phone"}));
    REQUIRE(agreed.expect("[y/N]"));
    agreed.type("y\n");
    REQUIRE(agreed.expect("phone is barred."));
    CHECK(agreed.wait() == 0);
    Terminal given(setting.command({"device", "revoke", "phone", "--yes"}));
    REQUIRE(given.expect("phone is barred."));
    CHECK(given.wait() == 0);
    CHECK_FALSE(mentions(given.screen(), "[y/N]"));
}

TEST_CASE("under --json a terminal is asked nothing") {
    Setting setting;
    Terminal terminal(setting.command({"passphrase", "--json"}));
    REQUIRE(terminal.expect("--new-passphrase-file"));
    CHECK(terminal.wait() == 2);
}
