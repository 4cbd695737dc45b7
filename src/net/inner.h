// What the sources of this layer share and other layers do not see: Asio's side of the loop.
#pragma once

#include <asio.hpp>

#include "net/loop.h"

namespace kith::net {

struct Loop::Inner {
    // One thread runs it; the hint spares Asio some locking, posting stays thread safe.
    asio::io_context context{1};
    // For as long as the loop exists: Asio takes a moment without work for the end.
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    asio::signal_set signals{context};
};

}  // namespace kith::net
