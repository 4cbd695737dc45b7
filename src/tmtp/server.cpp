#include "tmtp/server.h"

#include <algorithm>

#include "base/limits.h"
#include "tmtp/limits.h"
#include "tmtp/session.h"

namespace kith::tmtp {

Hub::Hub(std::string site_name, ServerStore& store, Random& random, HubRules rules)
    : site_name_(std::move(site_name)), store_(store), random_(random), rules_(rules) {}
Hub::~Hub() = default;

Result<> Hub::start(Now now) {
    KITH_TRY_VALUE(stored, store_.last_id());
    // Ids begin at the time in nanoseconds, so they rise across restarts even when the store is young again.
    auto clock = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.unix_ms)) * 1'000'000;
    last_id_ = std::max(stored, clock);
    rosters_at_ms_ = now.mono_ms;
    if (node_rules_) due(now.mono_ms);
    return {};
}

HubActions Hub::opened(LinkId link, Now now) {
    auto session = std::make_unique<Session>();
    session->link = link;
    session->opened_ms = session->last_byte_ms = now.mono_ms;
    sessions_[link] = std::move(session);
    due(now.mono_ms + limits::tmtpd_login_ms);
    return take();
}

HubActions Hub::received(LinkId link, ByteView in, Now now) {
    auto at = sessions_.find(link);
    if (at == sessions_.end()) return take();
    Session& session = *at->second;
    session.last_byte_ms = now.mono_ms;
    if (session.challenger != 0) release(session, now);
    feed(session, in, now);
    return take();
}

