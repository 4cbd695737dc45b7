#include "nearby/avahi_poll.h"

#include <avahi-common/timeval.h>

#include <memory>

#include "net/fd_watch.h"

// What Avahi holds pointers to, and looks never into.
struct AvahiWatch {
    std::unique_ptr<kith::net::FdWatch> watch;
    int fd = -1;
    AvahiWatchEvent happened{};
    AvahiWatchCallback callback = nullptr;
    void* user = nullptr;
};

struct AvahiTimeout {
    kith::net::Loop* loop = nullptr;
    kith::net::Timer timer;
    AvahiTimeoutCallback callback = nullptr;
    void* user = nullptr;
};

namespace kith::nearby {

namespace {

net::Loop& loop_of(const AvahiPoll* api) {
    return static_cast<AvahiLoop*>(api->userdata)->loop();
}

void update_watch(AvahiWatch* watch, AvahiWatchEvent events) {
    watch->watch->want((events & AVAHI_WATCH_IN) != 0, (events & AVAHI_WATCH_OUT) != 0);
}

AvahiWatch* new_watch(const AvahiPoll* api, int fd, AvahiWatchEvent events, AvahiWatchCallback callback,
                      void* user) {
    auto* watch = new AvahiWatch;
    watch->fd = fd;
    watch->callback = callback;
    watch->user = user;
    watch->watch = std::make_unique<net::FdWatch>(loop_of(api), fd, [watch](bool readable, bool) {
        watch->happened = readable ? AVAHI_WATCH_IN : AVAHI_WATCH_OUT;
        watch->callback(watch, watch->fd, watch->happened, watch->user);  // it may free the watch
    });
    update_watch(watch, events);
    return watch;
}

AvahiWatchEvent watch_events(AvahiWatch* watch) {
    return watch->happened;
}

void free_watch(AvahiWatch* watch) {
    delete watch;
}

void update_timeout(AvahiTimeout* timeout, const timeval* at) {
    timeout->timer.cancel();
    if (at == nullptr) return;
    const auto early_us = -avahi_age(at);
    timeout->timer = timeout->loop->after((early_us + 999) / 1000, [timeout] {
        timeout->callback(timeout, timeout->user);  // it may free the timeout
    });
}

AvahiTimeout* new_timeout(const AvahiPoll* api, const timeval* at, AvahiTimeoutCallback callback,
                          void* user) {
    auto* timeout = new AvahiTimeout;
    timeout->loop = &loop_of(api);
    timeout->callback = callback;
    timeout->user = user;
    update_timeout(timeout, at);
    return timeout;
}

void free_timeout(AvahiTimeout* timeout) {
    delete timeout;
}

}  // namespace

AvahiLoop::AvahiLoop(net::Loop& loop) : loop_(loop) {
    api_.userdata = this;
    api_.watch_new = new_watch;
    api_.watch_update = update_watch;
    api_.watch_get_events = watch_events;
    api_.watch_free = free_watch;
    api_.timeout_new = new_timeout;
    api_.timeout_update = update_timeout;
    api_.timeout_free = free_timeout;
}

}  // namespace kith::nearby
