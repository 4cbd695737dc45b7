// tmtpd: a small TMTP server. See README.md.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>

#include "service.h"

using namespace kith;

namespace {

// HOST:PORT, the host in brackets when it holds colons.
bool parse_listen(std::string_view text, tmtpd::Options& options) {
    auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return false;
    auto host = text.substr(0, colon), port = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
    options.host = host;
    return !host.empty() && error == std::errc{} && end == port.data() + port.size();
}

void add_sign_in(CLI::App& app, tmtpd::SignInOptions& options) {
    auto add = [&](const char* name, std::string& value, const char* help) {
        app.add_option(std::string("--sign-in-") + name, value, help)
            ->group("Only who signs in may register");
    };
    add("issuer", options.issuer, "the OpenID Connect provider, as it names itself in its tokens");
    add("client", options.client, "this service's client id there");
    add("keys", options.keys, "the provider's keys: a file, or the https address of its JWKS");
    add("label", options.label, "what people see; the issuer, if it is not given");
    add("login", options.login, "the provider's authorization address");
    add("login-parameters", options.login_parameters, "what belongs behind it: client_id=ID&scope=openid");
    add("token", options.token, "the provider's token address");
    add("token-parameters", options.token_parameters, "what is posted to it besides: client_id=ID");
}

int report(const Error& error) {
    std::fprintf(stderr, "tmtpd: %s\n", error.what.c_str());
    if (!error.hint.empty()) std::fprintf(stderr, "%s\n", error.hint.c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    tmtpd::Options options;
    std::string listen = "127.0.0.1:0";
    CLI::App app("a small server for the Trusted Messaging Transfer Protocol");
    app.add_option("--dir", options.dir, "the folder that holds the service: database, key and certificate")
        ->required();
    app.add_option("--listen", listen, "HOST:PORT to listen on; port 0: any that is free")
        ->capture_default_str();
    app.add_option("--name", options.name, "the site's name")->required();
    add_sign_in(app, options.sign_in);
    CLI11_PARSE(app, argc, argv);
    if (!parse_listen(listen, options))
        return report(
            {Fault::invalid, "--listen " + listen + " is not HOST:PORT", "say for example 127.0.0.1:4200"});
    if (options.name.empty() || options.name.size() > 200)
        return report({Fault::invalid, "--name must have 1 to 200 bytes", "choose another one"});

    umask(077);
    std::signal(SIGPIPE, SIG_IGN);
    if (!crypto::start()) return report({Fault::unavailable, "the system has no source of randomness", ""});
    net::Loop loop;
    auto service = tmtpd::Service::start(loop, options);
    if (!service) return report(service.error());

    loop.on_signal([&](int) { loop.stop(); });
    std::printf("%s\n", (*service)->address().c_str());
    std::fflush(stdout);
    std::fprintf(stderr, "tmtpd: serving \"%s\", the certificate's key is %s\n", options.name.c_str(),
                 (*service)->pin().c_str());
    loop.run();
    return 0;
}
