#include "net/worker.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace kith::net {

struct Worker::State {
    explicit State(Loop& on) : loop(on) {}
    void work();

    struct Job {
        std::function<void()> job, done;
    };
    Loop& loop;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Job> jobs;
    bool ended = false;
    std::thread thread;
    std::shared_ptr<void> listening = std::make_shared<char>();  // as long as the worker is there
};

Worker::Worker(Loop& loop) : state_(std::make_unique<State>(loop)) {}

Worker::~Worker() {
    std::deque<State::Job> unrun;
    {
        const std::lock_guard lock(state_->mutex);
        state_->ended = true;
        unrun.swap(state_->jobs);
    }
    state_->changed.notify_one();
    if (state_->thread.joinable()) state_->thread.join();
}

void Worker::run(std::function<void()> job, std::function<void()> done) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->jobs.push_back({std::move(job), std::move(done)});
    }
    state_->changed.notify_one();
    if (!state_->thread.joinable()) state_->thread = std::thread([state = state_.get()] { state->work(); });
}

void Worker::State::work() {
    std::unique_lock lock(mutex);
    while (true) {
        changed.wait(lock, [this] { return ended || !jobs.empty(); });
        if (ended) return;
        auto next = std::move(jobs.front());
        jobs.pop_front();
        lock.unlock();
        next.job();
        // The loop is given all of the job: what it holds is destroyed there, where it was made.
        loop.post([next = std::move(next), listener = std::weak_ptr(listening)]() mutable {
            next.job = nullptr;
            if (!listener.expired()) next.done();
        });
        lock.lock();
    }
}

}  // namespace kith::net
