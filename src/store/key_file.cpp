#include "store/key_file.h"

#include <algorithm>

#include "base/limits.h"
#include "store/file.h"
#include "wire/fields.h"

namespace kith::store {
namespace {

constexpr std::string_view purpose = "kith.keys";
constexpr std::uint64_t version = 1;
constexpr std::string_view database_purpose = "kith.keys.database";
constexpr std::string_view act_purpose = "kith.keys.act";
constexpr std::size_t held_bytes = 128;  // a sealed key is 72

Error damaged(const std::filesystem::path& file) {
    return {Fault::corrupt, "the key file " + file.string() + " is damaged", "put back a copy of it"};
}

// Text that may hold keys, put together in memory that is wiped.
class Writer {
  public:
    Writer& text(std::string_view more) {
        append(bytes_, more);
        return *this;
    }
    Writer& hex(ByteView more) {
        for (auto byte : more) {
            bytes_.push_back(digits[byte >> 4]);
            bytes_.push_back(digits[byte & 15]);
        }
        return *this;
    }
    Writer& number(std::uint64_t value) { return text(std::to_string(value)); }
    SecretBytes finish() { return SecretBytes(std::move(bytes_)); }
    Writer() { bytes_.reserve(1024); }  // all there will be: growing would leave copies behind

  private:
    static constexpr char digits[] = "0123456789abcdef";
    Bytes bytes_;
};

}  // namespace

Result<KeyFile> KeyFile::create(const std::filesystem::path& file, const SecretBytes& passphrase,
                                crypto::PassphraseCost cost, Random& random) {
    std::error_code ignored;
    if (std::filesystem::exists(std::filesystem::symlink_status(file, ignored)))
        return fail(Fault::refused, "there is a key file already: " + file.string());
    const kith::Key database_key = crypto::random_secret(random);
    const kith::Key act_seed = crypto::random_secret(random);
    KITH_TRY_VALUE(keys, make(database_key, act_seed, passphrase, cost, random));
    keys.file_ = file;
    KITH_TRY(replace_file(file, keys.to_json().view()));
    return keys;
}

Result<KeyFile> KeyFile::load(const std::filesystem::path& file) {
    KITH_TRY_VALUE(opened, File::open(file, File::Mode::read));
    KITH_TRY_VALUE(size, opened.size());
    if (size > limits::key_file_bytes) return fail(damaged(file));
    Bytes text(size);
    auto got = opened.read_at(0, text);
    const SecretBytes wiped(std::move(text));
    KITH_TRY(got);

    auto head = wire::Fields::parse(wiped.view());
    if (head.text("purpose", 32) != purpose) return fail(damaged(file));
    if (head.u64("v") != version)
        return fail(Fault::refused, "the key file was written by another version of kith",
                    "update kith on this device");
    KeyFile keys;
    keys.file_ = file;
    keys.sealed_ = head.has("kdf");
    keys.database_ = SecretBytes(head.hex("database", held_bytes));
    keys.act_ = SecretBytes(head.hex("act", held_bytes));
    if (keys.sealed_) {
        auto kdf = head.object("kdf");
        keys.cost_ = {kdf.u64("operations"), kdf.u64("memory")};
        const Bytes salt = kdf.hex("salt", keys.salt_.size());
        const bool fits = kdf.text("name", 32) == "argon2id" && salt.size() == keys.salt_.size() &&
                          keys.cost_.operations <= limits::stretch_operations &&
                          keys.cost_.memory_bytes <= limits::stretch_memory;
        if (!kdf.ok() || !fits) return fail(damaged(file));
        std::copy(salt.begin(), salt.end(), keys.salt_.begin());
    }
    const bool clear_fits = keys.database_.size() == Key::size() && keys.act_.size() == Key::size();
    if (!head.ok() || (!keys.sealed_ && !clear_fits)) return fail(damaged(file));
    return keys;
}

Result<Key> KeyFile::open_database_key(const SecretBytes& passphrase) const {
    return open(passphrase, database_purpose, database_);
}

Result<Key> KeyFile::open_act_seed(const SecretBytes& passphrase) const {
    return open(passphrase, act_purpose, act_);
}

Result<> KeyFile::change(const SecretBytes& old_passphrase, const SecretBytes& new_passphrase,
                         crypto::PassphraseCost cost, Random& random) {
    KITH_TRY_VALUE(database_key, open_database_key(old_passphrase));
    KITH_TRY_VALUE(act_seed, open_act_seed(old_passphrase));
    KITH_TRY_VALUE(keys, make(database_key, act_seed, new_passphrase, cost, random));
    keys.file_ = file_;
    KITH_TRY(replace_file(file_, keys.to_json().view()));
    *this = std::move(keys);
    return {};
}

Result<KeyFile> KeyFile::make(const kith::Key& database_key, const kith::Key& act_seed,
                              const SecretBytes& passphrase, crypto::PassphraseCost cost, Random& random) {
    KeyFile keys;
    keys.sealed_ = !passphrase.empty();
    if (!keys.sealed_) {
        keys.database_ = SecretBytes(ByteView(database_key.view()));
        keys.act_ = SecretBytes(ByteView(act_seed.view()));
        return keys;
    }
    if (cost.operations > limits::stretch_operations || cost.memory_bytes > limits::stretch_memory)
        return fail(Fault::invalid, "the passphrase would take too long to stretch");
    keys.cost_ = cost;
    random.fill(keys.salt_);
    KITH_TRY_VALUE(root, crypto::stretch(passphrase, keys.salt_, cost));
    auto sealed = [&](std::string_view name, const kith::Key& key) {
        return SecretBytes(crypto::seal(crypto::derive(root, name), name, key.view(), random));
    };
    keys.database_ = sealed(database_purpose, database_key);
    keys.act_ = sealed(act_purpose, act_seed);
    return keys;
}

Result<Key> KeyFile::open(const SecretBytes& passphrase, std::string_view name,
                          const SecretBytes& held) const {
    if (!sealed_) return kith::Key(std::span<const std::uint8_t, 32>(held.view()));
    if (passphrase.empty()) return fail(Fault::locked, "the profile is locked", "give the passphrase");
    KITH_TRY_VALUE(root, crypto::stretch(passphrase, salt_, cost_));
    auto opened = crypto::open(crypto::derive(root, name), name, held.view());
    if (!opened || opened->size() != Key::size()) return fail(Fault::locked, "wrong passphrase", "try again");
    return kith::Key(std::span<const std::uint8_t, 32>(opened->view()));
}

SecretBytes KeyFile::to_json() const {
    Writer json;
    json.text("{\"purpose\":\"").text(purpose).text("\",\"v\":").number(version);
    if (sealed_)
        json.text(",\"kdf\":{\"name\":\"argon2id\",\"operations\":")
            .number(cost_.operations)
            .text(",\"memory\":")
            .number(cost_.memory_bytes)
            .text(",\"salt\":\"")
            .hex(salt_)
            .text("\"}");
    json.text(",\"database\":\"").hex(database_.view()).text("\",\"act\":\"").hex(act_.view()).text("\"}\n");
    return json.finish();
}

}  // namespace kith::store
