#include "net/fd_watch.h"

#include <fcntl.h>

#include "net/inner.h"

namespace kith::net {

struct FdWatch::State : std::enable_shared_from_this<FdWatch::State> {
    State(Loop& loop, Ready handler)
        : descriptor(loop.inner().context), ready(std::make_shared<Ready>(std::move(handler))) {}

    void wait_read();
    void wait_write();
    void tell(bool readable, bool writable) {
        // It may destroy the watch.
        const auto handler = ready;
        (*handler)(readable, writable);
    }

    asio::posix::stream_descriptor descriptor;
    std::shared_ptr<Ready> ready;
    bool open = true, want_read = false, want_write = false, reading = false, writing = false;
};

void FdWatch::State::wait_read() {
    if (!open || !want_read || reading) return;
    reading = true;
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const asio::error_code& error) {
                              self->reading = false;
                              if (error || !self->open) return;
                              if (self->want_read) self->tell(true, false);
                              self->wait_read();
                          });
}

void FdWatch::State::wait_write() {
    if (!open || !want_write || writing) return;
    writing = true;
    descriptor.async_wait(asio::posix::stream_descriptor::wait_write,
                          [self = shared_from_this()](const asio::error_code& error) {
                              self->writing = false;
                              if (error || !self->open) return;
                              if (self->want_write) self->tell(false, true);
                              self->wait_write();
                          });
}

FdWatch::FdWatch(Loop& loop, int fd, Ready ready) : state_(std::make_shared<State>(loop, std::move(ready))) {
    // A duplicate, so that two watches of one descriptor do not disturb each other in epoll.
    const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    asio::error_code error;
    if (own >= 0) state_->descriptor.assign(own, error);
    if (own < 0 || error) state_->open = false;  // out of files, or a plain file: it is never ready
}

FdWatch::~FdWatch() {
    state_->open = false;
    asio::error_code ignored;
    state_->descriptor.close(ignored);
}

void FdWatch::want(bool readable, bool writable) {
    state_->want_read = readable;
    state_->want_write = writable;
    state_->wait_read();
    state_->wait_write();
}

}  // namespace kith::net
