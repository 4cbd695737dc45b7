// The core: one profile with its services, peers and what is under way, answering the methods of the control
// protocol (src/control/README.md). `kithd` runs one behind a socket, libkith one in-process. Everything
// happens on the loop's thread.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "app/bells.h"
#include "app/host_pairing.h"
#include "app/importer.h"
#include "app/indexer.h"
#include "app/invitations.h"
#include "app/join_pairing.h"
#include "app/meeting.h"
#include "app/messaging.h"
#include "app/moving.h"
#include "app/neighbourhood.h"
#include "app/peers.h"
#include "app/profile.h"
#include "app/services.h"
#include "app/sign_in.h"
#include "app/stick_export.h"
#include "app/stick_import.h"
#include "control/server.h"
#include "crypto/keys.h"
#include "net/curve.h"
#include "net/loop.h"
#include "net/worker.h"
#include "roster/recovery.h"

namespace kith::app {

class Core {
  public:
    // `on_stop`: somebody asked for the end; called once. Lines for the log go to `log`: never content or
    // secrets. `nearby`: how devices nearby are found.
    Core(net::Loop& loop, std::filesystem::path home, nearby::Options nearby, std::function<void()> on_stop,
         std::function<void(const std::string&)> log);
    ~Core();

    // Reads the profile and, when it can be opened without a passphrase, goes to work. `port`: of the peer
    // link (Peers).
    Result<> start(std::uint16_t port = 0);
    control::Dispatcher& dispatcher() { return dispatcher_; }

  private:
    using Request = control::RequestPtr;
    using Method = void (Core::*)(const Request&);
    void add_methods();
    void add(std::string name, std::function<void(const Request&)> method, bool needs_person);
    void add(std::string name, Method method, bool needs_person);

    void init(const Request& request);
    void lock(const Request& request);
    void lock_after(const Request& request);
    void unlock(const Request& request);
    void passphrase(const Request& request);
    void status(const Request& request);
    void service_add(const Request& request);
    Services::Ask signing_in(const Request& request, const std::string& label);
    void service_list(const Request& request);
    void service_repin(const Request& request);
    void service_dismiss(const Request& request);
    void service_bind(const Request& request);
    void service_restore(const Request& request);
    void service_object(const Request& request);
    void ask_about_binding(const Request& request, bool bind);
    void history_import(const Request& request);
    Result<std::unique_ptr<ImportJob>> start_import(const std::string& path, const std::string& format,
                                                    bool accounts, ImportEvents events);
    void history_stats(const Request& request);
    void history_digest(const Request& request);
    void history_list(const Request& request);
    void history_search(const Request& request);
    void history_show(const Request& request);
    void history_select(const Request& request);
    void history_erase(const Request& request);
    void sync(const Request& request);
    void device_add(const Request& request);
    void device_join(const Request& request);
    void device_cancel(const Request& request);
    void device_list(const Request& request);
    void device_log(const Request& request);
    void device_rename(const Request& request);
    void device_revoke(const Request& request);
    void device_contest(const Request& request);
    void device_lift(const Request& request);
    void device_recover(const Request& request);
    void recovery_renew(const Request& request);

