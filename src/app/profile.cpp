#include "app/profile.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "app/inbox.h"
#include "base/limits.h"
#include "crypto/hash.h"
#include "roster/recovery.h"
#include "store/file.h"
#include "store/schema.h"

namespace kith::app {
namespace {

namespace fs = std::filesystem;

// Settings, by name. All are bytes.
namespace setting {
constexpr std::string_view device_seed = "device_seed", link_secret = "link_secret", person = "person",
                           device = "device", request_name = "request_name", term_key = "term_key",
                           term_number = "term_number", recovery_accounts = "recovery_accounts",
                           recovery_accounts_next = "recovery_accounts_next", lock_after = "lock_after",
                           renewal = "secrets_to_renew", confirmed = "roster_confirmed",
                           identity = "identity_seed";
}

Result<> no_person() {
    return fail(Fault::refused, "this device belongs to nobody yet", "run 'kith init' or 'kith device join'");
}

}  // namespace

bool Profile::exists() const {
    std::error_code ignored;
    return fs::exists(home_ / "keys.json", ignored);
}

Result<> Profile::load() {
    auto keys = store::KeyFile::load(home_ / "keys.json");
    if (!keys && keys.error().kind == Fault::not_found) return {};
    if (!keys) return fail(keys.error());
    keys_ = std::move(*keys);
    if (!keys_->has_passphrase()) return unlock({});
    return {};
}

Result<> Profile::unlock(const SecretBytes& passphrase) {
    if (open()) return {};
    if (!keys_) return no_person();
    KITH_TRY_VALUE(key, keys_->open_database_key(passphrase));
    return open_with(key);
}

void Profile::lock() {
    search_.reset();
    search_key_.reset();
    blobs_.reset();
    history_.reset();
    store_.reset();
    db_.reset();
    device_key_ = {};
    identity_key_ = {};
    identity_.reset();
    link_key_ = {};
    term_key_.reset();
    entries_.clear();
    seen_.clear();
    roster_ = {};
    memory_ = {};
    person_ = {};
    device_ = {};
}

Result<> Profile::change_passphrase(const SecretBytes& old_passphrase, const SecretBytes& new_passphrase) {
    if (!keys_) return no_person();
    return keys_->change(old_passphrase, new_passphrase, {}, random_);
}

Result<Founded> Profile::found(const std::string& name, const SecretBytes& passphrase, Now now) {
    return found_from(crypto::random_secret(random_), name, passphrase, now);
}

Result<Founded> Profile::found_again(const Key& recovery_seed, const roster::PersonHint& person,
                                     const std::string& name, const SecretBytes& passphrase, Now now) {
    if (roster::hint_of(roster::person_of(roster::make_genesis(recovery_seed).id)) != person)
        return fail(
            Fault::refused,
            "this sheet took the place of an earlier one, so it does not tell who the person was",
            "use it on a device that still exists, or put a backup of one back; the first sheet of all "
            "would do on an empty device. Without these: 'kith init' begins anew");
    return found_from(recovery_seed, name, passphrase, now);
}

Result<Founded> Profile::found_from(const Key& seed, const std::string& name, const SecretBytes& passphrase,
                                    Now now) {
    if (exists())
        return fail(Fault::refused, "there is a profile here already",
                    "use another folder with --home to make a second one");
    KITH_TRY(make_files(passphrase));
    auto made = [&]() -> Result<Founded> {
        auto recovery = roster::recovery_key(seed);
        auto genesis = roster::make_genesis(seed);
        PersonId person{genesis.id.bytes};
        KITH_TRY_VALUE(act, act_key(passphrase));
        KITH_TRY_VALUE(request,
                       roster::make_request(person, name, device_key_, act, link_key_.public_key, random_));
        std::vector<roster::Entry> entries{genesis};
        KITH_TRY_VALUE(first, roster::fold(person, entries));
        KITH_TRY_VALUE(add, roster::make_add(first, std::nullopt, recovery, request, now.unix_ms));
        entries.push_back(add);
        const Bytes accounts = roster::signed_account_keys(seed);

        KITH_TRY_VALUE(tx, store::Transaction::begin(*db_));
        KITH_TRY(store_->put_setting(setting::person, person.view()));
        KITH_TRY(store_->put_setting(setting::device, request.id().view()));
        KITH_TRY(store_->put_setting(setting::request_name, as_bytes(name)));
        person_ = person;
        KITH_TRY(add_entries(entries, now.unix_ms));
        KITH_TRY(take_person_secrets(crypto::random_secret(random_), 0, accounts));
        KITH_TRY(put_identity(roster::identity_key(seed).seed()));
        KITH_TRY(tx.commit());
        KITH_TRY(read_identity());
        return Founded{device_, person, roster::encode_sheet({seed.copy(), roster::hint_of(person)})};
    }();
    // Half a profile is none: nobody could tell it from a whole one.
    if (!made) {
        person_ = {};
        (void)discard();
    }
    return made;
}

Result<> Profile::prepare_joining(const SecretBytes& passphrase) {
    if (exists()) return fail(Fault::refused, "there is a profile here already");
    return make_files(passphrase);
}

Result<> Profile::discard() {
    if (membership() != Membership::none) return fail(Fault::refused, "this device belongs to a person");
    KITH_TRY(overwrite_keys());
    lock();
    keys_.reset();
    std::error_code error;
    // The key file first: without it the rest means nothing.
    for (const char* name : {"keys.json", "kith.db", "kith.db-wal", "kith.db-shm", "search.db",
                             "search.db-wal", "search.db-shm"})
        fs::remove(home_ / name, error);
    fs::remove_all(home_ / "blobs", error);
    return {};
}

Result<> Profile::erase() {
    person_ = {};
    return discard();
}

// In place, for what the disk has of it: a copy under another name would leave the old bytes.
Result<> Profile::overwrite_keys() {
    std::error_code error;
    const auto keys = home_ / "keys.json";
    const auto size = fs::file_size(keys, error);
    if (error) return {};
    KITH_TRY_VALUE(file, store::File::open(keys, store::File::Mode::write));
    KITH_TRY(file.write_at(0, Bytes(size, 0)));
    return file.sync();
}

Result<> Profile::check_joinable() const {
    if (membership() != Membership::member) return {};
    KITH_TRY_VALUE(totals, history_->totals());
    KITH_TRY_VALUE(accounts, store_->accounts());
    if (totals.records == 0 && accounts.empty() && roster_.devices.size() <= 1) return {};
    return fail(Fault::refused,
                "this device already belongs to a person and holds an account, history or other devices",
                "nothing was changed; use another folder with --home to make this machine a device of "
                "another person");
}

namespace {

constexpr std::array settings_of_person{setting::person,
                                        setting::device,
                                        setting::request_name,
                                        setting::term_key,
                                        setting::term_number,
                                        setting::recovery_accounts,
                                        setting::recovery_accounts_next,
                                        setting::renewal,
                                        setting::confirmed,
                                        setting::identity};

}  // namespace

Result<> Profile::drop_person() {
    KITH_TRY(check_joinable());
    KITH_TRY_VALUE(tx, store::Transaction::begin(*db_));
    KITH_TRY(store_->remove_entries());
    KITH_TRY_VALUE(peers, store_->peers());
    for (const auto& peer : peers) KITH_TRY(store_->remove_peer(peer.device));
    KITH_TRY_VALUE(jobs, store_->jobs());
    for (const auto& job : jobs) KITH_TRY(store_->remove_job(job.role, job.peer));
    for (auto name : settings_of_person) KITH_TRY(store_->remove_setting(name));
    // The next person must not be able to link this device to the former one.
    KITH_TRY(store_->put_setting(setting::device_seed, crypto::random_secret(random_).view()));
    KITH_TRY(store_->put_setting(setting::link_secret, crypto::random_secret(random_).view()));
    KITH_TRY(tx.commit());
    return read_identity();
}

Result<Profile::Former> Profile::former() const {
    Former former;
    KITH_TRY_VALUE(entries, store_->entries());
    former.entries = std::move(entries);
    auto keep = [&](std::string_view name) -> Result<> {
        KITH_TRY_VALUE(value, store_->setting(name));
        if (value) former.settings.emplace_back(name, std::move(*value));
        return {};
    };
    for (auto name : settings_of_person) KITH_TRY(keep(name));
    for (auto name : {setting::device_seed, setting::link_secret}) KITH_TRY(keep(name));
    return former;
}

Result<> Profile::restore_former(const Former& former) {
    {
        KITH_TRY_VALUE(tx, store::Transaction::begin(*db_));
        KITH_TRY(drop_person());
        for (const auto& entry : former.entries) KITH_TRY(store_->add_entry(entry));
        for (const auto& [name, value] : former.settings) KITH_TRY(store_->put_setting(name, value.view()));
        KITH_TRY(tx.commit());
    }
    KITH_TRY(read_identity());
    return reload_secrets();
}

Result<roster::SignedRequest> Profile::ask_to_join(const roster::State& state,
                                                   std::span<const roster::Entry> entries,
                                                   const std::string& name, const crypto::SignKey& act_key,
                                                   const store::Peer& host) {
    KITH_TRY_VALUE(request, roster::make_request(state.person, name, device_key_, act_key,
                                                 link_key_.public_key, random_));
    KITH_TRY(belong_to(state, entries, request, host));
    return request;
}

Result<> Profile::belong_to(const roster::State& state, std::span<const roster::Entry> entries,
                            const roster::SignedRequest& request, const store::Peer& host) {
    KITH_TRY_VALUE(read, roster::read_request(request));
    auto kept = [&]() -> Result<> {
        KITH_TRY_VALUE(tx, store::Transaction::begin(*db_));
        KITH_TRY(store_->put_setting(setting::person, state.person.view()));
        KITH_TRY(store_->put_setting(setting::device, request.id().view()));
        KITH_TRY(store_->put_setting(setting::request_name, as_bytes(read.name)));
        person_ = state.person;
        KITH_TRY(add_entries(entries, host.seen_ms));
        KITH_TRY(store_->put_peer(host));
        return tx.commit();
    }();
    KITH_TRY(read_identity());
    return kept;
}

Result<roster::SignedRequest> Profile::open_request(const std::string& name, const crypto::SignKey& act_key) {
    return roster::make_request(PersonId{}, name, device_key_, act_key, link_key_.public_key, random_);
}

Profile::TermVersion Profile::version_of(std::uint64_t number, const Key& term_key) {
    const auto check = crypto::derive(term_key, "kith.term.check");
    return {number, to_bytes(check.view().first<8>())};
}

Result<> Profile::take_person_secrets(const Key& term_key, std::uint64_t number, ByteView recovery_accounts) {
    if (recovery_accounts.size() != roster::recovery_account_key_count * SignPublic::size + Signature::size)
        return fail(Fault::protocol, "the person's secrets are of wrong size");
    // The word of the recovery key, whoever brings it. What is not that (yet: a renewal may come later than
    // its list) does not take the place of what is.
    const bool holds = roster::read_account_keys(recovery_accounts, roster_.recovery).has_value();
    Bytes numbered;
    append_u64(numbered, number);
    KITH_TRY_VALUE(tx, store::Transaction::begin(*db_));
    KITH_TRY(store_->put_setting(setting::term_key, term_key.view()));
    KITH_TRY(store_->put_setting(setting::term_number, numbered));
    KITH_TRY(store_->put_setting(holds ? setting::recovery_accounts : setting::recovery_accounts_next,
                                 recovery_accounts));
    KITH_TRY(history_->set_term_key(term_key));
    KITH_TRY(tx.commit());
    term_key_ = term_key.copy();
    term_version_ = version_of(number, term_key);
    return {};
}

Result<> Profile::put_identity(const Key& seed) {
    KITH_TRY(use_identity(seed));
    return store_->put_setting(setting::identity, seed.view());
}

Result<> Profile::use_identity(const Key& seed) {
    crypto::SignKey key(seed);
    std::optional<roster::Identity> identity;
    for (const auto& entry : entries_)
        if (roster::person_of(entry.id) == person_) identity = roster::identity_of(entry, key.public_key());
    if (!identity) return fail(Fault::protocol, "the identity key is not this person's");
    identity_key_ = std::move(key);
    identity_ = identity;
    return {};
}

Result<> Profile::renew_person_secrets() {
    KITH_TRY_VALUE(accounts, signed_recovery_accounts());
    KITH_TRY_VALUE(tx, store::Transaction::begin(*db_));
    KITH_TRY(take_person_secrets(crypto::random_secret(random_), term_version_.number + 1, accounts));
    KITH_TRY(store_->remove_setting(setting::renewal));
    return tx.commit();
}

Result<> Profile::reload_secrets() {
    term_key_.reset();
    term_version_ = {};
    KITH_TRY_VALUE(term, store_->setting(setting::term_key));
    KITH_TRY_VALUE(number, store_->setting(setting::term_number));
    if (!term || term->size() != Key::size()) return {};
    term_key_ = Key(term->view().first<32>());
    term_version_ =
        version_of(number && number->size() == 8 ? load_u64(number->view().data()) : 0, *term_key_);
    return history_ ? history_->set_term_key(*term_key_) : Result<>();
}

Result<> Profile::mark_secrets_for_renewal() {
    return store_->put_setting(setting::renewal, as_bytes("yes"));
}

bool Profile::secrets_to_be_renewed() const {
    auto marked = store_->setting(setting::renewal);
    return marked && *marked;
}

Result<std::int64_t> Profile::lock_after() const {
    KITH_TRY_VALUE(kept, store_->setting(setting::lock_after));
    return kept && kept->size() == 8 ? static_cast<std::int64_t>(load_u64(kept->view().data()))
                                     : std::int64_t{0};
}

Result<> Profile::put_lock_after(std::int64_t seconds) {
    Bytes value;
    append_u64(value, static_cast<std::uint64_t>(seconds));
    return store_->put_setting(setting::lock_after, value);
}

Result<> Profile::confirm_roster(const DeviceId& by) {
    if (roster_confirmed()) return {};
    KITH_TRY_VALUE(jobs, store_->jobs());
    for (const auto& job : jobs)
        if (job.role == "joiner" && job.peer == by) return {};
    return store_->put_setting(setting::confirmed, by.view());
}

bool Profile::roster_confirmed() const {
    auto confirmed = store_->setting(setting::confirmed);
    auto jobs = store_->jobs();
    if (!confirmed || !jobs) return false;
    return *confirmed || std::ranges::none_of(*jobs, [](const auto& job) { return job.role == "joiner"; });
}

Result<> Profile::put_recovery_accounts(const Key& recovery_seed) {
    return store_->put_setting(setting::recovery_accounts, roster::signed_account_keys(recovery_seed));
}

Result<bool> Profile::take_recovery_accounts(ByteView list) {
    if (!roster::read_account_keys(list, roster_.recovery)) return false;
    KITH_TRY(store_->put_setting(setting::recovery_accounts, list));
    return true;
}

Result<Bytes> Profile::signed_recovery_accounts() const {
    KITH_TRY_VALUE(kept, store_->setting(setting::recovery_accounts));
    KITH_TRY_VALUE(next, store_->setting(setting::recovery_accounts_next));
    if (next && (!kept || roster::read_account_keys(next->view(), roster_.recovery)))
        return to_bytes(next->view());
    if (!kept) return fail(no_person().error());
    return to_bytes(kept->view());
}

Result<Bytes> Profile::recovery_accounts() const {
    KITH_TRY_VALUE(list, signed_recovery_accounts());
    auto keys = roster::read_account_keys(list, roster_.recovery);
    if (!keys || roster_.recovery_disputed)
        return fail(Fault::refused, "the keys by which accounts could be recovered are not known here",
                    "'kith recovery renew' makes new ones");
    return std::move(*keys);
}

Result<crypto::SignKey> Profile::act_key(const SecretBytes& passphrase) const {
    if (!keys_) return fail(no_person().error());
    KITH_TRY_VALUE(seed, keys_->open_act_seed(passphrase));
    return crypto::SignKey(seed);
}

Membership Profile::membership() const {
    if (person_.is_zero()) return Membership::none;
    const auto* self = roster_.find(device_);
    return self ? Membership::member : Membership::asked;
}

std::string Profile::name() const {
    if (const auto* self = roster_.find(device_)) return self->name;
    auto name = open() ? store_->setting(setting::request_name) : Result<std::optional<SecretBytes>>();
    return name && *name ? std::string(as_text((*name)->view())) : std::string();
}

Result<std::size_t> Profile::add_entries(std::span<const roster::Entry> entries, std::int64_t now_ms) {
    roster::State before = roster_;
    before.person = person_;
    KITH_TRY_VALUE(taken, roster::take(before, entries_, entries, memory_));
    if (taken.fresh.empty()) return std::size_t{0};
    KITH_TRY_VALUE(tx, store::Transaction::begin(*db_));
    for (const auto& entry : taken.fresh)
        KITH_TRY(store_->add_entry({entry.id, entry.bytes, to_bytes(entry.signature.view()), now_ms}));
    KITH_TRY(tx.commit());
    for (auto& entry : taken.fresh) {
        seen_.emplace(entry.id, now_ms);
        std::erase_if(entries_, [&](const auto& former) { return former.id == entry.id; });
        entries_.push_back(std::move(entry));
    }
    roster_ = std::move(taken.state);
    return taken.fresh.size();
}

Result<> Profile::add_own_entry(const roster::Entry& entry, std::int64_t now_ms) {
    KITH_TRY_VALUE(added, add_entries({&entry, 1}, now_ms));
    if (added == 1 && std::ranges::find(roster_.lines, entry.id, &roster::Line::id) != roster_.lines.end())
        return {};
    return fail(Fault::forbidden, "the rules for the list of devices do not let this device do that",
                "'kith device log' shows what happened");
}

std::int64_t Profile::seen_ms(const EntryId& entry) const {
    auto at = seen_.find(entry);
    return at == seen_.end() ? 0 : at->second;
}

// Keys and database are made under other names first, and the key file takes its place last, once the
// database's is certain: a home has a profile exactly when it has a key file, whenever the power is cut.
Result<> Profile::make_files(const SecretBytes& passphrase) {
    auto staging = home_ / "new";
    std::error_code error;
    fs::remove_all(staging, error);
    fs::create_directories(staging, error);
    if (error) return fail(Fault::io, "cannot write to " + home_.string(), "check the folder's permissions");
    fs::permissions(staging, fs::perms::owner_all, error);
    {
        KITH_TRY_VALUE(keys, store::KeyFile::create(staging / "keys.json", passphrase, {}, random_));
        KITH_TRY_VALUE(key, keys.open_database_key(passphrase));
        KITH_TRY_VALUE(db, store::Database::open(staging / "kith.db", key, store::profile_schema()));
        store::ProfileStore store(*db);
        KITH_TRY(store.put_setting(setting::device_seed, crypto::random_secret(random_).view()));
        KITH_TRY(store.put_setting(setting::link_secret, crypto::random_secret(random_).view()));
        KITH_TRY(db->checkpoint());
    }
    for (const char* stale : {"kith.db", "kith.db-wal", "kith.db-shm"}) fs::remove(home_ / stale, error);
    auto place = [&](const char* name) -> Result<> {
        fs::rename(staging / name, home_ / name, error);
        if (error)
            return fail(Fault::io, "cannot write to " + home_.string(), "check the folder's permissions");
        return store::sync_folder(home_);
    };
    KITH_TRY(place("kith.db"));
    if (auto placed = place("keys.json"); !placed) {
        fs::remove(home_ / "keys.json", error);  // or there would be a profile of which nobody was told
        return placed;
    }
    // The home and what is above it may be as new. Of these, what cannot be opened was not made by kith.
    for (auto folder = home_.parent_path(); folder.has_relative_path(); folder = folder.parent_path())
        (void)store::sync_folder(folder);
    fs::remove_all(staging, error);
    KITH_TRY(load());
    return unlock(passphrase);
}

Result<> Profile::open_with(const Key& database_key) {
    // It would be made anew, and what is wrong would be harder to see.
    std::error_code error;
    const auto size = fs::file_size(home_ / "kith.db", error);
    if (error == std::errc::no_such_file_or_directory || (!error && size == 0))
        return fail(Fault::corrupt,
                    "there are keys of a profile in " + home_.string() + ", but its database (kith.db) is " +
                        (error ? "missing" : "empty"),
                    "put kith.db, and kith.db-wal if there is one, back beside keys.json");
    auto opened = [&]() -> Result<> {
        KITH_TRY_VALUE(db, store::Database::open(home_ / "kith.db", database_key, store::profile_schema()));
        db_ = std::move(db);
        store_ = std::make_unique<store::ProfileStore>(*db_);
        KITH_TRY(reload_secrets());
        KITH_TRY_VALUE(history, store::HistoryStore::open(*db_, this->term_key()));
        KITH_TRY(history->list_again(listing_of));
        history_ = std::move(history);
        KITH_TRY_VALUE(blobs, store::BlobStore::open(home_ / "blobs", *db_, database_key));
        blobs_ = std::move(blobs);
        search_key_ = crypto::derive(database_key, "kith.search");
        return read_identity();
    }();
    if (!opened) lock();
    return opened;
}

Result<store::SearchIndex*> Profile::search() {
    if (!search_key_) return fail(no_person().error());
    if (!search_) {
        KITH_TRY_VALUE(index, store::SearchIndex::open(home_ / "search.db", *search_key_));
        search_ = std::move(index);
    }
    return search_.get();
}

Result<> Profile::read_identity() {
    auto key = [&](std::string_view name) -> Result<Key> {
        KITH_TRY_VALUE(found, store_->setting(name));
        if (!found || found->size() != Key::size())
            return fail(Fault::corrupt, "the profile lacks its " + std::string(name));
        return Key(found->view().first<32>());
    };
    KITH_TRY_VALUE(device_seed, key(setting::device_seed));
    KITH_TRY_VALUE(link_secret, key(setting::link_secret));
    device_key_ = crypto::SignKey(device_seed);
    link_key_ = crypto::LinkKey::from_secret(link_secret);
    person_ = {};
    device_ = {};
    KITH_TRY_VALUE(person, store_->setting(setting::person));
    KITH_TRY_VALUE(device, store_->setting(setting::device));
    if (person && device) {
        person_ = PersonId::from(person->view()).value_or(PersonId{});
        device_ = DeviceId::from(device->view()).value_or(DeviceId{});
    } else {
        term_key_.reset();
    }
    identity_key_ = {};
    identity_.reset();
    KITH_TRY(fold());
    KITH_TRY_VALUE(identity, store_->setting(setting::identity));
    if (identity && identity->size() == Key::size())
        KITH_TRY(use_identity(Key(identity->view().first<32>())));
    return {};
}

Result<> Profile::fold() {
    entries_.clear();
    seen_.clear();
    roster_ = {};
    if (person_.is_zero()) return {};
    KITH_TRY_VALUE(kept, store_->entries());
    for (const auto& entry : kept) {
        auto signature = Signature::from(entry.signature);
        if (!signature) return fail(Fault::corrupt, "a roster entry is damaged");
        KITH_TRY_VALUE(read, roster::read_entry(entry.body, *signature));
        seen_[read.id] = entry.seen_ms;
        entries_.push_back(std::move(read));
    }
    KITH_TRY_VALUE(state, roster::fold(person_, entries_, memory_));
    roster_ = std::move(state);
    return {};
}

}  // namespace kith::app
