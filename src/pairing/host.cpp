#include "pairing/host.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.h"

namespace kith::pairing {
namespace {

std::string offer_again(OfferKind kind) {
    return kind == OfferKind::device ? "run `kith device add` again for a new offer"
                                     : "make a new invitation";
}

void add_all(HostActions& to, HostActions more) {
    std::move(more.begin(), more.end(), std::back_inserter(to));
}

}  // namespace

Host::Host(const Offer& offer, Bytes introduction, std::int64_t valid_ms, Now now)
    : offer_(offer.copy()),
      offer_id_(offer.id()),
      offer_key_(offer_key(offer)),
      introduction_(std::move(introduction)),
      expires_ms_(now.mono_ms + valid_ms),
      tries_left_(limits::pairing_tries) {
    assert(introduction_.size() <= limits::pairing_payload);
}

HostActions Host::received(const LinkPublic& client, const wire::Frame& frame, Now now, Random& random) {
    if (over()) return {host::Drop{client}};
    const std::string op = frame_op(frame);
    if (!session_ || client != session_->client) {
        if (op == "hello") return on_hello(client, frame, now, random);
        return {host::Drop{client}};
    }
    // Whatever else the joiner says, out of order or broken, ends its session as if its link were lost.
    if (state_ == State::awaiting_tag && op == "tag") return on_tag(frame, now);
    if (state_ == State::awaiting_reply && op == op_reply) return on_reply(frame, now);
    if (state_ == State::awaiting_done && open_message(*session_->keys, op_done, frame)) {
        state_ = State::finished;
        return {host::Finished{true}};
    }
    return session_lost(now);
}

HostActions Host::link_lost(const LinkPublic& client, Now now) {
    if (over() || !session_ || client != session_->client) return {};
    return session_lost(now);
}

HostActions Host::code_typed(std::string_view typed, Now now, Random& random) {
    if (state_ != State::awaiting_code) return {};
    const auto code = normalise_code(typed, offer_.code_digits());
    if (!code) return {host::CodeUnusable{offer_.code_digits()}};
    const auto run = start_cpace(*code, offer_, offer_id_, session_->client, session_->hello.nonce, random);
    auto key = run.finish_responder(session_->hello.share, as_bytes(session_->ready_head),
                                    as_bytes(session_->hello_head));
    if (!key) return session_lost(now);  // its share was checked when it came
    session_->keys = session_keys(*key);
    wait(State::awaiting_tag, now.mono_ms + limits::pairing_answer_ms);
    return {host::Send{session_->client, make_share({run.share(), session_->keys->host_tag})}};
}

HostActions Host::accept(Bytes verdict, Now now) {
    if (state_ != State::deciding) return {};
    assert(verdict.size() < limits::pairing_payload);
    if (session_->lost) {
        state_ = State::finished;
        return {host::Finished{false}};
    }
    Bytes plain{1};
    append(plain, verdict);
    wait(State::awaiting_done, now.mono_ms + limits::pairing_done_ms);
    return {host::Send{session_->client, seal_message(*session_->keys, op_verdict, plain)}};
}

HostActions Host::decline(std::string_view reason) {
    if (state_ != State::deciding) return {};
    Bytes plain{0};
    append(plain, reason.substr(0, limits::pairing_reason));
    HostActions actions;
    if (!session_->lost)
        actions.push_back(host::Send{session_->client, seal_message(*session_->keys, op_verdict, plain)});
    state_ = State::failed;
    actions.push_back(
        host::Failed{{Fault::refused, "the new device was declined", offer_again(offer_.kind)}});
    return actions;
}

HostActions Host::cancel() {
    if (over()) return {};
    if (state_ == State::awaiting_done) {  // too late: the verdict is out
        state_ = State::finished;
        return {host::Finished{false}};
    }
    return end_offer({Fault::cancelled, "the pairing was cancelled", ""});
}

HostActions Host::tick(Now now) {
    const auto due = deadline();
    if (!due || now.mono_ms < *due) return {};
    switch (state_) {
        case State::awaiting_hello:
        case State::awaiting_code:
        case State::awaiting_tag:
            if (now.mono_ms >= expires_ms_)
                return end_offer({Fault::timed_out, "the offer has expired", offer_again(offer_.kind)});
            return session_lost(now);
        case State::awaiting_reply:
        case State::awaiting_done:
            return session_lost(now);
        case State::deciding:
            return end_offer(
                {Fault::timed_out, "the new device was not accepted in time", offer_again(offer_.kind)});
        case State::finished:
        case State::failed:
            break;
    }
    return {};
}

std::optional<std::int64_t> Host::deadline() const {
    switch (state_) {
        case State::awaiting_hello:
            return expires_ms_;
        case State::awaiting_code:
        case State::awaiting_tag:
            return std::min(expires_ms_, wait_until_ms_);
        case State::awaiting_reply:
        case State::deciding:
        case State::awaiting_done:
            return wait_until_ms_;
        case State::finished:
        case State::failed:
            break;
    }
    return std::nullopt;
}

HostActions Host::on_hello(const LinkPublic& client, const wire::Frame& frame, Now now, Random& random) {
    auto hello = read_hello(frame);
    // Who does not know the secret is refused and counts for nothing. The share is checked now, so that
    // nobody is asked to type a code for a session that cannot end well.
    if (!hello || !hello_proven(*hello, offer_key_, client) || !crypto::cpace_share_valid(hello->share) ||
        std::find(seen_.begin(), seen_.end(), client) != seen_.end())
        return {host::Drop{client}};

    HostActions actions;
    if (session_) {
        const bool same_joiner = same_tag(hello->self, session_->hello.self);
        const bool decided = state_ == State::deciding || state_ == State::awaiting_done;
        if (!same_joiner || decided) return on_second_client(client);
        // It lost its link before we noticed.
        actions = session_lost(now);
        if (over()) {
            actions.push_back(host::Send{client, make_over()});
            actions.push_back(host::Drop{client});
            return actions;
        }
    }
    if (now.mono_ms >= expires_ms_ || seen_.size() == limits::pairing_sessions) {
        actions.push_back(host::Send{client, make_over()});
        actions.push_back(host::Drop{client});
        add_all(actions,
                end_offer(now.mono_ms >= expires_ms_
                              ? Error{Fault::timed_out, "the offer has expired", offer_again(offer_.kind)}
                              : Error{Fault::refused, "too many connections came for this offer",
                                      offer_again(offer_.kind)}));
        return actions;
    }
    start_session(actions, client, std::move(*hello), frame, now, random);
    return actions;
}

void Host::start_session(HostActions& actions, const LinkPublic& client, Hello hello,
                         const wire::Frame& frame, Now now, Random& random) {
    Ready ready{crypto::random_id<Nonce>(random), {}};
    auto answer = make_ready(ready, offer_key_, client, frame);
    seen_.push_back(client);
    session_.emplace(Session{client, hello, frame.head, answer.head, {}, false});
    wait(State::awaiting_code, now.mono_ms + limits::pairing_code_ms);
    actions.push_back(host::Send{client, std::move(answer)});
    actions.push_back(host::CodeWanted{offer_.code_digits()});
}

// Somebody else knows the offer's secret. Before the code is confirmed we cannot tell which of the two is the
// owner's, and the owner could be led to type the code of the wrong one.
HostActions Host::on_second_client(const LinkPublic& client) {
    const bool at_code_stage = state_ == State::awaiting_code || state_ == State::awaiting_tag;
    HostActions actions;
    if (!warned_)
        actions.push_back(host::Warning{"a second device used this offer: somebody else may have seen it"});
    warned_ = true;
    actions.push_back(host::Send{client, make_over()});
    actions.push_back(host::Drop{client});
    if (at_code_stage)
        add_all(actions, end_offer({Fault::refused, "two devices used the same offer, so it is void",
                                    offer_again(offer_.kind) + ", where nobody else can see it"}));
    return actions;
}

HostActions Host::on_tag(const wire::Frame& frame, Now now) {
    auto tag = read_tag(frame);
    if (!tag || !same_tag(*tag, session_->keys->joiner_tag)) return session_lost(now);
    wait(State::awaiting_reply, now.mono_ms + limits::pairing_reply_ms + limits::pairing_answer_ms);
    return {host::Established{},
            host::Send{session_->client, seal_message(*session_->keys, op_introduction, introduction_)}};
}

HostActions Host::on_reply(const wire::Frame& frame, Now now) {
    auto reply = open_message(*session_->keys, op_reply, frame);
    if (!reply) return session_lost(now);
    wait(State::deciding, now.mono_ms + limits::pairing_decide_ms);
    return {host::Replied{std::move(*reply)}};
}

// The session is over, the offer is not (but for the last try). Whether it costs a try depends on whether the
// joiner could have learned that its code was wrong.
HostActions Host::session_lost(Now) {
    const LinkPublic client = session_->client;
    switch (state_) {
        case State::awaiting_code:
        case State::awaiting_reply:
            session_.reset();
            state_ = State::awaiting_hello;
            return {host::Drop{client}, host::Lost{}};
        case State::awaiting_tag: {
            --tries_left_;
            HostActions actions{host::CodeWrong{tries_left_}};
            if (tries_left_ == 0) {
                add_all(actions,
                        end_offer({Fault::refused, "the code was wrong too often, so the offer is over",
                                   offer_again(offer_.kind)}));
                return actions;
            }
            session_.reset();
            state_ = State::awaiting_hello;
            actions.push_back(host::Drop{client});
            return actions;
        }
        case State::deciding:  // the application may be writing already: let it decide
            if (std::exchange(session_->lost, true)) return {};
            return {host::Drop{client}};
        case State::awaiting_done:
            state_ = State::finished;
            return {host::Finished{false}};
        case State::awaiting_hello:
        case State::finished:
        case State::failed:
            break;
    }
    return {};
}

// The joiner is told, without a reason, so that its owner need not wait.
HostActions Host::end_offer(Error error) {
    HostActions actions;
    if (session_) {
        if (!session_->lost) actions.push_back(host::Send{session_->client, make_over()});
        actions.push_back(host::Drop{session_->client});
    }
    session_.reset();
    state_ = State::failed;
    actions.push_back(host::Failed{std::move(error)});
    return actions;
}

void Host::wait(State state, std::int64_t until_ms) {
    state_ = state;
    wait_until_ms_ = until_ms;
}

}  // namespace kith::pairing
