// The command line as programs and scripts see it: the real `kith`, a scripted daemon.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/result.h"
#include "cli/context.h"
#include "cli/process.h"

using namespace kith::cli_test;
using kith::Fault;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

Json json(const std::string& text) {
    return Json::parse(text, nullptr, false);
}
std::string error_kind(const Outcome& outcome) {
    auto error = json(outcome.err);
    return error.is_object() && error.contains("error") ? error["error"].value("kind", "")
                                                        : "no error: " + outcome.err;
}
bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the first command starts the daemon, which holds nothing of the caller's") {
    Setting setting;
    int inherited = open(setting.file("inherited", "").c_str(), O_RDONLY);  // not closed by exec
    // run() returns only when nobody holds the pipes any more.
    auto first = run(setting.command({"--json", "status"}));
    CHECK(first.code == 0);
    CHECK(json(first.out)["state"] == "open");
    CHECK(first.err == "");

    struct stat status {};
    REQUIRE(stat(setting.home.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    REQUIRE(stat((setting.home / "kithd.log").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);

    pid_t daemon = std::stoi(read_all(setting.home / "kithd.lock"));
    CHECK(daemon != getpid());
    CHECK(getsid(daemon) != daemon);     // leads no session
    CHECK(getsid(daemon) != getsid(0));  // and is not in ours
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(daemon) + "/fd")) {
        auto target = fs::read_symlink(entry.path());
        CHECK(target != setting.root / "inherited");
        if (entry.path().filename() == "0") CHECK(target == "/dev/null");
        if (entry.path().filename() == "1" || entry.path().filename() == "2")
            CHECK(target == setting.home / "kithd.log");
    }
    close(inherited);

    auto second = run(setting.command({"--json", "status"}));
    CHECK(second.out == first.out);
    CHECK(std::stoi(read_all(setting.home / "kithd.lock")) == daemon);

    CHECK(json(run(setting.command({"--json", "stop"})).out) == Json{{"stopped", true}});
    CHECK(read_all("/proc/" + std::to_string(daemon) + "/cmdline") == "");  // ended, collected or not
    CHECK(run(setting.command({"--json", "status"})).code == 0);
}

TEST_CASE("two commands at once start one daemon") {
    Setting setting;
    Dialogue one(setting.command({"--json", "status"})), two(setting.command({"--json", "status"}));
    CHECK(one.line());
    CHECK(two.line());
    CHECK(one.wait() == 0);
    CHECK(two.wait() == 0);
}

TEST_CASE("a daemon that does not start is reported with the last line of its log") {
    Setting setting;
    fs::remove(setting.root / "bin/kithd");
    setting.file("bin/kithd", "#!/bin/sh\necho first words >&2\necho the disk is on fire >&2\nexit 1\n");
    fs::permissions(setting.root / "bin/kithd", fs::perms::owner_all);
    auto outcome = run(setting.command({"status"}));
    CHECK(outcome.code == kith::cli::exit_code(Fault::unavailable));
    CHECK(has(outcome.err, "the disk is on fire"));
    CHECK(has(outcome.err, "kithd.log"));
    CHECK_FALSE(has(outcome.err, "first words"));
}

TEST_CASE("a missing or broken kithd is an error that names it") {
    Setting setting;
    fs::remove(setting.root / "bin/kithd");
    auto missing = run(setting.command({"status"}), "", {"PATH=/nonexistent"});
    CHECK(missing.code == kith::cli::exit_code(Fault::not_found));
    CHECK(has(missing.err, "kithd"));
    setting.file("bin/kithd", "not a program");
    fs::permissions(setting.root / "bin/kithd", fs::perms::owner_all);
    CHECK(run(setting.command({"status"})).code == kith::cli::exit_code(Fault::io));
}

