// libkith: the core on a thread of its own.
#include <sys/stat.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "app/core.h"
#include "crypto/keys.h"
#include "kith/kith.h"
#include "net/file_lock.h"
#include "wire/json.h"

namespace kith {
namespace {

using control::Json;

Problem problem(const Error& error) {
    return {std::string(fault_name(error.kind)), error.what, error.hint};
}

struct CallState;

struct Lines {
    net::Loop loop;
    std::unique_ptr<app::Core> core;
    std::mutex mutex;
    bool ended = false;                         // the loop runs no more
    std::set<std::shared_ptr<CallState>> open;  // calls without an end
};

// The loop side of a call; the handle of the caller holds it too.
struct CallState {
    control::Call call;
    std::function<void(Expected<std::string>)> on_end;

    void end(Expected<std::string> result) {
        auto call_back = std::move(on_end);
        on_end = nullptr;
        if (call_back) call_back(std::move(result));
    }
};

Expected<std::string> engine_ended() {
    return tl::unexpected(Problem{"cancelled", "the engine has ended", "start another one"});
}

class RunningCall : public Running {
  public:
    RunningCall(std::shared_ptr<Lines> lines, std::shared_ptr<CallState> state)
        : lines_(std::move(lines)), state_(std::move(state)) {}
    ~RunningCall() override {
        lines_->loop.post([state = state_] { state->call.leave(); });
    }
    void answer(std::string name, std::string value) override {
        lines_->loop.post([state = state_, name, value] { state->call.answer(name, value); });
    }
    void cancel() override {
        lines_->loop.post([state = state_] { state->call.cancel(); });
    }

  private:
    std::shared_ptr<Lines> lines_;
    std::shared_ptr<CallState> state_;
};

class CoreEngine : public Engine {
  public:
    explicit CoreEngine(net::FileLock lock) : lock_(std::move(lock)), lines_(std::make_shared<Lines>()) {}

    Result<> run(const std::filesystem::path& home, std::function<void(const std::string&)> log) {
        std::mutex mutex;
        std::condition_variable ready;
        std::optional<Result<>> started;
        // As kithd has it.
        const char* way = std::getenv("KITH_NEARBY");
        auto nearby = nearby::parse_options(way != nullptr && *way != 0 ? way : "automatic");
        if (!nearby) return fail(nearby.error());
        thread_ = std::thread([&, home, nearby = *nearby, log = std::move(log), lines = lines_] {
            lines->core = std::make_unique<app::Core>(
                lines->loop, home, nearby, [lines = lines.get()] { lines->loop.stop(); },
                log ? log : [](const std::string&) {});
            auto result = lines->core->start();
            bool works = result.has_value();
            {
                std::lock_guard hold(mutex);
                started = std::move(result);
                ready.notify_one();
            }
            if (works) lines->loop.run();
            lines->core.reset();
            std::set<std::shared_ptr<CallState>> open;
            {
                std::lock_guard hold(lines->mutex);
                lines->ended = true;
                open.swap(lines->open);
            }
            for (const auto& state : open) state->end(engine_ended());
        });
        std::unique_lock hold(mutex);
        ready.wait(hold, [&] { return started.has_value(); });
        return *started;
    }

    ~CoreEngine() override {
        lines_->loop.stop();
        if (thread_.joinable()) thread_.join();
    }

    std::unique_ptr<Running> begin(Call call, std::function<void(Expected<std::string>)> on_end) override {
        auto state = std::make_shared<CallState>();
        state->on_end = std::move(on_end);
        {
            std::lock_guard hold(lines_->mutex);
            if (!lines_->ended) lines_->open.insert(state);
        }
        if (!is_open(state)) {
            state->end(engine_ended());
            return std::make_unique<RunningCall>(lines_, state);
        }
        lines_->loop.post(
            [lines = lines_.get(), state, call = std::move(call)]() mutable { start(*lines, state, call); });
        return std::make_unique<RunningCall>(lines_, state);
    }

    Expected<std::string> call(Call call) override {
        std::mutex mutex;
        std::condition_variable done;
        std::optional<Expected<std::string>> result;
        auto running = begin(std::move(call), [&](Expected<std::string> end) {
            std::lock_guard hold(mutex);
            result = std::move(end);
            done.notify_one();
        });
        std::unique_lock hold(mutex);
        done.wait(hold, [&] { return result.has_value(); });
        return *result;
    }

  private:
    bool is_open(const std::shared_ptr<CallState>& state) {
        std::lock_guard hold(lines_->mutex);
        return lines_->open.contains(state);
    }
    static void end(Lines& lines, const std::shared_ptr<CallState>& state, Expected<std::string> result) {
        {
            std::lock_guard hold(lines.mutex);
            lines.open.erase(state);
        }
        state->end(std::move(result));
    }
    static void start(Lines& lines, const std::shared_ptr<CallState>& state, Call& call) {
        auto args = control::parse_json(call.args);
        if (!args || !args->is_object())
            return state->on_end(
                tl::unexpected(Problem{"invalid", "the arguments are not a JSON object", ""}));
        control::Secrets secrets;
        for (auto& [name, value] : call.secrets) {
            secrets.set(name, SecretBytes(as_bytes(value)));
            wipe({reinterpret_cast<std::uint8_t*>(value.data()), value.size()});
        }
        auto sink = [&lines, state, on_event = call.on_event,
                     on_ask = call.on_ask](const control::FromDaemon& message) {
            if (const auto* event = std::get_if<control::Event>(&message)) {
                if (on_event) on_event(event->name, wire::json_text(event->fields));
            } else if (const auto* ask = std::get_if<control::Ask>(&message)) {
                if (on_ask) on_ask(ask->name, wire::json_text(ask->fields));
            } else if (const auto* finished = std::get_if<control::Finished>(&message)) {
                end(lines, state, wire::json_text(finished->result));
            } else if (const auto* failed = std::get_if<control::Failed>(&message)) {
                end(lines, state, tl::unexpected(problem(failed->error)));
            }
        };
        state->call =
            lines.core->dispatcher().call(call.method, std::move(*args), std::move(secrets), std::move(sink));
    }

    net::FileLock lock_;
    std::shared_ptr<Lines> lines_;
    std::thread thread_;
};

}  // namespace

Expected<std::unique_ptr<Engine>> Engine::start(const std::string& home,
                                                std::function<void(const std::string&)> log) {
    if (!crypto::start()) return tl::unexpected(Problem{"io", "the system gives no randomness", ""});
    std::error_code error;
    auto path = std::filesystem::absolute(home, error);
    bool made = std::filesystem::create_directories(path, error);
    if (error) return tl::unexpected(Problem{"io", "cannot make " + home + ": " + error.message(), ""});
    if (made) chmod(path.c_str(), 0700);
    auto lock = net::FileLock::take((path / "kithd.lock").string());
    if (!lock) return tl::unexpected(problem(lock.error()));
    auto engine = std::make_unique<CoreEngine>(std::move(*lock));
    if (auto started = engine->run(path, std::move(log)); !started)
        return tl::unexpected(problem(started.error()));
    return engine;
}

std::string_view version() {
    return KITH_VERSION;
}

}  // namespace kith
