// tmtpd: a TMTP server. See README.md.
#include <sys/resource.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "log.h"
#include "service.h"

using namespace kith;

namespace {

int report(const Error& error) {
    std::fprintf(stderr, "tmtpd: %s\n", error.what.c_str());
    if (!error.hint.empty()) std::fprintf(stderr, "%s\n", error.hint.c_str());
    return 1;
}

// The file first, so that flags have the last word.
Result<tmtpd::Config> configure(const std::string& file,
                                const std::map<std::string_view, std::string>& flags) {
    tmtpd::Config config;
    if (!file.empty()) KITH_TRY(tmtpd::read_config_file(file, config));
    for (const auto& setting : tmtpd::settings()) {
        auto given = flags.find(setting.key);
        if (given == flags.end()) continue;
        if (auto done = setting.set(config, given->second); !done)
            return fail(done.error().kind, "--" + std::string(setting.key) + " " + done.error().what,
                        "tmtpd --help lists all settings");
    }
    return config;
}

// Each link needs a file descriptor.
Result<> allow_files(std::uint64_t links) {
    const rlim_t needed = links + 200;
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return {};
    limit.rlim_cur = std::min(needed, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= needed) return {};
    return fail(Fault::refused,
                "the system allows this process " + std::to_string(limit.rlim_max) +
                    " open files, which is too few for " + std::to_string(links) + " links",
                "raise the limit (ulimit -n), or give fewer with --links");
}

int serve(const tmtpd::Config& config) {
    if (auto allowed = allow_files(config.links); !allowed) return report(allowed.error());
    net::Loop loop;
    Result<> how;
    auto service = tmtpd::Service::start(loop, config, [&](Result<> result) {
        how = std::move(result);
        loop.stop();
    });
    if (!service) return report(service.error());
    loop.on_signal([&](int) { (*service)->stop(); });
    tmtpd::LogLine(loop.now().unix_ms, "serving")
        .with("address", (*service)->address())
        .with("pin", (*service)->pin());
    std::printf("%s\n", (*service)->address().c_str());
    std::fflush(stdout);
    loop.run();
    return how ? 0 : report(how.error());
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("a server for the Trusted Messaging Transfer Protocol");
    app.require_subcommand(0, 1);
    std::string file;
    std::map<std::string_view, std::string> flags;
    app.add_option("--config", file, "a file of `key = value` lines; keys are the names of the flags below")
        ->option_text("FILE");
    for (const auto& setting : tmtpd::settings())
        app.add_option_function<std::string>(
               "--" + std::string(setting.key),
               [&flags, key = setting.key](const std::string& value) { flags[key] = value; },
               std::string(setting.help))
            ->option_text(std::string(setting.form));

    bool json = false;
    nlohmann::json request;
    auto ask = [&](CLI::App* group, const char* name, const char* what, const char* help) {
        auto* command = group->add_subcommand(name, help)->fallthrough();
        command->add_flag("--json", json, "JSON, one object a line");
        command->callback([&request, what] { request["do"] = what; });
        return command;
    };
    auto group = [&](const char* name, const char* help) {
        return app.add_subcommand(name, help)->require_subcommand(1)->fallthrough();
    };
    ask(group("user", "accounts, for the operator"), "list", "users", "all accounts with their aliases");
    auto* node = group("node", "nodes, for the operator");
    ask(node, "list", "nodes", "all nodes, and what is queued for them");
    std::int64_t number = 0;
    ask(node, "drop", "drop_node", "take a node's access away, and drop what is queued for it")
        ->add_option("NODE", number, "its number, as `tmtpd node list` tells")
        ->required();
    ask(group("group", "groups, for the operator"), "list", "groups", "all groups");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 1;  // 0: --help
    }

    umask(077);
    std::signal(SIGPIPE, SIG_IGN);
    if (!crypto::start()) return report({Fault::unavailable, "the system has no source of randomness", ""});
    auto config = configure(file, flags);
    if (!config) return report(config.error());
    if (!request.empty()) {
        if (config->dir.empty()) return report({Fault::invalid, "no folder is given", "say --dir DIR"});
        if (request["do"] == "drop_node") request["node"] = number;
        return tmtpd::run_operator(config->dir, request.dump(), json);
    }
    if (auto checked = tmtpd::check_config(*config); !checked) return report(checked.error());
    return serve(*config);
}
