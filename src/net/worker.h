// One thread for work that would hold the loop: jobs one after the other, each with a word to the loop when
// it is done.
#pragma once

#include <functional>
#include <memory>

#include "net/loop.h"

namespace kith::net {

class Worker {
  public:
    // The thread is started with the first job.
    explicit Worker(Loop& loop);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    // Waits for the job that runs; those that wait are destroyed unrun. No `done` runs any more, of what is
    // done neither.
    ~Worker();

    // On the loop's thread. `job` runs on the worker's and touches nothing that others touch; then `done`
    // runs on the loop, in the order of the jobs.
    void run(std::function<void()> job, std::function<void()> done);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kith::net
