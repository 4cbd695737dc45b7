// A profile: one device of one person, in one folder. Holds the keys, the database and the blobs while it is
// open, and what they say of person, device and roster. No network.
//
// A home is empty, locked (there are keys, not opened yet), or open; an open profile belongs to a person or
// is in the course of joining one.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"
#include "crypto/keys.h"
#include "roster/identity.h"
#include "roster/recovery.h"
#include "roster/roster.h"
#include "store/blob_store.h"
#include "store/database.h"
#include "store/history_store.h"
#include "store/key_file.h"
#include "store/profile_store.h"
#include "store/search_index.h"

namespace kith::app {

// What the first device's owner gets to see once.
struct Founded {
    DeviceId device;
    PersonId person;
    SecretBytes recovery_sheet;
};

// Of a device that asked to join and was not confirmed yet, and of one that belongs.
enum class Membership { none, asked, member };

class Profile {
  public:
    explicit Profile(std::filesystem::path home, Random& random) : home_(std::move(home)), random_(random) {}
    Random& random() { return random_; }

    bool exists() const;  // there are keys in the home
    bool open() const { return db_ != nullptr; }
    bool has_passphrase() const { return keys_ && keys_->has_passphrase(); }
    const std::filesystem::path& home() const { return home_; }

    // Reads the key file; opens the database too when there is no passphrase. Nothing to do in an empty home.
    Result<> load();
    Result<> unlock(const SecretBytes& passphrase);
    void lock();
    Result<> change_passphrase(const SecretBytes& old_passphrase, const SecretBytes& new_passphrase);

    // Makes a person with this as first device. Refused when there is a profile.
    Result<Founded> found(const std::string& name, const SecretBytes& passphrase, Now now);
    // Makes keys of a device that belongs to nobody yet.
    Result<> prepare_joining(const SecretBytes& passphrase);
    // The same on a device that is all that is left: the person is made again from the recovery sheet,
    // without its log, history and accounts. Refused for a sheet that was renewed: it does not give the
    // genesis.
    Result<Founded> found_again(const Key& recovery_seed, const roster::PersonHint& person,
                                const std::string& name, const SecretBytes& passphrase, Now now);
    // Overwrites and removes the keys, and then all that they opened: the home is empty again. Of a profile
    // that belongs to nobody.
    Result<> discard();
    // The same, whosever it is.
    Result<> erase();
    // Whether joining would lose nothing: no account, no record. Fault::refused otherwise.
    Result<> check_joinable() const;
    // Drops the person (and with it its recovery sheet's use), keeping nothing of it.
    Result<> drop_person();
    // What drop_person() takes from a device that could join, to be put back in the place of a person that
    // declined it.
    struct Former {
        std::vector<std::pair<std::string_view, SecretBytes>> settings;
        std::vector<store::RosterEntry> entries;
    };
    Result<Former> former() const;
    Result<> restore_former(const Former& former);
    // Belongs to `state.person` from now on, once the host has added the request. Durable when it returns.
    Result<roster::SignedRequest> ask_to_join(const roster::State& state,
                                              std::span<const roster::Entry> entries, const std::string& name,
                                              const crypto::SignKey& act_key, const store::Peer& host);
    // The same on a device that asked by a stick, and was let in: by this request, made before it knew whose
    // it would be.
    Result<> belong_to(const roster::State& state, std::span<const roster::Entry> entries,
                       const roster::SignedRequest& request, const store::Peer& host);
    // Such a request, signed by this device's keys; nothing is kept.
    Result<roster::SignedRequest> open_request(const std::string& name, const crypto::SignKey& act_key);
    // The secrets that devices of one person share. They are numbered, and made anew when a device is barred:
    // of two the one with the higher number counts, of equal ones the one with the lower check.
    struct TermVersion {
        std::uint64_t number = 0;
        Bytes check;
        bool older_than(const TermVersion& other) const {
            return number != other.number ? number < other.number : other.check < check;
        }
    };
    static TermVersion version_of(std::uint64_t number, const Key& term_key);
    const TermVersion& term_version() const { return term_version_; }
    Result<> take_person_secrets(const Key& term_key, std::uint64_t number, ByteView recovery_accounts);
    // New ones, that no barred device knows. Within a transaction of the caller's, who calls reload_secrets()
    // when that fails.
    Result<> renew_person_secrets();
    Result<> reload_secrets();
    // The public halves of the account keys (roster/recovery.h); Fault::refused when those that are known
    // here are not signed by the recovery key that holds.
    Result<Bytes> recovery_accounts() const;
    // What another device says they are. False: the recovery key that holds has not signed that, and it takes
    // the place of nothing.
    Result<bool> take_recovery_accounts(ByteView list);
    // The same with the signature, to be passed on.
    Result<Bytes> signed_recovery_accounts() const;
    Result<> put_recovery_accounts(const Key& recovery_seed);