    Result<> open();  // the profile is open: connect to everything
    void close();     // the opposite
    void shut();      // and the keys are forgotten
    void watch_idle();
    Result<> joinable(const SecretBytes& passphrase);
    using Source = std::variant<std::string, FoundOffer>;  // the offer's text, or one that was found
    void find_and_join(const Request& request, const std::string& nearby, const std::string& name,
                       const Choice& choice);
    // By a bell (core_bell.cpp).
    void show_and_join(const Request& request, const std::string& name, const Choice& choice);
    void bell_ended(const Error& error);
    Result<> ring(const pairing::Bell& bell);
    void tell_whose(const Introduction& host, const roster::State& state);
    void end_bells();
    void prepare_join(const Request& request, const Source& source, const std::string& name,
                      const Choice& choice);
    void join_started(const Request& request, const Source& source, const std::string& name,
                      const Choice& choice, crypto::SignKey act_key);
    Neighbourhood::Events around_events();
    Invitations::Events invitation_events();
    Moving::Events moving_events();
    void joined(Result<DeviceId> host, bool undecided);
    void rest();  // no network: the profile may change under it
    void return_to(const Profile::Former& former, const Request& request);
    static void warn_of_void_sheet(const Request& request);
    Result<> leave_asked();
    void end_void_jobs();
    void roster_changed();
    void look_at_signers();
    void project_at_once();
    void refresh_peers();
    Result<> may_add_devices() const;
    Result<> keep_joining(const DeviceId& host);  // that this device was let in, and takes in what there is
    Result<> keep_added(const roster::Entry& add, const DeviceId& device);
    Result<> admit(const roster::Entry& add, const roster::Request& request, const DeviceId& device);
    void admitted(Result<DeviceId> device);
    void follow(const Request& request, const DeviceId& peer);
    void tell(const DeviceId& peer, const std::string& event, const control::Json& fields);

    // By a stick (core_stick.cpp).
    void add_by_stick(const Request& request, const std::string& folder);
    void fingerprint_typed(const Request& request, const std::string& folder, std::string_view text);
    Result<> export_to(const Request& request, const std::string& folder, Bytes asked);
    Result<DeviceId> admit_by_stick(const stick::Request& asked, const crypto::Hash& request);
    void join_by_stick(const Request& request, const std::string& folder, const std::string& name,
                       const Choice& choice);
    Result<> ask_by_stick(const Request& request, const std::string& folder, const std::string& name,
                          const Choice& choice);
    Result<> import_from(const Request& request, const std::string& folder);
    void imported(Result<StickCounts> counts);
    bool has_stick_request();
    bool cancel_stick(const Request& request);
    Result<> forget_stick_request();
    void stop_asking(const Error& why);
    void look_at_export();
    void show_raw(const Request& request, const std::string& id, std::optional<std::uint64_t> attachment,
                  std::uint64_t offset);
    Result<control::Json> raw_piece(const std::string& id, std::optional<std::uint64_t> attachment,
                                    std::uint64_t offset);
    Result<control::Json> message_json(const history::Key& key, const history::Record& record);
    control::Json decoded_piece(std::uint64_t offset);
    control::Json service_json(const ServiceStatus& status) const;
    Result<history::Digest> own_digest();
    control::Json left_out_json();
    static control::Json progress_json(const history::Progress& progress, bool attachments);
    control::Json transfer_json(const PeerSession& session) const;

    struct Sync {
        Request request;
        std::int64_t until_ms = 0;  // devices that are away are waited for until then
        control::Json told;
    };
    // A change of the roster that devices in reach are to hear of before its caller gets the result.
    struct Telling {
        Request request;
        EntryId entry;
        control::Json result;  // its "effects" get one more for each other device
        std::int64_t until_ms = 0;
        // What services are to hear too, about these devices: an effect more for each.
        std::vector<Services::Signed> brought = {};
        std::vector<roster::Device> dropped = {};
    };
    void add_trust_methods();
    Result<const roster::Device*> find_device(const std::string& text) const;
    Result<> keep_signed(std::span<const roster::Entry> entries, bool renews_secrets,
                         const std::function<Result<>()>& besides = nullptr);
    void tell_devices(const Request& request, const EntryId& entry, control::Json result,
                      std::vector<Services::Signed> brought = {}, std::vector<roster::Device> dropped = {});
    control::Json effect_at(const Services::Signed& brought, const roster::Device& device) const;
    void act_key_opened(const SecretBytes& passphrase);
    void look_at_tellings();
    control::Json effects_of_bar(const roster::Device& device);
    Result<std::vector<roster::Entry>> recovery_entries(const Key& seed, const std::vector<DeviceId>& out,
                                                        std::optional<std::int64_t> day_ms, bool erase);
    void recover_here(const Request& request, const Key& seed, const std::vector<std::string>& names,
                      std::optional<std::int64_t> day_ms, bool erase);
    void recover_empty(const Request& request, const roster::RecoverySheet& sheet, const std::string& name);
    void renew_confirmed(const Request& request, const Key& seed, const Key& fresh);
    void look_at_own_state();
    void erase_keys();
    void renew_marked_secrets();

