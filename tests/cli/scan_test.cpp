// `device join --scan` and `invite accept` with --scan and --nearby: pictures of offers, of invitations, and
// of other things; and invitations of who is beside this device.
#include <doctest/doctest.h>

#include "base/result.h"
#include "cli/context.h"
#include "cli/process.h"
#include "crypto/keys.h"
#include "invite/card.h"
#include "pairing/bell.h"
#include "pairing/offer.h"
#include "qr/picture.h"

using namespace kith;
using namespace kith::cli_test;

namespace {

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string offer_text(pairing::OfferKind kind) {
    REQUIRE(crypto::start());
    crypto::SystemRandom random;
    auto made = pairing::make_offer(kind, {*pairing::Address::parse("192.0.2.1")}, 4567, 600'000, {}, random);
    auto text = pairing::encode_offer(made.offer);
    REQUIRE(text);
    return *text;
}

std::string card_text() {
    REQUIRE(crypto::start());
    crypto::SystemRandom random;
    const crypto::SignKey key(crypto::random_secret(random)), recovery(crypto::random_secret(random));
    const invite::CardService service{"+h:1", {}, "site", "Alice Adams", {}, "u2"};
    auto card = invite::make_card({recovery.public_key(), key.public_key()}, {service}, "a note", 1, 600'000,
                                  {}, random);
    auto text = invite::encode_card(card, key);
    REQUIRE(text);
    return *text;
}

qr::Picture code_of(const std::string& text) {
    auto code = qr::encode(text, 20);
    REQUIRE(code);
    return qr::enlarge(qr::draw(*code), 5);
}

struct Scanned {
    Outcome outcome;
    std::string seen;  // by the daemon
};
Scanned scan(const std::string& file, std::vector<std::string> words) {
    Setting setting;
    for (const auto* more : {"--scan", "", "--json"}) words.emplace_back(more);
    *(words.end() - 2) = setting.file("picture", file);
    auto outcome = run(setting.command(std::move(words)));
    return {std::move(outcome), setting.seen()};
}
Scanned join_from(const std::string& file) {
    return scan(file, {"device", "join", "--name", "new"});
}
Scanned accept_from(const std::string& file) {
    return scan(file, {"invite", "accept", "--yes"});
}
std::string png_of(const qr::Picture& picture) {
    return std::string(as_text(qr::to_png(picture)));
}

}  // namespace

TEST_CASE("the offer in a picture is joined, with foreign codes beside it") {
    const auto text = offer_text(pairing::OfferKind::device);
    const auto seen = qr::photograph(code_of(text), {.turned = 9, .slant = 0.1, .noise = 15});
    for (const auto& picture :
         {code_of(text), seen, qr::beside(code_of("https://example.org"), code_of(text))}) {
        const auto scanned = join_from(png_of(picture));
        CHECK(scanned.outcome.code == 0);
        CHECK(holds(scanned.seen, R"({"name":"new","text":")" + text + R"("})"));
    }
}

TEST_CASE("what is not the offer of a device is told apart, and nothing is asked of the daemon") {
    struct Case {
        std::string file;
        Fault kind;
        const char* says;
    };
    const auto png = [](const std::string& text) { return png_of(code_of(text)); };
    const qr::Picture grey{64, 64, std::vector<std::uint8_t>(64 * 64, 128)};
    const std::vector<Case> cases{
        {"no picture at all", Fault::invalid, "neither a PNG nor a JPEG"},
        {png_of(grey), Fault::not_found, "no QR code can be read"},
        {png("https://example.org"), Fault::invalid, "not one of kith"},
        {png("KITH-RECOVERY-AAAAA"), Fault::invalid, "recovery sheet"},
        {png(offer_text(pairing::OfferKind::invitation)), Fault::invalid, "invitation"},
    };
    for (const auto& one : cases) {
        CAPTURE(one.says);
        const auto scanned = join_from(one.file);
        CHECK(scanned.outcome.code == cli::exit_code(one.kind));
        CHECK(holds(scanned.outcome.err, one.says));
        CHECK_FALSE(holds(scanned.outcome.err, R"("hint":"")"));
        CHECK_FALSE(holds(scanned.seen, "device.join"));
    }
}

TEST_CASE("what a new device shows is read from a picture, and told from an offer") {
    pairing::Bell bell;
    bell.port = 4567;
    bell.addresses = {*pairing::Address::parse("192.0.2.1")};
    const auto text = pairing::encode_bell(bell);
    REQUIRE(text);
    Setting setting;
    auto add_from = [&](const std::string& shown) {
        const auto path = setting.file("picture", png_of(code_of(shown)));
        return run(setting.command({"device", "add", "--scan", path, "--json"}));
    };
    auto offered = add_from(offer_text(pairing::OfferKind::device));
    CHECK(offered.code == cli::exit_code(Fault::invalid));
    CHECK(holds(offered.err, "this is an offer"));
    CHECK_FALSE(holds(setting.seen(), "device.add"));
    (void)add_from(*text);
    CHECK(holds(setting.seen(), R"({"bell":")" + *text + R"("})"));
    const auto joined = join_from(png_of(code_of(*text)));
    CHECK(joined.outcome.code == cli::exit_code(Fault::invalid));
    CHECK(holds(joined.outcome.err, "kith device add"));
}

TEST_CASE("a picture that is not there, a device that is no camera, and two sources at once") {
    Setting setting;
    auto missing = run(setting.command({"device", "join", "--scan", "/nowhere/picture.png"}));
    CHECK(missing.code == cli::exit_code(Fault::not_found));
    auto device = run(setting.command({"device", "join", "--scan", "/dev/null"}));
    CHECK(device.code == cli::exit_code(Fault::unavailable));
    CHECK(holds(device.err, "camera"));
    auto both = run(setting.command({"device", "join", "KITH:D1", "--scan", "/nowhere"}));
    CHECK(both.code == cli::exit_usage);
    both = run(setting.command({"device", "join", "--show", "--scan", "/nowhere"}));
    CHECK(both.code == cli::exit_usage);
    both = run(setting.command({"device", "add", "KITH-JOIN:A", "--scan", "/nowhere"}));
    CHECK(both.code == cli::exit_usage);
}

TEST_CASE("the invitation in a picture is accepted, with an offer beside it") {
    const auto text = card_text();
    const auto offer = code_of(offer_text(pairing::OfferKind::device));
    for (const auto& picture : {code_of(text), qr::beside(offer, code_of(text))}) {
        const auto scanned = accept_from(png_of(picture));
        CHECK(scanned.outcome.code == 0);
        CHECK(holds(scanned.seen, R"("args":{"text":")" + text + R"("})"));
    }
    const auto other = accept_from(png_of(offer));
    CHECK(other.outcome.code == cli::exit_code(Fault::invalid));
    CHECK(holds(other.outcome.err, "sets up a device"));
    CHECK_FALSE(holds(other.seen, "invite."));
    Setting setting;
    CHECK(run(setting.command({"invite", "accept", "KITH-INVITE:A", "--scan", "/nowhere"})).code ==
          cli::exit_usage);
}

TEST_CASE("a person sees what a picture invites to before it is accepted") {
    Setting setting;
    const auto path = setting.file("picture", png_of(code_of(card_text())));
    Terminal terminal(setting.command({"invite", "accept", "--scan", path}));
    REQUIRE(terminal.expect("Alice Adams invites you to site, =h:1"));
    REQUIRE(terminal.expect("Accept? [y/N]"));
    CHECK_FALSE(holds(terminal.screen(), "evil\x1b[2J"));
    CHECK_FALSE(holds(setting.seen(), "invite.accept"));
    terminal.type("y\n");
    REQUIRE(terminal.expect("is on its way"));
    CHECK(terminal.wait() == 0);
}

TEST_CASE("an invitation of who is beside this device is taken by a code, and asked about like any other") {
    Setting setting;
    auto program =
        run(setting.command({"invite", "accept", "--nearby", "--alias", "Bobby B.", "--yes", "--json"}));
    CHECK(program.code == 0);
    CHECK(holds(setting.seen(), R"("args":{"accept":true,"alias":"Bobby B.","nearby":""})"));
    CHECK(holds(program.out, R"({"code":"12345678","event":"code"})"));
    CHECK(holds(program.out, R"("event":"done")"));
    CHECK_FALSE(holds(setting.seen(), "invite.accept"));

    auto blind = run(setting.command({"invite", "accept", "--nearby", "amber falcon", "--json"}));
    CHECK(blind.code == cli::exit_code(Fault::invalid));
    CHECK(holds(blind.out, R"("event":"failed")"));
    CHECK_FALSE(holds(setting.seen(), "amber falcon"));

    // The text of an offer to meet is such an invitation, too.
    Terminal terminal(setting.command({"invite", "accept", offer_text(pairing::OfferKind::invitation)}));
    REQUIRE(terminal.expect("Code: 12345678"));
    REQUIRE(terminal.expect("Alice Adams invites you"));
    REQUIRE(terminal.expect("Accept? [y/N]"));
    CHECK_FALSE(holds(setting.seen(), "invite.accept"));
    terminal.type("y\n");
    REQUIRE(terminal.expect("is on its way"));
    CHECK(terminal.wait() == 0);
    CHECK(holds(setting.seen(), R"("args":{"accept":false,"text":"KITH:)"));
    CHECK(holds(setting.seen(), R"("args":{"text":"KITH-INVITE:AAAA"})"));
}
