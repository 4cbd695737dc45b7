#include "tmtp/client.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "tmtp/limits.h"

namespace kith::tmtp {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

// A service's words as they may be shown on a terminal.
std::string shown(std::string_view text) {
    std::size_t end = std::min<std::size_t>(text.size(), 200);
    // Not within a character: what is cut there is no text any more.
    while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    std::string safe(text.substr(0, end));
    for (char& c : safe)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return safe;
}

// What services say of a request that they refuse, and what it means to a person.
struct Refusal {
    std::string_view begins, holds, what, hint;
};
constexpr std::string_view no_alias = "nobody has that name at this service";
constexpr std::string_view check_spelling = "check the spelling, or ask them for their invitation";
constexpr std::string_view no_group = "there is no such group at this service, or you are not in it";
constexpr std::string_view list_groups = "'kith group list' shows yours";
constexpr Refusal refusals[] = {
    {"Lookup: iAlias ", " not found", no_alias, check_spelling},
    {"GroupInvite: iAlias ", " not found", no_alias, check_spelling},
    {"OpenNodes: iUid ", " not found", "there is no such account at this service",
     "ask them whether they still have it"},
    {"GroupGetUsers: iGid ", " not found", no_group, list_groups},
    {"GroupJoin: iGid ", " not found", no_group, list_groups},
    {"GroupAlias: iGid ", " not found", no_group, list_groups},
    {"GroupQuit: iGid ", " not found", no_group, list_groups},
    {"GroupInvite: gid ", " not available", "that name is taken, or cannot be a group's", "choose another"},
    {"Group", " not for iUid ", "that name is not one of yours at this service",
     "'kith service list' shows yours"},
    {"Post: iUid ", " not met by ", "this service lets only people who have met write to each other",
     "'kith contact ping NAME' first"},
};

Error refused(const std::string& error) {
    for (const auto& known : refusals)
        if (error.starts_with(known.begins) && error.find(known.holds, known.begins.size()) != error.npos)
            return {Fault::refused, std::string(known.what) + " (it said: " + shown(error) + ")",
                    std::string(known.hint)};
    return {Fault::refused, "the service refused: " + shown(error), ""};
}

constexpr std::string_view node_held = "node already connected";
// What an `info` says to a node that the account's roster keeps out.
constexpr std::string_view info_held = "node held";

struct QuitMeaning {
    Error error;
    bool permanent;
};
QuitMeaning meaning_of(std::string_view reason) {
    if (reason == "login failed" || reason == "corrupt base32 value")
        return {
            {Fault::refused, "the service does not know this device's login (it said: " + shown(reason) + ")",
             "set the device up again for this service"},
            true};
    if (reason == "node held" || reason == "node let in")
        return {{Fault::unavailable, "the account's roster has changed for this device", ""}, false};
    if (reason == "authentication required")
        return {{Fault::refused, "the service asks for a sign-in and names no provider",
                 "ask its operator how to register"},
                true};
    if (reason == "registration closed")
        return {{Fault::refused, "the service takes no new accounts (it said: " + shown(reason) + ")",
                 "ask its operator for an account"},
                true};
    if (reason.starts_with("Restore: "))
        return {{Fault::refused, "the service does not restore the account (it said: " + shown(reason) + ")",
                 "see that the uid and the sheet are the right ones, and the newest"},
                true};
    if (reason == node_held)
        return {{Fault::unavailable, "the service still holds an earlier connection of this device",
                 "nothing to do: it ends within two minutes"},
                false};
    return {{Fault::unavailable, "the service ended the connection: " + shown(reason), ""}, false};
}

// Whether a quit that answers a Register with a token may be about the token: what the service says of those
// is its own.
bool about_sign_in(std::string_view reason) {
    constexpr std::string_view others[] = {"registration closed", "authentication required",
                                           "service stopping", "invalid header",
                                           "the service cannot store it now"};
    return std::find(std::begin(others), std::end(others), reason) == std::end(others) &&
           !reason.starts_with("Roster: ");
}

Error broken(std::string what) {
    return {Fault::protocol, std::move(what), "if it happens again, tell the service's operator"};
}
Error not_online() {
    return {Fault::unavailable, "the service is not connected", "try again when it is online"};
}

}  // namespace

