// What a tmtpd keeps: one SQLite database, and before it a journal of what changed in the queues. Changes of
// accounts and groups are on the disk when they return; those of queues with commit(). Schema in README.md.
//
// A message of one piece lives in memory and in the journal first. flush() brings what is still queued into
// the database, takes out what was acknowledged, and makes everything else unreadable: deleted content is
// overwritten, the log emptied, and the journal's key replaced.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include "base/secret.h"
#include "crypto/keys.h"
#include "journal.h"
#include "store/database.h"
#include "tmtp/server_store.h"

namespace kith::tmtpd {

// For the operator.
struct UserRow {
    std::string uid;
    std::vector<std::string> aliases;
    std::uint64_t nodes = 0;
};
struct NodeRow {
    tmtp::NodeRef node = 0;
    std::string uid, label;
    std::uint64_t messages = 0, bytes = 0;
};
struct GroupRow {
    std::string gid;
    std::uint64_t joined = 0, invited = 0;
};

class SqlStore : public tmtp::ServerStore {
  public:
    // Opens or makes the database, and the journal beside it. Pieces of uploads that were cut off by the last
    // end are removed.
    static Result<std::unique_ptr<SqlStore>> open(const std::filesystem::path& file, const Key& key);

    Result<std::uint64_t> last_id() override { return highest_; }
    Result<std::uint64_t> accounts() override;
    Result<tmtp::NodeRef> add_account(const std::string& uid, const SecretBytes& nodeid,
                                      const std::string& label) override;
    Result<std::optional<tmtp::NodeRef>> find_node(const std::string& uid,
                                                   const SecretBytes& nodeid) override;
    Result<std::vector<tmtp::NodeRef>> nodes(const std::string& uid) override;
    Result<std::optional<std::string>> owner_of(const std::string& alias) override;
    Result<std::uint64_t> aliases_of(const std::string& uid) override;
    Result<> add_alias(const std::string& uid, const std::string& alias,
                       const tmtp::StoredMessage* news) override;
    Result<> add_node(const std::string& uid, const SecretBytes& nodeid, const std::string& label,
                      tmtp::NodeRef from, const tmtp::StoredMessage& news) override;
    Result<bool> meet(const std::string& uid, const std::string& other, std::uint64_t most) override;
    Result<bool> met(const std::string& uid, const std::string& other) override;
    Result<> put_piece(std::uint64_t id, std::uint32_t number, ByteView piece) override;
    void drop_pieces(std::uint64_t id) override;
    Result<std::optional<std::vector<tmtp::Member>>> group(const std::string& gid) override;
    Result<std::uint64_t> groups_of(const std::string& uid) override;
    Result<> put_members(const std::string& gid, const std::vector<tmtp::Member>& members,
                         const std::vector<tmtp::Outgoing>& messages) override;
    Result<> enqueue(const std::vector<tmtp::Outgoing>& messages) override;
    Result<std::optional<tmtp::StoredMessage>> first(tmtp::NodeRef node) override;
    Result<Bytes> piece(std::uint64_t id, std::uint32_t number) override;
    Result<> remove(tmtp::NodeRef node, std::uint64_t id) override;
    Result<std::uint64_t> queue_bytes(const std::string& uid) override;
    Result<std::uint64_t> queue_bytes(tmtp::NodeRef node) override;
    Result<std::string> alias_of(const std::string& uid) override;
    Result<tmtp::NodeRef> add_ruled_account(const std::string& uid, const tmtp::RosterChange::NewNode& node,
                                            const Bytes& log) override;
    Result<tmtp::AccountRoster> roster(const std::string& uid) override;
    Result<std::vector<tmtp::ControlledNode>> controlled(const std::string& uid) override;
    Result<bool> is_held(tmtp::NodeRef node) override;
    Result<> knows_control(tmtp::NodeRef node, bool knows) override;
    Result<> change_roster(const tmtp::RosterChange& change) override;
    Result<std::vector<std::string>> rosters_due(std::int64_t due_ms, std::int64_t held_ms) override;

