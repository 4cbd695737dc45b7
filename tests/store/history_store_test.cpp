#include "store/history_store.h"

#include "base/limits.h"
#include "store/blob_store.h"
#include "store/support.h"

using namespace kith;
using namespace kith::store;
using namespace kith::store::test;

namespace {

AccountId account_of(std::uint8_t byte) {
    AccountId id;
    id.bytes.fill(byte);
    return id;
}

NewRecord message(std::uint8_t account, std::string msgid, std::uint64_t time_ms, std::string_view text) {
    history::Record record;
    record.kind = history::kind::message;
    record.account = account_of(account);
    record.time_ms = time_ms;
    record.parts.push_back(inline_part(text));
    return new_record(std::move(record), {"friend", std::string(text), true, std::move(msgid)});
}

NewRecord of_kind(std::string kind, std::uint64_t time_ms, std::string_view text) {
    history::Record record;
    record.kind = std::move(kind);
    record.time_ms = time_ms;
    record.parts.push_back(inline_part(text));
    return new_record(std::move(record));
}

NewRecord with_blob(std::uint64_t time_ms, std::uint8_t blob, std::uint64_t size) {
    history::Record record;
    record.kind = history::kind::mail;
    record.time_ms = time_ms;
    BlobId id;
    id.bytes.fill(blob);
    record.parts.push_back(inline_part("see the attachment " + std::to_string(time_ms)));
    record.parts.push_back(blob_part(id, size));
    return new_record(std::move(record));
}

AddResult add(HistoryStore& history, std::vector<NewRecord> records) {
    return must(history.add(records));
}

}  // namespace

TEST_CASE("a record comes back byte for byte, packed or not") {
    TempFolder folder;
    Profile profile(folder.path);
    SeededRandom random(1);
    Bytes noise(5000);
    random.fill(noise);
    std::vector<NewRecord> records{mail(5, "short"), mail(6, std::string(20000, 'a')),
                                   mail(7, as_text(noise))};
    CHECK(add(*profile.history, records).added == 3);
    std::vector<history::Key> keys;
    for (const auto& item : records) keys.push_back(item.stored.key);
    auto back = get_all(*profile.history, keys);
    REQUIRE(back.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(back[i].key == records[i].stored.key);
        CHECK(canonical_of(back[i]) == records[i].stored.bytes);
    }
    check_consistent(*profile.history);
}

TEST_CASE("what is added again changes nothing") {
    TempFolder folder;
    Profile profile(folder.path);
    std::vector<NewRecord> records{mail(1, "one"), mail(2, "two"), with_blob(3, 9, 70000)};
    CHECK(add(*profile.history, records).added == 3);
    const auto before = must(profile.history->totals());
    records.push_back(mail(4, "three"));
    records.push_back(mail(4, "three"));  // twice within one batch
    auto result = add(*profile.history, records);
    CHECK(result.added == 1);
    CHECK(result.already == 4);
    const auto after = must(profile.history->totals());
    CHECK(after.records == before.records + 1);
    CHECK(after.blobs == 1);
    check_consistent(*profile.history);
}

TEST_CASE("a batch is added as a whole or not at all") {
    TempFolder folder;
    Profile profile(folder.path);
    auto bad = mail(2, "from a time that cannot be");
    bad.stored.key.time_ms = limits::time_ms + 1;
    CHECK(fault_of(profile.history->add(std::vector<NewRecord>{mail(1, "one"), bad})) == Fault::protocol);
    CHECK(must(profile.history->totals()) == Totals{});
    CHECK(all_keys(*profile.history).empty());
}

TEST_CASE("records and what belongs to them are committed or undone together") {
    TempFolder folder;
    Profile profile(folder.path);
    {
        auto tx = must(Transaction::begin(*profile.db));
        add(*profile.history, {mail(1, "one")});
        must(profile.db->run("INSERT INTO setting (name, value) VALUES ('acknowledged', x'01')"));
    }
    CHECK(must(profile.history->totals()).records == 0);
    check_consistent(*profile.history);
    {
        auto tx = must(Transaction::begin(*profile.db));
        add(*profile.history, {mail(1, "one")});
        must(tx.commit());
    }
    CHECK(must(profile.history->totals()).records == 1);
    check_consistent(*profile.history);
}

