#include "config.h"

#include <doctest/doctest.h>

#include "shown.h"

using namespace kith;
using namespace kith::tmtpd;

namespace {

std::string error_of(std::string_view text) {
    Config config;
    auto read = read_config(text, "file", config);
    return read ? "" : read.error().what;
}

}  // namespace

TEST_CASE("a configuration file is lines of key = value") {
    Config config;
    REQUIRE(
        read_config("# a service\n\n dir = /srv/my service \r\nlisten=[::1]:4200\nname = A = B # c\n"
                    "must-have-met = yes\nnode-control = no\naccounts = 7\nlinks= 1000\ndisk = 20G",
                    "file", config));
    CHECK(config.dir == "/srv/my service");
    CHECK(config.host == "::1");
    CHECK(config.port == 4200);
    CHECK(config.name == "A = B # c");
    CHECK(config.must_have_met);
    CHECK_FALSE(config.node_control);
    CHECK(config.accounts == 7);
    CHECK(config.links == 1000);
    CHECK(config.disk == 20ull << 30);
}

TEST_CASE("what is wrong in a configuration file is told with its line") {
    CHECK(error_of("\n\nnames = x") == "file, line 3: there is no setting 'names'");
    CHECK(error_of("name = x\nname = y") == "file, line 2: 'name' comes twice");
    CHECK(error_of("name") == "file, line 1: there is no '=': write `key = value`");
    CHECK(error_of("name =") == "file, line 1: 'name' must have 1 to 200 bytes");
    CHECK(error_of("listen = 4200") == "file, line 1: 'listen' is not HOST:PORT, as in 127.0.0.1:4200");
    for (const char* bad :
         {"listen = a:70000", "listen = :1", "must-have-met = true", "accounts = -1", "accounts = 1x",
          "links = 0", "disk = 1M", "disk = 99999999T", "disk = G", "certificate ="})
        CHECK_MESSAGE(error_of(bad).starts_with("file, line 1: "), bad);
}

TEST_CASE("a service needs a folder and a name, and a certificate its key") {
    Config config;
    CHECK_FALSE(check_config(config));
    config.dir = "x";
    CHECK_FALSE(check_config(config));
    config.name = "y";
    CHECK(check_config(config));
    config.certificate = "z";
    CHECK_FALSE(check_config(config));
}

TEST_CASE("a file of settings that is not there is told with what to do") {
    Config config;
    auto read = read_config_file("/nonexistent", config);
    REQUIRE_FALSE(read);
    CHECK(read.error().what.find("/nonexistent") != std::string::npos);
    CHECK(read.error().hint.find("--config") != std::string::npos);
}

TEST_CASE("what clients chose cannot change the operator's screen") {
    CHECK(shown("Ålice Ädams 27 ☺ 😀 مرحبا") == "Ålice Ädams 27 ☺ 😀 مرحبا");
    CHECK(shown("a\nb\x1b[2J\x7f") == "a?b?[2J?");
    CHECK(shown("a\xc2\x9b"
                "2J") == "a?2J");
    for (auto turn : {"\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", "\u2028"})
        CHECK(shown(std::string("a") + turn + "b") == "a?b");
    CHECK(shown("\xff\xc0\x80x\xe2\x82") == "???x??");
}
