#include "cli/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>

namespace kith::cli_test {
namespace {

namespace fs = std::filesystem;
constexpr int patience_ms = 20000;

[[noreturn]] void become(const std::vector<std::string>& command,
                         const std::vector<std::string>& environment) {
    for (const auto& setting : environment) putenv(const_cast<char*>(setting.c_str()));
    std::vector<char*> words;
    for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execv(words[0], words.data());
    _exit(126);
}

int exit_code_of(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Appends what comes in within the time; false at the end or when the time is over.
bool read_into(std::string& buffer, int fd) {
    pollfd entry{fd, POLLIN, 0};
    if (poll(&entry, 1, patience_ms) <= 0) return false;
    std::array<char, 65536> piece{};
    ssize_t got = read(fd, piece.data(), piece.size());
    if (got <= 0) return false;  // a terminal whose program has ended fails with EIO
    buffer.append(piece.data(), static_cast<std::size_t>(got));
    return true;
}

void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        ssize_t put = write(fd, text.data(), text.size());
        if (put <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(put));
    }
}

}  // namespace

Setting::Setting() {
    std::string name = "/tmp/kith-cli-XXXXXX";
    REQUIRE(mkdtemp(name.data()));
    root = name;
    home = root / "home";
    kith = root / "bin" / "kith";
    fs::create_directory(root / "bin");
    fs::copy_file(KITH_PROGRAM, kith);
    fs::copy_file(KITH_TEST_DAEMON, root / "bin" / "kithd");
}

Setting::~Setting() {
    run(command({"stop"}));
    fs::remove_all(root);
}

void Setting::scenario(const std::string& name) const {
    fs::create_directories(home);
    fs::permissions(home, fs::perms::owner_all);
    std::ofstream(home / "scenario") << name;
}
std::string Setting::seen() const {
    return read_all(home / "seen");
}

std::string Setting::file(const std::string& name, const std::string& content) const {
    std::ofstream(root / name, std::ios::binary) << content;
    return (root / name).string();
}

std::vector<std::string> Setting::command(std::vector<std::string> words) const {
    words.insert(words.begin(), {kith.string(), "--home", home.string()});
    return words;
}

std::string read_all(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

Outcome run(const std::vector<std::string>& command, const std::string& input,
            const std::vector<std::string>& environment) {
    std::array<int, 2> in{}, out{}, err{};
    REQUIRE(pipe2(in.data(), O_CLOEXEC) == 0);
    REQUIRE(pipe2(out.data(), O_CLOEXEC) == 0);
    REQUIRE(pipe2(err.data(), O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        setsid();
        become(command, environment);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    signal(SIGPIPE, SIG_IGN);
    write_all(in[1], input);
    close(in[1]);
    Outcome outcome;
    std::array<pollfd, 2> entries{pollfd{out[0], POLLIN, 0}, pollfd{err[0], POLLIN, 0}};
    while (entries[0].fd >= 0 || entries[1].fd >= 0) {
        bool ready = poll(entries.data(), entries.size(), patience_ms) > 0;
        if (!ready) kill(child, SIGKILL);
        for (int i : {0, 1})
            if (entries[i].fd >= 0 &&
                (!ready || (entries[i].revents != 0 &&
                            !read_into(i == 0 ? outcome.out : outcome.err, entries[i].fd)))) {
                close(entries[i].fd);
                entries[i].fd = -1;
            }
    }
    outcome.code = exit_code_of(child);
    return outcome;
}

Terminal::Terminal(const std::vector<std::string>& command) {
    winsize size{24, 80, 0, 0};
    child_ = forkpty(&fd_, nullptr, nullptr, &size);
    REQUIRE(child_ >= 0);
    if (child_ == 0) become(command, {});
}

Terminal::~Terminal() {
    if (child_ > 0) {
        kill(child_, SIGKILL);
        exit_code_of(child_);
    }
    close(fd_);
}

bool Terminal::read_some() {
    return read_into(screen_, fd_);
}

bool Terminal::expect(const std::string& text) {
    for (;;) {
        auto at = screen_.find(text, found_);
        if (at != std::string::npos) {
            found_ = at + text.size();
            return true;
        }
        if (!read_some()) return false;
    }
}

void Terminal::type(const std::string& keys) {
    write_all(fd_, keys);
}

int Terminal::wait() {
    while (read_some()) {
    }
    int code = exit_code_of(child_);
    child_ = -1;
    return code;
}

Dialogue::Dialogue(const std::vector<std::string>& command) {
    std::array<int, 2> in{}, out{};
    REQUIRE(pipe2(in.data(), O_CLOEXEC) == 0);
    REQUIRE(pipe2(out.data(), O_CLOEXEC) == 0);
    child_ = fork();
    if (child_ == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        become(command, {});
    }
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    out_ = out[0];
    signal(SIGPIPE, SIG_IGN);
}

Dialogue::~Dialogue() {
    if (child_ > 0) {
        kill(child_, SIGKILL);
        exit_code_of(child_);
    }
    end_input();
    close(out_);
}

std::optional<std::string> Dialogue::line() {
    for (;;) {
        auto end = buffer_.find('\n');
        if (end != std::string::npos) {
            std::string text = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            return text;
        }
        if (!read_into(buffer_, out_)) return std::nullopt;
    }
}

void Dialogue::say(const std::string& text) {
    write_all(in_, text);
}

void Dialogue::end_input() {
    if (in_ >= 0) close(in_);
    in_ = -1;
}

void Dialogue::interrupt() const {
    kill(child_, SIGINT);
}

int Dialogue::wait() {
    int code = exit_code_of(child_);
    child_ = -1;
    return code;
}

}  // namespace kith::cli_test
