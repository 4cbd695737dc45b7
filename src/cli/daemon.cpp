#include "cli/daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "base/limits.h"
#include "control/socket_server.h"
#include "net/file_lock.h"

namespace kith::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* log_name = "kithd.log";
// How often a starting daemon is looked for: short beside what a start takes.
constexpr int look_ms = 10;

Error no_room(const fs::path& home) {
    return {Fault::disk_full, "the disk is full on which the profile's folder is: " + home.string(),
            "make room on the disk"};
}

bool is_full(const fs::path& home) {
    struct statvfs disk {};
    return statvfs(home.c_str(), &disk) == 0 && disk.f_blocks > 0 && disk.f_bavail == 0;
}

// Makes the profile's folder, private. One that is there and open to others is closed only when it is empty:
// it may be a folder that was named by mistake, /tmp say.
Result<> make_home(const fs::path& home) {
    std::error_code error;
    // What is missing above is made private as well (XDG Base Directory Specification).
    mode_t before = umask(077);
    fs::create_directories(home, error);
    umask(before);
    if (error == std::errc::no_space_on_device) return fail(no_room(home));
    if (error)
        return fail(Fault::io, "the profile's folder cannot be made: " + error.message(),
                    "check " + home.string());
    struct stat status {};
    if (stat(home.c_str(), &status) != 0 || (status.st_mode & 077) == 0) return {};
    if (!fs::is_empty(home, error) || error || chmod(home.c_str(), 0700) != 0)
        return fail(Fault::refused, "other users can enter the profile's folder",
                    "if it is meant to hold a profile: chmod 700 " + home.string());
    return {};
}

// kithd beside this program, else in PATH.
Result<fs::path> find_program() {
    std::error_code error;
    auto beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "kithd";
    if (!error && access(beside.c_str(), X_OK) == 0) return beside;
    const char* path = std::getenv("PATH");
    std::string_view rest = path ? path : "";
    while (!rest.empty()) {
        auto end = std::min(rest.find(':'), rest.size());
        fs::path candidate = fs::path(rest.substr(0, end)) / "kithd";
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (candidate.is_absolute() && access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return fail(Fault::not_found, "the program kithd is neither beside kith nor in PATH",
                "install kith whole");
}

struct Log {
    int fd;
    off_t start;  // where this daemon's lines begin
};
Result<Log> open_log(const fs::path& home) {
    auto path = home / log_name;
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0 && static_cast<std::uint64_t>(status.st_size) > limits::log_bytes)
        std::rename(path.c_str(), (path.string() + ".old").c_str());
    int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOSPC) return fail(no_room(home));
    if (fd < 0)
        return fail(Fault::io, "the log cannot be opened: " + std::string(std::strerror(errno)),
                    "check " + path.string());
    fchmod(fd, 0600);
    return Log{fd, fstat(fd, &status) == 0 ? status.st_size : 0};
}

std::string last_line(const fs::path& home, off_t start) {
    std::ifstream file(home / log_name, std::ios::binary);
    file.seekg(start);
    std::string line, last;
    while (std::getline(file, line))
        if (!line.empty()) last = line;
    return last;
}

void close_from(int first) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, ~0u, 0) == 0) return;
#endif
    long most = sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd < most; ++fd) close(fd);
}

// What the daemon's process says before it becomes the daemon, and again with the error if it could not.
struct Report {
    pid_t process = 0;
    int error = 0;
};

// In the child of the child. Uses what is safe after a fork only.
[[noreturn]] void become_daemon(const char* program, const char* home, int log, int report) {
    Report self{getpid(), 0};
    // Out of the way of 0 to 3, where they go next.
    log = fcntl(log, F_DUPFD, 10);
    report = fcntl(report, F_DUPFD, 10);
    int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    dup2(report, 3);
    close_from(4);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    static_cast<void>(!write(3, &self, sizeof self));
    // A blocked or ignored signal would stay so in the daemon.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) signal(number, SIG_DFL);
    umask(077);
    if (chdir("/") == 0) execl(program, program, "--home", home, static_cast<char*>(nullptr));
    self.error = errno;
    static_cast<void>(!write(3, &self, sizeof self));
    _exit(127);
}

