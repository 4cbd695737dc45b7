// What the operator decides, from a file and from flags of the same names.
//
//     # a comment
//     dir = /var/lib/tmtpd
//     listen = [::]:4200
//
// One `key = value` a line; the value is all up to the end of the line, without the spaces around it. A key
// that is not known, comes twice, or has a value that it cannot have is an error that names the line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kith::tmtpd {

// Who may register, by the word of a provider of OpenID Connect.
struct SignInOptions {
    std::string issuer;  // empty: everybody may register
    std::string client;  // the client's id, for which tokens are made
    std::string keys;    // a file, or an https address
    std::string label;   // what people see
    // What clients are told: an address, and parameters as in a query.
    std::string login, login_parameters, token, token_parameters;
};

struct Config {
    std::string dir;                 // made when it is not there; one tmtpd at a time
    std::string host = "127.0.0.1";  // where to listen, without brackets
    std::uint16_t port = 0;          // 0: any
    std::string name;                // the site's name, told to every client
    std::string certificate;         // PEM files; none: its own, made at the first start
    std::string certificate_key;
    std::string client_authorities;  // PEM file; none: clients need no certificate
    bool must_have_met = false;
    bool node_control = true;
    std::uint64_t accounts = 100'000;
    std::uint64_t links = 2000;
    std::uint64_t disk = 0;  // bytes, 0: what the disk has
    SignInOptions sign_in;
};

// One setting: its key and flag, what its value looks like, what it is for.
struct Setting {
    std::string_view key, form, help;
    Result<> (*set)(Config&, const std::string& value);
};
const std::vector<Setting>& settings();

// Reads a file's text into `config`; `name` is for errors.
Result<> read_config(std::string_view text, const std::string& name, Config& config);
Result<> read_config_file(const std::string& path, Config& config);
// What settings demand of each other, once all are known.
Result<> check_config(const Config& config);

}  // namespace kith::tmtpd
