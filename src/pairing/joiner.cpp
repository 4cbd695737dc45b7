#include "pairing/joiner.h"

#include <algorithm>
#include <cassert>

#include "base/limits.h"

namespace kith::pairing {
namespace {

std::string ask_again(OfferKind kind) {
    return kind == OfferKind::device
               ? "run `kith device add` again on the other device and take its new offer"
               : "ask for a new invitation";
}

// What a host says is shown on our screen: no control characters.
std::string printable(ByteView text) {
    std::string out;
    for (auto byte : text.first(std::min(text.size(), limits::pairing_reason)))
        out.push_back(byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?');
    return out;
}

}  // namespace

Joiner::Joiner(const Offer& offer)
    : offer_(offer.copy()),
      offer_id_(offer.id()),
      offer_key_(offer_key(offer)),
      tries_left_(limits::pairing_tries),
      connects_left_(limits::pairing_sessions) {}

JoinerActions Joiner::start(Now now, Random& random) {
    if (state_ != State::idle) return {};
    self_ = crypto::random_id<Tag32>(random);
    return connect(now, random);
}

JoinerActions Joiner::connected(Now now, Random& random) {
    if (state_ != State::connecting) return {};
    Hello hello{crypto::random_id<Nonce>(random), {}, self_, {}};
    cpace_ = start_cpace(code_, offer_, offer_id_, client_, hello.nonce, random);
    hello.share = cpace_->share();
    hello_frame_ = make_hello(hello, offer_key_, client_);
    wait(State::awaiting_ready, now.mono_ms + limits::pairing_connect_ms);
    JoinerActions actions;
    actions.push_back(joiner::Send{hello_frame_});
    return actions;
}

JoinerActions Joiner::received(const wire::Frame& frame, Now now, Random& random) {
    if (over() || state_ == State::idle) return {};
    const std::string op = frame_op(frame);
    // The connection is to the offer's key, so this comes from the host itself.
    if (op == op_over)
        return end({Fault::refused,
                    "the other device ended the pairing: the offer was used, cancelled, or is too old",
                    ask_again(offer_.kind)});
    switch (state_) {
        case State::awaiting_ready:
            return on_ready(frame, now);
        case State::awaiting_share:
            return on_share(frame, now, random);
        case State::awaiting_introduction:
            return on_introduction(frame, now);
        case State::awaiting_verdict:
            return on_verdict(frame);
        case State::idle:
        case State::connecting:
        case State::deciding:
        case State::finished:
        case State::failed:
            break;
    }
    return end({Fault::protocol, "the other device said something unexpected", ask_again(offer_.kind)});
}

JoinerActions Joiner::link_lost(Now now, Random& random) {
    switch (state_) {
        case State::awaiting_ready:
        case State::awaiting_share:
        case State::awaiting_introduction:
        case State::deciding:
            if (connects_left_ > 0) return connect(now, random);
            return end({Fault::unreachable, "the connection was lost too often", ask_again(offer_.kind)});
        case State::awaiting_verdict:
            return end({Fault::unreachable, "the connection was lost before the other device confirmed",
                        "look at the other device: it may have added this one"},
                       true);
        case State::connecting:  // the transport goes on trying until the time is up
        case State::idle:
        case State::finished:
        case State::failed:
            break;
    }
    return {};
}

JoinerActions Joiner::reply(Bytes bytes, Now now) {
    if (state_ != State::deciding) return {};
    assert(bytes.size() <= limits::pairing_payload);
    wait(State::awaiting_verdict, now.mono_ms + limits::pairing_decide_ms + limits::pairing_answer_ms);
    JoinerActions actions;
    actions.push_back(joiner::Send{seal_message(*keys_, op_reply, bytes)});
    return actions;
}

JoinerActions Joiner::cancel() {
    if (over()) return {};
    const bool connected = state_ != State::idle && state_ != State::connecting;
    const bool undecided = state_ == State::awaiting_verdict;
    JoinerActions actions;
    if (connected) actions.push_back(joiner::Send{make_over()});
    for (auto& action : end({Fault::cancelled, "the pairing was cancelled", ""}, undecided))
        actions.push_back(std::move(action));
    return actions;
}

JoinerActions Joiner::tick(Now now, Random&) {
    const auto due = deadline();
    if (!due || now.mono_ms < *due) return {};
    switch (state_) {
        case State::connecting:
            return end({Fault::unreachable, "nobody answers at the addresses of the offer",
                        "check that both devices are on the same network and that the offer is still shown"});
        case State::awaiting_ready:
            return end({Fault::timed_out,
                        "the other device does not take this offer: it was used, cancelled, or is too old",
                        ask_again(offer_.kind)});
        case State::awaiting_share:
            return end({Fault::timed_out, "the code was not typed in time", ask_again(offer_.kind)});
        case State::awaiting_introduction:
        case State::deciding:
            return end({Fault::timed_out, "the pairing took too long", ask_again(offer_.kind)});
        case State::awaiting_verdict:
            return end({Fault::timed_out, "the other device did not confirm in time",
                        "look at the other device: it may have added this one"},
                       true);
        case State::idle:
        case State::finished:
        case State::failed:
            break;
    }
    return {};
}

std::optional<std::int64_t> Joiner::deadline() const {
    if (over() || state_ == State::idle) return std::nullopt;
    return wait_until_ms_;
}

// Everything fresh: who watched the former attempt, or guessed at it, begins anew.
JoinerActions Joiner::connect(Now now, Random& random) {
    --connects_left_;
    cpace_.reset();
    keys_.reset();
    code_ = random_code(offer_.code_digits(), random);
    auto key = crypto::LinkKey::generate(random);
    client_ = key.public_key;
    wait(State::connecting, now.mono_ms + limits::pairing_connect_ms);
    JoinerActions actions;
    actions.push_back(joiner::Connect{std::move(key)});
    return actions;
}

JoinerActions Joiner::on_ready(const wire::Frame& frame, Now now) {
    auto ready = read_ready(frame);
    if (!ready || !ready_proven(*ready, offer_key_, client_, hello_frame_))
        return end({Fault::protocol, "the other device does not know its own offer", ask_again(offer_.kind)});
    ready_frame_ = frame;
    wait(State::awaiting_share, now.mono_ms + limits::pairing_code_ms);
    JoinerActions actions;
    actions.push_back(joiner::ShowCode{code_});
    return actions;
}

JoinerActions Joiner::on_share(const wire::Frame& frame, Now now, Random& random) {
    auto share = read_share(frame);
    if (!share)
        return end({Fault::protocol, "the other device said something unexpected", ask_again(offer_.kind)});
    auto key =
        cpace_->finish_initiator(share->share, as_bytes(hello_frame_.head), as_bytes(ready_frame_.head));
    cpace_.reset();  // one try a run
    if (!key) return end({Fault::protocol, "the other device sent a broken key", ask_again(offer_.kind)});
    keys_ = session_keys(*key);
    if (!same_tag(share->tag, keys_->host_tag)) return wrong_code(now, random);
    wait(State::awaiting_introduction, now.mono_ms + limits::pairing_answer_ms);
    JoinerActions actions;
    actions.push_back(joiner::Send{make_tag(keys_->joiner_tag)});
    actions.push_back(joiner::Established{});
    return actions;
}

JoinerActions Joiner::wrong_code(Now now, Random& random) {
    --tries_left_;
    JoinerActions actions;
    actions.push_back(joiner::Send{make_over()});
    actions.push_back(joiner::CodeWrong{tries_left_});
    auto next = tries_left_ > 0 && connects_left_ > 0
                    ? connect(now, random)
                    : end({Fault::refused, "a wrong code was typed too often, so the offer is over",
                           ask_again(offer_.kind)});
    for (auto& action : next) actions.push_back(std::move(action));
    return actions;
}

JoinerActions Joiner::on_introduction(const wire::Frame& frame, Now now) {
    auto introduction = open_message(*keys_, op_introduction, frame);
    if (!introduction)
        return end({Fault::protocol, "the other device said something unexpected", ask_again(offer_.kind)});
    wait(State::deciding, now.mono_ms + limits::pairing_reply_ms);
    JoinerActions actions;
    actions.push_back(joiner::Introduced{std::move(*introduction)});
    return actions;
}

JoinerActions Joiner::on_verdict(const wire::Frame& frame) {
    auto plain = open_message(*keys_, op_verdict, frame);
    if (!plain || plain->empty() || (*plain)[0] > 1)
        return end({Fault::protocol, "the other device's answer cannot be read",
                    "look at the other device: it may have added this one"},
                   true);
    const ByteView rest = ByteView(*plain).subspan(1);
    if ((*plain)[0] == 0)
        return end({Fault::refused, "the other device declined: " + printable(rest), ask_again(offer_.kind)});
    JoinerActions actions;
    actions.push_back(joiner::Finished{to_bytes(rest)});
    actions.push_back(joiner::Send{seal_message(*keys_, op_done, {})});
    state_ = State::finished;
    return actions;
}

JoinerActions Joiner::end(Error error, bool undecided) {
    state_ = State::failed;
    cpace_.reset();
    keys_.reset();
    JoinerActions actions;
    actions.push_back(joiner::Failed{std::move(error), undecided});
    return actions;
}

void Joiner::wait(State state, std::int64_t until_ms) {
    state_ = state;
    wait_until_ms_ = until_ms;
}

}  // namespace kith::pairing
