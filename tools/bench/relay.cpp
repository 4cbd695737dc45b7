// A poor link between two TAP devices: each direction has a rate, a delay, a loss and a queue of its own.
//
//   bench_relay NAME1 NAME2 MBIT DELAY_MS LOSS_PERCENT SEED
//
// Makes the devices, says "ready", and ends on SIGTERM or SIGINT with one JSON line that counts. A frame's
// bytes are those of Ethernet (no preamble, no check sum). Lost frames have used the link, as on the air.

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "random.h"

namespace bench {
namespace {

// What may wait for the air: twice what is on the way in a round trip of 10 ms.
constexpr std::int64_t queue_ns = 20'000'000;
constexpr std::size_t largest_frame = 2048;

std::int64_t now_ns() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

int make_tap(const std::string& name) {
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        throw std::runtime_error("cannot make the device " + name + ": " + std::strerror(errno));
    return fd;
}

struct Quality {
    double mbit = 0;
    std::int64_t delay_ns = 0;
    double loss = 0;
};

// One direction.
class Direction {
  public:
    Direction(int from, int to, Quality quality, std::uint64_t seed)
        : from_(from), to_(to), quality_(quality), numbers_(seed) {}

    void take_in() {
        std::array<char, largest_frame> frame{};
        for (ssize_t size = 0; (size = read(from_, frame.data(), frame.size())) > 0;) {
            auto now = now_ns();
            ++frames_;
            if (free_at_ - now > queue_ns) {
                ++dropped_;
                continue;
            }
            bytes_ += static_cast<std::uint64_t>(size);
            auto takes = static_cast<std::int64_t>(static_cast<double>(size) * 8000.0 / quality_.mbit);
            free_at_ = std::max(now, free_at_) + takes;
            if (static_cast<double>(numbers_.below(1'000'000)) < quality_.loss * 10'000) {
                ++lost_;
                continue;
            }
            waiting_.push_back({free_at_ + quality_.delay_ns, {frame.data(), frame.data() + size}});
        }
    }
    void deliver(std::int64_t now) {
        for (; !waiting_.empty() && waiting_.front().at <= now; waiting_.pop_front()) {
            const auto& frame = waiting_.front().bytes;
            if (write(to_, frame.data(), frame.size()) < 0) ++dropped_;
        }
    }
    std::int64_t next(std::int64_t otherwise) const {
        return waiting_.empty() ? otherwise : waiting_.front().at;
    }
    void say() const {
        std::printf("{\"frames\":%llu,\"bytes\":%llu,\"lost\":%llu,\"dropped\":%llu}", as_printed(frames_),
                    as_printed(bytes_), as_printed(lost_), as_printed(dropped_));
    }

  private:
    static unsigned long long as_printed(std::uint64_t number) { return number; }
    struct Frame {
        std::int64_t at;
        std::vector<char> bytes;
    };
    int from_;
    int to_;
    Quality quality_;
    Numbers numbers_;
    std::deque<Frame> waiting_;
    std::int64_t free_at_ = 0;
    std::uint64_t frames_ = 0, bytes_ = 0, lost_ = 0, dropped_ = 0;
};

int run(int argc, char** argv) {
    if (argc != 7) throw std::runtime_error("usage: bench_relay NAME1 NAME2 MBIT DELAY_MS LOSS_PERCENT SEED");
    Quality quality{std::stod(argv[3]), static_cast<std::int64_t>(std::stod(argv[4]) * 1e6),
                    std::stod(argv[5])};
    auto seed = std::stoull(argv[6]);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    int ended = signalfd(-1, &ends, SFD_CLOEXEC);
    prctl(PR_SET_TIMERSLACK, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int first = make_tap(argv[1]);
    int second = make_tap(argv[2]);
    Direction there(first, second, quality, seed);
    Direction back(second, first, quality, seed + 1);
    std::cout << "ready" << std::endl;
    for (;;) {
        auto now = now_ns();
        auto wait = std::clamp<std::int64_t>(
            std::min(there.next(now + 1'000'000'000), back.next(now + 1'000'000'000)) - now, 0, 999'999'999);
        timespec timeout{0, wait};
        std::array<pollfd, 3> fds{{{first, POLLIN, 0}, {second, POLLIN, 0}, {ended, POLLIN, 0}}};
        ppoll(fds.data(), fds.size(), &timeout, nullptr);
        if (fds[2].revents != 0) break;
        there.take_in();
        back.take_in();
        there.deliver(now_ns());
        back.deliver(now_ns());
    }
    std::printf("[");
    there.say();
    std::printf(",");
    back.say();
    std::printf("]\n");
    return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    try {
        return bench::run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "bench_relay: " << error.what() << "\n";
        return 1;
    }
}
