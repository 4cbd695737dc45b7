// One request to the daemon, from the first line to the end, with what happens in between: events, questions
// that a line of standard input answers, and Ctrl-C.
#pragma once

#include <functional>
#include <optional>

#include "cli/context.h"
#include "control/message.h"
#include "net/local_socket.h"

namespace kith::cli {

// What Ctrl-C means at this moment.
enum class Interrupt {
    leave,   // close the connection; the daemon goes on with what can go on by itself
    cancel,  // ask the daemon to stop, and wait for the end
};

struct Listener {
    std::function<void(const control::Event&)> on_event;
    // With this one, the next line of standard input answers the question. Without it a question is an error.
    std::function<void(const control::Ask&)> on_ask;
    // Without it Ctrl-C ends the program as usual. A second Ctrl-C always leaves.
    std::function<Interrupt()> on_interrupt;
};

// Runs a request, starting the daemon when it does not run. Nothing: it was left by Ctrl-C.
// The standard input coming to its end at a question cancels, as Fault::invalid.
Result<std::optional<Json>> converse(const Context& context, control::Start start, const Listener& listener);

// The same on a connection that there is.
Result<std::optional<Json>> converse_on(net::LocalCaller caller, control::Start start,
                                        const Listener& listener);

// A request without questions; events go to `on_event` if there is one.
Result<Json> call(const Context& context, control::Start start,
                  std::function<void(const control::Event&)> on_event = nullptr);

}  // namespace kith::cli
