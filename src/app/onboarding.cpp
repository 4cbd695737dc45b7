#include "app/onboarding.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/receipt.h"
#include "base/limits.h"
#include "wire/json.h"

namespace kith::app {

using Json = nlohmann::json;

namespace {

Json to_json(const history::Digest& digest) {
    return {{"hash", to_hex(digest.hash)},
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

// With the host's own signature: it signs nothing that it has not made.
std::string receipt_ok(const Signature& joiner, const Signature& host) {
    return wire::json_text(Json{{"op", "receipt.ok"}, {"signature", joiner.hex()}, {"host", host.hex()}});
}

}  // namespace

Onboarding::Onboarding(net::Loop& loop, Profile& profile, Services& services, DeviceId peer,
                       const history::Transfer& transfer, Events events)
    : loop_(loop),
      profile_(profile),
      services_(services),
      peer_(peer),
      transfer_(transfer),
      events_(std::move(events)) {}

std::optional<store::Job> Onboarding::job(std::string_view role) const {
    auto jobs = profile_.store().jobs();
    if (jobs)
        for (auto& job : *jobs)
            if (job.role == role && job.peer == peer_ && job.ended_ms == 0) return std::move(job);
    return std::nullopt;
}

Result<> Onboarding::start(bool waits) {
    running_ = true;
    started_ms_ = loop_.now().mono_ms;
    proved_.reset();
    peer_services_.reset();
    KITH_TRY(services_changed());
    return waits ? send_receipt_again() : Result<>();
}

void Onboarding::stop() {
    running_ = false;
    proved_.reset();
    peer_services_.reset();
    settle_timer_.cancel();
    prove_timer_.cancel();
}

bool Onboarding::handles(std::string_view op) {
    constexpr std::string_view ops[] = {"node",       "node.ask", "node.request", "node.ok",
                                        "node.taken", "services", "service",      "progress",
                                        "prove",      "prove.no", "receipt",      "receipt.ok"};
    return std::find(std::begin(ops), std::end(ops), op) != std::end(ops);
}

Result<> Onboarding::on_frame(std::string_view op, wire::Fields& head, ByteView body) {
    if (op == "node") return on_node(head, body);
    if (op == "node.ask") return on_node_ask(head);
    if (op == "node.request") return on_node_request(head, body);
    if (op == "node.taken") return on_node_taken(head);
    if (op == "node.ok") return on_node_ok(head);
    if (op == "services") return on_services(body);
    if (op == "progress") return on_progress(head);
    if (op == "prove") return on_prove(head);
    if (op == "receipt") return on_receipt(head, body);
    if (op == "receipt.ok") return on_receipt_ok(head, body);
    if (op == "service") {
        auto address = head.text("address", 300), state = head.text("state", 32);
        KITH_TRY(head.finish(op));
        events_.on_service(address, state);
    }
    if (op == "prove.no")  // what differs is told by the peer's state, or passes by itself
        prove_timer_ = loop_.after(limits::prove_again_ms, [this] {
            proved_.reset();
            events_.check(advance());
        });
    return {};
}

Result<> Onboarding::services_changed() {
    if (!running_) return {};
    KITH_TRY(send_nodes());
    KITH_TRY(send_requests());
    KITH_TRY(send_services());
    return advance();
}

Result<> Onboarding::send_nodes() {
    KITH_TRY_VALUE(provisions, profile_.store().provisions());
    for (const auto& provision : provisions) {
        if (provision.device != peer_) continue;
        if (auto roster = services_.rosters().id(provision.account); roster && provision.state == "wanted") {
            events_.send(
                wire::json_text(Json{
                    {"op", "node.ask"}, {"account", provision.account.hex()}, {"roster", roster->hex()}}),
                {});
            continue;
        }
        if (const auto taken = services_.taken_hash(provision))
            events_.send(
                wire::json_text(
                    Json{{"op", "node.taken"}, {"account", provision.account.hex()}, {"hash", taken->hex()}}),
                {});
        if (provision.state != "made") continue;
        KITH_TRY_VALUE(account, profile_.store().account(provision.account));
        if (!account) continue;
        events_.send(wire::json_text(Json{{"op", "node"},
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

// The nodes that this device wants, of the devices that can sign for them.
Result<> Onboarding::send_requests() {
    KITH_TRY_VALUE(wanted, services_.rosters().wanted());
    for (const auto& one : wanted)
        if (!one.request.empty() && !services_.has_node(one.account))
            events_.send(wire::json_text(Json{{"op", "node.request"}, {"account", one.account.hex()}}),
                         one.request);
    return {};
}

Result<> Onboarding::on_node_ask(wire::Fields& head) {
    auto account = head.id<AccountId>("account");
    auto roster = head.id<PersonId>("roster");
    KITH_TRY(head.finish("node.ask"));
    if (services_.has_node(account)) {
        events_.send(wire::json_text(Json{{"op", "node.ok"}, {"account", account.hex()}}), {});
        return {};
    }
    KITH_TRY(services_.want_node(account, roster));
    return send_requests();
}

Result<> Onboarding::on_node_taken(wire::Fields& head) {
    auto account = head.id<AccountId>("account");
    auto taken = head.id<LinkPublic>("hash");
    KITH_TRY(head.finish("node.taken"));
    if (services_.has_node(account)) return {};
    KITH_TRY_VALUE(drawn, services_.want_another(account, taken));
    return drawn ? send_requests() : Result<>();
}

Result<> Onboarding::on_node_request(wire::Fields& head, ByteView body) {
    auto account = head.id<AccountId>("account");
    KITH_TRY(head.finish("node.request"));
    return services_.take_request(peer_, account, body);
}

Result<> Onboarding::send_services() {
    if (!job("host")) return {};
    Json list = Json::array();
    bool waiting = false;
    for (const auto& service : services_.list()) {
        if (list.size() >= limits::accounts) break;
        if (service.moved_to) continue;  // no device gets a node there any more
        KITH_TRY_VALUE(provision, profile_.store().provision(service.account.id, peer_));
        std::string state = "working";
        if (!provision || provision->state == "refused")
            state = "pending";
        else if (provision->state == "made" || provision->state == "done")
            state = "ready";
        else if (service.state != ServiceState::online && service.settled)
            state = "pending";
        else if (loop_.now().mono_ms - started_ms_ > limits::node_wait_ms)
            state = "pending";
        waiting = waiting || state == "working";
        list.push_back(
            {{"account", service.account.id.hex()}, {"address", service.account.address}, {"state", state}});
    }
    // In the body: with long names it would not fit a head.
    events_.send(wire::json_text(Json{{"op", "services"}}), wire::json_list(list));
    if (waiting)
        settle_timer_ = loop_.after(limits::node_wait_ms + 100, [this] {
            if (running_) events_.check(send_services());
        });
    return {};
}

Result<> Onboarding::on_node(wire::Fields& head, ByteView body) {
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
        events_.send(wire::json_text(Json{{"op", "node.ok"}, {"account", account.id.hex()}}), {});
        return {};
    }
    if (body.size() > 256) return fail(Fault::protocol, "node: malformed");
    // With node control this device has made the secret itself.
    if (body.empty()) {
        KITH_TRY_VALUE(adopted, services_.adopt_wanted(account));
        if (!adopted) return {};
    } else {
        KITH_TRY(services_.adopt(account, SecretBytes(body)));
    }
    events_.send(wire::json_text(Json{{"op", "node.ok"}, {"account", account.id.hex()}}), {});
    return advance();
}

Result<> Onboarding::on_node_ok(wire::Fields& head) {
    auto account = head.id<AccountId>("account");
    KITH_TRY(head.finish("node.ok"));
    KITH_TRY_VALUE(provision, profile_.store().provision(account, peer_));
    if (!provision) return {};
    provision->state = "done";
    provision->nodeid = {};  // the secret is the peer's alone from now on
    KITH_TRY(profile_.store().put_provision(*provision));
    return send_services();
}

Result<> Onboarding::on_services(ByteView body) {
    auto told = wire::Fields::parse(body);
    std::map<AccountId, std::pair<std::string, std::string>> list;
    for (auto& item : told.objects("list", limits::accounts)) {
        auto account = item.id<AccountId>("account");
        auto address = item.text("address", 300), state = item.text("state", 32);
        KITH_TRY(item.finish("services"));
        list[account] = {address, state};
    }
    KITH_TRY(told.finish("services"));
    std::erase_if(told_services_, [&](const auto& service) { return !list.contains(service.first); });
    peer_services_ = std::move(list);
    return advance();
}

// On the host: the joiner tells how far it is.
Result<> Onboarding::on_progress(wire::Fields& head) {
    progress_.records = head.u64("records");
    progress_.records_total = head.u64("records_total");
    progress_.bytes = head.u64("bytes");
    progress_.bytes_total = head.u64("bytes_total");
    KITH_TRY(head.finish("progress"));
    events_.on_progress(progress_);
    return {};
}

void Onboarding::progressed() {
    if (!running_ || !job("joiner")) return;
    progress_ = transfer_.progress();
    auto now = loop_.now().mono_ms;
    if (now - progress_sent_ms_ < limits::progress_ms && progress_.records < progress_.records_total) return;
    progress_sent_ms_ = now;
    events_.send(wire::json_text(Json{{"op", "progress"},
                                      {"records", progress_.records},
                                      {"records_total", progress_.records_total},
                                      {"bytes", progress_.bytes},
                                      {"bytes_total", progress_.bytes_total}}),
                 {});
    events_.on_progress(progress_);
}

// The joiner's part: once nothing is missing and every service is set up or said to be pending, the digests
// are compared.
Result<> Onboarding::advance() {
    if (!running_ || !job("joiner") || !transfer_.selection()) return {};
    KITH_TRY_VALUE(settled, services_settled());
    if (!settled || proved_) return {};
    KITH_TRY_VALUE(complete, transfer_.complete());
    if (!complete) return {};
    KITH_TRY_VALUE(digest, compute_digest(profile_, *transfer_.selection()));
    proved_ = digest;
    Json head = to_json(digest);
    head["op"] = "prove";
    history::append_selection(head, *transfer_.selection());
    events_.send(wire::json_text(head), {});
    return {};
}

// The host's part of the proof: both have the same digest, so both sign it.
Result<> Onboarding::on_prove(wire::Fields& head) {
    auto theirs = read_digest(head);
    auto filter = history::read_selection(head);
    KITH_TRY(head.finish("prove"));
    if (!job("host")) return {};
    // The digest walks the whole history: not as often as a peer may ask.
    if (digested_ms_ && loop_.now().mono_ms - *digested_ms_ < limits::prove_again_ms / 2) {
        events_.send(wire::json_text(Json{{"op", "prove.no"}}), {});
        return {};
    }
    KITH_TRY_VALUE(ours, compute_digest(profile_, filter));
    digested_ms_ = loop_.now().mono_ms;
    if (ours != theirs) {
        events_.send(wire::json_text(Json{{"op", "prove.no"}}), {});
        return events_.send_state();
    }
    auto receipt =
        make_receipt({profile_.person(), profile_.device(), peer_, ours, filter, loop_.now().unix_ms});
    auto signature = profile_.device_key().sign(receipt);
    offered_ = receipt;
    events_.send(wire::json_text(Json{{"op", "receipt"}, {"signature", signature.hex()}}),
                 std::move(receipt));
    return {};
}

Result<> Onboarding::on_receipt(wire::Fields& head, ByteView body) {
    auto signature = head.id<Signature>("signature");
    KITH_TRY(head.finish("receipt"));
    auto active = job("joiner");
    if (!active) return {};
    KITH_TRY_VALUE(receipt, read_receipt(body));
    const auto* host = profile_.roster().find(peer_);
    if (!host || receipt.person != profile_.person() || receipt.from != peer_ ||
        receipt.to != profile_.device() || !crypto::verify(host->device_key, body, signature))
        return fail(Fault::protocol, "a receipt that is not for this transfer");
    // Something arrived meanwhile, or another selection was made: then it is proved again.
    if (!proved_ || *proved_ != receipt.digest || transfer_.selection() != receipt.filter) {
        proved_.reset();
        return advance();
    }
    auto own = profile_.device_key().sign(body);
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(profile_.store().add_receipt({peer_, receipt.time_ms, to_bytes(body), own, signature}));
    KITH_TRY(end_job("joiner", receipt.digest));
    KITH_TRY(tx.commit());
    events_.send(receipt_ok(own, signature), to_bytes(body));
    events_.on_done(receipt.digest, seconds_of(*active));
    return {};
}

Result<> Onboarding::on_receipt_ok(wire::Fields& head, ByteView body) {
    auto theirs = head.id<Signature>("signature"), mine = head.id<Signature>("host");
    KITH_TRY(head.finish("receipt.ok"));
    auto active = job("host");
    if (!active) return {};
    KITH_TRY_VALUE(receipt, read_receipt(body));
    const auto* joiner = profile_.roster().find(peer_);
    if (!joiner || receipt.person != profile_.person() || receipt.from != profile_.device() ||
        receipt.to != peer_ || !crypto::verify(joiner->device_key, body, theirs))
        return fail(Fault::protocol, "a receipt that is not of this transfer");
    // Only what this device has proved itself is signed: in this session, or before as its own signature
    // tells.
    auto own = profile_.device_key().sign(body);
    if (offered_ != to_bytes(body) && own != mine)
        return fail(Fault::protocol, "a receipt that this device did not make");
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(profile_.store().add_receipt({peer_, receipt.time_ms, to_bytes(body), own, theirs}));
    KITH_TRY(end_job("host", receipt.digest));
    KITH_TRY(tx.commit());
    events_.on_done(receipt.digest, seconds_of(*active));
    return {};
}

// The peer may have missed that it was done: its last word was lost.
Result<> Onboarding::send_receipt_again() {
    if (job("joiner")) return {};
    KITH_TRY_VALUE(receipts, profile_.store().receipts());
    for (auto at = receipts.rbegin(); at != receipts.rend(); ++at) {
        if (at->peer != peer_) continue;
        events_.send(receipt_ok(at->own, at->theirs), at->body);
        break;
    }
    return {};
}

Result<bool> Onboarding::services_settled() {
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
            events_.send(wire::json_text(Json{{"op", "service"}, {"address", address}, {"state", result}}),
                         {});
            events_.on_service(address, result);
        }
    }
    return all;
}

Result<> Onboarding::end_job(std::string_view role, const history::Digest& digest) {
    auto active = job(role);
    if (!active) return {};
    active->state = "done";
    active->ended_ms = loop_.now().unix_ms;
    active->records_total = digest.records;
    active->bytes_total = digest.bytes;
    return profile_.store().put_job(*active);
}

double Onboarding::seconds_of(const store::Job& job) const {
    return static_cast<double>(loop_.now().unix_ms - job.started_ms) / 1000;
}

}  // namespace kith::app
