// What a device that is paired, and hostile, may not bring into history; and what erasures do.
#include "app/vault.h"

#include <doctest/doctest.h>

#include "app/erasing.h"
#include "app/inbox.h"
#include "base/limits.h"
#include "history/signed_record.h"
#include "home.h"

using namespace kith;
using namespace kith::app;

namespace {

struct Person {
    Person() : home(make_home()), profile(home, random) {
        must(profile.found("device", {}, {}));
        vault = std::make_unique<StoreVault>(
            profile, StoreVault::Events{[](const store::Account&) -> Result<> { return {}; },
                                        [this](std::span<const history::Key> keys) {
                                            erased.insert(erased.end(), keys.begin(), keys.end());
                                        },
                                        [this](const AccountId& id) { return id == account; }});
        account.bytes[0] = 1;
    }
    ~Person() {
        profile.lock();
        std::error_code ignored;
        std::filesystem::remove_all(home, ignored);
    }
    static history::Arrived arrived(history::Record record) {
        auto made = new_record(std::move(record));
        return {std::move(made.stored), std::move(made.record), {}};
    }
    static history::Record text(std::string_view kind, const AccountId& account, std::string_view text) {
        return {std::string(kind), account, 1000, {{false, to_bytes(text), {}, text.size()}}};
    }
    Result<std::uint64_t> add(history::Record record) {
        std::vector<history::Arrived> list;
        list.push_back(arrived(std::move(record)));
        return vault->add(std::move(list));
    }

    std::filesystem::path home;
    crypto::SystemRandom random;
    Profile profile;
    AccountId account;
    std::vector<history::Key> erased;
    std::unique_ptr<StoreVault> vault;
};

}  // namespace

TEST_CASE("records that none of the person's devices made are refused, by name") {
    Person person;
    const crypto::SignKey stranger_key(crypto::random_secret(person.random));
    auto before = must(person.profile.history().totals());
    // A stranger's signature, a known device's name with another key, and none at all.
    for (const auto& device : {DeviceId{}, person.profile.device()}) {
        auto forged =
            person.add(history::make_signed("erasure", {}, 5, device, stranger_key, R"("records":[])"));
        REQUIRE_FALSE(forged);
        CHECK(forged.error().kind == Fault::protocol);
        CHECK(forged.error().what.find("forged") != std::string::npos);
        CHECK(forged.error().what.find("erasure") != std::string::npos);
    }
    CHECK_FALSE(person.add(Person::text("account", person.account, "not even signed")));
    CHECK(must(person.profile.history().totals()) == before);
    // The person's own device may.
    CHECK(person.add(history::make_signed("contact", {}, 5, person.profile.device(),
                                          person.profile.device_key(), R"("name":"x")")));
}

TEST_CASE("messages of accounts that are not the person's are refused, and nothing of their batch is kept") {
    Person person;
    AccountId other;
    other.bytes[0] = 9;
    std::vector<history::Arrived> batch;
    batch.push_back(Person::arrived(Person::text("message", person.account, "one's own")));
    batch.push_back(Person::arrived(Person::text("message", other, "another's")));
    auto before = must(person.profile.history().totals());
    auto added = person.vault->add(std::move(batch));
    REQUIRE_FALSE(added);
    CHECK(added.error().what.find("not this person's") != std::string::npos);
    CHECK(must(person.profile.history().totals()) == before);
    CHECK(person.add(Person::text("message", person.account, "one's own")));
}

TEST_CASE("what is erased stays in the set, is shown no more, and does not come back") {
    Person person;
    auto mail = new_record(Person::text("mail", {}, "Subject: secret\n\nwords\n"));
    const auto key = mail.stored.key;
    must(person.profile.history().add({&mail, 1}));
    auto all = history::Range::all();
    CHECK(must(person.profile.history().list(10)).size() == 1);
    must(erase(person.profile, {&key, 1}, {0, 5000}));
    CHECK(must(person.profile.history().list(10)).empty());
    CHECK(person.profile.history().read(key).error().kind == Fault::unavailable);
    // The set grew by the erasure alone, and what goes to others is the key.
    CHECK(must(person.profile.history().fingerprint(all)).count == 2);
    auto got = must(person.profile.history().get({&key, 1}, {}, {}));
    REQUIRE(got.records.size() == 1);
    CHECK(got.records[0].form == history::Form::absent);
    // Neither a peer nor an import brings it back.
    CHECK(must(person.add(mail.record)) == 0);
    CHECK(must(person.profile.history().list(10)).empty());
    CHECK(must(person.profile.history().wanted({}, history::last_key(), 10)).empty());
    // After 30 days its bytes are gone.
    CHECK_FALSE(must(purge_erased(person.profile, {0, 5000 + limits::erased_kept_ms})));
    CHECK(must(person.add(mail.record)) == 0);
    auto rows = person.profile.db().query("SELECT length(body) FROM record WHERE time_ms = 1000");
    REQUIRE(must(rows.next()));
    CHECK(rows.number(0) > 0);
    CHECK_FALSE(must(purge_erased(person.profile, {0, 5001 + limits::erased_kept_ms})));
    auto after = person.profile.db().query("SELECT length(body) FROM record WHERE time_ms = 1000");
    REQUIRE(must(after.next()));
    CHECK(after.number(0) == 0);
    CHECK(must(person.add(mail.record)) == 0);
}

TEST_CASE("an erasure may come before what it erases") {
    Person person, other;
    auto mail = new_record(Person::text("mail", {}, "Subject: late\n\nwords\n"));
    const auto key = mail.stored.key;
    auto named = R"("records":[{"id":")" + key.id.hex() + R"(","time":1000}])";
    CHECK(must(person.add(history::make_signed("erasure", {}, 5, person.profile.device(),
                                               person.profile.device_key(), named))) == 1);
    CHECK(person.erased == std::vector<history::Key>{key});
    CHECK(must(person.add(mail.record)) == 1);
    CHECK(must(person.profile.history().list(10)).empty());
    // It counts as long as its signer is one of the person's devices.
    must(recount_erasures(person.profile));
    CHECK(must(person.profile.history().list(10)).empty());
    must(person.profile.history().set_erased({}));
    CHECK(must(person.profile.history().list(10)).size() == 1);
}
