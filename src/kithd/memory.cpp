#include "kithd/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#if defined(__GLIBC__) && !defined(KITH_SANITIZED)

// All that is freed in this process, by the libraries too: links hold frames, TLS holds what it decrypted,
// SQLite holds pages. A secret that is wiped where we see it is worth little while copies of it lie about.
extern "C" {

void* __libc_realloc(void* at, std::size_t size) noexcept;
void __libc_free(void* at) noexcept;

__attribute__((visibility("default"))) void free(void* at) noexcept {
    if (at) explicit_bzero(at, malloc_usable_size(at));
    __libc_free(at);
}

__attribute__((visibility("default"))) void* realloc(void* at, std::size_t size) noexcept {
    const std::size_t had = at ? malloc_usable_size(at) : 0;
    if (size <= had || !at) {
        if (at) explicit_bzero(static_cast<char*>(at) + size, had - size);
        return __libc_realloc(at, size);
    }
    void* other = malloc(size);
    if (!other) return nullptr;
    std::memcpy(other, at, had);
    free(at);
    return other;
}

}  // extern "C"
#endif

namespace kith {

std::string protect_memory() {
    rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    // No other program of the same user may look into this one, a debugger included. The tests may.
    if (!std::getenv("KITH_DEBUGGABLE")) prctl(PR_SET_DUMPABLE, 0);
    // Locked as it grows. Where there is a limit, later requests for memory would fail at some point, which
    // is worse.
    rlimit locked{};
    getrlimit(RLIMIT_MEMLOCK, &locked);
    if ((locked.rlim_cur == RLIM_INFINITY || geteuid() == 0) &&
        mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
        return {};
    return "the system does not let this program keep its memory from being swapped (ulimit -l unlimited "
           "would); use encrypted swap, or none";
}

}  // namespace kith
