#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

#include "net/line_stream.h"
#include "net/local_path.h"
#include "net/local_socket.h"

namespace kith::net {

using asio::local::stream_protocol;

namespace {

auto refused_by_system(const std::string& what, const std::string& path) {
    return fail(Fault::io, "cannot " + what + " " + path + ": " + std::strerror(errno),
                "check that the folder is yours");
}

// Removes what a dead process left at `path`; anything else there is an error.
Result<> clear_stale(const std::string& path) {
    struct stat found;
    if (lstat(path.c_str(), &found) != 0) return {};
    if (!S_ISSOCK(found.st_mode))
        return fail(Fault::refused, path + " is taken by a file that is not a socket", "move that file away");
    auto live = connect_local(path);
    if (live)
        return fail(Fault::refused, "a process listens at " + path + " already", "stop it, or use that one");
    if (live.error().kind != Fault::not_found) return fail(live.error());
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return refused_by_system("remove", path);
    return {};
}

// The listening socket for `path` that a service manager made and passed on (sd_listen_fds(3)); -1: none.
int passed_socket(const std::string& path) {
    constexpr int first = 3;
    const char* pid = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    if (pid == nullptr || count == nullptr || std::to_string(getpid()) != pid ||
        std::string_view(count) != "1")
        return -1;
    sockaddr_un at{};
    socklen_t size = sizeof at;
    if (getsockname(first, reinterpret_cast<sockaddr*>(&at), &size) != 0 || at.sun_family != AF_UNIX ||
        path != at.sun_path)
        return -1;
    fcntl(first, F_SETFD, FD_CLOEXEC);
    return first;
}

}  // namespace

struct LocalServer::State : std::enable_shared_from_this<LocalServer::State> {
    State(Loop& on, std::string at, Events handlers)
        : loop(on),
          path(std::move(at)),
          acceptor(on.inner().context),
          events(std::make_shared<const Events>(std::move(handlers))) {}

    Result<> bind();
    void accept();
    void begin(stream_protocol::socket socket);
    void closed(LocalPeer id);
    void drop();
    LineStream* stream(LocalPeer id) const {
        auto found = peers.find(id);
        return found == peers.end() ? nullptr : found->second.get();
    }

    Loop& loop;
    std::string path;
    stream_protocol::acceptor acceptor;
    struct stat made {};  // the socket as we made it
    bool passed = false;  // by a service manager, to which it belongs
    std::shared_ptr<const Events> events;
    std::map<LocalPeer, std::shared_ptr<LineStream>> peers;
    std::uint64_t last_peer = 0;
    Timer retry;
};

Result<std::unique_ptr<LocalServer>> LocalServer::listen(Loop& loop, const std::string& path, Events events) {
    auto state = std::make_shared<State>(loop, path, std::move(events));
    KITH_TRY(state->bind());
    state->accept();
    return std::unique_ptr<LocalServer>(new LocalServer(std::move(state)));
}

LocalServer::LocalServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
LocalServer::~LocalServer() {
    state_->drop();
}

bool LocalServer::send(LocalPeer to, std::string_view line) {
    auto* stream = state_->stream(to);
    return stream != nullptr && stream->send(line);
}
std::size_t LocalServer::queued(LocalPeer to) const {
    auto* stream = state_->stream(to);
    return stream != nullptr ? stream->queued() : 0;
}
void LocalServer::close(LocalPeer peer) {
    if (auto* stream = state_->stream(peer)) stream->close();
}

Result<> LocalServer::State::bind() {
    KITH_TRY(secure_folder(path));
    asio::error_code error;
    if (const int given = passed_socket(path); given >= 0) {
        passed = true;
        acceptor.assign(stream_protocol(), given, error);
        if (error) return fail(Fault::io, "cannot use the socket that was passed: " + error.message());
        return {};
    }
    KITH_TRY_VALUE(at, socket_address(path));
    // Two processes that start together must not both find the old socket stale: one at a time looks and
    // binds.
    Fd lock(openat(at.folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock || flock(lock.get(), LOCK_EX) != 0) return refused_by_system("lock the folder of", path);
    KITH_TRY(clear_stale(path));
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // Between bind and chmod the folder's mode keeps others out.
    if (!fd || ::bind(fd.get(), at.raw(), sizeof at.address) != 0)
        return refused_by_system("make the socket", path);
    if (chmod(path.c_str(), 0600) != 0 || lstat(path.c_str(), &made) != 0 ||
        ::listen(fd.get(), SOMAXCONN) != 0)
        return refused_by_system("listen at", path);
    acceptor.assign(stream_protocol(), fd.get(), error);
    if (error) return fail(Fault::io, "cannot listen at " + path + ": " + error.message());
    fd.release();
    return {};
}

void LocalServer::State::accept() {
    acceptor.async_accept(
        [self = shared_from_this()](const asio::error_code& error, stream_protocol::socket socket) {
            if (!self->events) return;
            if (error) {
                self->retry = self->loop.after(limits::accept_retry_ms, [self] { self->accept(); });
                return;
            }
            if (self->peers.size() < limits::control_clients && same_user(socket.native_handle()))
                self->begin(std::move(socket));
            self->accept();
        });
}

void LocalServer::State::begin(stream_protocol::socket socket) {
    const auto id = LocalPeer{++last_peer};
    auto self = shared_from_this();
    LineStream::Events calls;
    calls.on_line = [self, id](std::string_view line) {
        auto handlers = self->events;
        if (handlers && handlers->on_line) handlers->on_line(id, line);
    };
    calls.on_drained = [self, id] {
        auto handlers = self->events;
        if (handlers && handlers->on_drained) handlers->on_drained(id);
    };
    calls.on_closed = [self, id](const Error&) { self->closed(id); };
    auto stream = std::make_shared<LineStream>(loop, std::move(socket), limits::control_request_bytes,
                                               limits::control_reply_bytes, std::move(calls));
    peers.emplace(id, stream);
    auto handlers = events;
    if (handlers->on_open) handlers->on_open(id);
    stream->open();  // does nothing if the callback destroyed us
}

void LocalServer::State::closed(LocalPeer id) {
    peers.erase(id);
    auto handlers = events;
    if (handlers && handlers->on_closed) handlers->on_closed(id);
}

void LocalServer::State::drop() {
    events = nullptr;
    asio::error_code ignored;
    if (acceptor.is_open() && !passed) {
        // Only ours: the home may have been moved away, or another daemon may have started there.
        struct stat now;
        if (lstat(path.c_str(), &now) == 0 && now.st_dev == made.st_dev && now.st_ino == made.st_ino)
            unlink(path.c_str());
    }
    acceptor.close(ignored);
    retry.cancel();
    for (auto& [id, stream] : peers) stream->drop();
    peers.clear();
}

}  // namespace kith::net