TEST_CASE("a list shows what is meant for people, newest first, page by page") {
    TempFolder folder;
    Profile profile(folder.path);
    for (std::uint64_t i = 0; i < 10; ++i)
        add(*profile.history, {mail(i * 1000, "mail " + std::to_string(i))});
    add(*profile.history, {of_kind("recipients", 9500, "not shown")});
    auto first = must(profile.history->list(4));
    REQUIRE(first.size() == 4);
    CHECK(first[0].subject == "mail 9");
    CHECK(first[0].from == "somebody@example.org");
    CHECK(first[0].kind == "mail");
    CHECK(first[0].account.is_zero());
    CHECK(first[3].subject == "mail 6");
    auto rest = must(profile.history->list(100, first[3].key));
    REQUIRE(rest.size() == 6);
    CHECK(rest[0].subject == "mail 5");
    CHECK(rest[5].subject == "mail 0");
    CHECK(must(profile.history->listed(first[0].key)).subject == "mail 9");
    CHECK(fault_of(profile.history->listed({1, {}})) == Fault::not_found);
}

TEST_CASE("a hostile subject is cut for lists, between characters") {
    TempFolder folder;
    Profile profile(folder.path);
    auto item = mail(1, "x");
    item.listing.subject.clear();
    while (item.listing.subject.size() < 100000) item.listing.subject += "\xe2\x82\xac";
    add(*profile.history, {item});
    auto subject = must(profile.history->list(1))[0].subject;
    CHECK(subject.size() <= limits::listing_bytes);
    CHECK(subject.size() % 3 == 0);
    // Bytes that are no character at all do not make it run.
    auto other = mail(2, "y");
    other.listing.subject = std::string(100000, '\x80');
    add(*profile.history, {other});
    CHECK(must(profile.history->list(1))[0].subject.size() <= limits::listing_bytes);
}

TEST_CASE("a record is found by the beginning of its id") {
    TempFolder folder;
    Profile profile(folder.path);
    std::vector<NewRecord> records;
    for (std::uint64_t i = 0; i < 300; ++i) records.push_back(mail(i, "mail " + std::to_string(i)));
    add(*profile.history, records);
    const auto& key = records[17].stored.key;
    CHECK(must(profile.history->find(key.id.hex())) == key);
    CHECK(must(profile.history->find(key.id.hex().substr(0, 15))) == key);
    CHECK(fault_of(profile.history->find(key.id.hex().substr(0, 1))) == Fault::refused);
    CHECK(fault_of(profile.history->find(std::string(64, '0'))) == Fault::not_found);
    for (const char* text : {"", "xyz", "abc%"})
        CHECK(fault_of(profile.history->find(text)) == Fault::invalid);
    CHECK(fault_of(profile.history->find(std::string(65, '0'))) == Fault::invalid);
    CHECK(must(profile.history->has(key)));
    CHECK_FALSE(must(profile.history->has({key.time_ms + 1, key.id})));
}

TEST_CASE("different bytes under one message id are kept, flagged and shown once") {
    TempFolder folder;
    auto a = message(1, "00000001", 50, "first"), b = message(1, "00000001", 40, "second"),
         c = message(1, "00000001", 60, "third"), other = message(2, "00000001", 45, "another account's");
    // In whatever order they come, both devices of a person show the same one.
    for (auto order : {std::vector<NewRecord>{a, b, c, other}, {c, other, b, a}, {b, c, a, other}}) {
        std::filesystem::remove_all(folder.path / "profile");
        std::filesystem::create_directory(folder.path / "profile");
        Profile profile(folder.path / "profile");
        for (const auto& item : order) add(*profile.history, {item});
        CHECK(must(profile.history->totals()).records == 4);
        auto shown = must(profile.history->list(10));
        REQUIRE(shown.size() == 2);
        CHECK(shown[0].subject == "another account's");
        CHECK_FALSE(shown[0].conflict);
        CHECK(shown[1].subject == "second");
        CHECK(shown[1].conflict);
        CHECK(must(profile.history->listed(a.stored.key)).conflict);
        CHECK(must(profile.history->find_message(account_of(1), "00000001")) ==
              std::vector<history::Key>{b.stored.key, a.stored.key, c.stored.key});
        CHECK(must(profile.history->find_message(account_of(3), "00000001")).empty());
        check_consistent(*profile.history);
    }
}

TEST_CASE("records of a kind are walked in order, and the walk can be ended") {
    TempFolder folder;
    Profile profile(folder.path);
    CHECK_FALSE(must(profile.history->has_kind("account")));
    add(*profile.history, {of_kind("account", 9, "b"), of_kind("account", 3, "a"), of_kind("contact", 5, "c"),
                           mail(7, "mail"), message(1, "1", 8, "message")});
    CHECK(must(profile.history->has_kind("account")));
    CHECK(must(profile.history->has_kind("mail")));
    CHECK_FALSE(must(profile.history->has_kind("card")));
    std::vector<std::uint64_t> times;
    auto note = [&](const history::Key& key, const history::Record& record) -> Result<> {
        CHECK(history::record_id(history::encode(record)) == key.id);
        times.push_back(key.time_ms);
        return {};
    };
    must(profile.history->for_each_of_kind("account", note));
    must(profile.history->for_each_of_kind("mail", note));
    CHECK(times == std::vector<std::uint64_t>{3, 9, 7});
    auto stop = [](const history::Key&, const history::Record&) -> Result<> {
        return fail(Fault::cancelled, "enough");
    };
    CHECK(fault_of(profile.history->for_each_of_kind("account", stop)) == Fault::cancelled);
}