Delivered to_delivered(Queued message) {
    Delivered delivered;
    delivered.kind = message.kind;
    delivered.op = std::move(message.op);
    delivered.msgid = std::move(message.id);
    delivered.from = std::move(message.from);
    delivered.posted = std::move(message.posted);
    delivered.posted_ms = std::max<std::int64_t>(0, parse_posted(delivered.posted).value_or(0));
    delivered.alias = std::move(message.alias);
    delivered.to = std::move(message.to);
    delivered.gid = std::move(message.gid);
    delivered.newalias = std::move(message.newalias);
    delivered.act = std::move(message.act);
    delivered.due_ms = message.due_ms;
    delivered.recipients = std::move(message.recipients);
    delivered.type = std::move(message.type);
    delivered.datahead = message.datahead;
    return delivered;
}

Client Client::login(std::string uid, SecretBytes nodeid) {
    Client client;
    client.uid_ = std::move(uid);
    client.nodeid_ = std::move(nodeid);
    return client;
}

Client Client::registering(std::string alias, std::string node_label, std::string id_token,
                           std::optional<Founding> founding) {
    Client client;
    client.alias_ = std::move(alias);
    client.node_label_ = std::move(node_label);
    client.id_token_ = std::move(id_token);
    client.founding_ = std::move(founding);
    return client;
}

Client Client::restoring(std::string uid) {
    Client client;
    client.uid_ = std::move(uid);
    client.restores_ = true;
    return client;
}

ClientActions Client::connected(Now now) {
    ClientActions out = disconnected(now);
    reader_ = FrameReader();
    caught_up_ = false;
    state_ = State::greeting;
    state_deadline_ms_ = now.mono_ms + limits::tmtp_login_ms;
    send(TmtpRev{}, {}, now, out);
    return out;
}

ClientActions Client::disconnected(Now now) {
    ClientActions out;
    if (std::exchange(was_online_, false)) held_since_ms_ = now.mono_ms;
    end_requests(out);
    incoming_.reset();
    state_ = State::offline;
    return out;
}

ClientActions Client::received(ByteView in, Now now) {
    ClientActions out;
    while (state_ != State::offline && state_ != State::failed) {
        switch (reader_.next(in)) {
            case FrameReader::Got::more:
                return out;
            case FrameReader::Got::head:
                on_head(now, out);
                break;
            case FrameReader::Got::data:
                on_data(out);
                break;
            case FrameReader::Got::end:
                on_end(now, out);
                break;
            case FrameReader::Got::bad_length:
            case FrameReader::Got::bad_header:
                fail(broken("the service sent what is not TMTP"), false, out);
                break;
        }
    }
    return out;
}

ClientActions Client::tick(Now now) {
    ClientActions out;
    switch (state_) {
        case State::offline:
        case State::failed:
            break;
        case State::greeting:
        case State::registering:
        case State::restoring:
        case State::logging_in:
            if (now.mono_ms >= state_deadline_ms_)
                fail({Fault::timed_out, "the service did not answer the login in time", ""}, false, out);
            break;
        case State::quitting:
            if (now.mono_ms >= state_deadline_ms_) {
                state_ = State::failed;
                out.push_back(LoggedOut{});
            }
            break;
        case State::held:
        case State::online:
            for (const auto& [id, request] : requests_) {
                if (now.mono_ms < request.deadline_ms) continue;
                fail({Fault::timed_out, "the service did not answer in time", ""}, false, out);
                return out;
            }
            if (now.mono_ms >= pulse_at_ms_) send(Pulse{}, {}, now, out);
            if (state_ == State::online && !caught_up_ && !draining() && now.mono_ms >= quiet_at_ms_) {
                caught_up_ = true;
                out.push_back(CaughtUp{});
                ask_for_nodes(NodeState::uncertain, now, out);
            }
            break;
    }
    return out;
}

std::optional<std::int64_t> Client::next_tick_ms() const {
    if (state_ == State::offline || state_ == State::failed) return std::nullopt;
    if (state_ != State::online && state_ != State::held) return state_deadline_ms_;
    std::int64_t next = pulse_at_ms_;
    for (const auto& [id, request] : requests_) next = std::min(next, request.deadline_ms);
    if (state_ == State::online && !caught_up_ && !draining()) next = std::min(next, quiet_at_ms_);
    return next;
}

