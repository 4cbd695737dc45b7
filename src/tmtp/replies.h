// What a server sends: one struct for each message, with parser and encoder. Encoding is what the reference
// server does: compact JSON, keys sorted, `<`, `>` and `&` escaped, absent fields left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "tmtp/head.h"
#include "tmtp/ops.h"

namespace kith::tmtp {

struct AuthBy {
    std::string label;
    std::vector<std::string> login, token;  // each: url, parameters
};
struct TmtpRevReply {
    std::string id, name;
    int auth = 0;  // 0 none, 1 or 2: by one of authby
    std::vector<AuthBy> authby;
    bool control = false;  // the service knows node control
};
struct RegisteredReply {
    std::string uid;
    SecretBytes nodeid;  // empty: the client made it
    std::string error;   // the account exists all the same, without its alias
};
struct InfoReply {
    std::string info;
    std::vector<std::string> ohi;
};
struct AckReply {
    std::string id, msgid, posted;
    std::string error;  // empty: it worked
};
struct QuitReply {
    std::string error;  // the reason; "logout ok" answers Quit
};
struct OhiReply {
    std::string from;
    int status = 0;  // 1 online, 2 offline
};

// Node control: what the service has of the account's roster; it is the data that follows.
struct RosterReply {
    std::string id;
    std::string state;        // none, binding, bound
    std::int64_t due_ms = 0;  // binding: when it takes effect
    std::string error;        // empty: what was asked is done
    std::uint64_t datalen = 0;
};

// The answer to Restore: what is to be proved with which key; or, to the proof, a name of the account.
struct RestoreReply {
    std::string id;
    Bytes nonce, key;
    std::string alias;
};

// What is kept in a node's queue until the node acknowledges it.
enum class Kind { delivery, notify, ping, invite, member, user, login, ohiedit, roster, other };
std::string_view kind_name(Kind kind);
struct Queued {
    Kind kind = Kind::other;
    std::string op;  // as received; tells the messages apart that this version does not know
    std::string id, from, posted;
    std::uint64_t datalen = 0, datahead = 0;  // datahead: the first bytes of data that are a second head
    std::optional<std::uint32_t> datasum;
    int notify = 0;                     // delivery: 1 or 2 when a notify belongs to it
    std::string postid;                 // notify
    std::string alias, to, gid;         // ping, invite, member
    std::string act;                    // member; roster: added, binding, bound, objected
    std::int64_t due_ms = 0;            // roster: of a binding
    std::string newalias, newnode;      // user, member
    SecretBytes nodeid;                 // user: the new node's secret
    std::string node;                   // login: "tbd"
    std::vector<Recipient> recipients;  // ohiedit
    std::string type;                   // ohiedit
};

using Reply = std::variant<TmtpRevReply, RegisteredReply, InfoReply, AckReply, QuitReply, OhiReply,
                           RosterReply, RestoreReply, Queued>;

// A message of an unknown op that has an "id" and "posted" is a Queued of Kind::other: it has to be
// acknowledged, or the server never sends the next one. Without them it is Fault::unavailable: pass over it.
Result<Reply> parse_reply(const Head& head);
// The header with its size in front; a Queued gets its "headsum".
std::string encode(const Reply& reply);
std::string encode(const Queued& message);

// UTC with three decimals and Z ("2026-11-21T19:25:05.920Z"), from and to milliseconds since 1970. Reading
// also takes fewer or no decimals.
std::string format_posted(std::int64_t unix_ms);
std::optional<std::int64_t> parse_posted(std::string_view text);

}  // namespace kith::tmtp
