// What a TMTP server keeps: accounts, aliases, nodes, groups, who met whom, and each node's queue. Every
// function changes all or nothing, and what it changed is seen at once. It need not be durable at once:
// whoever owns the store makes it so before it carries out what the hub answered (remove() alone may be lost:
// the message comes again). A failure is the store's (disk full, io); what the protocol refuses is told by
// values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace kith::tmtp {

// A node, by a number that the store gives it.
using NodeRef = std::int64_t;

// In place of one: what any node of the account still has to get.
inline constexpr NodeRef every_queue = -1;

// A message as it goes to nodes. Its data is stored apart, in pieces of limits::tmtp_piece (the last one may
// be shorter), numbered from 0.
struct StoredMessage {
    std::uint64_t id = 0;
    std::string head;  // with size and headsum, as sent
    std::uint64_t datalen = 0;
};

// A message and the nodes that it is for, without repetitions.
struct Outgoing {
    StoredMessage message;
    std::vector<NodeRef> to;
};

// Somebody's place in a group. Who was invited may post, and joins by saying so; who was dropped by another
// member may do neither until invited again.
struct Member {
    enum State { invited = 0, joined = 1, dropped = 2 };
    std::string uid;
    std::string alias;  // by which the group knows them
    State state = invited;
    bool operator==(const Member&) const = default;
};

// Node control: what is kept of an account's roster.
struct AccountRoster {
    Bytes log;  // entries, packed; empty: none is bound
    // One that is to be bound, and when. Without one: below 0, when one may be proposed again, negated.
    Bytes proposed;
    std::int64_t due_ms = 0;
};
struct ControlledNode {
    NodeRef node = 0;
    Bytes device;              // its name in the account's roster; empty: it has none
    Bytes secret_hash;         // BLAKE2b-256 of its nodeid
    std::int64_t held_ms = 0;  // since when it may not log in, Unix; 0: it may
    bool knows = false;        // its client knows node control
};
// A change of an account's roster with all that follows from it.
struct RosterChange {
    std::string uid;
    std::optional<Bytes> log;  // what is bound from now on, whole
    // Another proposal, or none any more.
    std::optional<AccountRoster> proposal;
    struct NewNode {
        Bytes device, secret_hash;
        std::string label;
        NodeRef from = 0;  // whose queue it starts with; 0: an empty one
    };
    std::vector<NewNode> added;                          // before any is dropped
    std::vector<std::pair<NodeRef, std::int64_t>> held;  // since then; 0: not any more
    std::vector<NodeRef> dropped;                        // with their queues
    std::optional<StoredMessage> news;                   // to all nodes that are there and not held
    Bytes news_data;
};

class ServerStore {
  public:
    virtual ~ServerStore() = default;

    // The highest message id ever stored, 0 when none was.
    virtual Result<std::uint64_t> last_id() = 0;

    virtual Result<std::uint64_t> accounts() = 0;
    // A new account with one node.
    virtual Result<NodeRef> add_account(const std::string& uid, const SecretBytes& nodeid,
                                        const std::string& label) = 0;
    // Nothing: no such account, or it has no such node. Of several with one secret, one that is not held.
    virtual Result<std::optional<NodeRef>> find_node(const std::string& uid, const SecretBytes& nodeid) = 0;
    // All nodes of an account, in the order they were made; empty when there is no such account.
    virtual Result<std::vector<NodeRef>> nodes(const std::string& uid) = 0;
    virtual Result<std::optional<std::string>> owner_of(const std::string& alias) = 0;
    virtual Result<std::uint64_t> aliases_of(const std::string& uid) = 0;
    // One of the account's aliases; empty: it has none.
    virtual Result<std::string> alias_of(const std::string& uid) = 0;

    // `uid` makes itself known to `other`; again does no harm. False: it has done so to `most` others.
    virtual Result<bool> meet(const std::string& uid, const std::string& other, std::uint64_t most) = 0;
    // Whether either has made itself known to the other, or both have joined one group.
    virtual Result<bool> met(const std::string& uid, const std::string& other) = 0;

    // Everybody with a place in the group, by the order of their coming; nothing: no such group.
    virtual Result<std::optional<std::vector<Member>>> group(const std::string& gid) = 0;
    // How many groups the account has joined.
    virtual Result<std::uint64_t> groups_of(const std::string& uid) = 0;
    // Makes the group when there is none, gives each of `members` the place it says, and queues the messages.
    virtual Result<> put_members(const std::string& gid, const std::vector<Member>& members,
                                 const std::vector<Outgoing>& messages) = 0;
    // Gives the alias, which is free, to the account; with `news` also queues that to all its nodes.
    virtual Result<> add_alias(const std::string& uid, const std::string& alias,
                               const StoredMessage* news) = 0;
    // A new node that starts with a copy of `from`'s queue; then queues `news` to all nodes, the new one
    // included.
    virtual Result<> add_node(const std::string& uid, const SecretBytes& nodeid, const std::string& label,
                              NodeRef from, const StoredMessage& news) = 0;

    // A piece of a message that is not queued yet. Need not be durable before enqueue(); a restart forgets
    // it.
    virtual Result<> put_piece(std::uint64_t id, std::uint32_t number, ByteView piece) = 0;
    virtual void drop_pieces(std::uint64_t id) = 0;
    // Queues messages, whose pieces were put, all or none.
    virtual Result<> enqueue(const std::vector<Outgoing>& messages) = 0;

    // The message that is due to a node: the first queued one.
    virtual Result<std::optional<StoredMessage>> first(NodeRef node) = 0;
    virtual Result<Bytes> piece(std::uint64_t id, std::uint32_t number) = 0;
    // The node has it. A message that no queue holds any more is removed.
    virtual Result<> remove(NodeRef node, std::uint64_t id) = 0;

    // What the account's fullest queue holds, in bytes of headers and data.
    virtual Result<std::uint64_t> queue_bytes(const std::string& uid) = 0;
    virtual Result<std::uint64_t> queue_bytes(NodeRef node) = 0;

    // Node control. A new account with one node that made its own secret.
    virtual Result<NodeRef> add_ruled_account(const std::string& uid, const RosterChange::NewNode& node,
                                              const Bytes& log) = 0;
    virtual Result<AccountRoster> roster(const std::string& uid) = 0;
    virtual Result<std::vector<ControlledNode>> controlled(const std::string& uid) = 0;
    virtual Result<bool> is_held(NodeRef node) = 0;
    virtual Result<> knows_control(NodeRef node, bool knows) = 0;
    virtual Result<> change_roster(const RosterChange& change) = 0;
    // The accounts with a proposal that was due by `due_ms`, or a node held since `held_ms` or before.
    virtual Result<std::vector<std::string>> rosters_due(std::int64_t due_ms, std::int64_t held_ms) = 0;
};

}  // namespace kith::tmtp