ClientActions Client::acked(std::string_view msgid, Now now) {
    ClientActions out;
    auto at = unconfirmed_.find(msgid);
    if (at == unconfirmed_.end()) return out;  // handed out twice, stored twice: it was acknowledged then
    if (confirmed_.insert_or_assign(at->first, at->second).second) confirmed_order_.push_back(at->first);
    unconfirmed_.erase(at);
    if (confirmed_order_.size() > limits::tmtp_confirmed) {
        confirmed_.erase(confirmed_order_.front());
        confirmed_order_.pop_front();
    }
    if (state_ == State::online) send(Ack{std::string(msgid), "ok"}, {}, now, out);
    quiet_at_ms_ = now.mono_ms + limits::tmtp_quiet_ms;
    return out;
}

ClientActions Client::ask(std::string_view local_id, Asking asking, Now now) {
    ClientActions out;
    auto refuse = [&](Error error) {
        out.push_back(
            RequestResult{std::string(local_id), RequestResult::Outcome::refused, {}, {}, std::move(error)});
        return std::move(out);
    };
    const bool let = state_ == State::held && std::holds_alternative<Roster>(asking.op);
    if (state_ != State::online && !let) return refuse(not_online());
    if (requests_.size() >= limits::tmtp_requests || local_id.size() > limits::tmtp_local_id)
        return refuse(
            {Fault::unavailable, "too many requests to the service at once", "try again in a while"});
    if (asking.data.size() > limits::tmtp_post_bytes)
        return refuse({Fault::invalid, "the message is larger than 64 MiB", "send it in several messages"});

    std::string id = "k" + std::to_string(next_request_++);
    if (!complete(asking, id)) return refuse({Fault::invalid, "this is no request to a service", ""});
    if (auto fits = encode(asking.op); !fits) return refuse(std::move(fits).error());

    // Data of earlier requests goes first.
    std::int64_t deadline = now.mono_ms + limits::tmtp_answer_ms;
    for (const auto& [other, request] : requests_) deadline = std::max(deadline, request.deadline_ms);
    deadline += static_cast<std::int64_t>(asking.data.size()) / limits::tmtp_slowest_bytes_per_ms;
    requests_[id] = {false, std::string(local_id), deadline};
    send(asking.op, asking.data, now, out);
    return out;
}

void Client::forget_node(std::string_view label) {
    if (auto at = nodes_.find(label); at != nodes_.end() && at->second != NodeState::asked) nodes_.erase(at);
}

ClientActions Client::add_node(std::string label, bool maybe_asked, Now now) {
    ClientActions out;
    if (nodes_.contains(label)) return out;
    if (nodes_.size() >= limits::tmtp_nodes || label.empty() || label.size() > limits::tmtp_text) {
        out.push_back(NodeRefused{label,
                                  {Fault::invalid, "the service cannot be asked for this device",
                                   "wait for the other devices' setup"}});
        return out;
    }
    NodeState wanted = maybe_asked ? NodeState::uncertain : NodeState::wanted;
    nodes_[std::move(label)] = wanted;
    if (state_ == State::online && (!maybe_asked || caught_up_)) ask_for_nodes(wanted, now, out);
    return out;
}

void Client::ask_for_nodes(NodeState which, Now now, ClientActions& out) {
    for (auto& [label, state] : nodes_) {
        if (state != which) continue;
        state = NodeState::asked;
        std::string id = "k" + std::to_string(next_request_++);
        requests_[id] = {true, label, now.mono_ms + limits::tmtp_answer_ms};
        send(UserEdit{id, label, {}}, {}, now, out);
    }
}

ClientActions Client::quit(Now now) {
    ClientActions out;
    if (state_ == State::online || state_ == State::held) {
        send(Quit{}, {}, now, out);
        state_ = State::quitting;
        state_deadline_ms_ = now.mono_ms + limits::tmtp_quit_ms;
    } else if (state_ != State::quitting) {
        end_requests(out);
        state_ = State::failed;
        out.push_back(LoggedOut{});
    }
    return out;
}

