// The rosters of this device's accounts (src/account/README.md), as far as they are known here: kept with
// what is needed to be added to others, and to begin new ones without the passphrase. Durable when a call
// returns. No network: Services brings entries to the services, and back.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "account/project.h"
#include "app/profile.h"

namespace kith::app {

class AccountRosters {
  public:
    AccountRosters(Profile& profile, Random& random) : profile_(profile), random_(random) {}
    Result<> load();

    // A founding for a new account, which gets its id; nothing: none is left, and the act key is sealed.
    struct Founding {
        AccountId account;
        SecretBytes nodeid;
        Bytes log;
    };
    Result<std::optional<Founding>> founding(const std::set<AccountId>& taken);
    // It goes to a service now: it must never go to another one.
    Result<> use_founding(const AccountId& account);
    // The account was founded with this.
    Result<> founded(const AccountId& account, ByteView log);

    // An account that was restored with `seed`, whose roster this is: the key that is to recover it from now
    // on, if its own is not one of this person's. And: it was restored.
    Result<std::optional<SignPublic>> renewal_for(const roster::State& state) const;
    Result<> restored(const AccountId& account, std::span<const roster::Entry> log);

    // The beginning of a roster, for an account that this device has a node of.
    Result<Bytes> found(const AccountId& account, const SecretBytes& nodeid, const crypto::SignKey& act);

    // The secrets that this device has proposed rosters with, newest first: one of them is its own once such
    // a roster holds, for the former one may be known to others.
    Result<std::vector<SecretBytes>> proposed(const AccountId& account) const;
    Result<> propose(const AccountId& account, const SecretBytes& nodeid, ByteView log);
    Result<> forget_proposed(const AccountId& account);

    bool ruled(const AccountId& account) const { return logs_.contains(account); }
    // Null: the account has no roster, as far as is known here.
    const roster::State* state(const AccountId& account) const;
    std::optional<PersonId> id(const AccountId& account) const;
    // The node of a device of the person there, as far as it can be told. Null: it has none.
    const roster::Device* node_of(const AccountId& account, const DeviceId& device) const;
    std::vector<AccountId> accounts() const;
    // What is known here beyond what a service has.
    std::vector<roster::Entry> lacking(const AccountId& account, std::span<const roster::Entry> there) const;
    // What a service shows. The first roster of an account is believed when this device's own node is in it,
    // with its key for that roster and the hash of `nodeid`; nothing but its entries afterwards. True: there
    // was news.
    Result<bool> take(const AccountId& account, std::span<const roster::Entry> entries,
                      const SecretBytes* nodeid);

    // This device wants a node in this roster: its request, as soon as there can be one. False: it has to
    // wait for the act key.
    Result<bool> want_node(const AccountId& account, const PersonId& roster);
    struct Wanted {
        AccountId account;
        Bytes request;  // packed; empty: not signed yet
    };
    Result<std::vector<Wanted>> wanted() const;
    // The secret that the newest request was made for.
    Result<std::optional<SecretBytes>> wanted_nodeid(const AccountId& account) const;
    // Somebody else has made a node with this hash: the request with it can be added no more, and is made
    // anew with another secret. False: it has another hash already, or that was too often. The former secrets
    // are kept, for who was handed a request could still add it.
    Result<bool> want_another(const AccountId& account, const LinkPublic& taken);
    Result<> node_given(const AccountId& account);

    // What this device signs now, for one account: kept, to be brought to the service.
    Result<std::vector<roster::Entry>> project(const AccountId& account, const crypto::SignKey& act,
                                               const account::Wishes& wishes);
    Result<std::vector<roster::Entry>> recover(const AccountId& account, const Key& seed,
                                               std::span<const account::Asked> asked);
    Result<std::vector<roster::Entry>> renew(const AccountId& account, const Key& seed, const Key& fresh);
    // The act key is open: foundings and requests are made with it, as many as are wanted.
    Result<> prepare(const crypto::SignKey& act);

  private:
    struct Log {
        std::vector<roster::Entry> entries;
        roster::State state;
        roster::Memory memory;
    };
    Result<> keep(const AccountId& account, Log& log, std::vector<roster::Entry> fresh);
    Result<std::vector<roster::Entry>> keep_signed(const AccountId& account, Log& log,
                                                   std::vector<roster::Entry> made);
    Result<> put(const AccountId& account, std::vector<roster::Entry> entries);
    static SignPublic recovery_of(const Founding& founding);
    Result<std::set<SignPublic>> free_recovery_keys() const;
    Result<SignPublic> free_recovery_key() const;
    Result<> mark_used(const SignPublic& key);
    Result<> make_founding(const crypto::SignKey& act);
    Result<std::vector<Founding>> foundings() const;
    Result<> put_foundings(const std::vector<Founding>& list);
    Result<> sign_request(const AccountId& account, const crypto::SignKey& act);
    Result<bool> sign_request_unasked(const AccountId& account);
    Result<account::Source> source(const AccountId& account, const PersonId& roster) const;
    Result<> claim(const AccountId& account, const PersonId& roster);

    Profile& profile_;
    Random& random_;
    std::map<AccountId, Log> logs_;
};

}  // namespace kith::app