// Reads one report; all zero at the end.
Report read_report(int from) {
    Report report;
    ssize_t got = 0;
    while ((got = read(from, &report, sizeof report)) < 0 && errno == EINTR) {
    }
    return got == sizeof report ? report : Report{};
}

// Forks twice, so that the daemon leads no session and no terminal can become its own. Returns its process
// id.
Result<pid_t> spawn(const fs::path& program, const fs::path& home, int log) {
    std::array<int, 2> pipe_ends{};
    if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return fail(Fault::io, "no pipe can be opened", "");
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) become_daemon(program.c_str(), home.c_str(), log, pipe_ends[1]);
        _exit(0);
    }
    close(pipe_ends[1]);
    while (child > 0 && waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    Report started = read_report(pipe_ends[0]);
    Report failed = read_report(pipe_ends[0]);  // comes to its end when the daemon's program runs
    close(pipe_ends[0]);
    if (started.process <= 0 || failed.error != 0)
        return fail(Fault::io, "kithd cannot be started: " + std::string(std::strerror(failed.error)),
                    "try to run " + program.string() + " --home " + home.string());
    return started.process;
}

// Whether the process ends within this time. A descriptor of it becomes readable then, even if nobody
// collects it.
bool ends_within(pid_t process, std::int64_t wait_ms) {
    int fd = static_cast<int>(syscall(SYS_pidfd_open, process, 0));
    if (fd < 0) return errno == ESRCH;
    pollfd entry{fd, POLLIN, 0};
    int ready = 0;
    while ((ready = poll(&entry, 1, static_cast<int>(wait_ms))) < 0 && errno == EINTR) {
    }
    close(fd);
    return ready > 0;
}

}  // namespace

Result<net::LocalCaller> find_daemon(const fs::path& home) {
    return net::LocalCaller::connect((home / control::socket_name).string());
}

Result<net::LocalCaller> find_or_start_daemon(const fs::path& home) {
    auto caller = find_daemon(home);
    if (caller || caller.error().kind != Fault::not_found) return caller;
    KITH_TRY_VALUE(program, find_program());
    KITH_TRY(make_home(home));
    KITH_TRY_VALUE(log, open_log(home));
    auto daemon = spawn(program, home, log.fd);
    close(log.fd);
    if (!daemon) return fail(daemon.error());

    // It may have ended because another command's daemon is starting, which then holds the lock.
    auto deadline = Clock::now() + std::chrono::milliseconds(limits::daemon_start_ms);
    bool ended = false;
    do {
        ended = ended || ends_within(*daemon, look_ms);
        bool nobody = ended && !net::FileLock::holder((home / control::lock_name).string());
        caller = find_daemon(home);
        if (caller || caller.error().kind != Fault::not_found) return caller;
        if (nobody) break;
        if (ended) poll(nullptr, 0, look_ms);
    } while (Clock::now() < deadline);
    std::string last = last_line(home, log.start);
    // What the daemon had to say had no room either.
    if (ended && last.empty() && is_full(home)) return fail(no_room(home));
    return fail(
        ended ? Fault::unavailable : Fault::timed_out,
        ended ? "the daemon ended as soon as it was started" : "the daemon was started but does not answer",
        (last.empty() ? "see " : "its log says: " + last + "; see ") + (home / log_name).string());
}

pid_t process_of(const net::LocalCaller& caller) {
    ucred who{};
    socklen_t size = sizeof who;
    if (getsockopt(caller.fd(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return 0;
    return who.pid;
}

bool wait_for_end(pid_t process) {
    return process <= 0 || ends_within(process, limits::daemon_stop_ms);
}

}  // namespace kith::cli