TEST_CASE("stop and version start no daemon") {
    Setting setting;
    auto stop = run(setting.command({"stop"}));
    CHECK(stop.code == 0);
    CHECK(stop.out == "kithd is not running\n");
    CHECK(json(run(setting.command({"stop", "--json"})).out) == Json{{"stopped", false}});
    CHECK(json(run(setting.command({"version", "--json"})).out)["kithd"].is_null());
    CHECK_FALSE(fs::exists(setting.home));
    run(setting.command({"status"}));
    CHECK(json(run(setting.command({"version", "--json"})).out)["kithd"] == "9.9");
}

TEST_CASE("global options are taken before and behind the command") {
    Setting setting;
    std::string kith = setting.kith.string(), home = setting.home.string();
    auto before = run({kith, "--json", "--home", home, "service", "list"});
    CHECK(before.code == 0);
    for (const auto& words :
         std::vector<std::vector<std::string>>{{kith, "service", "list", "--json", "--home", home},
                                               {kith, "service", "--home=" + home, "list", "--json"},
                                               {kith, "--json", "service", "list", "--home", home + "/"}}) {
        auto other = run(words);
        CHECK(other.out == before.out);
        CHECK(other.code == 0);
    }
    CHECK(run({kith, "service", "list", "--json"}, "", {"KITH_HOME=" + home}).out == before.out);
}

TEST_CASE("the home is found as the XDG specification says") {
    Setting setting;
    std::string kith = setting.kith.string(), root = setting.root.string();
    auto at = [&](std::vector<std::string> environment) {
        environment.push_back("HOME=" + root + "/user");
        auto outcome = run({kith, "status"}, "", environment);
        run({kith, "stop"}, "", environment);
        return outcome.out.substr(0, outcome.out.find('\n'));
    };
    CHECK(at({"KITH_HOME=", "XDG_DATA_HOME="}) == "profile   " + root + "/user/.local/share/kith");
    CHECK(at({"KITH_HOME=", "XDG_DATA_HOME=" + root + "/data"}) == "profile   " + root + "/data/kith");
    CHECK(at({"KITH_HOME=", "XDG_DATA_HOME=data"}) == "profile   " + root + "/user/.local/share/kith");
    CHECK(at({"KITH_HOME=" + root + "/own", "XDG_DATA_HOME=" + root + "/data"}) ==
          "profile   " + root + "/own");
}

TEST_CASE("each kind of error has its exit code, and its JSON goes to standard error") {
    Setting setting;
    for (int i = 0; i <= static_cast<int>(Fault::forbidden); ++i) {
        auto fault = static_cast<Fault>(i);
        std::string name(kith::fault_name(fault));
        CAPTURE(name);
        auto outcome = run(
            setting.command({"--json", "message", "send", "--to", "bob", "--subject", name, "--body", "x"}));
        CHECK(outcome.code == kith::cli::exit_code(fault));
        CHECK(outcome.out == "");
        CHECK(error_kind(outcome) == name);
        CHECK(json(outcome.err)["error"]["hint"] == "a hint");
    }
    auto people = run(setting.command({"message", "send", "--to", "bob", "--subject", "io", "--body", "x"}));
    CHECK(people.err == "kith: failed evil\xef\xbf\xbd[2Jname\xef\xbf\xbd\nhint: a hint\n");
    CHECK(people.out == "");
}

