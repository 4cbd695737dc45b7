// libkith: kith within another program.
//
// An Engine is one profile at work: a device of a person, with its history, its services and the links to the
// person's other devices. It does what the daemon kithd does, by the same methods, events and error kinds:
// src/control/README.md lists them, and this header adds nothing to them. Texts
// are UTF-8; arguments and results are JSON texts, so that this interface stays the same when methods grow.
//
// Threads: an Engine runs a thread of its own. All functions may be called from any thread. Callbacks are
// called on the engine's thread, in order; they must return soon, and must not call `call` or destroy the
// Engine (they may `begin`, `answer` and `cancel`).
//
// A profile is used by one Engine or one daemon at a time, over all processes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#if defined(_WIN32)
#define KITH_API
#else
#define KITH_API __attribute__((visibility("default")))
#endif

namespace kith {

// What went wrong. `kind` is one of the names in src/control/README.md ("refused", "disk_full", ...), `what`
// says it to a person in lower case, `hint` what to do, and may be empty.
struct Problem {
    std::string kind;
    std::string what;
    std::string hint;
};

template <class T>
using Expected = tl::expected<T, Problem>;

// One call of a method.
struct Call {
    std::string method;       // "history.digest"
    std::string args = "{}";  // a JSON object
    std::map<std::string, std::string>
        secrets;  // {"passphrase", ...}; copies that are made of them are wiped
    // What happens meanwhile: a name and a JSON object.
    std::function<void(std::string_view name, std::string_view fields)> on_event;
    // What the engine needs to know ("code"); answer by Running::answer, now or later.
    std::function<void(std::string_view name, std::string_view fields)> on_ask;
};

// A call under way. Destroying it before the end means that nobody waits any more: what can go on by itself
// goes on (an approved transfer), and the rest is dropped (an offer).
class KITH_API Running {
  public:
    virtual ~Running() = default;
    virtual void answer(std::string name, std::string value) = 0;
    virtual void cancel() = 0;
};

class KITH_API Engine {
  public:
    // Works on the profile in `home`, a folder that is made when it is missing (mode 0700). `log` may be
    // empty; its lines never hold content or secrets. Fails with "refused" when another process uses the
    // profile.
    static Expected<std::unique_ptr<Engine>> start(const std::string& home,
                                                   std::function<void(const std::string& line)> log = {});
    // Ends what is under way, as when a machine is switched off: all goes on at the next start.
    virtual ~Engine() = default;

    // Starts a call; `on_end` gets its result, a JSON text, once.
    virtual std::unique_ptr<Running> begin(Call call, std::function<void(Expected<std::string>)> on_end) = 0;
    // Starts a call and waits for its end.
    virtual Expected<std::string> call(Call call) = 0;
};

// The version of the library, "0.1.0".
KITH_API std::string_view version();

}  // namespace kith
