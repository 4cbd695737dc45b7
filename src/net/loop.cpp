#include "net/loop.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>

#include "net/inner.h"

namespace kith::net {

namespace {

// Beyond this a delay is a mistake or "never"; Asio's clock would overflow at some point.
constexpr std::int64_t longest_delay_ms = std::int64_t{10} * 365 * 24 * 3600 * 1000;

std::chrono::milliseconds as_delay(std::int64_t ms) {
    return std::chrono::milliseconds(std::clamp<std::int64_t>(ms, 0, longest_delay_ms));
}

template <class Clock>
std::int64_t clock_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch()).count();
}

void wait_signal(asio::signal_set& signals, std::function<void(int)> fn) {
    signals.async_wait([&signals, fn = std::move(fn)](const asio::error_code& error, int signal) {
        if (error) return;
        fn(signal);
        wait_signal(signals, fn);
    });
}

}  // namespace

struct Timer::State {
    explicit State(asio::io_context& context) : timer(context) {}
    asio::steady_timer timer;
    std::function<void()> fn;
};

Timer::Timer() = default;
Timer::Timer(std::shared_ptr<State> state) : state_(std::move(state)) {}
Timer::Timer(Timer&&) noexcept = default;
Timer& Timer::operator=(Timer&& other) noexcept {
    if (this != &other) {
        cancel();
        state_ = std::move(other.state_);
    }
    return *this;
}
Timer::~Timer() {
    cancel();
}

void Timer::cancel() {
    if (!state_) return;
    auto state = std::move(state_);
    // The function may own what owns this handle: it goes last, when nothing of us is touched any more.
    auto fn = std::move(state->fn);
    state->fn = nullptr;
    state->timer.cancel();
}

bool Timer::armed() const {
    return state_ && state_->fn;
}

Loop::Loop() : inner_(std::make_unique<Inner>()) {}
Loop::~Loop() = default;

void Loop::run() {
    inner_->context.run();
    inner_->context.restart();
}

bool Loop::run_until(const std::function<bool()>& done, std::int64_t timeout_ms) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + as_delay(timeout_ms);
    bool met = done();
    while (!met && Clock::now() < deadline && !inner_->context.stopped()) {
        inner_->context.run_one_until(deadline);
        met = done();
    }
    inner_->context.restart();
    return met;
}

void Loop::stop() {
    inner_->context.stop();
}

void Loop::post(std::function<void()> fn) {
    asio::post(inner_->context, std::move(fn));
}
void Loop::defer(std::function<void()> fn) {
    asio::defer(inner_->context, std::move(fn));
}

Timer Loop::after(std::int64_t delay_ms, std::function<void()> fn) {
    auto state = std::make_shared<Timer::State>(inner_->context);
    state->fn = std::move(fn);
    state->timer.expires_after(as_delay(delay_ms));
    state->timer.async_wait([state](const asio::error_code&) {
        // Cancelled, even when it had expired already: the function is gone.
        if (!state->fn) return;
        auto run = std::move(state->fn);
        state->fn = nullptr;
        run();
    });
    return Timer(std::move(state));
}

Now Loop::now() const {
    return {clock_ms<std::chrono::steady_clock>(), clock_ms<std::chrono::system_clock>()};
}

void Loop::on_signal(std::function<void(int signal)> fn) {
    asio::error_code error;
    inner_->signals.cancel(error);
    inner_->signals.add(SIGTERM, error);
    inner_->signals.add(SIGINT, error);
    wait_signal(inner_->signals, std::move(fn));
}

}  // namespace kith::net
