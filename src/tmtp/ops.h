// What a client sends: one struct for each operation, with its parser and encoder. The parser refuses what
// the reference server refuses; each refusal is the same to the client: quit "invalid header".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "tmtp/head.h"

namespace kith::tmtp {

struct Recipient {
    enum Type { none = 0, uid = 1, group_and_self = 2, group = 3 };
    std::string id;
    int type = uid;
    bool operator==(const Recipient&) const = default;
};

struct TmtpRev {
    std::string id = "1";
};
struct Register {
    std::string newnode;   // a label for this device's node
    std::string newalias;  // "_": none
    std::string id_token;  // of OpenID Connect, where the service asks for a sign-in
    Bytes roster = {};     // node control: the beginning of the account's roster
};
struct Login {
    std::string uid;
    SecretBytes node;      // the nodeid
    bool control = false;  // the client knows node control
};
struct UserEdit {  // exactly one of newnode, newalias
    std::string id, newnode, newalias;
};
struct OhiEdit {
    std::string id, type;  // add, drop, init
    std::vector<Recipient> recipients;
};
struct GroupInvite {
    std::string id, gid, from, to;
    std::uint64_t datalen = 0;
};
struct GroupEdit {
    std::string id, act, gid;  // join, alias, drop
    std::string newalias, to;
};
struct Post {
    std::string id;
    std::vector<Recipient> recipients;
    std::uint64_t datalen = 0, datahead = 0;
    std::optional<std::uint32_t> datasum;
};
struct PostNotify {
    Post post;  // datalen counts note and data; the note comes first
    bool fornotself = false;
    std::vector<Recipient> notefor;
    std::uint64_t notelen = 0, notehead = 0;
    std::optional<std::uint32_t> notesum;
};
struct Ping {
    std::string id, from, to;  // aliases
    std::uint64_t datalen = 0;
};
struct Ack {
    std::string id;  // of the message that was received
    std::string type = "ok";
};
struct Pulse {};
struct Quit {};
// Node control: the account's roster. Data are entries, as src/roster packs them.
struct Roster {
    std::string id;
    std::string act;  // show, add (data), bind (data), object
    std::uint64_t datalen = 0;
};

// Node control: speaks for an account without any of its nodes, by the key that recovers it. First without
// `proof`: the service answers with a nonce and that key.
struct Restore {
    std::string id, uid;
    Bytes proof = {};  // the key's signature over restore_challenge()
};
// `service_key`: the hash of the key that the service has shown in TLS, so that it cannot have a proof for
// another service.
Bytes restore_challenge(ByteView nonce, ByteView service_key, std::string_view uid);

using Op = std::variant<TmtpRev, Register, Login, UserEdit, OhiEdit, GroupInvite, GroupEdit, Post, PostNotify,
                        Ping, Ack, Pulse, Quit, Roster, Restore>;

Result<Op> parse_op(const Head& head);
// The header with its size in front; data follows apart. Fails when it would not fit max_header (a list of
// recipients that is too long).
Result<std::string> encode(const Op& op);

// Bytes of data that belong to the op.
std::uint64_t data_size(const Op& op);

// What a client asks an online service for: a Post, PostNotify, Ping, GroupInvite, GroupEdit, OhiEdit,
// UserEdit or Roster.
struct Asking {
    Op op;
    Bytes data;
};
// Sets `id`, and `datalen` to the size of the data. False: it is no such op, or takes no data and has some.
bool complete(Asking& asking, const std::string& id);

}  // namespace kith::tmtp
