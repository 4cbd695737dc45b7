#include "store/key_file.h"

#include <sys/stat.h>

#include "store/support.h"

using namespace kith;
using namespace kith::store;
using namespace kith::store::test;

namespace {

const crypto::PassphraseCost cheap{1, 64 * 1024};

}  // namespace

TEST_CASE("a key file with a passphrase opens with it alone, and holds no key in clear") {
    TempFolder folder;
    SeededRandom random(1);
    const auto path = folder.path / "keys.json";
    auto made = must(KeyFile::create(path, secret("open sesame"), cheap, random));
    const auto database_key = must(made.open_database_key(secret("open sesame")));
    const auto act_seed = must(made.open_act_seed(secret("open sesame")));
    CHECK_FALSE(database_key == act_seed);

    auto keys = must(KeyFile::load(path));
    CHECK(keys.has_passphrase());
    CHECK(must(keys.open_database_key(secret("open sesame"))) == database_key);
    CHECK(must(keys.open_act_seed(secret("open sesame"))) == act_seed);
    CHECK(fault_of(keys.open_database_key(secret("open sesam"))) == Fault::locked);
    CHECK(fault_of(keys.open_act_seed(secret(""))) == Fault::locked);

    const auto text = slurp(path);
    CHECK(text.find(to_hex(database_key.view())) == std::string::npos);
    CHECK(text.find(to_hex(act_seed.view())) == std::string::npos);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a key file without a passphrase says so and opens") {
    TempFolder folder;
    SeededRandom random(2);
    const auto path = folder.path / "keys.json";
    auto made = must(KeyFile::create(path, {}, cheap, random));
    auto keys = must(KeyFile::load(path));
    CHECK_FALSE(keys.has_passphrase());
    CHECK(must(keys.open_database_key({})) == must(made.open_database_key({})));
    CHECK(must(keys.open_act_seed({})) == must(made.open_act_seed({})));
}

TEST_CASE("keys that are there are never replaced by new ones") {
    TempFolder folder;
    SeededRandom random(3);
    const auto path = folder.path / "keys.json";
    REQUIRE(KeyFile::create(path, {}, cheap, random));
    const auto before = slurp(path);
    CHECK(fault_of(KeyFile::create(path, {}, cheap, random)) == Fault::refused);
    CHECK(slurp(path) == before);
}

TEST_CASE("a changed passphrase keeps the keys, and the old one opens no longer") {
    TempFolder folder;
    SeededRandom random(4);
    const auto path = folder.path / "keys.json";
    auto keys = must(KeyFile::create(path, {}, cheap, random));
    const auto database_key = must(keys.open_database_key({}));
    const auto act_seed = must(keys.open_act_seed({}));

    must(keys.change({}, secret("one"), cheap, random));
    must(keys.change(secret("one"), secret("two"), cheap, random));
    CHECK(fault_of(keys.change(secret("one"), secret("three"), cheap, random)) == Fault::locked);
    auto loaded = must(KeyFile::load(path));
    CHECK(fault_of(loaded.open_database_key(secret("one"))) == Fault::locked);
    CHECK(must(loaded.open_database_key(secret("two"))) == database_key);
    CHECK(must(loaded.open_act_seed(secret("two"))) == act_seed);

    must(loaded.change(secret("two"), {}, cheap, random));
    CHECK_FALSE(must(KeyFile::load(path)).has_passphrase());
    CHECK_FALSE(std::filesystem::exists(path.string() + ".new"));
}

TEST_CASE("a file left by a crash in mid-change does not stop the next change") {
    TempFolder folder;
    SeededRandom random(5);
    const auto path = folder.path / "keys.json";
    auto keys = must(KeyFile::create(path, {}, cheap, random));
    std::ofstream(path.string() + ".new") << "half";
    must(keys.change({}, secret("one"), cheap, random));
    CHECK(must(KeyFile::load(path)).has_passphrase());
}

TEST_CASE("what is not a key file is refused with its kind of failure") {
    TempFolder folder;
    const auto path = folder.path / "keys.json";
    CHECK(fault_of(KeyFile::load(path)) == Fault::not_found);
    const std::string key(64, 'a');
    const std::string sealed(144, 'a');
    auto fault = [&](const std::string& text) {
        std::ofstream(path, std::ios::trunc) << text;
        return fault_of(KeyFile::load(path));
    };
    CHECK(fault("") == Fault::corrupt);
    CHECK(fault("not json") == Fault::corrupt);
    CHECK(fault(std::string(100000, ' ')) == Fault::corrupt);
    CHECK(fault(R"({"purpose":"other","v":1})") == Fault::corrupt);
    CHECK(fault(R"({"purpose":"kith.keys","v":2})") == Fault::refused);
    CHECK(fault(R"({"purpose":"kith.keys","v":1,"database":"aa","act":")" + key + "\"}") == Fault::corrupt);
    CHECK(fault(R"({"purpose":"kith.keys","v":1,"database":")" + key + "\"}") == Fault::corrupt);
    // A cost that would take all memory.
    CHECK(
        fault(R"({"purpose":"kith.keys","v":1,"kdf":{"name":"argon2id","operations":1,"memory":99999999999,)"
              R"("salt":"00000000000000000000000000000000"},"database":")" +
              sealed + R"(","act":")" + sealed + "\"}") == Fault::corrupt);
}

TEST_CASE("a passphrase that would take all memory is refused before it is set") {
    TempFolder folder;
    SeededRandom random(6);
    CHECK(fault_of(KeyFile::create(folder.path / "keys.json", secret("x"), {1000, 1 << 20}, random)) ==
          Fault::invalid);
    CHECK_FALSE(std::filesystem::exists(folder.path / "keys.json"));
}
