// What a service reads of strangers: any bytes as a founding, and as entries for a small roster.
#include <cstdint>

#include "account/log.h"
#include "account/rules.h"
#include "roster/recovery.h"

using namespace kith;

namespace {

struct CountingRandom : Random {
    std::uint8_t next = 0;
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) byte = ++next;
    }
};

Bytes small_roster() {
    (void)crypto::start();
    CountingRandom random;
    const auto begun = account::begin(random);
    const Key act = crypto::random_secret(random), sign = crypto::random_secret(random);
    const auto request =
        account::make_request(begun.id, crypto::random_id<AccountId>(random),
                              crypto::random_id<DeviceId>(random), act, sign, crypto::random_id<LinkPublic>(random));
    const Key seed = crypto::random_secret(random);
    return roster::pack_entries(
        *account::found(begun, {&*request, 1}, roster::recovery_account_key(seed, 0).public_key()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Bytes kept = small_roster();
    const account::Rules rules;
    const ByteView input(data, size);
    if (rules.found(input)) (void)rules.judge(input, {});
    (void)rules.judge(kept, input);
    return 0;
}
