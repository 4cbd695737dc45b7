// Within the server machine only: one link's state.
#pragma once

#include <set>

#include "tmtp/server.h"
#include "wire/plain_text.h"

namespace kith::tmtp {

// Data that is coming in.
struct Upload {
    std::uint64_t id = 0;  // given at the start, as the reference server does
    std::string posted;
    std::string error;  // its data is passed over
    std::int64_t until_ms = 0;
    Bytes piece;
    std::uint32_t pieces = 0;
    // A PostNotify's note comes first: a message of its own.
    std::uint64_t note_id = 0;
    std::uint64_t note_left = 0;
    std::uint64_t filling() const { return note_left > 0 ? note_id : id; }
};

struct Hub::Session {
    // Waiting: it has logged in, and the link that its node seems to have is being looked at. Held: it has
    // logged in as a node that the account's roster keeps out.
    enum class State { fresh, greeted, waiting, held, online, closing };

    LinkId link = 0;
    State state = State::fresh;
    FrameReader reader;
    std::string uid;
    NodeRef node = 0;
    bool control = false;  // its client knows node control
    std::int64_t opened_ms = 0;
    std::int64_t last_byte_ms = 0;

    // The op whose header was read; it is run when its data, if any, is there.
    std::optional<Op> op;
    std::optional<Upload> upload;
    Bytes entries;             // of a Roster, as they come
    std::string restored_uid;  // the account that it wants to speak for
    Bytes restore_nonce;       // to be signed by the key that recovers that account

    // Of a waiting link: until when, and what came behind its login.
    std::int64_t wait_until_ms = 0;
    Bytes early;
    // Of a link whose node logs in again: the waiting link, 0: none.
    LinkId challenger = 0;

    // The places that it has filled since then; while it is paused for that, until when, and what came
    // meanwhile.
    std::size_t places = 0;
    std::int64_t places_since_ms = 0;
    std::int64_t resume_ms = 0;  // 0: what comes is handled
    Bytes backlog;
    bool paused = false;  // the network was told to read nothing

    // Who hears when this node comes and goes. In memory only, as with the reference server.
    std::set<std::string> ohi;

    // The message in flight: sent, or being sent piece by piece, and not acknowledged.
    std::optional<StoredMessage> in_flight;
    bool sent_before = false;  // it was sent whole at least once
    bool acked = false;        // while it is being sent again
    std::int64_t resend_ms = 0;
    std::uint64_t left = 0;  // bytes of its data that are not sent yet
    std::uint32_t next_piece = 0;
    Bytes held;  // answers that wait until the message in flight is sent whole

    std::size_t undrained = 0;  // bytes sent since the output was last empty
    std::int64_t undrained_since_ms = 0;

    bool sending() const { return in_flight && left > 0; }
};

// Whom a request means, before their nodes are looked up.
struct Hub::Audience {
    std::set<std::string> uids;
    bool this_node = false;   // the sender named itself, or a group it has joined
    bool other_nodes = true;  // of the sender: they always hear, unless a PostNotify says not
    std::set<std::pair<std::string, int>> groups = {};  // that were looked up
};

// What a request with data comes to, once it is all there.
struct Hub::Delivery {
    std::vector<NodeRef> to, note_to;
    int notify = 0;              // how many accounts hear of a PostNotify
    std::vector<Member> places;  // of a GroupInvite: what changes, and which members hear of it
    std::vector<NodeRef> members;
};

// A name that a client sent, to be repeated in an error: its head.
inline std::string named(const std::string& name) {
    return name.substr(0, 100);
}

// Names are shown to people: no control characters, and nothing that turns the direction of writing.
inline bool printable(std::string_view text) {
    for (std::string_view mark : {"\xd8\x9c", "\xe2\x80\x8e", "\xe2\x80\x8f"})
        if (text.find(mark) != std::string_view::npos) return false;
    return wire::is_printable(text);
}

inline constexpr std::string_view no_store = "the service cannot store it now";

// What `ohi` says of a node.
inline constexpr int presence_here = 1, presence_gone = 2;

std::string id_text(std::uint64_t id);
StoredMessage stored(const Queued& message, std::uint64_t id);

}  // namespace kith::tmtp
