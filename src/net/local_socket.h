// The local socket: lines of text between the daemon and programs of the same user on the same machine.
//
// Only the owner gets in: the socket's folder must be the owner's with mode 0700, the socket has mode 0600,
// and the kernel's word on the other side's user (SO_PEERCRED) is checked by both sides. A line is ended by
// "\n" and is at most limits::control_request_bytes (to the server) or control_reply_bytes (from it) without
// it; who sends more is cut off. What the lines mean is `control`'s business.
//
// A path longer than an address of the kernel holds (107 bytes) works too: the folder is opened and the
// socket addressed as /proc/self/fd/N/name.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "net/loop.h"

namespace kith::net {

// Cuts a stream of bytes into lines. Pure.
class LineSplitter {
  public:
    explicit LineSplitter(std::size_t max_line) : max_line_(max_line) {}
    // Appends what came in. False: a line longer than `max_line`; nothing more is taken, whole lines before
    // it still come out of `next`.
    bool feed(ByteView bytes);
    // The next whole line, without its end; borrowed until the next call of either function.
    bool next(std::string_view& line);

  private:
    std::size_t max_line_;
    std::string buffer_;
    std::size_t read_ = 0;  // where the next line starts
    std::size_t line_ = 0;  // where the last, unfinished line starts
    bool broken_ = false;
};

// One client of a LocalServer. Numbers are never used twice.
enum class LocalPeer : std::uint64_t {};

class LocalServer {
  public:
    struct Events {
        std::function<void(LocalPeer)> on_open;
        std::function<void(LocalPeer, std::string_view line)> on_line;
        // All that was sent has gone to the operating system.
        std::function<void(LocalPeer)> on_drained;
        std::function<void(LocalPeer)> on_closed;
    };
    // Makes the folder when it is missing. A socket that a dead process left is replaced. Fault::refused: a
    // live one listens there, the folder is open to others, or the name is taken by another kind of file.
    static Result<std::unique_ptr<LocalServer>> listen(Loop& loop, const std::string& path, Events events);
    // Removes the socket, closes all, and calls nothing back.
    ~LocalServer();

    // `line` without its end. False: the client is gone, limits::control_queue_bytes would be exceeded, or it
    // holds a "\n" or is too long.
    bool send(LocalPeer to, std::string_view line);
    std::size_t queued(LocalPeer to) const;
    // After what is queued is sent, or nothing of it is taken for limits::control_flush_ms; on_closed
    // follows.
    void close(LocalPeer peer);

  private:
    struct State;
    explicit LocalServer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

// The other end, on a loop.
class LocalClient {
  public:
    struct Events {
        std::function<void(std::string_view line)> on_line;
        std::function<void()> on_drained;
        std::function<void(const Error& why)> on_closed;  // once
    };
    // Connects at once: Fault::not_found when nobody listens there.
    static Result<std::unique_ptr<LocalClient>> connect(Loop& loop, const std::string& path, Events events);
    ~LocalClient();

    bool send(std::string_view line);
    std::size_t queued() const;

  private:
    struct State;
    explicit LocalClient(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

// The other end without a loop, for a command line: calls block.
class LocalCaller {
  public:
    // Fault::not_found when nobody listens there.
    static Result<LocalCaller> connect(const std::string& path);
    LocalCaller(LocalCaller&&) noexcept;
    LocalCaller& operator=(LocalCaller&&) noexcept;
    ~LocalCaller();

    Result<> send_line(std::string_view line);
    // Waits at most `timeout_ms` (negative: for ever). Fault::timed_out: nothing yet, ask again;
    // Fault::unreachable: the other side closed.
    Result<std::string> read_line(std::int64_t timeout_ms);
    // For waiting on other things as well: readable when read_line has something new to look at. A line that
    // already came in does not show there, so read_line(0) until it times out before waiting.
    int fd() const { return fd_; }

  private:
    explicit LocalCaller(int fd);
    int fd_ = -1;
    LineSplitter lines_;  // of at most limits::control_reply_bytes
};

}  // namespace kith::net