    // Makes durable what enqueue() took. After an error nobody knows what is on the disk: the service must
    // end.
    Result<> commit();
    // Whether a flush has anything to do, and whether it should not wait.
    bool dirty() const { return dirty_; }
    bool full() const;
    // See above. Fault::disk_full: nothing has changed, try again later; after any other error the service
    // must end.
    Result<> flush();
    // How large the database may grow; then Fault::disk_full.
    Result<> limit_size(std::uint64_t bytes) { return db_->limit_size(bytes); }

    // For the operator. The list is told row by row.
    Result<> users(const std::function<void(const UserRow&)>& row);
    Result<> all_nodes(const std::function<void(const NodeRow&)>& row);
    Result<> groups(const std::function<void(const GroupRow&)>& row);
    // The node and its queue. False: there is none.
    Result<bool> drop_node(tmtp::NodeRef node);

    const Journal& journal() const { return journal_; }

  private:
    struct Held {
        std::uint32_t number = 0;
        Bytes bytes;
    };
    // A message that only memory and the journal hold.
    struct Young {
        tmtp::StoredMessage message;
        Bytes data;
        std::size_t nodes = 0;  // that still have it queued
    };
    // A node's queue, as far as it differs from what the database says. *Old* messages are in the database.
    struct Queue {
        std::uint64_t bytes = 0;
        bool changed = false;
        std::set<std::uint64_t> young;
        std::set<std::uint64_t> gone;  // old, and acknowledged
        // The first old one that is not gone, with its weight, when it is known; all up to `after` are gone.
        std::uint64_t after = 0;
        std::optional<std::pair<std::uint64_t, std::uint64_t>> old;
        bool no_old = false;

        void forget_old() {
            after = 0;
            old.reset();
            no_old = false;
        }
    };

    SqlStore(std::unique_ptr<store::Database> db, Journal journal)
        : db_(std::move(db)), journal_(std::move(journal)) {}
    Result<> replay();
    Result<std::int64_t> account(const std::string& uid);
    Result<tmtp::NodeRef> insert_node(std::int64_t account, const SecretBytes& nodeid,
                                      const std::string& label);
    Result<tmtp::NodeRef> insert_ruled(std::int64_t account, const tmtp::RosterChange::NewNode& node);
    Result<bool> remove_node(tmtp::NodeRef node);
    // Into the database, within a transaction of the caller's; after its commit, what memory knows of it.
    Result<> write(const tmtp::Outgoing& outgoing);
    void wrote(const std::vector<tmtp::Outgoing>& messages);
    Result<> write_piece(std::uint64_t id, const Held& held);
    Result<> erase(const std::set<std::uint64_t>& messages);

    Result<Queue*> queue_of(tmtp::NodeRef node);
    Result<> find_old(tmtp::NodeRef node, Queue& queue);
    Result<std::optional<std::uint64_t>> old_weight(tmtp::NodeRef node, Queue& queue, std::uint64_t id);
    void keep(tmtp::StoredMessage message, Bytes data, const std::vector<Queue*>& queues);
    void take_young(Queue& queue, std::uint64_t id);

    std::unique_ptr<store::Database> db_;
    Journal journal_;
    crypto::SystemRandom random_;
    // The last piece of each upload, written with the message: a small one costs one commit.
    std::map<std::uint64_t, Held> held_;
    std::map<std::uint64_t, Young> young_;
    std::size_t young_bytes_ = 0, gone_ = 0;
    std::size_t places_ = 0;  // in the queues, of all young ones
    std::unordered_map<tmtp::NodeRef, Queue> queues_;
    std::unordered_map<std::string, std::vector<tmtp::NodeRef>> nodes_;  // of accounts that were asked for
    std::uint64_t highest_ = 0;
    bool dirty_ = false, broken_ = false;
};

}  // namespace kith::tmtpd