    // By what other people know the person: the same on all its devices (src/roster/identity.h).
    // Fault::protocol when this key is not the person's.
    Result<> put_identity(const Key& seed);
    // Nothing when no device has handed the key over.
    const std::optional<roster::Identity>& identity() const { return identity_; }
    const crypto::SignKey& identity_key() const { return identity_key_; }

    // A mark that the secrets are to be renewed, durable with the bar that asks for it.
    Result<> mark_secrets_for_renewal();
    bool secrets_to_be_renewed() const;

    // Seconds after which an idle profile is locked; 0: never.
    Result<std::int64_t> lock_after() const;
    Result<> put_lock_after(std::int64_t seconds);

    // The act key: asked for each time it is used.
    Result<crypto::SignKey> act_key(const SecretBytes& passphrase) const;

    // Of an open profile with a person.
    Membership membership() const;
    const PersonId& person() const { return person_; }
    const DeviceId& device() const { return device_; }
    std::string name() const;
    const crypto::SignKey& device_key() const { return device_key_; }
    const crypto::LinkKey& link_key() const { return link_key_; }
    const Key* term_key() const { return term_key_ ? &*term_key_ : nullptr; }
    const roster::State& roster() const { return roster_; }
    const std::vector<roster::Entry>& entries() const { return entries_; }
    // Keeps those that are new and worth keeping, durably, and folds again. Result: how many were new. Within
    // a transaction of the caller's that fails afterwards, reload_roster() takes them back.
    Result<std::size_t> add_entries(std::span<const roster::Entry> entries, std::int64_t now_ms);
    // The same for one that was just made here. Fault::forbidden when the rules of the roster refuse it.
    Result<> add_own_entry(const roster::Entry& entry, std::int64_t now_ms);
    // Whether a second source has shown the same roster: this device made it, or another device than the one
    // that let it in.
    bool roster_confirmed() const;
    Result<> confirm_roster(const DeviceId& by);
    // When this device first saw an entry; 0 when that is not known.
    std::int64_t seen_ms(const EntryId& entry) const;

    Result<> reload_roster() { return fold(); }
    // What the database says of the person, after a transaction of the caller's that failed.
    Result<> reload_identity() { return read_identity(); }

    store::Database& db() { return *db_; }
    store::ProfileStore& store() { return *store_; }
    store::HistoryStore& history() { return *history_; }
    store::BlobStore& blobs() { return *blobs_; }
    const store::HistoryStore& history() const { return *history_; }
    // The index of texts, opened when it is first asked for. A profile is whole without it.
    Result<store::SearchIndex*> search();

  private:
    Result<> overwrite_keys();
    Result<> make_files(const SecretBytes& passphrase);
    Result<Founded> found_from(const Key& recovery_seed, const std::string& name,
                               const SecretBytes& passphrase, Now now);
    Result<> open_with(const Key& database_key);
    Result<> read_identity();
    Result<> use_identity(const Key& seed);
    Result<> fold();

    std::filesystem::path home_;
    Random& random_;
    std::optional<store::KeyFile> keys_;
    std::unique_ptr<store::Database> db_;
    std::unique_ptr<store::ProfileStore> store_;
    std::unique_ptr<store::HistoryStore> history_;
    std::unique_ptr<store::BlobStore> blobs_;
    std::optional<Key> search_key_;
    std::unique_ptr<store::SearchIndex> search_;

    crypto::SignKey device_key_;
    crypto::LinkKey link_key_;
    crypto::SignKey identity_key_;
    std::optional<roster::Identity> identity_;
    std::optional<Key> term_key_;
    TermVersion term_version_;
    PersonId person_;
    DeviceId device_;
    std::vector<roster::Entry> entries_;
    std::map<EntryId, std::int64_t> seen_;
    roster::State roster_;
    roster::Memory memory_;
};

}  // namespace kith::app
