// The daemon's side of the control protocol: methods by name, and the requests that their handlers answer.
// Callers come over the profile's socket (control/socket_server.h) or from within the process
// (Dispatcher::call): handlers cannot tell.
//
//     dispatcher.add("history.stats", [&](const RequestPtr& request) { request->finish({{"records", 7}}); });
//     dispatcher.add("device.add", [&](const RequestPtr& request) {
//         request->on_answer([this](std::string_view name, std::string_view value) { ... });
//         request->on_cancelled([this](Cancelled how) { ... });
//         request->event("offer", {{"text", text}, {"expires", time}});
//         adding_ = request;  // kept; finish() or fail() later
//     });
//
// Everything happens on one thread, the loop's: nothing here is locked. Handlers and callbacks must not
// throw; should nlohmann::json throw while a handler reads arguments of another type than it expects, the
// request fails with Fault::invalid.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "control/message.h"
#include "wire/fields.h"

namespace kith::control {

// Why a request is no longer wanted: its caller said so, or went away (a closed terminal, Ctrl-C). What can
// go on by itself, a transfer that is approved, goes on when the caller is gone, and stops when he asked.
enum class Cancelled { asked, gone };

// A request as its handler sees it. It may be kept as long as wanted; when the last RequestPtr goes without a
// finish() or fail(), the caller is told Fault::unavailable. After the end, or when the caller is gone, all
// output is quietly dropped.
class Request {
  public:
    using OnAnswer = std::function<void(std::string_view name, std::string_view value)>;
    using OnCancelled = std::function<void(Cancelled how)>;
    struct State;

    explicit Request(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    ~Request();

    const std::string& method() const;
    const Json& args() const;  // always an object; at() throws for what is missing, const [] must not be used
    // The arguments for strict reading: getters with limits, then finish(method()).
    wire::Fields fields() const;
    // Secrets of the request, wiped at its end.
    const Secrets& secrets() const;
    SecretBytes secret(std::string_view name) const { return secrets().get(name); }

    // `fields` must be an object; "event" and "ask" are added to it.
    void event(std::string_view name, Json fields = Json::object());
    // Wants an answer: it arrives at on_answer under the same name, if ever. Asking again is allowed.
    void ask(std::string_view name, Json fields = Json::object());

    // The end: exactly one of the two counts, the first.
    void finish(Json result = Json::object());
    void fail(Error error);

    // Whether the caller still listens: neither ended nor gone.
    bool open() const;

    // Called for each answer, until the end. Callbacks may hold the RequestPtr: they are dropped at the end.
    void on_answer(OnAnswer callback);
    // Called at most once for each reason, before or without the end. Without it, the request just goes on;
    // one that was asked to stop must still be ended by finish() or fail(), with Fault::cancelled if it did.
    void on_cancelled(OnCancelled callback);

  private:
    std::shared_ptr<State> state_;
};
using RequestPtr = std::shared_ptr<Request>;

// A request as its caller holds it. Destroying it before the end means that the caller is gone.
class Call {
  public:
    Call() = default;
    explicit Call(std::shared_ptr<Request::State> state) : state_(std::move(state)) {}
    Call(Call&&) noexcept = default;
    Call& operator=(Call&& other) noexcept;
    ~Call() { leave(); }

    bool open() const;
    void answer(std::string_view name, std::string_view value);
    void cancel();  // asks the handler to stop; the end still comes through the sink
    void leave();   // the sink is not called any more; calling twice does no harm

  private:
    std::shared_ptr<Request::State> state_;
};

class Dispatcher {
  public:
    using Handler = std::function<void(const RequestPtr&)>;
    // Takes what the daemon says, in order; may be called from within call(). Ends with Finished or Failed.
    using Sink = std::function<void(const FromDaemon&)>;

    // A name may be added once.
    void add(std::string method, Handler handler);
    // Starts a request. An unknown method fails at once, with Fault::invalid.
    Call call(std::string method, Json args, Secrets secrets, Sink sink);

  private:
    std::map<std::string, Handler, std::less<>> handlers_;
};

}  // namespace kith::control
