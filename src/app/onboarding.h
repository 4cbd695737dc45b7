// Setting up a new device: what the device that has the accounts (the host) and the new one (the joiner) say
// to each other besides the transfer itself, for one peer. Nodes are handed over, services are counted, and
// once nothing is missing both sign the same digest.
//
// Frames: src/app/README.md. No sockets here: `send` is given. What is under way is a job in the profile, so
// it goes on after a crash.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "app/profile.h"
#include "app/services.h"
#include "app/vault.h"
#include "history/transfer.h"
#include "net/loop.h"
#include "wire/fields.h"

namespace kith::app {

class Onboarding {
  public:
    struct Events {
        std::function<void(std::string head, Bytes body)> send;
        std::function<Result<>()> send_state;  // of the transfer
        std::function<void(const history::Progress&)> on_progress;
        std::function<void(const std::string& address, const std::string& state)> on_service;
        std::function<void(const history::Digest&, double seconds)> on_done;
        std::function<void(Result<>)> check;  // a result that nobody waits for
    };
    Onboarding(net::Loop& loop, Profile& profile, Services& services, DeviceId peer,
               const history::Transfer& transfer, Events events);

    // The job that this peer and this device are in, if any.
    std::optional<store::Job> job(std::string_view role) const;

    // The peer's hello is here; `waits`: it has not got its receipt yet.
    Result<> start(bool waits);
    void stop();
    // Whether the frame was one of these, and what came of it.
    static bool handles(std::string_view op);
    Result<> on_frame(std::string_view op, wire::Fields& head, ByteView body);
    Result<> services_changed();
    // The history here is another, or the peer's is.
    void unproved() { proved_.reset(); }
    // On the joiner: proves that all is here, as soon as it is. On both: tells how far it is.
    Result<> advance();
    void progressed();
    const history::Progress& progress() const { return progress_; }

  private:
    Result<> send_nodes();
    Result<> send_requests();
    Result<> on_node_ask(wire::Fields& head);
    Result<> on_node_taken(wire::Fields& head);
    Result<> on_node_request(wire::Fields& head, ByteView body);
    Result<> send_services();
    Result<> send_receipt_again();
    Result<> on_node(wire::Fields& head, ByteView body);
    Result<> on_node_ok(wire::Fields& head);
    Result<> on_services(ByteView body);
    Result<> on_progress(wire::Fields& head);
    Result<> on_prove(wire::Fields& head);
    Result<> on_receipt(wire::Fields& head, ByteView body);
    Result<> on_receipt_ok(wire::Fields& head, ByteView body);
    Result<bool> services_settled();
    Result<> end_job(std::string_view role, const history::Digest& digest);
    double seconds_of(const store::Job& job) const;

    net::Loop& loop_;
    Profile& profile_;
    Services& services_;
    DeviceId peer_;
    const history::Transfer& transfer_;
    Events events_;
    bool running_ = false;
    std::int64_t started_ms_ = 0;
    std::optional<std::int64_t> digested_ms_;  // when the peer last asked for it
    std::optional<Bytes> offered_;             // the receipt that this device has signed as host
    std::optional<history::Digest> proved_;    // the one that was sent last, until something changes
    std::optional<std::map<AccountId, std::pair<std::string, std::string>>> peer_services_;
    std::map<AccountId, std::string> told_services_;
    history::Progress progress_;
    std::int64_t progress_sent_ms_ = 0;
    net::Timer settle_timer_, prove_timer_;
};

}  // namespace kith::app
