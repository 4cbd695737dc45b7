#include "app/peer_session.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/node_labels.h"
#include "app/person_facts.h"
#include "app/trust_limits.h"
#include "crypto/keys.h"
#include "wire/fields.h"
#include "wire/json.h"

namespace kith::app {

using Json = nlohmann::json;

namespace {

// Addresses that a peer tells are kept, told on, and shown.
bool plausible(const std::vector<std::string>& endpoints) {
    for (const auto& endpoint : endpoints) {
        if (endpoint.empty()) return false;
        for (unsigned char c : endpoint)
            if (c <= ' ' || c > '~') return false;
    }
    return true;
}

}  // namespace

PeerSession::PeerSession(net::Loop& loop, net::Worker& worker, Profile& profile, Services& services,
                         DeviceId peer, Events events)
    : loop_(loop),
      worker_(worker),
      profile_(profile),
      services_(services),
      peer_(peer),
      events_(std::move(events)),
      vault_(profile, {[this](const store::Account& account) { return services_.learn(account); },
                       [this](std::span<const history::Key> keys) { events_.on_erased(keys); },
                       [this](const AccountId& id) { return is_account(id); }}),
      transfer_(vault_),
      onboarding_(
          loop, profile, services, peer, transfer_,
          {[this](std::string head, Bytes body) { send(std::move(head), std::move(body)); },
           [this] { return take(transfer_.changed()); },
           [this](const history::Progress& progress) { events_.on_progress(progress); },
           [this](const std::string& address, const std::string& state) {
               events_.on_service(address, state);
           },
           [this](const history::Digest& digest, double seconds) { events_.on_done(digest, seconds); },
           [this](Result<> result) { check(std::move(result)); }}),
      moved_ms_(loop.now().mono_ms) {}

void PeerSession::link_up(Link link) {
    link_ = std::move(link);
    met_ = true;
    moved_ms_ = loop_.now().mono_ms;
    crypto::SystemRandom random;
    send_hello(handshake_.start(random));
}

// On the same link, from the hello: whatever of the exchange was lost is said again.
void PeerSession::begin_anew() {
    if (!link_) return;
    auto link = std::move(*link_);
    link_lost();
    link_up(std::move(link));
}

bool PeerSession::full() const {
    const auto active = [&](const DeviceId& id) {
        const auto* device = profile_.roster().find(id);
        return device && device->state == roster::DeviceState::active;
    };
    // A device that has just asked to be added is on nobody's list.
    return active(peer_) && (profile_.membership() == Membership::asked || active(profile_.device()));
}

void PeerSession::link_lost() {
    link_.reset();
    handshake_.stop();
    incoming_.clear();
    incoming_bytes_ = 0;
    announce_timer_.cancel();
    retry_timer_.cancel();
    forget_exchange();
}

void PeerSession::forget_exchange() {
    transfer_.stop();
    onboarding_.stop();
    awaits_secrets_ = false;
    peer_entries_.clear();
    peer_accounts_.reset();
    peer_trouble_.clear();
}

void PeerSession::received(wire::Frame frame, std::uint64_t by) {
    if (!link_) return;
    auto head = wire::Fields::parse(frame.head);
    auto op = head.text("op", 32);
    if (!head.ok()) return broken({Fault::protocol, "a frame without an op", ""});
    const auto size = frame.head.size() + frame.body.size();
    if (incoming_bytes_ + size > limits::link_unread_bytes)
        return broken({Fault::protocol, "the other device sends more than it was asked for", ""});
    incoming_bytes_ += size;
    incoming_.push_back(std::make_shared<Incoming>(
        Incoming{std::move(frame), by, std::move(head), std::move(op), size, false, {}}));
    read_ahead();
    take_incoming();
}

// Has the worker read what comes next, while the loop stores what came before. A few frames ahead only: read,
// they take several times the memory.
void PeerSession::read_ahead() {
    std::size_t ahead = 0;
    for (auto& item : incoming_) {
        if (!history::is_arrival(item->op) || !handshake_.counts(item->by)) continue;
        if (++ahead > limits::frames_read_ahead) return;
        if (std::exchange(item->reading, true)) continue;
        auto arrival = std::make_shared<std::optional<Result<history::Arrival>>>();
        worker_.run(
            [item, arrival, packer = packer_] {
                *arrival = history::read_arrival(item->op, item->head, std::move(item->frame.body), *packer);
                if (*arrival && **arrival) StoreVault::prepare(***arrival);
            },
            [this, item, arrival, alive = std::weak_ptr<bool>(alive_)] {
                item->arrival = std::move(*arrival);
                if (alive.expired()) return;
                read_ahead();
                take_incoming();
            });
    }
}

// In the order in which they came. One that was read by the worker is stored now, which takes long enough for
// others to have a turn after it.
void PeerSession::take_incoming() {
    if (taking_) return;
    bool again = false;
    while (link_ && !again && !incoming_.empty()) {
        auto item = incoming_.front();
        if (item->reading && !item->arrival) return;
        again = item->reading;
        incoming_.pop_front();
        incoming_bytes_ -= item->size;
        // What follows rests on the hello: who is there, and which version it speaks.
        if (item->op == "hello" || handshake_.counts(item->by)) check(dispatch(*item));
    }
    if (!again || incoming_.empty()) return;
    taking_ = true;
    loop_.defer([this, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        taking_ = false;
        read_ahead();
        take_incoming();
    });
}

Result<> PeerSession::dispatch(Incoming& incoming) {
    auto& [frame, by, head, op, size, reading, arrival] = incoming;
    ByteView body = frame.body;
    if (op == "hello") return on_hello(head, by);
    if (op == "roster") return on_roster(head, body);
    if (!full()) return {};
    if (op == "peers") return on_peers(body);
    if (op == "accounts") return on_accounts(body);
    if (op == "welcome") return on_welcome(body);
    if (op == "secrets") return on_secrets(body);
    if (op == "trouble") return on_trouble(head);
    if (op == "state" || op.starts_with("sync.")) {
        auto before = transfer_.peer();
        if (arrival && !*arrival) return fail(arrival->error());
        auto taken =
            take(arrival ? transfer_.on_arrival(std::move(**arrival)) : transfer_.on_frame(op, head, body));
        if (op == "state" && transfer_.peer() != before) onboarding_.unproved();
        KITH_TRY(std::move(taken));
        pump();
        return onboarding_.advance();
    }
    if (Onboarding::handles(op)) return onboarding_.on_frame(op, head, body);
    return {};  // of a later version
}

Result<> PeerSession::on_hello(wire::Fields& head, std::uint64_t by) {
    if (head.u64("v") != 1) {
        notice({Fault::refused, "the other device speaks another version of kith", "update kith on both"});
        return {};
    }
    auto device = head.id<DeviceId>("device");
    Handshake::Hello hello{head.id<SessionId>("session"), {}};
    if (head.has("seen")) hello.seen = head.id<SessionId>("seen");
    bool member = head.flag("member"), onboarding = head.flag("onboarding");
    auto endpoints = head.texts("endpoints", limits::link_endpoints, 64);
    Profile::TermVersion theirs;
    if (head.has("term")) {
        auto term = head.object("term");
        theirs = {term.u64("number"), term.hex("check", 8)};
        KITH_TRY(term.finish("hello"));
    }
    KITH_TRY(head.finish("hello"));
    if (!plausible(endpoints)) return fail(Fault::protocol, "hello with an address that is none");
    if (device != peer_) return fail(Fault::protocol, "hello from another device");
    crypto::SystemRandom random;
    const auto outcome = handshake_.received(hello, by, random);
    if (outcome.ended) forget_exchange();
    if (outcome.send) send_hello(*outcome.send);
    if (!outcome.begun) return {};
    if (!full()) {
        send_roster();
        return {};
    }
    if (events_.on_endpoints) events_.on_endpoints(std::move(endpoints));
    send_roster();
    KITH_TRY(send_peers());
    KITH_TRY(send_accounts());
    if (!member)
        KITH_TRY(send_secrets("welcome"));
    else if (profile_.term_key() && theirs.older_than(profile_.term_version()))
        KITH_TRY(send_secrets("secrets"));
    list_told_ = false;
    awaits_secrets_ = member && profile_.term_key() && profile_.term_version().older_than(theirs);
    if (profile_.term_key()) KITH_TRY(start_transfer());
    return onboarding_.start(onboarding);
}

Result<> PeerSession::start_transfer() {
    if (!handshake_.begun() || awaits_secrets_ || !profile_.term_key()) return {};
    KITH_TRY(take(transfer_.start()));
    return select();
}

Result<> PeerSession::on_roster(wire::Fields& head, ByteView body) {
    const bool more = head.has("more") && head.flag("more");
    KITH_TRY(head.finish("roster"));
    KITH_TRY_VALUE(entries, roster::unpack_entries(body));
    for (const auto& entry : entries)
        if (peer_entries_.size() < limits::roster_entries) peer_entries_.insert(entry.id);
    const auto before = profile_.roster();
    const bool was_full = full();
    KITH_TRY_VALUE(added, profile_.add_entries(entries, loop_.now().unix_ms));
    look_for_copies(entries, before);
    if (!more && was_full)
        for (const auto& line : before.lines)
            if (line.signer == peer_ && !peer_entries_.contains(line.id)) {
                notice({Fault::refused,
                        "the other device has forgotten what it signed itself: it was set back to an older "
                        "state, "
                        "or somebody uses a copy of it",
                        "if you did not restore it from a backup, bar it with 'kith device revoke'"});
                break;
            }
    if (!more && was_full && full()) KITH_TRY(confirm());
    if (added > 0 && events_.on_roster) events_.on_roster();
    return {};
}

// A new device has the roster from one other alone, who could have shown an old one. Once a further device
// shows all that is known here, it is confirmed.
Result<> PeerSession::confirm() {
    const auto& heads = profile_.roster().heads;
    const bool knows_all =
        std::ranges::all_of(heads, [&](const EntryId& head) { return peer_entries_.contains(head); });
    return knows_all ? profile_.confirm_roster(peer_) : Result<>();
}

// What this device seems to have signed, and does not remember: a copy of it did.
void PeerSession::look_for_copies(std::span<const roster::Entry> entries, const roster::State& before) {
    for (const auto& entry : entries) {
        if (entry.body.signer != profile_.device()) continue;
        const auto same = [&](const roster::Line& line) { return line.id == entry.id; };
        if (std::ranges::any_of(before.lines, same) || std::ranges::none_of(profile_.roster().lines, same))
            continue;
        return notice(
            {Fault::refused,
             "there is an entry signed by this device that it did not make: somebody uses a copy of it, "
             "or it was set back to an older state",
             "'kith device log' shows the entry; if it is not yours, bar this device from another one"});
    }
}

// Where the person's other devices were last reached. Only a hint: who answers there must hold the device's
// key.
Result<> PeerSession::on_peers(ByteView body) {
    auto told = wire::Fields::parse(body);
    KITH_TRY_VALUE(known, profile_.store().peers());
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    const auto now = loop_.now().unix_ms;
    bool news = false;
    for (auto& item : told.objects("list", limits::roster_devices)) {
        store::Peer peer{item.id<DeviceId>("device"), item.texts("endpoints", limits::link_endpoints, 64),
                         item.i64("seen")};
        KITH_TRY(item.finish("peers"));
        if (!plausible(peer.endpoints)) return fail(Fault::protocol, "peers with an address that is none");
        peer.seen_ms = std::min(peer.seen_ms, now);  // of the future, nothing would ever replace it
        auto mine = std::find_if(known.begin(), known.end(),
                                 [&](const auto& row) { return row.device == peer.device; });
        const auto* device = profile_.roster().find(peer.device);
        if (!device || peer.device == profile_.device() || peer.device == peer_) continue;
        if (mine != known.end() && (mine->seen_ms >= peer.seen_ms || mine->endpoints == peer.endpoints))
            continue;
        KITH_TRY(profile_.store().put_peer(peer));
        news = true;
    }
    KITH_TRY(told.finish("peers"));
    KITH_TRY(tx.commit());
    if (news && events_.on_peers) events_.on_peers();
    return {};
}

Result<> PeerSession::send_peers() {
    KITH_TRY_VALUE(known, profile_.store().peers());
    Json list = Json::array();
    for (const auto& peer : known) {
        if (peer.device == peer_ || peer.device == profile_.device()) continue;
        list.push_back(
            {{"device", peer.device.hex()}, {"endpoints", peer.endpoints}, {"seen", peer.seen_ms}});
    }
    if (!list.empty()) send(wire::json_text(Json{{"op", "peers"}}), wire::json_list(list));
    return {};
}

Result<> PeerSession::send_accounts() {
    if (!profile_.term_key()) return {};
    KITH_TRY_VALUE(list, pack_accounts(profile_));
    send(wire::json_text(Json{{"op", "accounts"}}), std::move(list));
    return {};
}

Result<> PeerSession::on_accounts(ByteView body) {
    KITH_TRY_VALUE(list, read_accounts(body));
    KITH_TRY(keep_node_labels(profile_, list.labels));
    KITH_TRY_VALUE(news, keep_node_claims(profile_, list.claims));
    if (news && events_.on_claims) events_.on_claims();
    peer_accounts_ = std::move(list.accounts);
    return select();
}

// What this device wants of the peer, once the accounts that the owner named can be told apart.
Result<> PeerSession::select() {
    KITH_TRY_VALUE(choice, kept_choice(profile_));
    std::vector<AccountName> known = peer_accounts_.value_or(std::vector<AccountName>{});
    KITH_TRY_VALUE(own, known_accounts(profile_));
    known.insert(known.end(), own.begin(), own.end());
    auto selection = resolve(choice, known);
    if (!selection && !peer_accounts_) return {};
    if (!selection) {
        unselected_ = selection.error().what + "; " + selection.error().hint;
        notice(selection.error());
        return {};
    }
    unselected_.clear();
    return take(transfer_.select(*selection));
}

// What the peer says counts too: a message comes before the record of its account, which is older.
bool PeerSession::is_account(const AccountId& id) {
    if (peer_accounts_)
        for (const auto& account : *peer_accounts_)
            if (account.id == id) return true;
    auto account = profile_.store().account(id);
    return account && account->has_value();
}

void PeerSession::selection_changed() {
    onboarding_.unproved();
    if (!full()) return;
    check(select());
    if (link_) check(onboarding_.advance());
}

Result<> PeerSession::on_welcome(ByteView body) {
    // From the device that let this one in, and no other: a wrong secret would stay.
    if (profile_.term_key() || !job("joiner")) return {};
    KITH_TRY_VALUE(secrets, read_secrets(body));
    if (secrets.identity) KITH_TRY(profile_.put_identity(*secrets.identity));
    KITH_TRY(profile_.take_person_secrets(secrets.term_key, secrets.number, secrets.recovery_accounts));
    if (events_.on_membership) events_.on_membership();
    return start_transfer();
}

// The secrets were changed because a device was barred. The newer ones count.
Result<> PeerSession::on_secrets(ByteView body) {
    if (!profile_.term_key()) return {};
    KITH_TRY_VALUE(secrets, read_secrets(body));
    const auto& [key, number, accounts, identity] = secrets;
    if (identity && !profile_.identity()) KITH_TRY(profile_.put_identity(*identity));
    // A step at a time: nobody is to use up the numbers.
    if (number > profile_.term_version().number + limits::term_steps)
        return fail(Fault::protocol, "the number of the secrets makes no sense");
    const bool newer = profile_.term_version().older_than(Profile::version_of(number, key));
    KITH_TRY_VALUE(signed_list, profile_.take_recovery_accounts(accounts));
    // Who changed the secrets may not have heard of the newest list.
    if (!signed_list && profile_.recovery_accounts() && !std::exchange(list_told_, true))
        KITH_TRY(send_secrets("secrets"));
    if (newer) {
        transfer_.stop();
        KITH_TRY(profile_.take_person_secrets(key, number, accounts));
        if (events_.on_secrets) events_.on_secrets();
    }
    if (!std::exchange(awaits_secrets_, false)) return {};
    return start_transfer();
}

Result<> PeerSession::on_trouble(wire::Fields& head) {
    Error error{Fault::unavailable, head.text("what", 500), head.text("hint", 500)};
    KITH_TRY(head.finish("trouble"));
    // Once for each session, and not without end: the peer must not fill the log.
    if (std::exchange(peer_trouble_, error.what) != error.what && ++troubles_ <= limits::troubles)
        notice(error);
    return {};
}

void PeerSession::history_changed() {
    onboarding_.unproved();
    if (!link_ || !handshake_.begun() || !full() || announce_timer_.armed()) return;
    // While much comes in, each announcement would have the peer look for what it could lack.
    auto wait = transfer_.idle() ? limits::announce_ms : limits::announce_busy_ms;
    announce_timer_ = loop_.after(wait, [this] {
        if (!full()) return;
        check(take(transfer_.changed()));
        if (link_) check(onboarding_.advance());
    });
}

void PeerSession::services_changed() {
    if (!link_ || !handshake_.begun() || !full()) return;
    check(send_accounts());
    if (link_) check(onboarding_.services_changed());
}

void PeerSession::roster_changed() {
    if (!link_ || !handshake_.begun()) return;
    send_roster();
    if (full()) check(send_peers());
}

void PeerSession::secrets_changed() {
    if (!link_ || !handshake_.begun() || !full()) return;
    if (auto sent = send_secrets("secrets"); !sent) return check(std::move(sent));
    begin_anew();
}

// What the peer said while this device could not read it yet is lost.
void PeerSession::membership_changed() {
    if (handshake_.begun()) begin_anew();
}

void PeerSession::peers_changed() {
    if (link_ && handshake_.begun() && full()) check(send_peers());
}

void PeerSession::prefer(const std::vector<history::BlobWant>& blobs) {
    for (const auto& blob : blobs)
        if (link_ && full()) check(take(transfer_.prefer(blob)));
}

bool PeerSession::active() const {
    return link_ && (!transfer_.idle() || transfer_.has_work() ||
                     loop_.now().mono_ms - moved_ms_ < limits::search_quiet_ms);
}

std::string PeerSession::waiting(Now now) const {
    const auto* peer = profile_.roster().find(peer_);
    auto name = peer ? peer->name : std::string("the other device");
    const bool stalled = now.mono_ms - moved_ms_ >= limits::stalled_ms;
    // A first connection takes a moment to stand, which is no trouble. One that was lost is told at once.
    if (!link_ && !met_ && !stalled) return {};
    if (!link_)
        return name + " is out of reach: asleep, off, or in another network; it is dialed all the time";
    if (!unselected_.empty()) return unselected_;
    if (!own_trouble_.empty()) return own_trouble_;
    if (!peer_trouble_.empty()) return peer_trouble_;
    if (!stalled) return {};
    if (!handshake_.begun()) return name + " is connected but says nothing";
    if (!profile_.term_key()) return name + " has not handed over the person's keys yet";
    if (!transfer_.idle()) return name + " is connected but sends nothing more";
    return {};
}

void PeerSession::send(std::string head, Bytes body) {
    if (link_ && !link_->send({std::move(head), std::move(body)}))
        broken({Fault::unreachable, "the link is lost, or the other device does not read", ""});
}

void PeerSession::send_hello(const Handshake::Hello& hello) {
    Json head{
        {"op", "hello"},
        {"v", 1},
        {"device", profile_.device().hex()},
        {"session", hello.session.hex()},
        {"member", profile_.term_key() != nullptr},
        {"onboarding", job("host").has_value()},
        {"term",
         {{"number", profile_.term_version().number}, {"check", to_hex(profile_.term_version().check)}}},
        {"endpoints", events_.endpoints()}};
    if (hello.seen) head["seen"] = hello.seen->hex();
    send(wire::json_text(head));
}

// In pieces: who floods the log must not make it too long for a frame.
void PeerSession::send_roster() {
    const auto* peer = profile_.roster().find(peer_);
    const bool barred = peer && peer->state == roster::DeviceState::barred;
    const auto entries =
        barred ? roster::why_barred(profile_.roster(), profile_.entries(), peer_) : profile_.entries();
    std::size_t from = 0;
    do {
        std::size_t to = from;
        for (std::size_t size = 0; to < entries.size() && size < limits::roster_frame_bytes; ++to)
            size += entries[to].bytes.size();
        Json head{{"op", "roster"}};
        if (to < entries.size()) head["more"] = true;
        send(wire::json_text(head), roster::pack_entries(std::span(entries).subspan(from, to - from)));
        from = to;
    } while (from < entries.size());
}

// The secrets that all devices of the person share. The link is encrypted to the key that the roster names.
Result<> PeerSession::send_secrets(std::string_view op) {
    if (!profile_.term_key()) return {};
    KITH_TRY_VALUE(secrets, pack_secrets(profile_));
    send(wire::json_text(Json{{"op", op}}), std::move(secrets));
    return {};
}

Result<> PeerSession::take(history::Transfer::Outcome outcome) {
    if (!outcome) return fail(outcome.error());
    for (auto& frame : outcome->send) send(std::move(frame.head), std::move(frame.body));
    if (outcome->moved) {
        moved_ms_ = loop_.now().mono_ms;
        own_trouble_.clear();
        onboarding_.progressed();
    }
    if (outcome->notice) notice(*outcome->notice);
    if (outcome->added || outcome->blobs) onboarding_.unproved();
    if (outcome->added && events_.on_history) events_.on_history();
    if (outcome->blobs && events_.on_blobs) events_.on_blobs();
    return {};
}

// Answers the peer's requests, one frame a turn of the loop, while the link takes more.
void PeerSession::pump() {
    if (pumping_ || !link_ || !full() || !transfer_.has_work() || link_->queued() > limits::link_pump_bytes)
        return;
    pumping_ = true;
    loop_.defer([this, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        pumping_ = false;
        if (!link_ || !full() || !transfer_.has_work()) return;
        auto frame = transfer_.work();
        if (!frame) return check(fail(frame.error()));
        if (*frame) send(std::move((**frame).head), std::move((**frame).body));
        moved_ms_ = loop_.now().mono_ms;
        pump();
    });
}

void PeerSession::check(Result<> result) {
    if (!result) broken(result.error());
}

void PeerSession::notice(const Error& error) {
    if (events_.on_trouble) events_.on_trouble(error);
}

// A breach of protocol ends the link, and the next one begins anew. Trouble of our own (a full disk) pauses:
// both owners are told, and after a while it is tried again.
void PeerSession::broken(const Error& error) {
    notice(error);
    if (error.kind == Fault::protocol || error.kind == Fault::unreachable) {
        incoming_.clear();
        incoming_bytes_ = 0;
        if (events_.drop_link) events_.drop_link();
        return;
    }
    own_trouble_ = error.hint.empty() ? error.what : error.what + "; " + error.hint;
    transfer_.stop();
    if (link_ && handshake_.begun()) {
        auto what = profile_.name() + ": " + error.what;
        send(wire::json_text(
            Json{{"op", "trouble"}, {"what", what.substr(0, 400)}, {"hint", error.hint.substr(0, 400)}}));
    }
    retry_timer_ = loop_.after(limits::trouble_retry_ms, [this] { begin_anew(); });
}

}  // namespace kith::app
