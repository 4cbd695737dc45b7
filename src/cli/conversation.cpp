#include "cli/conversation.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "base/limits.h"
#include "cli/daemon.h"
#include "cli/prompt.h"
#include "cli/text.h"

namespace kith::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Ctrl-C (and SIGTERM) as something to wait for, while it lives.
class Interrupts {
  public:
    Interrupts() {
        if (pipe(ends_.data()) != 0) ends_ = {-1, -1};
        write_end_ = ends_[1];
        struct sigaction note {};
        note.sa_handler = [](int) {
            int before = errno;
            static_cast<void>(!write(write_end_, "!", 1));
            errno = before;
        };
        sigemptyset(&note.sa_mask);
        sigaction(SIGINT, &note, &before_[0]);
        sigaction(SIGTERM, &note, &before_[1]);
    }
    ~Interrupts() {
        sigaction(SIGINT, &before_[0], nullptr);
        sigaction(SIGTERM, &before_[1], nullptr);
        close(ends_[0]);
        close(ends_[1]);
    }
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;

    int fd() const { return ends_[0]; }
    void take() {
        char one;
        static_cast<void>(!read(ends_[0], &one, 1));
    }

  private:
    static inline volatile std::sig_atomic_t write_end_ = -1;
    std::array<int, 2> ends_{-1, -1};
    std::array<struct sigaction, 2> before_{};
};

class Conversation {
  public:
    Conversation(net::LocalCaller caller, const Listener& listener)
        : caller_(std::move(caller)), listener_(listener) {
        if (listener_.on_interrupt) interrupts_.emplace();
    }

    Result<std::optional<Json>> run(control::Start start) {
        std::string line = control::to_line(control::FromClient(std::move(start)));
        auto sent = caller_.send_line(line);
        control::wipe_text(line);
        KITH_TRY(sent);
        for (;;) {
            KITH_TRY_VALUE(more, hear());
            if (end_) return std::move(*end_);
            if (!more && !(answering_ && answer_from_buffer())) {
                KITH_TRY(wait());
                if (end_) return std::move(*end_);
            }
        }
    }

  private:
    using End = Result<std::optional<Json>>;

    // Takes one line of the daemon's; false when none is there.
    Result<bool> hear() {
        auto line = caller_.read_line(0);
        if (!line) {
            if (line.error().kind == Fault::timed_out) return false;
            if (cancelling_) return fail(Fault::cancelled, "cancelled", "");
            if (line.error().kind != Fault::unreachable) return fail(std::move(line).error());
            return fail(Fault::unavailable, "the daemon ended before it had answered",
                        "run the command again; the daemon's log is kithd.log in the profile's folder");
        }
        KITH_TRY_VALUE(message, control::parse_from_daemon(*line));
        control::wipe_text(*line);
        if (auto* event = std::get_if<control::Event>(&message)) {
            if (listener_.on_event) listener_.on_event(*event);
        } else if (auto* question = std::get_if<control::Ask>(&message)) {
            if (!listener_.on_ask)
                return fail(Fault::protocol, "the daemon asked for what this command has no answer to",
                            "stop the daemon (kith stop): it may be of another version");
            answering_ = question->name;
            listener_.on_ask(*question);
        } else if (auto* finished = std::get_if<control::Finished>(&message)) {
            end_ = End(std::optional<Json>(std::move(finished->result)));
        } else if (auto* failed = std::get_if<control::Failed>(&message)) {
            end_ = failure_.value_or(fail(std::move(failed->error)));
        }
        return true;
    }

    // Waits for the daemon, standard input when a question is open, and Ctrl-C.
    Result<> wait() {
        std::array<pollfd, 3> entries{pollfd{caller_.fd(), POLLIN, 0},
                                      pollfd{interrupts_ ? interrupts_->fd() : -1, POLLIN, 0},
                                      pollfd{answering_ && !cancelling_ ? STDIN_FILENO : -1, POLLIN, 0}};
        int patience = -1;
        if (cancelling_) {
            auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(give_up_ - Clock::now()).count();
            if (left <= 0) return finish_cancelled();
            patience = static_cast<int>(left);
        }
        if (poll(entries.data(), entries.size(), patience) <= 0) return {};
        if (entries[1].revents != 0) KITH_TRY(interrupted());
        if (!end_ && entries[2].revents != 0) KITH_TRY(read_answer());
        return {};
    }

    Result<> interrupted() {
        interrupts_->take();
        if (!cancelling_ && listener_.on_interrupt() == Interrupt::cancel) return cancel();
        end_ = End(std::optional<Json>());
        return {};
    }

    Result<> cancel() {
        cancelling_ = true;
        give_up_ = Clock::now() + std::chrono::milliseconds(limits::cancel_wait_ms);
        return caller_.send_line(control::to_line(control::FromClient(control::Cancel{})));
    }

    Result<> finish_cancelled() {
        end_ = failure_.value_or(fail(Fault::cancelled, "cancelled", "see kith status for what remains"));
        return {};
    }

    Result<> read_answer() {
        if (standard_input().read_more() || answer_from_buffer()) return {};
        failure_ = fail(Fault::invalid, "standard input ended before the " + *answering_ + " was given",
                        "write it as one line to standard input");
        return cancel();
    }

    // Sends the answer if its line has come in.
    bool answer_from_buffer() {
        if (!answering_ || cancelling_) return false;
        auto line = standard_input().next();
        if (!line) return false;
        auto first = line->find_first_not_of(" \t"), last = line->find_last_not_of(" \t");
        std::string value = first == std::string::npos ? "" : line->substr(first, last - first + 1);
        if (value.empty()) return true;  // an empty line answers nothing
        std::string text = control::to_line(control::FromClient(control::Answer{*answering_, value}));
        answering_.reset();
        static_cast<void>(caller_.send_line(text));  // when it cannot be sent, the next read says why
        return true;
    }

    net::LocalCaller caller_;
    const Listener& listener_;
    std::optional<Interrupts> interrupts_;
    std::optional<std::string> answering_;  // the question that is open
    bool cancelling_ = false;
    Clock::time_point give_up_;
    std::optional<tl::unexpected<Error>> failure_;  // what to report once the cancelling is done
    std::optional<End> end_;
};

// JSON carries text only; a file name may be anything.
bool all_utf8(const Json& json) {
    if (const auto* text = json.get_ptr<const std::string*>()) return is_utf8(*text);
    if (!json.is_structured()) return true;
    for (const auto& item : json)
        if (!all_utf8(item)) return false;
    return true;
}

}  // namespace

Result<std::optional<Json>> converse(const Context& context, control::Start start, const Listener& listener) {
    if (!all_utf8(start.args))
        return fail(Fault::invalid, "an argument is not UTF-8 text",
                    "rename the file, or use a UTF-8 terminal");
    KITH_TRY_VALUE(caller, find_or_start_daemon(context.home));
    return converse_on(std::move(caller), std::move(start), listener);
}

Result<std::optional<Json>> converse_on(net::LocalCaller caller, control::Start start,
                                        const Listener& listener) {
    return Conversation(std::move(caller), listener).run(std::move(start));
}

Result<Json> call(const Context& context, control::Start start,
                  std::function<void(const control::Event&)> on_event) {
    KITH_TRY_VALUE(result, converse(context, std::move(start), {std::move(on_event), nullptr, nullptr}));
    return std::move(*result);  // there is one: without on_interrupt nothing is left
}

}  // namespace kith::cli
