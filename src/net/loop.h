// The loop: one thread that owns all state. Everything of this layer calls back on it, never before the
// function that asked has returned, and never after the object that asked is destroyed. An object may be
// destroyed from within its own callback.
//
// A Loop outlives all that is built on it. Only `post` and `stop` may be called from another thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/env.h"

namespace kith::net {

// A one-shot timer that is cancelled when its handle is destroyed or assigned to. An empty handle is no
// timer.
class Timer {
  public:
    Timer();
    Timer(Timer&&) noexcept;
    Timer& operator=(Timer&&) noexcept;
    ~Timer();
    void cancel();       // twice does no harm
    bool armed() const;  // it has neither run nor been cancelled

  private:
    friend class Loop;
    struct State;
    explicit Timer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

class Loop {
  public:
    Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    // Functions still waiting to run are destroyed unrun.
    ~Loop();

    // Runs callbacks on the calling thread until `stop`. May be called again afterwards.
    void run();
    // Runs callbacks until `done` returns true; asks it after each of them. False: `timeout_ms` went by, or
    // `stop` was called.
    bool run_until(const std::function<bool()>& done, std::int64_t timeout_ms);
    // Thread safe. The loop returns from `run` after the callback it is in.
    void stop();

    // Thread safe. `fn` runs on the loop, in the order of posting.
    void post(std::function<void()> fn);
    // On the loop's own thread: `fn` runs after the current callback has returned.
    void defer(std::function<void()> fn);
    // `fn` runs once, `delay_ms` from now (0 or less: as soon as the current callback has returned).
    [[nodiscard]] Timer after(std::int64_t delay_ms, std::function<void()> fn);

    Now now() const;

    // `fn` runs on the loop for each SIGTERM and SIGINT from now on, instead of the end of the process.
    void on_signal(std::function<void(int signal)> fn);

    struct Inner;  // for this layer's own sources: net/inner.h
    Inner& inner() { return *inner_; }

  private:
    std::unique_ptr<Inner> inner_;
};

}  // namespace kith::net
