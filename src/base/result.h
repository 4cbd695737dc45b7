// How functions report what can go wrong. Expected outcomes and hostile input are a Result; our own bugs
// are an assert.
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace kith {

// What kind of thing went wrong: decides the exit code of the command line (src/control/README.md).
enum class Fault {
    invalid,      // the input is not what was asked for
    not_found,    // no such thing
    refused,      // the rules forbid it, or the state does
    locked,       // a passphrase is needed, or it was wrong
    unreachable,  // nobody answers there
    timed_out,    // somebody answers, but not in time
    disk_full,
    io,        // the operating system refused
    corrupt,   // stored data is not what was stored
    protocol,  // the other side broke the protocol
    cancelled,
    unavailable,  // a part that is needed is not there now
    forbidden,    // the roster's rules do not let this device do it
};

std::string_view fault_name(Fault kind);

// What a person reads: `what` says what happened, in lower case; `hint` says what to do, and may be empty.
// Neither ever holds a secret or message content.
struct Error {
    Fault kind;
    std::string what;
    std::string hint;
};

template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Fault kind, std::string what, std::string hint = {}) {
    return tl::unexpected<Error>(Error{kind, std::move(what), std::move(hint)});
}
inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

}  // namespace kith

// Evaluates a Result; on failure returns the error from the enclosing function.
#define KITH_TRY(expr)                                                                              \
    do {                                                                                            \
        if (auto kith_try_ = (expr); !kith_try_) return ::kith::fail(std::move(kith_try_).error()); \
    } while (false)

// Like KITH_TRY, and declares `var` with the value.
#define KITH_TRY_VALUE(var, expr)                                              \
    auto var##_result_ = (expr);                                               \
    if (!var##_result_) return ::kith::fail(std::move(var##_result_).error()); \
    auto var = std::move(*var##_result_)
