// What a service reads of strangers: any bytes as a founding, and as entries for a small roster; and entries
// that fit it with some of their bytes replaced.
#include <cstdint>

#include "account/log.h"
#include "account/rules.h"
#include "roster/recovery.h"
#include "roster/roster.h"

using namespace kith;

namespace {

struct CountingRandom : Random {
    std::uint8_t next = 0;
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) byte = ++next;
    }
};

struct Small {
    Bytes kept, fresh;
};
Small small_roster() {
    (void)crypto::start();
    CountingRandom random;
    const auto begun = account::begin(random);
    const Key act = crypto::random_secret(random), sign = crypto::random_secret(random);
    const auto account = crypto::random_id<AccountId>(random);
    const auto request = [&](const Key& key) {
        return *account::make_request(begun.id, account, crypto::random_id<DeviceId>(random), key, sign,
                                      crypto::random_id<LinkPublic>(random));
    };
    const auto first = request(act);
    const Key seed = crypto::random_secret(random), other = crypto::random_secret(random);
    auto log = *account::found(begun, {&first, 1}, roster::recovery_account_key(seed, 0).public_key());
    const auto state = *roster::fold(begun.id, log);
    roster::SignedRequest second =
        *account::make_request(begun.id, account, crypto::random_id<DeviceId>(random), other, other,
                               crypto::random_id<LinkPublic>(random));
    const auto add = *roster::make_add(state, first.id(), account::act_key(act, begun.id), second, 0);
    return {roster::pack_entries(log), roster::pack_entries({&add, 1})};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Small small = small_roster();
    const account::Rules rules;
    const ByteView input(data, size);
    if (rules.found(input)) (void)rules.judge(input, {});
    (void)rules.judge(small.kept, input);
    if (size < 3) return 0;
    Bytes fresh = small.fresh;
    const std::size_t from = (data[0] * 256u + data[1]) % fresh.size();
    for (std::size_t i = 2; i < size && from + i - 2 < fresh.size(); ++i) fresh[from + i - 2] = data[i];
    (void)rules.judge(small.kept, fresh);
    return 0;
}