void Client::send(const Op& op, ByteView data, Now now, ClientActions& out) {
    auto head = encode(op);
    if (!head) return fail(std::move(head).error(), true, out);  // only an absurd alias or uid of our own
    SendBytes action;
    action.bytes.reserve(head->size() + data.size());
    append(action.bytes, *head);
    append(action.bytes, data);
    if (std::holds_alternative<Login>(op))
        wipe({reinterpret_cast<std::uint8_t*>(head->data()), head->size()});
    out.push_back(std::move(action));
    pulse_at_ms_ = now.mono_ms + limits::tmtp_pulse_ms;
}

void Client::on_head(Now now, ClientActions& out) {
    if (!headsum_agrees(reader_.raw()))
        return fail(broken("a header from the service is damaged"), false, out);
    auto reply = parse_reply(reader_.head());
    if (!reply && reply.error().kind != Fault::unavailable) return fail(std::move(reply).error(), false, out);
    if (!reply) out.push_back(PassedOver{});
    if (reply && std::holds_alternative<Queued>(*reply))
        return on_queued(std::get<Queued>(std::move(*reply)), out);
    incoming_.emplace().skip = true;  // data that does not belong there, or to what we do not know
    if (!reply) return;
    auto* roster = std::get_if<RosterReply>(&*reply);
    if (!roster) return on_reply(std::move(*reply), now, out);
    if (reader_.datalen() > limits::tmtp_roster_bytes)
        return fail(broken("the service sent a roster that is too long"), false, out);
    incoming_->roster = std::move(*roster);
}

void Client::on_queued(Queued message, ClientActions& out) {
    if (state_ != State::online && state_ != State::quitting)
        return fail(broken("the service sent a message before the login"), false, out);
    if (message.id.empty() || message.id.size() > limits::tmtp_id)
        return fail(broken("the service sent a message whose id is too long"), false, out);
    if (unconfirmed_.size() >= limits::tmtp_unconfirmed && !unconfirmed_.contains(message.id))
        return fail(broken("the service sends messages without waiting"), false, out);

    Incoming& in = incoming_.emplace();
    in.datalen = reader_.datalen();
    in.again = confirmed_.contains(message.id);
    in.sum = crc32c(as_bytes(reader_.raw()));
    if (!message.nodeid.empty()) {
        in.nodeid = std::move(message.nodeid);
        in.label = std::move(message.newnode);
    }
    in.message = to_delivered(std::move(message));
    if (!in.nodeid.empty()) {
        reader_.wipe_raw();
        return;
    }
    Delivered& delivered = in.message;
    in.large = in.datalen > limits::tmtp_whole_bytes;
    delivered.head_size = reader_.raw().size();
    if (in.large && in.again) return;
    delivered.raw.reserve(delivered.head_size + (in.large ? 0 : static_cast<std::size_t>(in.datalen)));
    append(delivered.raw, reader_.raw());
    if (in.large) out.push_back(DeliveryBegin{delivered, in.datalen});
}

void Client::on_data(ClientActions& out) {
    Incoming& in = *incoming_;
    if (in.roster) return append(in.message.raw, reader_.data());
    if (in.skip) return;
    in.sum = crc32c(reader_.data(), in.sum);
    if (!in.nodeid.empty()) return;
    if (!in.large)
        append(in.message.raw, reader_.data());
    else if (!in.again)
        out.push_back(DeliveryData{in.message.msgid, to_bytes(reader_.data())});
}

void Client::on_end(Now now, ClientActions& out) {
    Incoming in = std::move(*incoming_);
    incoming_.reset();
    if (in.roster) return on_roster(std::move(*in.roster), std::move(in.message.raw), out);
    if (in.skip) return;
    quiet_at_ms_ = now.mono_ms + limits::tmtp_quiet_ms;

    std::string msgid = in.message.msgid;
    if (auto known = confirmed_.find(msgid); known != confirmed_.end()) {
        if (known->second == in.sum) {
            if (state_ == State::online) send(Ack{msgid, "ok"}, {}, now, out);
            return;
        }
        // Other bytes under an id that we know: for the app to judge. A large one has gone by; it comes
        // again.
        confirmed_.erase(known);
        std::erase(confirmed_order_, msgid);
        if (in.large) return;
    }
    unconfirmed_[msgid] = in.sum;
    if (!in.nodeid.empty()) {
        nodes_.erase(in.label);
        out.push_back(NodeAdded{msgid, std::move(in.label), std::move(in.nodeid)});
    } else if (in.large) {
        out.push_back(DeliveryEnd{msgid});
    } else {
        out.push_back(std::move(in.message));
    }
}