TEST_CASE("wrong usage is exit code 2 and starts nothing") {
    Setting setting;
    for (const auto& words :
         std::vector<std::vector<std::string>>{{},
                                               {"dance"},
                                               {"service"},
                                               {"service", "add", "=h:1"},
                                               {"history", "import"},
                                               {"history", "list", "--limit", "0"},
                                               {"history", "list", "--limit", "x"},
                                               {"history", "search"},
                                               {"history", "search", "x", "--limit", "5000"},
                                               {"history", "import", "f", "--format", "zip"},
                                               {"status", "--loud"},
                                               {"device", "join"},
                                               {"device", "add", "--expires", "9"},
                                               {"device", "recover"},
                                               {"recovery", "renew"},
                                               {"invite", "accept"},
                                               {"lock", "--after", "x"},
                                               {"message", "send", "--to", "bob"},
                                               {"passphrase"}}) {
        auto plain = run(setting.command(words));
        CAPTURE(plain.err);
        CHECK(plain.code == 2);
        CHECK(plain.out == "");
        CHECK(plain.err.starts_with("kith: "));
        auto words_json = words;
        words_json.push_back("--json");
        auto outcome = run(setting.command(words_json));
        CHECK(outcome.code == 2);
        CHECK(error_kind(outcome) == "usage");
        CHECK(json(outcome.err)["error"]["hint"] != "");
    }
    CHECK_FALSE(fs::exists(setting.home));
    CHECK(run(setting.command({"--help"})).code == 0);
    CHECK(run(setting.command({"device", "add", "--help"})).code == 0);
    CHECK(has(run(setting.command({"--version"})).out, "kith "));
}

TEST_CASE("a command that there is not is named, with the one that was meant") {
    Setting setting;
    CHECK(run(setting.command({"dance"})).err ==
          "kith: there is no command 'kith dance'\nhint: kith --help lists the commands\n");
    CHECK(
        run(setting.command({"device", "lsit", "--json"})).err ==
        R"({"error":{"hint":"did you mean 'kith device list'? kith device --help lists the commands","kind":"usage",)"
        R"("message":"there is no command 'kith device lsit'"}})"
        "\n");
    CHECK(run(setting.command({"device"})).err ==
          "kith: 'kith device' needs to be told what to do\nhint: kith device --help lists the commands\n");
    CHECK(run(setting.command({"device", "revoke"})).err ==
          "kith: DEVICE is required\nhint: see kith device revoke --help\n");
    CHECK(has(run(setting.command({"x\x1b[2J"})).err, "there is no command 'kith x\xef\xbf\xbd[2J'"));
}

TEST_CASE("what nobody can be asked for is an error that names the option") {
    Setting setting;
    CHECK(has(run(setting.command({"device", "join"})).err, "TEXT"));
    CHECK(has(run(setting.command({"message", "send", "--to", "bob"})).err, "--body"));
    CHECK(has(run(setting.command({"passphrase"})).err, "--new-passphrase-file"));
    CHECK(has(run(setting.command({"service", "add", "=h:1"})).err, "--alias"));
    auto unlock = run(setting.command({"unlock"}));
    CHECK(unlock.code == kith::cli::exit_code(Fault::locked));
    CHECK(has(unlock.err, "--passphrase-file"));
    setting.scenario("locked");
    auto add = run(setting.command({"device", "add", "--json"}));
    CHECK(add.code == kith::cli::exit_code(Fault::locked));
    CHECK(json(add.out)["event"] == "failed");
    CHECK(has(json(add.err)["error"]["hint"], "--passphrase-file"));
}

TEST_CASE("init passes the name and the passphrase, the latter apart from the arguments") {
    Setting setting;
    auto file = setting.file("pw", "correct horse\nsecond line\n");
    auto outcome = run(setting.command({"init", "--name", "old", "--passphrase-file", file, "--json"}));
    CHECK(json(outcome.out) ==
          Json{{"device", "d1"}, {"person", "p1"}, {"recovery", "KITH RECOVERY ABCD-1234"}});
    CHECK(outcome.err == "");
    auto seen = json(setting.seen());
    CHECK(seen["args"] == Json{{"name", "old"}});
    CHECK(seen["secrets"] == Json{{"passphrase", "correct horse"}});
}

TEST_CASE("init without a passphrase says what that means, and shows the sheet") {
    Setting setting;
    auto outcome = run(setting.command({"init"}));
    CHECK(outcome.code == 0);
    CHECK(has(outcome.err, "Without a passphrase"));
    CHECK(has(outcome.out, "KITH RECOVERY ABCD-1234"));
    CHECK(has(outcome.out, "█"));           // the QR code
    CHECK_FALSE(has(outcome.out, "\x1b"));  // without colours: this is no terminal
    CHECK(json(setting.seen())["secrets"].empty());
    CHECK_FALSE(json(setting.seen())["args"]["name"].get<std::string>().empty());
}

