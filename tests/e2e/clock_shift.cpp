// Loaded before a program (LD_PRELOAD), this sets its clock KITH_CLOCK_SHIFT seconds ahead, or behind. The
// monotonic clock stays as it is.
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace {

long shift() {
    static const long seconds = [] {
        const char* text = std::getenv("KITH_CLOCK_SHIFT");
        return text == nullptr ? 0 : std::atol(text);
    }();
    return seconds;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int clock_gettime(clockid_t which, timespec* now) noexcept {
    const auto outcome = static_cast<int>(syscall(SYS_clock_gettime, which, now));
    if (outcome == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) now->tv_sec += shift();
    return outcome;
}

int gettimeofday(timeval* now, void*) noexcept {
    timespec precise{};
    const int outcome = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return outcome;
}

time_t time(time_t* into) noexcept {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    if (into != nullptr) *into = now.tv_sec;
    return now.tv_sec;
}
}