void Client::on_reply(Reply reply, Now now, ClientActions& out) {
    std::visit(Overloaded{[&](TmtpRevReply& one) { on_tmtprev(std::move(one), now, out); },
                          [&](RegisteredReply& one) { on_registered(std::move(one), now, out); },
                          [&](InfoReply& one) { on_info(std::move(one), now, out); },
                          [&](AckReply& one) { on_ack(std::move(one), out); },
                          [&](QuitReply& one) { on_quit(one, now, out); },
                          [&](OhiReply& one) { on_ohi(std::move(one), out); },
                          [&](RestoreReply& one) { on_restore(std::move(one), now, out); },
                          [](RosterReply&) {}, [](Queued&) {}},
               reply);
}

void Client::on_tmtprev(TmtpRevReply reply, Now now, ClientActions& out) {
    if (state_ != State::greeting) return fail(broken("the service greets twice"), false, out);
    if (reply.id != "1")
        return fail({Fault::protocol, "the service speaks another version of TMTP", "look for a newer kith"},
                    true, out);
    out.push_back(SiteName{shown(reply.name), reply.auth, reply.authby, reply.control});
    if (restores_ && !reply.control)
        return fail(
            {Fault::refused, "this service knows no lists of devices, so nothing can be restored there",
             "register anew: kith service add"},
            true, out);
    if (restores_) {
        state_ = State::restoring;
        send(Restore{"1", uid_, {}}, {}, now, out);
    } else if (uid_.empty() && id_token_.empty() && !reply.authby.empty()) {
        // Signing in takes longer than the service waits for a login.
        state_ = State::failed;
        out.push_back(SignInWanted{std::move(reply.authby)});
    } else if (uid_.empty()) {
        state_ = State::registering;
        founds_ = reply.control && founding_;
        send(Register{node_label_, alias_, id_token_, founds_ ? founding_->roster : Bytes()}, {}, now, out);
    } else {
        state_ = State::logging_in;
        send(Login{uid_, nodeid_.copy(), reply.control}, {}, now, out);
    }
}

void Client::on_registered(RegisteredReply reply, Now now, ClientActions& out) {
    if (state_ != State::registering)
        return fail(broken("the service answers what was not asked"), false, out);
    // A service that makes a secret all the same has not taken the roster.
    founds_ = founds_ && reply.nodeid.empty();
    if (founds_) reply.nodeid = founding_->nodeid.copy();
    auto sound = [](std::size_t size) { return size > 0 && size <= limits::tmtp_text; };
    if (!sound(reply.uid.size()) || !sound(reply.nodeid.size()))
        return fail(broken("the service registered the account without saying its name"), true, out);
    reader_.wipe_raw();
    uid_ = reply.uid;
    nodeid_ = reply.nodeid.copy();
    state_ = State::logging_in;
    state_deadline_ms_ = now.mono_ms + limits::tmtp_login_ms;
    out.push_back(Registered{std::move(reply.uid), std::move(reply.nodeid), shown(reply.error), founds_});
    founding_.reset();
}

void Client::on_restore(RestoreReply reply, Now now, ClientActions& out) {
    if (state_ != State::restoring) return fail(broken("the service answers what was not asked"), false, out);
    if (reply.id == "1") {
        out.push_back(ProofWanted{std::move(reply.nonce), std::move(reply.key)});
    } else {
        state_ = State::logging_in;
        state_deadline_ms_ = now.mono_ms + limits::tmtp_login_ms;
        out.push_back(Restoring{shown(reply.alias)});
    }
}

ClientActions Client::prove(Bytes proof, Now now) {
    ClientActions out;
    if (state_ == State::restoring) send(Restore{"2", uid_, std::move(proof)}, {}, now, out);
    return out;
}

