#include "tmtp/server.h"

#include <algorithm>

#include "base/limits.h"
#include "tmtp/session.h"

namespace kith::tmtp {

Hub::Hub(std::string site_name, ServerStore& store, Random& random)
    : site_name_(std::move(site_name)), store_(store), random_(random) {}
Hub::~Hub() = default;

Result<> Hub::start(Now now) {
    KITH_TRY_VALUE(stored, store_.last_id());
    // Ids begin at the time in nanoseconds, so they rise across restarts even when the store is young again.
    auto clock = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.unix_ms)) * 1'000'000;
    last_id_ = std::max(stored, clock);
    return {};
}

HubActions Hub::opened(LinkId link, Now now) {
    auto session = std::make_unique<Session>();
    session->link = link;
    session->opened_ms = session->last_byte_ms = now.mono_ms;
    sessions_[link] = std::move(session);
    return take();
}

HubActions Hub::received(LinkId link, ByteView in, Now now) {
    auto at = sessions_.find(link);
    if (at == sessions_.end()) return take();
    Session& session = *at->second;
    session.last_byte_ms = now.mono_ms;
    while (session.state != Session::State::closing) {
        switch (session.reader.next(in)) {
            case FrameReader::Got::more:
                return take();
            case FrameReader::Got::head:
                on_head(session, now);
                break;
            case FrameReader::Got::data:
                on_data(session, session.reader.data(), now);
                break;
            case FrameReader::Got::end:
                on_end(session, now);
                break;
            case FrameReader::Got::bad_length:
                refuse(session, "invalid header length", now);
                break;
            case FrameReader::Got::bad_header:
                refuse(session, "invalid header", now);
                break;
        }
    }
    return take();
}

HubActions Hub::drained(LinkId link, Now now) {
    auto at = sessions_.find(link);
    if (at == sessions_.end()) return take();
    at->second->undrained = 0;
    if (at->second->state == Session::State::online) send_pieces(*at->second, now);
    return take();
}

HubActions Hub::closed(LinkId link, Now now) {
    auto at = sessions_.find(link);
    if (at == sessions_.end()) return take();
    end(*at->second, now);
    std::erase_if(out_, [&](const HubAction& action) {  // it is closed already
        return std::visit([&](const auto& one) { return one.link == link; }, action);
    });
    sessions_.erase(at);
    return take();
}

HubActions Hub::tick(Now now) {
    for (auto& [link, session] : sessions_) check_time(*session, now);
    return take();
}

std::optional<std::int64_t> Hub::next_tick_ms() const {
    std::optional<std::int64_t> next;
    auto at = [&](std::int64_t time_ms) { next = next ? std::min(*next, time_ms) : time_ms; };
    for (const auto& [link, session] : sessions_) {
        if (session->state == Session::State::closing) continue;
        if (session->state != Session::State::online) at(session->opened_ms + limits::tmtpd_login_ms);
        at(session->last_byte_ms + limits::tmtpd_idle_ms);
        if (session->undrained) at(session->undrained_since_ms + limits::tmtpd_stalled_ms);
        if (session->in_flight && !session->sending()) at(session->resend_ms);
    }
    return next;
}

void Hub::check_time(Session& session, Now now) {
    if (session.state == Session::State::closing) return;
    bool late =
        session.state != Session::State::online && now.mono_ms >= session.opened_ms + limits::tmtpd_login_ms;
    bool idle = now.mono_ms >= session.last_byte_ms + limits::tmtpd_idle_ms;
    bool stalled = session.undrained && now.mono_ms >= session.undrained_since_ms + limits::tmtpd_stalled_ms;
    if (late || idle || stalled) return end(session, now);
    if (session.in_flight && !session.sending() && now.mono_ms >= session.resend_ms)
        send_message(session, now);
}

void Hub::reply(Session& session, const Reply& reply, Now now) {
    auto text = encode(reply);
    if (session.sending()) {
        append(session.held, text);
        if (session.held.size() > limits::tmtpd_output_bytes) end(session, now);
    } else {
        send(session, as_bytes(text), now);
    }
}

void Hub::answer(Session& session, const std::string& id, std::string error, Now now) {
    reply(session, AckReply{id, {}, {}, std::move(error)}, now);
}

// Before the greeting there is no answer, as with the reference server: who does not speak TMTP learns
// nothing.
void Hub::refuse(Session& session, std::string_view reason, Now now) {
    if (session.state == Session::State::closing) return;
    if (session.state != Session::State::fresh) reply(session, QuitReply{std::string(reason)}, now);
    end(session, now);
}

void Hub::end(Session& session, Now now) {
    if (session.state == Session::State::closing) return;
    session.state = Session::State::closing;
    if (auto at = online_.find(session.node); at != online_.end() && at->second == &session)
        online_.erase(at);
    if (session.upload) drop_upload(session);
    session.upload.reset();
    session.op.reset();
    session.in_flight.reset();
    session.held = {};
    out_.push_back(Close{session.link});
    tell_presence(session.uid, std::exchange(session.ohi, {}), presence_gone, now);
}

void Hub::send(Session& session, ByteView bytes, Now now) {
    if (session.state == Session::State::closing || bytes.empty()) return;
    if (session.undrained == 0) session.undrained_since_ms = now.mono_ms;
    session.undrained += bytes.size();
    if (session.undrained > limits::tmtpd_output_bytes)
        return end(session, now);  // it asks and does not read
    out_.push_back(Send{session.link, to_bytes(bytes)});
}

void Hub::wake(const std::vector<NodeRef>& nodes, Now now) {
    for (NodeRef node : nodes)
        if (auto at = online_.find(node); at != online_.end()) send_next(*at->second, now);
}

// One message in flight a node.
void Hub::send_next(Session& session, Now now) {
    if (session.state != Session::State::online || session.in_flight) return;
    auto message = store_.first(session.node);
    if (!message) return end(session, now);
    if (!*message) return;
    session.in_flight = std::move(**message);
    send_message(session, now);
}

void Hub::send_message(Session& session, Now now) {
    session.left = session.in_flight->datalen;
    session.next_piece = 0;
    session.resend_ms = now.mono_ms + limits::tmtpd_resend_ms;
    send(session, as_bytes(session.in_flight->head), now);
    send_pieces(session, now);
}

// As much as the link takes; drained() goes on.
void Hub::send_pieces(Session& session, Now now) {
    while (session.sending() && session.undrained < limits::tmtp_piece) {
        auto piece = store_.piece(session.in_flight->id, session.next_piece);
        if (!piece || piece->empty() || piece->size() > session.left) return end(session, now);
        ++session.next_piece;
        session.left -= piece->size();
        session.resend_ms = now.mono_ms + limits::tmtpd_resend_ms;
        send(session, *piece, now);
    }
    if (!session.sending() && !session.held.empty()) {
        Bytes held = std::move(session.held);
        session.held = {};
        send(session, held, now);
    }
}

HubActions Hub::take() {
    return std::exchange(out_, {});
}

}  // namespace kith::tmtp
