// The server machine fed with any bytes on two links of one account. 0xff switches links and lets time pass.
#include <cstdint>

#include "account/rules.h"
#include "memory_store.h"
#include "tmtp/server.h"

using namespace kith;
using namespace kith::tmtp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    MemoryStore store;
    SeededRandom random;
    Now now{1000, 1'700'000'000'000};
    Hub hub("site", store, random);
    const account::Rules rules;
    hub.govern(rules);
    (void)hub.start(now);
    const std::string uid(32, 'U'), other(32, 'V'), node(40, 'N');
    (void)store.add_account(uid, SecretBytes(as_bytes(node)), "x");
    (void)store.add_account(other, SecretBytes(as_bytes(node)), "x");
    (void)store.add_alias(uid, "aliasaaa", nullptr);
    (void)store.add_alias(other, "aliasbbb", nullptr);
    LinkId link = 1;
    auto open = [&](LinkId which) {
        hub.opened(which, now);
        if (data[0] & 1) {
            hub.received(which, as_bytes(*encode(TmtpRev{})), now);
            hub.received(
                which, as_bytes(*encode(Login{which == 1 ? uid : other, SecretBytes(as_bytes(node))})), now);
        }
    };
    open(1);
    open(2);
    ByteView rest(data + 1, size - 1);
    while (!rest.empty()) {
        std::size_t run = 0;
        while (run < rest.size() && rest[run] != 0xff) ++run;
        hub.received(link, rest.first(run), now);
        rest = rest.subspan(std::min(run + 1, rest.size()));
        hub.drained(link, now);
        if (run % 3 == 0) hub.alive(3 - link, now);
        link = 3 - link;
        now.mono_ms += 7000;
        hub.tick(now);
    }
    hub.closed(1, now);
    hub.closed(2, now);
    return 0;
}