void Client::on_info(InfoReply reply, Now now, ClientActions& out) {
    if (state_ != State::logging_in) return;  // an info at another time only informs
    if (restores_ && reply.info != info_held)
        return fail(broken("the service logs in what has no node"), true, out);
    if (reply.info == info_held) {
        state_ = State::held;
        return out.push_back(Held{});
    }
    state_ = State::online;
    held_since_ms_.reset();
    held_told_ = false;
    was_online_ = true;
    quiet_at_ms_ = now.mono_ms + limits::tmtp_quiet_ms;
    out.push_back(Online{std::move(reply.ohi)});
    ask_for_nodes(NodeState::wanted, now, out);
}

void Client::on_ack(AckReply reply, ClientActions& out) {
    auto at = requests_.find(reply.id);
    if (at == requests_.end()) return;
    Request request = std::move(at->second);
    requests_.erase(at);
    Error error = refused(reply.error);
    if (request.is_node) {
        if (reply.error.empty()) return;  // the node itself comes in a message
        nodes_.erase(request.local_id);
        out.push_back(NodeRefused{std::move(request.local_id), std::move(error)});
    } else if (reply.error.empty()) {
        out.push_back(RequestResult{std::move(request.local_id),
                                    RequestResult::Outcome::accepted,
                                    std::move(reply.msgid),
                                    std::move(reply.posted),
                                    {}});
    } else {
        out.push_back(RequestResult{
            std::move(request.local_id), RequestResult::Outcome::refused, {}, {}, std::move(error)});
    }
}

void Client::on_roster(RosterReply reply, Bytes log, ClientActions& out) {
    auto at = requests_.find(reply.id);
    if (at == requests_.end() || at->second.is_node) return;
    using Outcome = RequestResult::Outcome;
    RequestResult result{
        std::move(at->second.local_id), reply.error.empty() ? Outcome::accepted : Outcome::refused, {}, {}};
    requests_.erase(at);
    if (!reply.error.empty()) result.error = refused(reply.error);
    result.roster = std::move(reply);
    result.log = std::move(log);
    out.push_back(std::move(result));
}

void Client::on_ohi(OhiReply reply, ClientActions& out) {
    if (state_ != State::online || reply.from.empty() || reply.from.size() > limits::tmtp_text) return;
    out.push_back(Presence{std::move(reply.from), reply.status == 1});
}

void Client::on_quit(const QuitReply& reply, Now now, ClientActions& out) {
    if (state_ == State::quitting) {
        end_requests(out);
        state_ = State::failed;
        out.push_back(LoggedOut{});
        return;
    }
    if (reply.error == node_held) node_is_held(now, out);
    auto [error, permanent] = meaning_of(reply.error);
    if (state_ == State::registering && !id_token_.empty() && about_sign_in(reply.error))
        error = {Fault::refused,
                 "the service does not take the sign-in (it said: " + shown(reply.error) + ")",
                 "sign in again; if it stays so, ask its operator for an account"};
    // Trying to register again could make an account each time.
    fail(std::move(error), permanent || state_ == State::registering, out);
}

// A connection of ours that was lost without the service's knowledge ends there when it has been silent for
// long enough. Who holds the node after that is somebody else.
void Client::node_is_held(Now now, ClientActions& out) {
    if (!held_since_ms_) held_since_ms_ = now.mono_ms;
    if (held_told_ || now.mono_ms - *held_since_ms_ < limits::tmtp_lingers_ms) return;
    held_told_ = true;
    out.push_back(NodeHeld{});
}

void Client::fail(Error error, bool permanent, ClientActions& out) {
    end_requests(out);
    incoming_.reset();
    state_ = State::failed;
    out.push_back(Failed{std::move(error), permanent});
}

void Client::end_requests(ClientActions& out) {
    for (auto& [id, request] : requests_)
        if (!request.is_node)
            out.push_back(
                RequestResult{std::move(request.local_id),
                              RequestResult::Outcome::unknown,
                              {},
                              {},
                              {Fault::unreachable, "the connection was lost before the service answered",
                               "look whether the message arrived before sending it again"}});
    requests_.clear();
    for (auto& [label, state] : nodes_)
        if (state == NodeState::asked) state = NodeState::uncertain;
}

}  // namespace kith::tmtp
