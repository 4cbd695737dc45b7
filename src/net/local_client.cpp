#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>

#include "net/line_stream.h"
#include "net/local_path.h"
#include "net/local_socket.h"

namespace kith::net {

struct LocalClient::State {
    std::shared_ptr<LineStream> stream;
};

Result<std::unique_ptr<LocalClient>> LocalClient::connect(Loop& loop, const std::string& path,
                                                          Events events) {
    KITH_TRY_VALUE(fd, connect_local(path));
    LineStream::Socket socket(loop.inner().context);
    asio::error_code error;
    socket.assign(asio::local::stream_protocol(), fd.get(), error);
    if (error) return fail(Fault::io, "cannot connect to " + path + ": " + error.message());
    fd.release();
    LineStream::Events calls{std::move(events.on_line), std::move(events.on_drained),
                             std::move(events.on_closed)};
    auto state = std::make_shared<State>();
    state->stream = std::make_shared<LineStream>(loop, std::move(socket), limits::control_reply_bytes,
                                                 limits::control_request_bytes, std::move(calls));
    state->stream->open();
    return std::unique_ptr<LocalClient>(new LocalClient(std::move(state)));
}

LocalClient::LocalClient(std::shared_ptr<State> state) : state_(std::move(state)) {}
LocalClient::~LocalClient() {
    state_->stream->drop();
}

bool LocalClient::send(std::string_view line) {
    return state_->stream->send(line);
}
std::size_t LocalClient::queued() const {
    return state_->stream->queued();
}

LocalCaller::LocalCaller(int fd) : fd_(fd), lines_(limits::control_reply_bytes) {}
LocalCaller::LocalCaller(LocalCaller&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), lines_(std::move(other.lines_)) {}
LocalCaller& LocalCaller::operator=(LocalCaller&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(lines_, other.lines_);
    return *this;
}
LocalCaller::~LocalCaller() {
    if (fd_ >= 0) ::close(fd_);
}

Result<LocalCaller> LocalCaller::connect(const std::string& path) {
    KITH_TRY_VALUE(fd, connect_local(path));
    return LocalCaller(fd.release());
}

Result<> LocalCaller::send_line(std::string_view line) {
    if (line.size() > limits::control_request_bytes || line.find('\n') != std::string_view::npos)
        return fail(Fault::invalid, "that is too much for one request", "send less at a time");
    auto bytes = std::string(line) + "\n";
    for (std::string_view left = bytes; !left.empty();) {
        const auto size = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return fail(Fault::unreachable, "the daemon closed the connection", "try again");
        left.remove_prefix(static_cast<std::size_t>(size));
    }
    return {};
}

Result<std::string> LocalCaller::read_line(std::int64_t timeout_ms) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    for (;;) {
        std::string_view line;
        if (lines_.next(line)) return std::string(line);
        int wait = -1;
        if (timeout_ms >= 0) {
            const auto gone =
                std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
            wait = static_cast<int>(std::clamp<std::int64_t>(timeout_ms - gone, 0, INT_MAX));
        }
        pollfd readable{fd_, POLLIN, 0};
        const int ready = poll(&readable, 1, wait);
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0)
            return fail(Fault::io, std::string("cannot wait for the daemon: ") + std::strerror(errno));
        if (ready == 0) return fail(Fault::timed_out, "the daemon has not answered yet");
        std::array<std::uint8_t, 16 * 1024> buffer;
        const auto size = recv(fd_, buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return fail(Fault::unreachable, "the daemon closed the connection", "look at its log");
        if (!lines_.feed(ByteView(buffer.data(), static_cast<std::size_t>(size))))
            return fail(Fault::protocol, "the daemon sent a line that is too long");
    }
}

}  // namespace kith::net