void Hub::feed(Session& session, ByteView in, Now now) {
    while (session.state != Session::State::closing) {
        if (session.state == Session::State::waiting) {
            append(session.early, in);
            if (session.early.size() > limits::tmtpd_early_bytes) end(session, now);
            return;
        }
        if (session.resume_ms != 0) {
            append(session.backlog, in);
            if (session.backlog.size() > limits::tmtpd_backlog_bytes) end(session, now);
            return;
        }
        switch (session.reader.next(in)) {
            case FrameReader::Got::more:
                return;
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
}

HubActions Hub::drained(LinkId link, Now now) {
    auto at = sessions_.find(link);
    if (at == sessions_.end()) return take();
    output_ -= std::exchange(at->second->undrained, 0);
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

HubActions Hub::alive(LinkId link, Now now) {
    if (auto* session = by_link(link); session && session->challenger != 0) release(*session, now);
    return take();
}

HubActions Hub::node_dropped(NodeRef node, Now now) {
    end_node(node, "node dropped", now);
    return take();
}

// All links of a node, the one that waits for another's end first: that end would let it in.
void Hub::end_node(NodeRef node, std::string_view reason, Now now) {
    if (auto at = online_.find(node); at != online_.end()) {
        Session& session = *at->second;
        if (auto* waiting = by_link(session.challenger))
            refuse(*waiting, reason == "node dropped" ? "login failed" : reason, now);
        refuse(session, reason, now);
    }
    for (auto& [link, session] : sessions_)
        if (session->state == Session::State::held && session->node == node) refuse(*session, reason, now);
}

HubActions Hub::stop(Now now) {
    // Those that wait first: the end of another link would let them in.
    for (auto& [link, session] : sessions_)
        if (session->state == Session::State::waiting) refuse(*session, "service stopping", now);
    for (auto& [link, session] : sessions_) {
        session->ohi.clear();  // nobody is told of all who leave at once
        refuse(*session, "service stopping", now);
    }
    return take();
}

HubActions Hub::tick(Now now) {
    for (auto& [link, session] : sessions_) check_time(*session, now);
    look_at_rosters(now);
    soonest_ms_.reset();
    if (node_rules_) due(rosters_at_ms_);
    for (const auto& [link, session] : sessions_) {
        if (session->state == Session::State::closing) continue;
        if (session->state == Session::State::waiting)
            due(session->wait_until_ms);
        else if (session->state == Session::State::fresh || session->state == Session::State::greeted)
            due(session->opened_ms + limits::tmtpd_login_ms);
        if (session->resume_ms != 0)
            due(session->resume_ms);
        else
            due(session->last_byte_ms + limits::tmtpd_idle_ms);
        if (session->undrained) due(session->undrained_since_ms + limits::tmtpd_stalled_ms);
        if (session->in_flight && !session->sending()) due(session->resend_ms);
        if (session->upload) due(session->upload->until_ms);
    }
    return take();
}

void Hub::due(std::int64_t time_ms) {
    soonest_ms_ = soonest_ms_ ? std::min(*soonest_ms_, time_ms) : time_ms;
}

Hub::Session* Hub::by_link(LinkId link) {
    auto at = sessions_.find(link);
    return at == sessions_.end() ? nullptr : at->second.get();
}

void Hub::check_time(Session& session, Now now) {
    if (session.state == Session::State::closing) return;
    using State = Session::State;
    if (session.state == State::waiting && now.mono_ms >= session.wait_until_ms) {
        // Nobody answers at the other end of the link that the node had.
        if (auto at = online_.find(session.node); at != online_.end()) end(*at->second, now);
        return;
    }
    if (session.resume_ms != 0 && now.mono_ms >= session.resume_ms) {
        resume(session, now);
        if (session.state == State::closing) return;
    }
    bool late = (session.state == State::fresh || session.state == State::greeted) &&
                now.mono_ms >= session.opened_ms + limits::tmtpd_login_ms;
    // Nothing is read from a paused link.
    bool idle = session.resume_ms == 0 && now.mono_ms >= session.last_byte_ms + limits::tmtpd_idle_ms;
    bool stalled = session.undrained && now.mono_ms >= session.undrained_since_ms + limits::tmtpd_stalled_ms;
    bool slow = session.upload && now.mono_ms >= session.upload->until_ms;
    if (late || idle || stalled || slow) return end(session, now);
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
    if (auto at = online_.find(session.node); at != online_.end()) {
        if (at->second == &session)
            online_.erase(at);
        else if (at->second->challenger == session.link)
            at->second->challenger = 0;
    }
    if (session.upload) drop_upload(session);
    session.upload.reset();
    session.op.reset();
    session.in_flight.reset();
    session.held = {};
    session.early = {};
    session.backlog = {};
    session.resume_ms = 0;
    // It waits no longer than a link takes to close.
    output_ -= std::exchange(session.undrained, 0);
    out_.push_back(Close{session.link});
    tell_presence(session.uid, std::exchange(session.ohi, {}), presence_gone, now);
    if (auto* next = by_link(std::exchange(session.challenger, 0)))
        admit(*next, LoggedIn::How::takeover, now);
}

void Hub::send(Session& session, ByteView bytes, Now now) {
    if (session.state == Session::State::closing || bytes.empty()) return;
    if (session.undrained == 0) {
        session.undrained_since_ms = now.mono_ms;
        due(now.mono_ms + limits::tmtpd_stalled_ms);
    }
    session.undrained += bytes.size();
    output_ += bytes.size();
    if (session.undrained > limits::tmtpd_output_bytes)
        return end(session, now);  // it asks and does not read
    relieve(now);
    if (session.state != Session::State::closing) out_.push_back(Send{session.link, to_bytes(bytes)});
}

// Who has the most waiting makes room, and not who happens to be told something now.
void Hub::relieve(Now now) {
    while (output_ > limits::tmtpd_output_total) {
        Session* most = nullptr;
        for (auto& [link, session] : sessions_)
            if (!most || session->undrained > most->undrained) most = session.get();
        std::erase_if(out_, [&](const HubAction& action) {
            const auto* send = std::get_if<Send>(&action);
            return send && send->link == most->link;
        });
        end(*most, now);
    }
}

// The session has queued messages at so many places.
void Hub::charge(Session& session, std::size_t places, Now now) {
    if (session.state == Session::State::closing || places == 0) return;
    if (now.mono_ms >= session.places_since_ms + 1000) {
        session.places_since_ms = now.mono_ms;
        session.places = 0;
    }
    session.places += places;
    if (session.places < limits::tmtpd_places_s) return;
    session.resume_ms =
        now.mono_ms + static_cast<std::int64_t>(1000 * session.places / limits::tmtpd_places_s);
    due(session.resume_ms);
    if (!std::exchange(session.paused, true)) out_.push_back(Pause{session.link, true});
}

// What came meanwhile may be more than another second's share: then nothing new is read.
void Hub::resume(Session& session, Now now) {
    session.resume_ms = 0;
    session.places = 0;
    session.places_since_ms = session.last_byte_ms = now.mono_ms;
    const Bytes backlog = std::exchange(session.backlog, {});
    feed(session, backlog, now);
    if (session.resume_ms != 0 || session.state == Session::State::closing) return;
    session.paused = false;
    out_.push_back(Pause{session.link, false});
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
    session.sent_before = session.acked = false;
    send_message(session, now);
}

// The node has the message in flight.
void Hub::acked(Session& session, Now now) {
    if (!store_.remove(session.node, session.in_flight->id)) return end(session, now);
    session.in_flight.reset();
    send_next(session, now);
}

void Hub::send_message(Session& session, Now now) {
    session.left = session.in_flight->datalen;
    session.next_piece = 0;
    session.resend_ms = now.mono_ms + limits::tmtpd_resend_ms;
    due(session.resend_ms);
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
    if (!session.in_flight || session.sending()) return;
    due(session.resend_ms);
    session.sent_before = true;
    if (std::exchange(session.acked, false)) acked(session, now);
}

HubActions Hub::take() {
    return std::exchange(out_, {});
}

}  // namespace kith::tmtp