TEST_CASE("blobs that records name are counted, and missing until they are here") {
    TempFolder folder;
    Profile profile(folder.path);
    auto blobs = must(BlobStore::open(folder.path / "blobs", *profile.db, key_of_byte(7)));
    const Bytes whole(100000, 'b');
    const auto named = must(blobs->write(whole));
    CHECK(must(profile.history->totals()).blobs == 0);  // no record names it yet

    history::Record record;
    record.kind = history::kind::mail;
    record.time_ms = 5;
    record.parts.push_back(blob_part(named.id, named.size));
    add(*profile.history, {new_record(record), with_blob(10, 1, 70000), with_blob(30, 2, 80000),
                           with_blob(20, 3, 90000), with_blob(40, 1, 70000)});
    auto totals = must(profile.history->totals());
    CHECK(totals.blobs == 4);
    CHECK(totals.blob_bytes == 340000);
    CHECK(totals.blobs_missing == 3);
    CHECK(totals.bytes_missing == 240000);

    std::vector<int> order;
    for (const auto& missing : must(profile.history->missing_blobs(UINT64_MAX, 10)))
        order.push_back(missing.id.bytes[0]);
    CHECK(order == std::vector<int>{1, 2, 3});  // that of the newest record first
    CHECK(must(profile.history->missing_blobs(UINT64_MAX, 1)).size() == 1);
    CHECK(must(profile.history->missing_blobs(79999, 10)).size() == 1);  // only those that are not larger
    CHECK(must(profile.history->missing_above(79999)).bytes == 170000);
    std::vector<BlobId> complete;
    must(profile.history->for_each_complete_blob(
        [&](const BlobId& id, std::uint64_t) { complete.push_back(id); }));
    CHECK(complete == std::vector<BlobId>{named.id});
}

TEST_CASE("fingerprints wait for the person's secret, and are made anew for another") {
    TempFolder folder;
    {
        Profile profile(folder.path, false);
        add(*profile.history, {mail(1, "one"), mail(1u << 20, "two")});
        CHECK(fault_of(profile.history->fingerprint(history::Range::all())) == Fault::unavailable);
        CHECK(must(profile.history->split(history::Range::all())).size() == 2);
        must(profile.history->set_term_key(key_of_byte(9)));
        check_consistent(*profile.history);
        add(*profile.history, {mail(3, "three")});
        check_consistent(*profile.history);
    }
    {
        Profile profile(folder.path, false);  // the secret is there, but was not given
        add(*profile.history, {mail(4, "four")});
    }
    Profile profile(folder.path);
    check_consistent(*profile.history);
    must(profile.history->set_term_key(key_of_byte(3)));
    const auto other = must(profile.history->fingerprint(history::Range::all()));
    must(profile.history->set_term_key(key_of_byte(9)));
    CHECK_FALSE(must(profile.history->fingerprint(history::Range::all())) == other);
    check_consistent(*profile.history);
}

TEST_CASE("no file of a profile holds content in clear") {
    TempFolder folder;
    const std::string needle = "the raven flies at midnight";
    Profile profile(folder.path);
    auto blobs = must(BlobStore::open(folder.path / "blobs", *profile.db, key_of_byte(7)));
    std::vector<NewRecord> records;
    for (std::uint64_t i = 0; i < 200; ++i) records.push_back(mail(i, needle + " " + std::to_string(i)));
    add(*profile.history, records);
    const auto named = must(blobs->write(as_bytes(needle + std::string(100000, '.'))));
    auto check = [&] {
        std::size_t files = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path)) {
            CHECK(entry.path().string().find(named.id.hex()) == std::string::npos);
            if (!entry.is_regular_file()) continue;
            ++files;
            const auto bytes = slurp(entry.path());
            for (std::string_view word :
                 {"raven", "midnight", "somebody@example", "CREATE TABLE", "SQLite format"})
                CHECK_MESSAGE(bytes.find(word) == std::string::npos, entry.path().string(), " holds ", word);
        }
        CHECK(files >= 4);  // database, log, index of the log, blob
    };
    check();
    {
        // A transaction too large for the cache is spilt to the log before it is committed.
        auto tx = must(Transaction::begin(*profile.db));
        SeededRandom random(2);
        for (std::uint64_t i = 0; i < 300; ++i) {
            Bytes noise(100000);
            random.fill(noise);
            auto item = mail(1000 + i, needle + std::string(as_text(noise)));
            add(*profile.history, {item});
        }
        check();
    }
    must(profile.db->checkpoint());
    check();
}