TEST_CASE("a passphrase file that cannot be used is an error before anything is asked of the daemon") {
    Setting setting;
    auto code = [&](const std::string& file) {
        return run(setting.command({"init", "--passphrase-file", file})).code;
    };
    CHECK(code("/nonexistent") == kith::cli::exit_code(Fault::not_found));
    CHECK(code(setting.root.string()) == kith::cli::exit_code(Fault::io));
    CHECK(code(setting.file("long", std::string(5000, 'x'))) == kith::cli::exit_code(Fault::invalid));
    CHECK(code(setting.file("binary", "\xff\xfe")) == kith::cli::exit_code(Fault::invalid));
    CHECK_FALSE(fs::exists(setting.home));
}

TEST_CASE("an empty passphrase file makes no profile without a passphrase") {
    Setting setting;
    setting.scenario("new");
    const auto sheet = setting.file("sheet", "KITH-RECOVERY-A");
    for (const char* content : {"", "\n", "\r\n", "\nsecond line\n"}) {
        const auto file = setting.file("empty", content);
        for (auto words : std::vector<std::vector<std::string>>{
                 {"init"}, {"device", "join", "KITH:A"}, {"device", "recover", "--sheet-file", sheet}}) {
            words.insert(words.end(), {"--passphrase-file", file});
            auto outcome = run(setting.command(words));
            CAPTURE(outcome.err);
            CHECK(outcome.code == kith::cli::exit_code(Fault::invalid));
            CHECK(has(outcome.err, "the passphrase file is empty\nhint: leave the option out"));
        }
        CHECK(run(setting.command({"passphrase", "--new-passphrase-file", file})).code == 0);
    }
    CHECK_FALSE(has(setting.seen(), R"("method":"init")"));
    CHECK_FALSE(has(setting.seen(), "device."));
    CHECK(has(setting.seen(), R"("secrets":{})"));
}

TEST_CASE("the passphrase is changed from files") {
    Setting setting;
    auto outcome = run(setting.command({"passphrase", "--passphrase-file", setting.file("a", "old"),
                                        "--new-passphrase-file", setting.file("b", "new\r\n")}));
    CHECK(outcome.code == 0);
    CHECK(json(setting.seen())["secrets"] == Json{{"passphrase", "old"}, {"new_passphrase", "new"}});
    CHECK(run(setting.command({"unlock", "--passphrase-file", setting.file("c", "right")})).code == 0);
    CHECK(run(setting.command({"unlock", "--passphrase-file", setting.file("d", "wrong")})).code ==
          kith::cli::exit_code(Fault::locked));
}

TEST_CASE("text of strangers cannot control a terminal") {
    Setting setting;
    for (const auto& words : std::vector<std::vector<std::string>>{{"status"},
                                                                   {"service", "list"},
                                                                   {"history", "list"},
                                                                   {"history", "show", "1"},
                                                                   {"device", "list"},
                                                                   {"history", "import", "/x"}}) {
        auto outcome = run(setting.command(words));
        CHECK(outcome.code == 0);
        CHECK_FALSE(has(outcome.out, "\x1b"));
        CHECK_FALSE(has(outcome.out, "\x07"));
        CHECK_FALSE(has(outcome.out, "\xe2\x80\xae"));
        CHECK_FALSE(has(run(setting.command({"--json", "history", "list"})).out, "\x1b"));
    }
}

TEST_CASE("relative paths are made absolute, for the daemon stands elsewhere") {
    Setting setting;
    CHECK(run(setting.command({"history", "import", "some/mails"})).code == 0);
    auto seen = json(setting.seen());
    CHECK(seen["args"] == Json{{"path", (fs::current_path() / "some/mails").string()}, {"format", "auto"}});
    CHECK(run(setting.command({"history", "import", "bad\xff"})).code ==
          kith::cli::exit_code(Fault::invalid));
}

