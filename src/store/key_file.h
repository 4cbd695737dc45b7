// The key file of a profile: the random key of the database and the seed of the act key, which signs roster
// entries.
//
// With a passphrase, each is sealed under a key of its own, both stretched from the passphrase by Argon2id:
// what opens the database never opens the act key. Without one, both stand in the file in clear, and the disk
// is their only protection. The format is in src/store/README.md.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/secret.h"
#include "crypto/keys.h"

namespace kith::store {

class KeyFile {
  public:
    // Makes new keys and writes the file (mode 0600). Refused when there is a file already. An empty
    // passphrase means none.
    static Result<KeyFile> create(const std::filesystem::path& file, const SecretBytes& passphrase,
                                  crypto::PassphraseCost cost, Random& random);
    // Fault::not_found when there is none; corrupt or refused (a newer version) when it cannot be read.
    static Result<KeyFile> load(const std::filesystem::path& file);

    bool has_passphrase() const { return sealed_; }
    // Fault::locked when the passphrase is wrong. It is disregarded when the file has none. Each call takes
    // as long as the stretching was made to take.
    Result<Key> open_database_key(const SecretBytes& passphrase) const;
    Result<Key> open_act_seed(const SecretBytes& passphrase) const;
    // Replaces the passphrase (either may be empty), keeping the keys. The file is replaced as a whole: after
    // a crash it is the old one or the new one.
    Result<> change(const SecretBytes& old_passphrase, const SecretBytes& new_passphrase,
                    crypto::PassphraseCost cost, Random& random);

  private:
    KeyFile() = default;
    static Result<KeyFile> make(const kith::Key& database_key, const kith::Key& act_seed,
                                const SecretBytes& passphrase, crypto::PassphraseCost cost, Random& random);
    Result<Key> open(const SecretBytes& passphrase, std::string_view purpose, const SecretBytes& held) const;
    SecretBytes to_json() const;

    std::filesystem::path file_;
    bool sealed_ = false;
    crypto::PassphraseCost cost_;
    std::array<std::uint8_t, 16> salt_{};
    SecretBytes database_;  // sealed, or the key itself
    SecretBytes act_;
};

}  // namespace kith::store
