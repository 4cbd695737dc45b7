#include "app/peer_session.h"

#include <nlohmann/json.hpp>

#include "app/inbox.h"
#include "app/own_records.h"
#include "app/receipt.h"
#include "base/limits.h"
#include "wire/fields.h"

namespace kith::app {

using Json = nlohmann::json;

namespace {

// Heads hold names and sites as others wrote them.
std::string text(const Json& head) {
    return head.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string hex(const std::array<std::uint8_t, 32>& bytes) {
    return to_hex(bytes);
}

Json to_json(const history::Digest& digest) {
    return {{"hash", hex(digest.hash)},
            {"records", digest.records},
            {"blobs", digest.blobs},
            {"bytes", digest.bytes}};
}

history::Digest read_digest(wire::Fields& head) {
    history::Digest digest;
    auto hash = head.hex("hash", 32);
    if (hash.size() == 32)
        std::copy(hash.begin(), hash.end(), digest.hash.begin());
    else
        head.reject("hash", "has the wrong length");
    digest.records = head.u64("records");
    digest.blobs = head.u64("blobs");
    digest.bytes = head.u64("bytes");
    return digest;
}

}  // namespace

Result<history::Digest> compute_digest(const Profile& profile) {
    history::DigestBuilder builder;
    KITH_TRY(profile.history().for_each_id([&](const history::Key& key) { builder.add_record(key.id); }));
    KITH_TRY(profile.history().for_each_complete_blob(
        [&](const BlobId& id, std::uint64_t size) { builder.add_blob(id, size); }));
    KITH_TRY_VALUE(totals, profile.history().totals());
    return builder.finish(totals.record_bytes);
}

PeerSession::PeerSession(net::Loop& loop, Profile& profile, Services& services, Random& random, DeviceId peer,
                         Events events)
    : loop_(loop),
      profile_(profile),
      services_(services),
      random_(random),
      peer_(peer),
      events_(std::move(events)),
      blob_set_(profile.history(), profile.blobs()),
      records_(profile.history()),
      blobs_(blob_set_),
      server_(profile.history(), blob_set_) {}

std::optional<store::Job> PeerSession::job(std::string_view role) const {
    auto jobs = profile_.store().jobs();
    if (!jobs) return std::nullopt;
    for (auto& job : *jobs)
        if (job.role == role && job.peer == peer_ && job.ended_ms == 0) return job;
    return std::nullopt;
}

void PeerSession::link_up(Link link) {
    link_ = std::move(link);
    link_up_ms_ = loop_.now().mono_ms;
    send_hello();
}

void PeerSession::link_lost() {
    link_.reset();
    greeted_ = false;
    peer_member_ = false;
    peer_state_.reset();
    peer_services_.reset();
    proved_.reset();
    absent_ = 0;
    records_.stop();
    blobs_.stop();
    server_.stop();
    announce_timer_.cancel();
    settle_timer_.cancel();
    retry_timer_.cancel();
}

void PeerSession::received(const wire::Frame& frame) {
    if (!link_) return;
    auto head = wire::Fields::parse(frame.head);
    auto op = head.text("op", 32);
    if (!head.ok()) return broken({Fault::protocol, "a frame without an op", ""});
    // What follows rests on the hello: who is there, and which version it speaks.
    if (op != "hello" && !greeted_) return;
    check(dispatch(op, head, frame.body));
}

Result<> PeerSession::dispatch(std::string_view op, wire::Fields& head, ByteView body) {
    if (op == "hello") return on_hello(head);
    if (op == "roster") return on_roster(body);
    if (op == "peers") return on_peers(head);
    if (op == "welcome") return on_welcome(body);
    if (op == "state") return on_state(head);
    if (op == "node") return on_node(head, body);
    if (op == "node.ok") return on_node_ok(head);
    if (op == "services") return on_services(head);
    if (op == "service") {
        auto address = head.text("address", 300), state = head.text("state", 32);
        KITH_TRY(head.finish(op));
        if (events_.on_service) events_.on_service(address, state);
        return {};
    }
    if (op == "progress") {
        progress_.records = head.u64("records");
        progress_.bytes = head.u64("bytes");
        KITH_TRY(head.finish(op));
        KITH_TRY_VALUE(totals, profile_.history().totals());
        progress_.records_total = totals.records;
        progress_.bytes_total = totals.record_bytes + totals.blob_bytes;
        if (events_.on_progress) events_.on_progress(progress_);
        return {};
    }
    if (op == "prove") return on_prove(head);
    if (op == "prove.no") return {};  // the state that follows from it comes by itself
    if (op == "receipt") return on_receipt(head, body);
    if (op == "receipt.ok") return on_receipt_ok(head, body);
    if (op == "trouble") {
        Error error{Fault::unavailable, head.text("what", 500), head.text("hint", 500)};
        KITH_TRY(head.finish(op));
        if (events_.on_trouble) events_.on_trouble(error);
        return {};
    }
    if (op == "sync.parts") return take(records_.on_parts(head, body));
    if (op == "sync.batch") return take(records_.on_batch(head, body));
    if (op == "sync.hashes") return take(blobs_.on_hashes(head, body));
    if (op == "sync.piece") return take(blobs_.on_piece(head, body));
    if (op.starts_with("sync.")) {
        if (!profile_.term_key()) return {};
        KITH_TRY(server_.on_frame(op, head, body));
        pump();
        return {};
    }
    return {};  // of a later version
}

Result<> PeerSession::on_hello(wire::Fields& head) {
    auto version = head.u64("v");
    auto device = head.id<DeviceId>("device");
    bool member = head.flag("member"), onboarding = head.flag("onboarding");
    auto endpoints = head.texts("endpoints", limits::link_endpoints, 64);
    KITH_TRY(head.finish("hello"));
    if (version != 1) {
        if (events_.on_trouble)
            events_.on_trouble(
                {Fault::refused, "the other device speaks another version of kith", "update kith on both"});
        return {};
    }
    if (device != peer_) return fail(Fault::protocol, "hello from another device");
    // A hello again: the peer began anew, on a new connection. What was on the way is lost.
    records_.stop();
    blobs_.stop();
    server_.stop();
    proved_.reset();
    peer_state_.reset();
    // The peer began anew, by another connection than ours, and knows nothing of this side.
    if (greeted_) send_hello();
    greeted_ = true;
    peer_member_ = member;
    if (events_.on_endpoints) events_.on_endpoints(std::move(endpoints));
    send_roster();
    KITH_TRY(send_peers());
    if (!member) KITH_TRY(send_welcome());
    KITH_TRY(send_state());
    KITH_TRY(send_nodes());
    KITH_TRY(send_services());
    if (onboarding) {
        KITH_TRY_VALUE(receipts, profile_.store().receipts());
        for (auto at = receipts.rbegin(); at != receipts.rend(); ++at) {
            if (at->peer != peer_ || job("joiner")) continue;
            send(text(Json{{"op", "receipt.ok"}, {"signature", at->own.hex()}}), at->body);
            break;
        }
    }
    return advance();
}

Result<> PeerSession::on_roster(ByteView body) {
    KITH_TRY_VALUE(entries, roster::unpack_entries(body));
    KITH_TRY_VALUE(added, profile_.add_entries(entries));
    if (added > 0 && events_.on_roster) events_.on_roster();
    return {};
}

// Where the person's other devices were last reached. Only a hint: who answers there must hold the device's
// key.
Result<> PeerSession::on_peers(wire::Fields& head) {
    KITH_TRY_VALUE(known, profile_.store().peers());
    bool news = false;
    for (auto& item : head.objects("list", limits::link_connections)) {
        store::Peer peer{item.id<DeviceId>("device"), item.texts("endpoints", limits::link_endpoints, 64),
                         item.i64("seen")};
        KITH_TRY(item.finish("peers"));
        auto mine = std::find_if(known.begin(), known.end(),
                                 [&](const auto& row) { return row.device == peer.device; });
        const auto* device = profile_.roster().find(peer.device);
        if (!device || peer.device == profile_.device() || peer.device == peer_) continue;
        if (mine != known.end() && (mine->seen_ms >= peer.seen_ms || mine->endpoints == peer.endpoints))
            continue;
        KITH_TRY(profile_.store().put_peer(peer));
        news = true;
    }
    KITH_TRY(head.finish("peers"));
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
    if (!list.empty()) send(text(Json{{"op", "peers"}, {"list", list}}));
    return {};
}

Result<> PeerSession::on_welcome(ByteView body) {
    if (profile_.term_key()) return {};
    auto secrets = wire::Fields::parse(body);
    auto version = secrets.u64("v");
    auto term_key = SecretBytes(secrets.hex("term_key", 32));
    auto accounts = secrets.hex("recovery_accounts", 256 * 32);
    KITH_TRY(secrets.finish("welcome"));
    if (version != 1 || term_key.size() != 32) return fail(Fault::protocol, "welcome is malformed");
    KITH_TRY(profile_.take_person_secrets(Key(term_key.view().first<32>()), accounts));
    if (events_.on_membership) events_.on_membership();
    return advance();
}

Result<> PeerSession::on_state(wire::Fields& head) {
    PeerState state;
    state.all.count = head.u64("count");
    auto sum = head.hex("sum", 32);
    state.record_bytes = head.u64("record_bytes");
    state.blob_bytes = head.u64("blob_bytes");
    state.blobs_missing = head.u64("blobs_missing");
    KITH_TRY(head.finish("state"));
    if (sum.size() != 32) return fail(Fault::protocol, "state: sum has the wrong length");
    std::copy(sum.begin(), sum.end(), state.all.sum.bytes.begin());
    // Only news counts: two devices that both lack a blob would otherwise tell each other so for ever.
    state_changed_ = state_changed_ || peer_state_ != state;
    peer_state_ = state;
    proved_.reset();
    count_progress();
    return advance();
}

Result<> PeerSession::on_node(wire::Fields& head, ByteView body) {
    store::Account account;
    account.id = head.id<AccountId>("account");
    account.address = head.text("address", 300);
    account.identity = head.text("identity", 300);
    account.pin = head.hex("pin", 32);
    account.site = head.text("site", 4096);
    account.alias = head.text("alias", 4096);
    account.uid = head.text("uid", 64);
    KITH_TRY(head.finish("node"));
    KITH_TRY(parse_address(account.address));
    // A node that works is not given up for another one: whoever has one of our devices could send us a dead
    // one.
    if (services_.has_node(account.id)) {
        send(text(Json{{"op", "node.ok"}, {"account", account.id.hex()}}));
        return {};
    }
    if (body.empty() || body.size() > 256) return fail(Fault::protocol, "node: malformed");
    KITH_TRY(services_.adopt(account, SecretBytes(body)));
    send(text(Json{{"op", "node.ok"}, {"account", account.id.hex()}}));
    return advance();
}

Result<> PeerSession::on_node_ok(wire::Fields& head) {
    auto account = head.id<AccountId>("account");
    KITH_TRY(head.finish("node.ok"));
    KITH_TRY_VALUE(provision, profile_.store().provision(account, peer_));
    if (!provision) return {};
    provision->state = "done";
    provision->nodeid = {};  // the secret is the peer's alone from now on
    KITH_TRY(profile_.store().put_provision(*provision));
    return send_services();
}

Result<> PeerSession::on_services(wire::Fields& head) {
    std::map<AccountId, std::pair<std::string, std::string>> list;
    for (auto& item : head.objects("list", 1000)) {
        auto account = item.id<AccountId>("account");
        auto address = item.text("address", 300), state = item.text("state", 32);
        KITH_TRY(item.finish("services"));
        list[account] = {address, state};
    }
    KITH_TRY(head.finish("services"));
    peer_services_ = std::move(list);
    return advance();
}

// The host's part of the proof: both have the same digest, so both sign it.
Result<> PeerSession::on_prove(wire::Fields& head) {
    auto theirs = read_digest(head);
    KITH_TRY(head.finish("prove"));
    auto active = job("host");
    if (!active) return {};
    KITH_TRY_VALUE(ours, compute_digest(profile_));
    if (ours != theirs) {
        send(text(Json{{"op", "prove.no"}}));
        return send_state();
    }
    auto receipt = make_receipt({profile_.person(), profile_.device(), peer_, ours, loop_.now().unix_ms});
    auto signature = profile_.device_key().sign(receipt);
    send(text(Json{{"op", "receipt"}, {"signature", signature.hex()}}), std::move(receipt));
    return {};
}

Result<> PeerSession::on_receipt(wire::Fields& head, ByteView body) {
    auto signature = head.id<Signature>("signature");
    KITH_TRY(head.finish("receipt"));
    auto active = job("joiner");
    if (!active) return {};
    KITH_TRY_VALUE(receipt, read_receipt(body));
    const auto* host = profile_.roster().find(peer_);
    if (!host || receipt.person != profile_.person() || receipt.from != peer_ ||
        receipt.to != profile_.device() || !crypto::verify(host->device_key, body, signature))
        return fail(Fault::protocol, "a receipt that is not for this transfer");
    KITH_TRY_VALUE(ours, compute_digest(profile_));
    if (ours != receipt.digest) {  // something arrived meanwhile
        proved_.reset();
        return advance();
    }
    auto own = profile_.device_key().sign(body);
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(profile_.store().add_receipt({peer_, receipt.time_ms, to_bytes(body), own, signature}));
    KITH_TRY(end_job("joiner", ours, loop_.now().unix_ms));
    KITH_TRY(tx.commit());
    send(text(Json{{"op", "receipt.ok"}, {"signature", own.hex()}}), to_bytes(body));
    if (events_.on_done)
        events_.on_done(ours, static_cast<double>(loop_.now().unix_ms - active->started_ms) / 1000);
    return {};
}

Result<> PeerSession::on_receipt_ok(wire::Fields& head, ByteView body) {
    auto theirs = head.id<Signature>("signature");
    KITH_TRY(head.finish("receipt.ok"));
    auto active = job("host");
    if (!active) return {};
    KITH_TRY_VALUE(receipt, read_receipt(body));
    const auto* joiner = profile_.roster().find(peer_);
    if (!joiner || receipt.person != profile_.person() || receipt.from != profile_.device() ||
        receipt.to != peer_ || !crypto::verify(joiner->device_key, body, theirs))
        return fail(Fault::protocol, "a receipt that is not of this transfer");
    auto own = profile_.device_key().sign(body);
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(profile_.store().add_receipt({peer_, receipt.time_ms, to_bytes(body), own, theirs}));
    KITH_TRY(end_job("host", receipt.digest, loop_.now().unix_ms));
    KITH_TRY(tx.commit());
    if (events_.on_done)
        events_.on_done(receipt.digest, static_cast<double>(loop_.now().unix_ms - active->started_ms) / 1000);
    return {};
}

Result<> PeerSession::end_job(std::string_view role, const history::Digest& digest, std::int64_t now_ms) {
    auto active = job(role);
    if (!active) return {};
    active->state = "done";
    active->ended_ms = now_ms;
    active->records_total = digest.records;
    active->bytes_total = digest.bytes;
    return profile_.store().put_job(*active);
}

void PeerSession::history_changed() {
    proved_.reset();
    if (!link_ || !greeted_) return;
    announce_ = true;
    if (announce_timer_.armed()) return;
    announce_timer_ = loop_.after(limits::announce_ms, [this] {
        if (announce_) check(send_state());
        check(advance());
    });
}

void PeerSession::services_changed() {
    if (!link_ || !greeted_) return;
    check(send_nodes());
    if (link_) check(send_services());
    if (link_) check(advance());
}

void PeerSession::roster_changed() {
    if (!link_ || !greeted_) return;
    send_roster();
    check(send_peers());
}

void PeerSession::peers_changed() {
    if (link_ && greeted_) check(send_peers());
}

void PeerSession::send(std::string head, Bytes body) {
    if (link_ && !link_->send({std::move(head), std::move(body)}))
        broken({Fault::unreachable, "the link is lost, or the other device does not read", ""});
}

void PeerSession::send_hello() {
    Json endpoints = Json::array();
    for (auto& endpoint : events_.endpoints()) endpoints.push_back(endpoint);
    send(text(Json{{"op", "hello"},
                   {"v", 1},
                   {"device", profile_.device().hex()},
                   {"member", profile_.term_key() != nullptr},
                   {"onboarding", job("host").has_value()},
                   {"endpoints", endpoints}}));
}

void PeerSession::send_roster() {
    send(text(Json{{"op", "roster"}}), roster::pack_entries(profile_.entries()));
}

// The secrets that all devices of the person share. The link is encrypted to the key that the roster names.
Result<> PeerSession::send_welcome() {
    if (!profile_.term_key()) return {};
    KITH_TRY_VALUE(accounts, profile_.recovery_accounts());
    std::string secrets = "{\"v\":1,\"term_key\":\"" + to_hex(profile_.term_key()->view()) +
                          "\",\"recovery_accounts\":\"" + to_hex(accounts) + "\"}";
    send(text(Json{{"op", "welcome"}}), to_bytes(secrets));
    wipe({reinterpret_cast<std::uint8_t*>(secrets.data()), secrets.size()});
    return {};
}

Result<> PeerSession::send_state() {
    announce_ = false;
    if (!profile_.term_key()) return {};
    KITH_TRY_VALUE(all, profile_.history().fingerprint(history::Range::all()));
    KITH_TRY_VALUE(totals, profile_.history().totals());
    send(text(Json{{"op", "state"},
                   {"count", all.count},
                   {"sum", hex(all.sum.bytes)},
                   {"record_bytes", totals.record_bytes},
                   {"blob_bytes", totals.blob_bytes},
                   {"blobs_missing", totals.blobs_missing}}));
    return {};
}

Result<> PeerSession::send_nodes() {
    KITH_TRY_VALUE(provisions, profile_.store().provisions());
    for (const auto& provision : provisions) {
        if (provision.device != peer_ || provision.state != "made") continue;
        KITH_TRY_VALUE(account, profile_.store().account(provision.account));
        if (!account) continue;
        send(text(Json{{"op", "node"},
                       {"account", account->id.hex()},
                       {"address", account->address},
                       {"identity", account->identity},
                       {"pin", to_hex(account->pin)},
                       {"site", account->site},
                       {"alias", account->alias},
                       {"uid", account->uid}}),
             to_bytes(provision.nodeid.view()));
    }
    return {};
}

// To a device that is being set up: how far its nodes are.
Result<> PeerSession::send_services() {
    if (!job("host")) return {};
    Json list = Json::array();
    bool waiting = false;
    for (const auto& service : services_.list()) {
        KITH_TRY_VALUE(provision, profile_.store().provision(service.account.id, peer_));
        std::string state = "working";
        if (!provision || provision->state == "refused")
            state = "pending";
        else if (provision->state == "made" || provision->state == "done")
            state = "ready";
        else if (service.state != ServiceState::online && service.settled)
            state = "pending";
        else if (loop_.now().mono_ms - link_up_ms_ > limits::node_wait_ms)
            state = "pending";
        waiting = waiting || state == "working";
        list.push_back(
            {{"account", service.account.id.hex()}, {"address", service.account.address}, {"state", state}});
    }
    send(text(Json{{"op", "services"}, {"list", list}}));
    if (waiting)
        settle_timer_ = loop_.after(limits::node_wait_ms + 100, [this] {
            if (link_ && greeted_) check(send_services());
        });
    return {};
}

void PeerSession::send_progress() {
    auto now = loop_.now().mono_ms;
    if (now - progress_sent_ms_ < limits::progress_ms && progress_.records < progress_.records_total) return;
    progress_sent_ms_ = now;
    send(text(Json{{"op", "progress"}, {"records", progress_.records}, {"bytes", progress_.bytes}}));
    if (events_.on_progress) events_.on_progress(progress_);
}

// Answers the peer's requests, one frame a turn of the loop, while the link takes more.
void PeerSession::pump() {
    if (pumping_ || !link_ || !server_.has_work() || link_->queued() > limits::link_pump_bytes) return;
    pumping_ = true;
    loop_.defer([this, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        pumping_ = false;
        if (!link_) return;
        auto frame = server_.work();
        if (!frame) return check(fail(frame.error()));
        if (*frame) send(std::move((**frame).head), std::move((**frame).body));
        pump();
    });
}

void PeerSession::check(Result<> result) {
    if (!result) broken(result.error());
}

// A breach of protocol ends the link, and the next one begins anew. Trouble of our own (a full disk) pauses:
// both owners are told, and after a while it is tried again.
void PeerSession::broken(const Error& error) {
    if (events_.on_trouble) events_.on_trouble(error);
    if (error.kind == Fault::protocol || error.kind == Fault::unreachable) {
        if (events_.drop_link) events_.drop_link();
        return;
    }
    records_.stop();
    blobs_.stop();
    if (link_ && greeted_) {
        auto what = profile_.name() + ": " + error.what;
        send(text(
            Json{{"op", "trouble"}, {"what", what.substr(0, 400)}, {"hint", error.hint.substr(0, 400)}}));
    }
    // Anew from the hello: whatever of the exchange was lost to the trouble is said again.
    retry_timer_ = loop_.after(limits::trouble_retry_ms, [this] {
        if (!link_) return;
        auto link = std::move(*link_);
        link_lost();
        link_up(std::move(link));
    });
}

Result<> PeerSession::advance() {
    if (!link_ || !greeted_ || !profile_.term_key() || !peer_state_ || !records_.idle() || !blobs_.idle())
        return {};
    KITH_TRY_VALUE(ours, profile_.history().fingerprint(history::Range::all()));
    if (state_changed_ && ours != peer_state_->all && peer_state_->all.count > 0) {
        state_changed_ = false;
        absent_ = 0;
        KITH_TRY(check_space());
        return take(records_.start());
    }
    KITH_TRY_VALUE(totals, profile_.history().totals());
    if (totals.blobs_missing > absent_ || (totals.blobs_missing > 0 && state_changed_)) {
        state_changed_ = false;
        return take(blobs_.start());
    }
    state_changed_ = false;
    return prove();
}

// Before anything is pulled: whether all of it will fit.
Result<> PeerSession::check_space() const {
    KITH_TRY_VALUE(totals, profile_.history().totals());
    auto here = totals.record_bytes + totals.blob_bytes - totals.bytes_missing;
    auto there = peer_state_->record_bytes + peer_state_->blob_bytes;
    auto needed = (there > here ? there - here : 0) + limits::spare_bytes;
    KITH_TRY_VALUE(free, store::free_bytes(profile_.home()));
    if (free >= needed) return {};
    auto mib = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
    return fail(Fault::disk_full,
                "not enough space: about " + mib(needed) + " are needed and " + mib(free) + " are free",
                "free some space; the transfer goes on by itself");
}

Result<> PeerSession::take(history::RecordPuller::Actions actions) {
    if (!actions) return fail(actions.error());
    for (auto& action : *actions) {
        if (auto* frame = std::get_if<history::RecordPuller::Send>(&action)) {
            send(std::move(frame->frame.head), std::move(frame->frame.body));
        } else if (auto* arrived = std::get_if<history::RecordPuller::Store>(&action)) {
            KITH_TRY(store(std::move(arrived->records)));
            KITH_TRY(take(records_.stored()));
        } else if (std::get_if<history::RecordPuller::Finished>(&action)) {
            KITH_TRY(send_state());
            return advance();
        }
        if (!link_) return {};
    }
    return {};
}

Result<> PeerSession::take(history::BlobPuller::Step step) {
    if (!step) return fail(step.error());
    for (auto& frame : step->send) send(std::move(frame.head), std::move(frame.body));
    if (step->bytes > 0) count_progress();
    if (!step->finished || !link_) return {};
    bool told = absent_ == step->absent;
    absent_ = step->absent;
    if (absent_ > 0 && !told && events_.on_trouble)
        events_.on_trouble({Fault::unavailable,
                            "the other device lacks " + std::to_string(absent_) + " attachments itself",
                            "they arrive when it has them"});
    KITH_TRY(send_state());
    return advance();
}

Result<> PeerSession::store(std::vector<history::Arrived> records) {
    std::vector<store::NewRecord> rows;
    std::vector<store::Account> accounts;
    for (auto& arrived : records) {
        if (arrived.record.kind == history::kind::account)
            if (auto account = read_account_record(profile_, arrived.record))
                accounts.push_back(std::move(*account));
        rows.push_back(new_record(std::move(arrived.stored), std::move(arrived.record)));
    }
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY_VALUE(added, profile_.history().add(rows));
    KITH_TRY(tx.commit());
    // Should this fail, the account is found again at the next start (Services::start).
    for (const auto& account : accounts) KITH_TRY(services_.learn(account));
    count_progress();
    if (added.added > 0 && events_.on_history) events_.on_history();
    return {};
}

void PeerSession::count_progress() {
    if (!peer_state_ || !job("joiner")) return;
    auto totals = profile_.history().totals();
    if (!totals) return;
    progress_.records = totals->records;
    progress_.bytes = totals->record_bytes + totals->blob_bytes - totals->bytes_missing;
    progress_.records_total = std::max(peer_state_->all.count, totals->records);
    progress_.bytes_total = std::max(peer_state_->record_bytes + peer_state_->blob_bytes, progress_.bytes);
    send_progress();
}

// The joiner's part: once nothing is missing and every service is set up or said to be pending, the digests
// are compared.
Result<> PeerSession::prove() {
    if (!job("joiner") || !peer_state_) return {};
    KITH_TRY_VALUE(settled, services_settled());
    if (!settled) return {};
    KITH_TRY_VALUE(ours, profile_.history().fingerprint(history::Range::all()));
    KITH_TRY_VALUE(totals, profile_.history().totals());
    if (ours != peer_state_->all || totals.blobs_missing > 0) return {};
    KITH_TRY_VALUE(digest, compute_digest(profile_));
    Bytes hash(digest.hash.begin(), digest.hash.end());
    if (proved_ == hash) return {};
    proved_ = hash;
    Json head = to_json(digest);
    head["op"] = "prove";
    send(text(head));
    return {};
}

Result<bool> PeerSession::services_settled() {
    if (!peer_services_) return false;
    bool all = true;
    auto own = services_.list();
    for (const auto& [account, told] : *peer_services_) {
        const auto& [address, state] = told;
        std::string result;
        if (state == "pending") result = "pending";
        for (const auto& service : own) {
            if (service.account.id != account || state != "ready") continue;
            if (service.settled) result = service.state == ServiceState::online ? "online" : "pending";
        }
        if (result.empty()) {
            all = false;
        } else if (told_services_[account] != result) {
            told_services_[account] = result;
            send(text(Json{{"op", "service"}, {"address", address}, {"state", result}}));
            if (events_.on_service) events_.on_service(address, result);
        }
    }
    return all;
}

}  // namespace kith::app