    void look_at_syncs();
    bool look_at(Sync& sync);
    void tell_progress(Sync& sync, const PeerSession& session);

    struct BlobWait {
        Request request;
        std::function<bool()> retry;  // true: the caller has been answered
        std::int64_t until_ms = 0;
    };
    bool wait_for_blobs(const Request& request, const history::Key& key, std::function<bool()> retry);
    void look_at_blob_waits();
    void watch_followed();
    void keep_house();
    std::string service_name(const AccountId& account) const;
    control::Json listed_json(const store::ListedRecord& row) const;

    net::Loop& loop_;
    crypto::SystemRandom random_;
    std::function<void()> on_stop_;
    std::function<void(const std::string&)> log_;
    std::uint16_t port_ = 0;
    net::Worker worker_{loop_};
    net::Curve curve_;
    Profile profile_;
    control::Dispatcher dispatcher_;
    Neighbourhood around_;
    std::unique_ptr<Services> services_;
    Messaging messaging_{loop_, profile_, [this]() -> Services& { return *services_; }};
    Invitations invitations_{loop_, profile_, random_, [this]() -> Services& { return *services_; },
                             invitation_events()};
    Moving moving_{loop_, profile_, [this]() -> Services& { return *services_; }, invitations_,
                   moving_events()};
    Meeting meeting_{loop_, curve_, profile_, random_, invitations_, around_, [this] {
                         if (peers_) peers_->history_changed();
                     }};
    std::unique_ptr<Peers> peers_;
    std::unique_ptr<HostPairing> adding_;
    std::unique_ptr<JoinPairing> joining_;
    std::unique_ptr<HungBell> hung_bell_;  // while joining, or waiting for who rings
    std::unique_ptr<RungBell> rung_bell_;  // while adding
    std::optional<Error> bell_error_;      // why the bell ended the pairing
    net::Timer bell_end_timer_;
    std::unique_ptr<StickExport> stick_export_;
    std::unique_ptr<StickImport> stick_import_;
    std::optional<crypto::SignKey> stick_act_key_;  // while the fingerprint is asked for
    Request stick_request_;                         // whose import or export runs, or who types a fingerprint
    DeviceId stick_export_device_;
    std::int64_t stick_began_ms_ = 0;
    net::Timer stick_ask_timer_, stick_end_timer_;
    bool asked_now_ = false;                 // the join under way has made its request
    std::optional<Profile::Former> former_;  // whom this device left for it
    std::unique_ptr<SignIn> sign_in_;
    std::unique_ptr<ImportJob> importer_;
    std::unique_ptr<Indexer> indexer_;
    // A mail's attachment that raw pieces are cut from, for a moment: its record and number, and its bytes.
    std::string raw_name_;
    Bytes raw_bytes_;
    net::Timer raw_timer_;
    net::Timer refresh_timer_, import_end_timer_, sign_in_end_timer_;
    Request add_request_, join_request_, import_request_;
    // Callers that follow a transfer with this peer.
    std::vector<std::pair<DeviceId, Request>> followers_;
    std::map<DeviceId, std::string> told_waiting_;
    std::vector<Sync> syncs_;
    std::vector<Telling> tellings_;
    Request renewing_;        // waits for the new sheet to be typed back
    std::string told_state_;  // of this device, the last that was written to the log
    net::Timer telling_timer_, erase_timer_, lock_timer_;
    std::int64_t lock_after_s_ = 0;  // 0: it does not lock by itself
    std::int64_t asked_ms_ = 0;      // when somebody last asked for something
    std::vector<BlobWait> blob_waits_;
    net::Timer watch_timer_, sync_timer_, blob_timer_, house_timer_;
};

}  // namespace kith::app
