#include "cli/prompt.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/limits.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

// The terminal without echo while it lives. Signals that would end the program wait until the echo is back: a
// terminal left without echo looks broken to its owner.
class WithoutEcho {
  public:
    WithoutEcho() {
        struct sigaction note {};
        note.sa_handler = [](int signal) { caught_ = signal; };
        sigemptyset(&note.sa_mask);
        caught_ = 0;
        // Blocked but while wait_for_input waits: a signal that came just before a read would not interrupt
        // it.
        sigset_t blocked;
        sigemptyset(&blocked);
        for (int signal : signals) sigaddset(&blocked, signal);
        sigprocmask(SIG_BLOCK, &blocked, &mask_before_);
        for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &note, &before_[i]);
        active_ = this;
        if (tcgetattr(STDIN_FILENO, &normal_) != 0) return;
        termios silent = normal_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        silent.c_lflag |= ECHONL;
        changed_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
    }
    ~WithoutEcho() {
        if (changed_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &normal_);
        active_ = nullptr;
        for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &before_[i], nullptr);
        sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
        if (caught_ != 0) raise(caught_);
    }
    WithoutEcho(const WithoutEcho&) = delete;
    WithoutEcho& operator=(const WithoutEcho&) = delete;
    static bool interrupted() { return active_ && caught_ != 0; }
    // Returns when there is something to read, or a signal came.
    static void wait_for_input() {
        if (!active_) return;
        pollfd input{STDIN_FILENO, POLLIN, 0};
        while (!interrupted() && ppoll(&input, 1, nullptr, &active_->mask_before_) < 0 && errno == EINTR) {
        }
    }

  private:
    static constexpr std::array<int, 4> signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    static inline volatile std::sig_atomic_t caught_ = 0;
    static inline WithoutEcho* active_ = nullptr;
    sigset_t mask_before_{};
    termios normal_{};
    bool changed_ = false;
    std::array<struct sigaction, 4> before_{};
};

void show(const std::string& text) {
    std::fflush(stdout);
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
}

Result<SecretBytes> secret_from(std::string& line) {
    if (line.size() > limits::passphrase_bytes) {
        control::wipe_text(line);
        return fail(Fault::invalid, "the passphrase is too long",
                    "at most " + std::to_string(limits::passphrase_bytes) + " bytes");
    }
    // JSON carries text only: other bytes would arrive as something else.
    if (!is_utf8(line)) {
        control::wipe_text(line);
        return fail(Fault::invalid, "the passphrase is not UTF-8 text",
                    "use a file with text, or a UTF-8 terminal");
    }
    SecretBytes secret(as_bytes(line));
    control::wipe_text(line);
    return secret;
}

}  // namespace

std::optional<std::string> InputLines::next() {
    auto end = buffer_.find('\n');
    if (end == std::string::npos) {
        if (!ended_ || buffer_.empty()) return std::nullopt;
        return std::exchange(buffer_, {});
    }
    std::string line = buffer_.substr(0, end);
    std::string rest = buffer_.substr(end + 1);
    control::wipe_text(buffer_);  // it may have held a passphrase
    buffer_ = std::move(rest);
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

bool InputLines::read_more() {
    if (ended_ || buffer_.size() > limits::input_line) return false;
    WithoutEcho::wait_for_input();
    if (WithoutEcho::interrupted()) {
        ended_ = true;
        return false;
    }
    std::array<char, 1024> piece{};
    ssize_t got = read(STDIN_FILENO, piece.data(), piece.size());
    if (got < 0 && errno == EINTR && !WithoutEcho::interrupted()) return true;
    if (got <= 0) {
        ended_ = true;
        return false;
    }
    buffer_.append(piece.data(), static_cast<std::size_t>(got));
    wipe({reinterpret_cast<std::uint8_t*>(piece.data()), piece.size()});
    return true;
}

std::optional<std::string> InputLines::wait() {
    for (;;) {
        if (auto line = next()) return line;
        if (!read_more()) return next();
    }
}

InputLines& standard_input() {
    static InputLines lines;
    return lines;
}

std::optional<std::string> ask(const std::string& question) {
    show(question);
    return standard_input().wait();
}

bool agrees(const std::string& question) {
    const auto said = ask(question + " [y/N] ");
    return said && (*said == "y" || *said == "Y" || *said == "yes");
}

Result<SecretBytes> ask_secret(const std::string& question) {
    std::optional<std::string> line;
    {
        WithoutEcho quiet;
        show(question);
        line = standard_input().wait();
    }
    if (!line)
        return fail(Fault::cancelled, "no passphrase was given",
                    "run the command again, or give it in a file: --passphrase-file FILE");
    return secret_from(*line);
}

Result<SecretBytes> ask_new_secret(const std::string& question, const std::string& again) {
    for (;;) {
        KITH_TRY_VALUE(first, ask_secret(question));
        if (first.empty()) return first;
        KITH_TRY_VALUE(second, ask_secret(again));
        if (equal_constant_time(first.view(), second.view())) return first;
        show("These two differ. Once more.\n");
    }
}

Result<SecretBytes> read_secret_file(const std::string& file) {
    int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(errno == ENOENT ? Fault::not_found : Fault::io,
                    "the passphrase file cannot be read: " + std::string(std::strerror(errno)),
                    "check " + file);
    std::string text(limits::passphrase_bytes + 2, '\0');
    std::size_t have = 0;
    ssize_t got = 0;
    while (have < text.size() && (got = read(fd, text.data() + have, text.size() - have)) > 0)
        have += static_cast<std::size_t>(got);
    int error = errno;
    close(fd);
    if (got < 0)
        return fail(Fault::io, "the passphrase file cannot be read: " + std::string(std::strerror(error)),
                    "check " + file);
    // Cut by hand and not by resize, which would leave the rest of the file unwiped.
    std::string line = text.substr(0, std::min(have, text.find('\n')));
    control::wipe_text(text);
    if (line.ends_with('\r')) line.pop_back();
    return secret_from(line);
}

Error missing(const ShownText& wanted) {
    return {Fault::invalid, "the " + wanted.name + " is missing",
            "give it as TEXT, or as - to read it from standard input; --scan reads a picture of it"};
}

Result<std::string> read_shown(Context& context, const std::string& option, const ShownText& wanted) {
    if (!option.empty() && option != "-") return option;
    if (option.empty() && !context.can_ask) return fail(missing(wanted));
    auto line = option == "-" ? standard_input().wait() : ask(wanted.question);
    if (!line || line->empty())
        return fail(Fault::invalid, "no " + wanted.name + " was given",
                    "paste the text that " + wanted.shown_by + " shows");
    return *line;
}

}  // namespace kith::cli
