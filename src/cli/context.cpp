#include "cli/context.h"

#include <pwd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "cli/text.h"

namespace kith::cli {
namespace {

void put(std::FILE* to, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), to);
}

// On a terminal all of JSON is ASCII: what strangers wrote could otherwise control it.
std::string json_line(const Json& json, bool ascii) {
    return json.dump(-1, ' ', ascii, Json::error_handler_t::replace) + "\n";
}

}  // namespace

int exit_code(Fault kind) {
    switch (kind) {
        case Fault::invalid:
            return 3;
        case Fault::not_found:
            return 4;
        case Fault::refused:
            return 5;
        case Fault::locked:
            return 6;
        case Fault::unreachable:
            return 7;
        case Fault::timed_out:
            return 8;
        case Fault::disk_full:
            return 9;
        case Fault::io:
            return 10;
        case Fault::corrupt:
            return 11;
        case Fault::protocol:
            return 12;
        case Fault::cancelled:
            return 13;
        case Fault::unavailable:
            return 14;
        case Fault::forbidden:
            return 15;
    }
    return exit_internal;
}

Output::Output(bool json) : json_(json), terminal_(!json && isatty(STDOUT_FILENO) == 1) {}

std::size_t Output::columns() const {
    winsize size{};
    if (!terminal_) return 100000;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

void Output::say(std::string_view line) {
    if (json_) return;
    write(line);
    write("\n");
    std::fflush(stdout);
}

void Output::write(std::string_view text) {
    if (json_) return;
    end_redraw();
    put(stdout, text);
}

void Output::note(std::string_view line) {
    if (json_) return;
    end_redraw();
    std::fflush(stdout);
    put(stderr, line);
    put(stderr, "\n");
}

void Output::redraw(std::string_view line) {
    if (!terminal_) return;
    put(stdout, "\r\x1b[K");
    put(stdout, cut(line, columns() - 1));
    std::fflush(stdout);
    on_redrawn_line_ = true;
}

void Output::end_redraw() {
    if (on_redrawn_line_) put(stdout, "\n");
    on_redrawn_line_ = false;
}

void Output::value(const Json& json) {
    if (!json_) return;
    put(stdout, json_line(json, isatty(STDOUT_FILENO) == 1));
    std::fflush(stdout);
}

void Output::raw(std::string_view bytes) {
    put(stdout, bytes);
}

int Output::error(const Error& error) {
    report(fault_name(error.kind), error.what, error.hint);
    return exit_code(error.kind);
}

int Output::usage_error(std::string_view what, std::string_view hint) {
    report("usage", what, hint);
    return exit_usage;
}

int Output::internal_error(std::string_view what) {
    report("internal", "a mistake of kith's own: " + std::string(what), "please report it");
    return exit_internal;
}

void Output::report(std::string_view kind, std::string_view what, std::string_view hint) {
    end_redraw();
    std::fflush(stdout);
    if (json_) {
        Json error{{"kind", kind}, {"message", what}, {"hint", hint}};
        return put(stderr, json_line({{"error", std::move(error)}}, isatty(STDERR_FILENO) == 1));
    }
    put(stderr, "kith: " + clean(what) + "\n");
    if (!hint.empty()) put(stderr, "hint: " + clean(hint) + "\n");
}

bool Output::flush() {
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

Result<std::filesystem::path> find_home(const std::string& option) {
    namespace fs = std::filesystem;
    auto variable = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value ? value : "");
    };
    fs::path home;
    if (!option.empty())
        home = option;
    else if (auto own = variable("KITH_HOME"); !own.empty())
        home = own;
    // A relative XDG_DATA_HOME is to be disregarded (XDG Base Directory Specification).
    else if (auto data = variable("XDG_DATA_HOME"); data.starts_with('/'))
        home = fs::path(data) / "kith";
    else if (auto user = variable("HOME"); user.starts_with('/'))
        home = fs::path(user) / ".local/share/kith";
    else if (const passwd* entry = getpwuid(getuid()))
        home = fs::path(entry->pw_dir) / ".local/share/kith";
    else
        return fail(Fault::invalid, "there is no home folder to keep the profile in",
                    "name one with --home DIR");

    std::error_code error;
    fs::path absolute = fs::absolute(home, error).lexically_normal();
    if (error) return fail(Fault::io, "the current folder cannot be found", "give --home an absolute path");
    // "DIR/" and "DIR" are the same profile.
    if (!absolute.has_filename() && absolute.has_relative_path()) absolute = absolute.parent_path();
    return absolute;
}

}  // namespace kith::cli
