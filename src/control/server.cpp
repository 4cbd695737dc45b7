#include "control/server.h"

#include <cassert>

#include "wire/json.h"

namespace kith::control {

// Shared by the handler's side (Request) and the caller's (Call). The sink is there as long as somebody
// listens; `ended` is set once.
struct Request::State {
    std::string method;
    Json args;
    Secrets secrets;
    Dispatcher::Sink sink;
    OnAnswer on_answer;
    OnCancelled on_cancelled;
    bool ended = false;
    bool asked_to_stop = false;

    bool open() const { return !ended && sink; }

    void say(const FromDaemon& message) {
        if (!open()) return;
        auto to = sink;  // the sink may be dropped while it runs
        to(message);
    }

    void end(const FromDaemon& last) {
        if (ended) return;
        auto to = std::move(sink);
        close();
        if (to) to(last);
    }

    // Callbacks may hold the request that they are part of: they must go, or it would stay for ever.
    void close() {
        ended = true;
        sink = nullptr;
        secrets = {};
        // Moved out first: destroying them may destroy the Request and come back here.
        auto answer = std::move(on_answer);
        auto cancelled = std::move(on_cancelled);
        on_answer = nullptr;
        on_cancelled = nullptr;
    }
};

namespace {

// Runs a handler or callback. Arguments of an unexpected type make nlohmann throw: that is the caller's
// mistake, and must not end the daemon.
template <class F>
void guarded(Request::State& state, F&& run) {
    try {
        run();
    } catch (const Json::exception&) {
        state.end(Failed{{Fault::invalid,
                          state.method + ": an argument is missing or of another type than expected",
                          "see src/control/README.md for what it takes"}});
    }
}

}  // namespace

Request::~Request() {
    state_->end(Failed{{Fault::unavailable, state_->method + " was given up", "try again"}});
}

const std::string& Request::method() const {
    return state_->method;
}
const Json& Request::args() const {
    return state_->args;
}
wire::Fields Request::fields() const {
    return wire::Fields::parse(wire::json_text(state_->args));
}
const Secrets& Request::secrets() const {
    return state_->secrets;
}

void Request::event(std::string_view name, Json fields) {
    assert(fields.is_object());
    auto state = state_;
    state->say(Event{std::string(name), std::move(fields)});
}

void Request::ask(std::string_view name, Json fields) {
    assert(fields.is_object());
    auto state = state_;
    state->say(Ask{std::string(name), std::move(fields)});
}

// In these two, what ends the request may hold the last RequestPtr and so destroy this object: the state is
// kept by a pointer of its own.
void Request::finish(Json result) {
    auto state = state_;
    state->end(Finished{std::move(result)});
}
void Request::fail(Error error) {
    auto state = state_;
    state->end(Failed{std::move(error)});
}
bool Request::open() const {
    return state_->open();
}

void Request::on_answer(OnAnswer callback) {
    if (!state_->ended) state_->on_answer = std::move(callback);
}
void Request::on_cancelled(OnCancelled callback) {
    if (!state_->ended) state_->on_cancelled = std::move(callback);
}

Call& Call::operator=(Call&& other) noexcept {
    if (this != &other) {
        leave();
        state_ = std::move(other.state_);
    }
    return *this;
}

bool Call::open() const {
    return state_ && state_->open();
}

void Call::answer(std::string_view name, std::string_view value) {
    if (!open() || !state_->on_answer) return;
    auto state = state_;  // the callback may end the call and destroy this
    auto callback = state->on_answer;
    guarded(*state, [&] { callback(name, value); });
}

void Call::cancel() {
    if (!open() || !state_->on_cancelled || state_->asked_to_stop) return;
    auto state = state_;
    state->asked_to_stop = true;
    auto callback = state->on_cancelled;
    guarded(*state, [&] { callback(Cancelled::asked); });
}

void Call::leave() {
    auto state = std::move(state_);
    if (!state || !state->open()) return;
    state->sink = nullptr;
    auto callback = std::move(state->on_cancelled);
    state->on_cancelled = nullptr;
    if (callback) guarded(*state, [&] { callback(Cancelled::gone); });
    auto answer = std::move(state->on_answer);
    state->on_answer = nullptr;
}

void Dispatcher::add(std::string method, Handler handler) {
    bool added = handlers_.emplace(std::move(method), std::move(handler)).second;
    assert(added);
    static_cast<void>(added);
}

Call Dispatcher::call(std::string method, Json args, Secrets secrets, Sink sink) {
    auto state = std::make_shared<Request::State>();
    state->method = std::move(method);
    state->args = std::move(args);
    state->secrets = std::move(secrets);
    state->sink = std::move(sink);
    if (!state->args.is_object()) {
        state->end(Failed{{Fault::invalid, "the arguments are not an object", ""}});
        return Call(state);
    }
    auto at = handlers_.find(state->method);
    if (at == handlers_.end()) {
        state->end(Failed{{Fault::invalid, "this daemon knows no method of that name",
                           "stop the daemon (kith stop): it may be of an older version"}});
        return Call(state);
    }
    // Held here as well, so that a handler which throws is reported as that, and not as one that gave up.
    auto request = std::make_shared<Request>(state);
    guarded(*state, [&] { at->second(request); });
    return Call(std::move(state));
}

}  // namespace kith::control
