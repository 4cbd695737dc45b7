#include "net/loop.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "net/reach.h"
#include "net/wait.h"
#include "net/worker.h"

using namespace kith;
using namespace kith::net;

TEST_CASE("what another thread posts runs on the loop, in order") {
    Loop loop;
    std::vector<int> ran;
    std::thread::id where;
    std::thread other([&] {
        for (int i = 0; i < 3; ++i)
            loop.post([&, i] {
                ran.push_back(i);
                where = std::this_thread::get_id();
            });
    });
    CHECK(wait(loop, [&] { return ran.size() == 3; }));
    other.join();
    CHECK(ran == std::vector<int>{0, 1, 2});
    CHECK(where == std::this_thread::get_id());
}

TEST_CASE("another thread can stop the loop, and it can run again") {
    Loop loop;
    std::thread other([&] { loop.stop(); });
    loop.run();
    other.join();
    bool ran = false;
    loop.post([&] {
        ran = true;
        loop.stop();
    });
    loop.run();
    CHECK(ran);
}

TEST_CASE("timers run in order of time and a cancelled one does not") {
    Loop loop;
    std::vector<int> ran;
    auto late = loop.after(20, [&] { ran.push_back(2); });
    auto early = loop.after(1, [&] { ran.push_back(1); });
    auto cancelled = loop.after(5, [&] { ran.push_back(9); });
    {
        auto destroyed = loop.after(5, [&] { ran.push_back(9); });
    }
    cancelled.cancel();
    CHECK_FALSE(cancelled.armed());
    CHECK(wait(loop, [&] { return ran.size() == 2; }));
    CHECK(ran == std::vector<int>{1, 2});
    CHECK_FALSE(late.armed());
}

TEST_CASE("a timer that expired already is still cancelled by its handle") {
    Loop loop;
    bool second = false;
    Timer timer;
    // Both expire before the loop looks; the first one's callback cancels the second.
    auto first = loop.after(0, [&] { timer.cancel(); });
    timer = loop.after(0, [&] { second = true; });
    bool passed = false;
    auto end = loop.after(5, [&] { passed = true; });
    CHECK(wait(loop, [&] { return passed; }));
    CHECK_FALSE(second);
}

TEST_CASE("a timer may set itself again from its own callback") {
    Loop loop;
    int ran = 0;
    Timer timer;
    std::function<void()> tick = [&] {
        if (++ran < 3) timer = loop.after(0, tick);
    };
    timer = loop.after(0, tick);
    CHECK(wait(loop, [&] { return ran == 3; }));
}

TEST_CASE("run_until gives up at its deadline") {
    Loop loop;
    CHECK_FALSE(loop.run_until([] { return false; }, 5));
}

TEST_CASE("a signal is a callback") {
    Loop loop;
    std::vector<int> got;
    loop.on_signal([&](int signal) { got.push_back(signal); });
    kill(getpid(), SIGTERM);
    CHECK(wait(loop, [&] { return got.size() == 1; }));
    kill(getpid(), SIGINT);
    CHECK(wait(loop, [&] { return got.size() == 2; }));
    CHECK(got == std::vector<int>{SIGTERM, SIGINT});
}

TEST_CASE("own addresses end with loopback and leave out link-local ones") {
    const auto addresses = own_addresses();
    bool loopback_seen = false;
    for (const auto& address : addresses) {
        CHECK(address_text(address.raw) == address.text);
        CHECK((!loopback_seen || address.loopback));
        loopback_seen = loopback_seen || address.loopback;
        CHECK(address.text.rfind("fe80:", 0) != 0);
    }
    CHECK(address_text(Bytes{127, 0, 0, 1}) == "127.0.0.1");
    CHECK(address_text(Bytes(16, 0)) == "::");
    CHECK(address_text(Bytes{1, 2, 3}).empty());
}

TEST_CASE("a probe tells an open port from a closed one and from a name that is none") {
    Loop loop;
    const Listening listening;
    std::vector<Reach> found(3, Reach::timed_out);
    int done = 0;
    auto into = [&](std::size_t at) {
        return [&, at](Reach reach) {
            found[at] = reach;
            ++done;
        };
    };
    Probe open(loop, "127.0.0.1", listening.port, 5000, into(0));
    Probe closed(loop, "127.0.0.1", unused_port(), 5000, into(1));
    Probe nameless(loop, "no such name", 80, 5000, into(2));
    CHECK(wait(loop, [&] { return done == 3; }));
    CHECK(found[0] == Reach::ok);
    CHECK(found[1] == Reach::refused);
    CHECK(found[2] == Reach::unknown_host);
}

TEST_CASE("a probe that is destroyed does not call back, and one may destroy itself") {
    Loop loop;
    const Listening listening;
    bool called = false;
    {
        Probe gone(loop, "127.0.0.1", listening.port, 5000, [&](Reach) { called = true; });
    }
    std::unique_ptr<Probe> self;
    bool done = false;
    self = std::make_unique<Probe>(loop, "127.0.0.1", listening.port, 5000, [&](Reach) {
        self.reset();
        done = true;
    });
    CHECK(wait(loop, [&] { return done; }));
    CHECK_FALSE(called);
}

TEST_CASE("a worker does its jobs in order, off the loop, and tells the loop of each") {
    Loop loop;
    std::vector<int> jobs, told;
    const auto here = std::this_thread::get_id();
    bool apart = true;
    Worker worker(loop);
    for (int i = 0; i < 100; ++i) {
        worker.run(
            [&, i] {
                jobs.push_back(i);
                apart = apart && std::this_thread::get_id() != here;
            },
            [&, i] {
                told.push_back(i);
                CHECK(std::this_thread::get_id() == here);
            });
    }
    CHECK(wait(loop, [&] { return told.size() == 100; }));
    CHECK(apart);
    CHECK(std::is_sorted(jobs.begin(), jobs.end()));
    CHECK(std::is_sorted(told.begin(), told.end()));
}

TEST_CASE("a worker that ends waits for the job that runs, and leaves out the others") {
    Loop loop;
    std::atomic<int> begun{0}, ended{0};
    int told = 0;
    {
        Worker worker(loop);
        for (int i = 0; i < 3; ++i) {
            worker.run(
                [&] {
                    ++begun;
                    std::this_thread::sleep_for(std::chrono::milliseconds(20));
                    ++ended;
                },
                [&] { ++told; });
        }
        while (begun == 0) std::this_thread::yield();
    }
    CHECK(begun == ended);
    CHECK(begun < 3);
    settle(loop, 1);
    CHECK(told == 0);  // of what was done, too: whoever asked may be gone
}
