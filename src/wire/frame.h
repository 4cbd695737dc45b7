// A frame: what peers exchange. A JSON head and raw bytes, TMTP's shape; on the peer link they are the two
// parts of one ZeroMQ message. Every head has "op", the frame's name.
#pragma once

#include <string>

#include "base/bytes.h"

namespace kith::wire {

struct Frame {
    std::string head;
    Bytes body;
};

}  // namespace kith::wire
