#include "net/line_stream.h"

namespace kith::net {

namespace {

constexpr std::size_t write_bytes = 64 * 1024;  // what is handed to the system at once

}  // namespace

bool LineSplitter::feed(ByteView bytes) {
    if (broken_) return false;
    if (read_ > 0) {
        buffer_.erase(0, read_);
        line_ -= read_;
        read_ = 0;
    }
    buffer_.append(as_text(bytes));
    for (auto end = buffer_.size() - bytes.size(); (end = buffer_.find('\n', end)) != std::string::npos;
         ++end) {
        broken_ = broken_ || end - line_ > max_line_;
        if (broken_) break;
        line_ = end + 1;
    }
    broken_ = broken_ || buffer_.size() - line_ > max_line_;
    if (broken_) buffer_.resize(line_);
    return !broken_;
}

bool LineSplitter::next(std::string_view& line) {
    if (read_ >= line_) return false;
    const auto end = buffer_.find('\n', read_);
    line = std::string_view(buffer_).substr(read_, end - read_);
    read_ = end + 1;
    return true;
}

LineStream::LineStream(Loop& loop, Socket socket, std::size_t max_in, std::size_t max_out, Events events)
    : loop_(loop),
      socket_(std::move(socket)),
      lines_(max_in),
      max_out_(max_out),
      events_(std::make_shared<const Events>(std::move(events))) {}

void LineStream::open() {
    read();
}

bool LineStream::send(std::string_view line) {
    if (!events_ || closing_ || line.size() > max_out_ || line.find('\n') != std::string_view::npos)
        return false;
    if (queued() + line.size() + 1 > limits::control_queue_bytes) return false;
    pending_.append(line);
    pending_ += '\n';
    flush();
    return true;
}

void LineStream::close() {
    if (!events_ || closing_) return;
    closing_ = true;
    // A client that does not read gets no more time than this; with nothing queued the end comes at once.
    close_when_stuck(queued() > 0 ? limits::control_flush_ms : 0, 0);
}

// As long as the client takes something, it may take all. Twice, because a loop that was busy finds this
// timer and what it could have sent due at the same time.
void LineStream::close_when_stuck(std::int64_t wait_ms, int idle) {
    close_timer_ = loop_.after(wait_ms, [self = shared_from_this(), idle, taken = taken_] {
        if (self->queued() == 0 || (self->taken_ == taken && idle > 0))
            return self->finish({Fault::cancelled, "the connection was closed", {}});
        self->close_when_stuck(limits::control_flush_ms / 2, self->taken_ == taken ? idle + 1 : 0);
    });
}

void LineStream::drop() {
    events_ = nullptr;
    close_timer_.cancel();
    asio::error_code ignored;
    socket_.close(ignored);
}

void LineStream::read() {
    if (!events_) return;
    socket_.async_read_some(
        asio::buffer(buffer_), [self = shared_from_this()](const asio::error_code& error, std::size_t size) {
            if (!self->events_) return;
            if (error) return self->finish({Fault::unreachable, "the other side closed the connection", {}});
            self->take(ByteView(self->buffer_.data(), size));
            self->read();
        });
}

void LineStream::take(ByteView bytes) {
    const bool fits = lines_.feed(bytes);
    std::string_view line;
    // A callback may drop us: events_ is looked at anew for each line.
    while (events_ && !closing_ && lines_.next(line)) {
        auto events = events_;
        if (events->on_line) events->on_line(line);
    }
    if (!fits) finish({Fault::protocol, "the other side sent a line that is too long", {}});
}

void LineStream::flush() {
    if (!sending_.empty() || pending_.empty()) return;
    sending_.swap(pending_);
    auto go_on = [self = shared_from_this()](const asio::error_code& error, std::size_t) -> std::size_t {
        ++self->taken_;
        return error ? 0 : write_bytes;
    };
    asio::async_write(
        socket_, asio::buffer(sending_), go_on,
        [self = shared_from_this()](const asio::error_code& error, std::size_t) {
            self->sending_.clear();
            auto events = self->events_;
            if (!events) return;
            if (error) return self->finish({Fault::unreachable, "the other side closed the connection", {}});
            if (!self->pending_.empty()) return self->flush();
            if (self->closing_) return self->finish({Fault::cancelled, "the connection was closed", {}});
            if (events->on_drained) events->on_drained();
        });
}

void LineStream::finish(Error why) {
    if (!events_) return;
    auto events = events_;
    drop();
    if (events->on_closed) events->on_closed(why);
}

}  // namespace kith::net
