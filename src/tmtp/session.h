// Within the server machine only: one link's state.
#pragma once

#include "tmtp/server.h"

namespace kith::tmtp {

// Data that is coming in.
struct Upload {
    std::uint64_t id = 0;  // given at the start, as the reference server does
    std::string posted;
    std::string error;  // its data is passed over
    Bytes piece;
    std::uint32_t pieces = 0;
};

struct Hub::Session {
    enum class State { fresh, greeted, online, closing };

    LinkId link = 0;
    State state = State::fresh;
    FrameReader reader;
    std::string uid;
    NodeRef node = 0;
    std::int64_t opened_ms = 0;
    std::int64_t last_byte_ms = 0;

    // The op whose header was read; it is run when its data, if any, is there.
    std::optional<Op> op;
    std::optional<Upload> upload;

    // The message in flight: sent, or being sent piece by piece, and not acknowledged.
    std::optional<StoredMessage> in_flight;
    std::int64_t resend_ms = 0;
    std::uint64_t left = 0;  // bytes of its data that are not sent yet
    std::uint32_t next_piece = 0;
    Bytes held;  // answers that wait until the message in flight is sent whole

    std::size_t undrained = 0;  // bytes sent since the output was last empty
    std::int64_t undrained_since_ms = 0;

    bool sending() const { return in_flight && left > 0; }
};

}  // namespace kith::tmtp