TEST_CASE("an import lists what it skipped and why") {
    Setting setting;
    auto people = run(setting.command({"history", "import", "/m"}));
    CHECK(has(people.out, "skipped /m/bad\xef\xbf\xbd[0m: not a mail\n"));
    CHECK(has(people.out, "1 taken in, 0 known before, 1 skipped\n"));
    auto programs = json(run(setting.command({"history", "import", "/m", "--format", "mbox", "--json"})).out);
    CHECK(programs["imported"] == 1);
    CHECK(programs["skipped_files"][0]["why"] == "not a mail");
}

TEST_CASE("a long list is fetched page by page") {
    Setting setting;
    auto list = json(run(setting.command({"history", "list", "--limit", "2100", "--json"})).out);
    REQUIRE(list.size() == 2100);
    CHECK(list[0]["id"] == "2499");
    CHECK(list[2099]["id"] == "400");
    CHECK(json(run(setting.command({"history", "list", "--limit", "9999", "--json"})).out).size() == 2500);
    CHECK(json(run(setting.command({"history", "list", "--json", "--before", "3"})).out).size() == 3);
    CHECK(json(run(setting.command({"history", "list", "--json", "--before", "0"})).out) == Json::array());
}

TEST_CASE("a search passes all words, and says how far back it reached") {
    Setting setting;
    auto programs = json(run(setting.command({"history", "search", "red", "\"blue green\"", "--json"})).out);
    CHECK(programs["hits"][0]["subject"] == "found");
    CHECK(programs["complete"] == true);
    CHECK(json(setting.seen())["args"] == Json{{"words", "red \"blue green\""}, {"limit", 20}});
    auto people = run(setting.command({"history", "search", "red"}));
    CHECK(has(people.out, "found\n"));
    CHECK(people.err == "");
    auto half = run(setting.command({"history", "search", "half"}), "", {"TZ=UTC"});
    CHECK(has(half.out, "found\n"));
    CHECK(half.err == "searched back to 2002-08-22 11:26; 5 of 12 messages are indexed so far\n");
    CHECK(run(setting.command({"history", "search", "none"})).err == "Nothing found.\n");
    CHECK(run(setting.command({"history", "search", "half", "--json"})).err == "");
}

TEST_CASE("an item's bytes come out exactly, however many") {
    Setting setting;
    auto outcome = run(setting.command({"history", "show", "1", "--raw"}));
    REQUIRE(outcome.out.size() == 2500000);
    bool same = true;
    for (std::size_t i = 0; i < outcome.out.size(); ++i)
        same &= static_cast<unsigned char>(outcome.out[i]) == i % 256;
    CHECK(same);
    CHECK(run(setting.command({"history", "show", "none", "--raw"})).code ==
          kith::cli::exit_code(Fault::not_found));
}

TEST_CASE("attachments are saved under harmless names and write over nothing") {
    Setting setting;
    auto folder = setting.root / "saved";
    fs::create_directory(folder);
    setting.file("saved/authorized_keys (2)", "mine");
    auto item = json(run(setting.command({"history", "show", "1", "--save", folder.string(), "--json"})).out);
    CHECK(item["saved"] ==
          Json{(folder / "authorized_keys").string(), (folder / "authorized_keys (3)").string()});
    CHECK(read_all(folder / "authorized_keys").size() == 300);
    CHECK(read_all(folder / "authorized_keys (2)") == "mine");
    CHECK_FALSE(fs::exists(setting.root / ".ssh"));
}

TEST_CASE("a daemon that dies, or asks what there is no answer to, is an error") {
    Setting setting;
    auto send = [&](const std::string& subject) {
        return run(
            setting.command({"message", "send", "--to", "b", "--body", "x", "--json", "--subject", subject}));
    };
    CHECK(send("crash").code == kith::cli::exit_code(Fault::unavailable));
    CHECK(send("question").code == kith::cli::exit_code(Fault::protocol));
    auto sent = send("hello");
    CHECK(json(sent.out) == Json{{"id", "00ff"}, {"state", "sent"}});
}

TEST_CASE("the other commands pass their arguments and print their results") {
    Setting setting;
    auto value = [&](std::vector<std::string> words) {
        words.push_back("--json");
        auto outcome = run(setting.command(words));
        CHECK(outcome.code == 0);
        return json(outcome.out);
    };
    CHECK(value({"service", "add", "=h:1", "--alias", "ada", "--pin", "aa"})["uid"] == "u1");
    CHECK(has(setting.seen(), R"("args":{"address":"=h:1","alias":"ada","pin":"aa"})"));
    CHECK(value({"service", "repin", "=h:1"})["offered"] == "bb");
    CHECK(value({"service", "repin", "=h:1", "--pin", "bb"})["pin"] == "bb");
    CHECK(value({"history", "stats"})["records"] == 2500);
    CHECK(value({"history", "digest"})["digest"] == "dd");
    CHECK(value({"device", "cancel"})["remains"].size() == 1);
    CHECK(value({"device", "list"})[0]["by"] == "recovery key");
    CHECK(value({"lock"}) == Json::object());
    value({"message", "send", "--to", "bob", "--subject", "s", "--body", "b", "--attach", "/a", "--attach",
           "/b", "--service", "=h:1"});
    CHECK(has(setting.seen(),
              R"("args":{"attach":["/a","/b"],"body":"b","service":"=h:1","subject":"s","to":["bob"]})"));
    value({"message", "send", "--reply", "0123456789", "--all", "--group", "hikers", "--body", "b",
           "--notify", "carol", "--note", "look"});
    CHECK(has(setting.seen(),
              R"("all":true,"attach":[],"body":"b","groups":["hikers"],"note":"look","notify":["carol"])"));
    value({"group", "invite", "hikers", "bob", "--text", "come"});
    CHECK(has(setting.seen(), R"("args":{"group":"hikers","text":"come","to":"bob"})"));
    value({"group", "leave", "hikers"});
    CHECK(has(setting.seen(), R"("args":{"group":"hikers"})"));
    value({"presence", "show", "bob", "carol", "--service", "=h:1"});
    CHECK(has(setting.seen(), R"("args":{"service":"=h:1","to":["bob","carol"]})"));
    CHECK(run(setting.command({"message", "send", "--all", "--body", "b", "--json"})).code ==
          kith::cli::exit_usage);
}

TEST_CASE("a home that others can enter is closed when it is empty, else refused") {
    Setting setting;
    fs::create_directory(setting.home);
    fs::permissions(setting.home, static_cast<fs::perms>(0755));
    CHECK(run(setting.command({"status"})).code == 0);
    CHECK((fs::status(setting.home).permissions() & static_cast<fs::perms>(077)) == fs::perms::none);

    auto other = setting.root / "other";
    fs::create_directory(other);
    setting.file("other/letter", "mine");
    fs::permissions(other, static_cast<fs::perms>(0755));
    auto outcome = run({setting.kith.string(), "status", "--home", other.string()});
    CHECK(outcome.code == kith::cli::exit_code(Fault::refused));
    CHECK(has(outcome.err, "chmod 700 " + other.string()));
    CHECK(fs::status(other).permissions() == static_cast<fs::perms>(0755));
}

TEST_CASE("a profile that is locked as a whole is sent to unlock, and nothing is asked in vain") {
    Setting setting;
    setting.scenario("closed");
    Terminal terminal(setting.command({"device", "add"}));
    REQUIRE(terminal.expect("kith unlock"));
    CHECK(terminal.wait() == kith::cli::exit_code(Fault::locked));
    CHECK_FALSE(has(terminal.screen(), "Passphrase"));
}
