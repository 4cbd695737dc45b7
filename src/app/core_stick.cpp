// The core's part in setting up a device by a stick: src/stick/README.md has the steps.
#include <algorithm>

#include "app/core.h"
#include "app/person_facts.h"
#include "app/stick_files.h"
#include "base/limits.h"
#include "crypto/keys.h"
#include "stick/limits.h"

namespace kith::app {

using control::Json;

namespace {

// What a new device keeps from its request to its import: the one-use key (32), and the request.
constexpr std::string_view asked_setting = "stick_request";
// The hash of the request whose payload was taken in.
constexpr std::string_view done_setting = "stick_done";

// On the device that let it in: the hash of the request by which a device came.
std::string admitted_setting(const DeviceId& device) {
    return "stick_admitted:" + device.hex();
}

struct Asked {
    crypto::LinkKey key;
    Bytes request;
};

Result<std::optional<Asked>> kept_request(Profile& profile) {
    KITH_TRY_VALUE(kept, profile.store().setting(asked_setting));
    if (!kept || kept->size() <= Key::size()) return std::nullopt;
    return Asked{crypto::LinkKey::from_secret(Key(kept->view().first<32>())),
                 to_bytes(kept->view().subspan(32))};
}

Choice choice_of(const stick::Request& asked) {
    Choice choice;
    choice.accounts = asked.accounts;
    choice.since_ms = asked.since_ms.value_or(0);
    choice.largest = asked.largest.value_or(UINT64_MAX);
    return choice;
}

stick::Request request_of(const Choice& choice) {
    stick::Request request;
    request.accounts = choice.accounts;
    if (choice.since_ms > 0) request.since_ms = choice.since_ms;
    if (choice.largest != UINT64_MAX) request.largest = choice.largest;
    return request;
}

bool is_on_stick(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

Json counts_json(const StickCounts& counts, std::int64_t took_ms) {
    return {{"records", counts.records},
            {"attachments", counts.blobs},
            {"lacking", counts.lacking},
            {"bytes", counts.bytes},
            {"seconds", static_cast<double>(took_ms) / 1000}};
}

}  // namespace

// --- on the device that has the account

void Core::add_by_stick(const Request& request, const std::string& folder) {
    if (stick_request_ || adding_)
        return request->fail({Fault::refused, "a device is being added already",
                              "wait until that is done, or end it with 'kith device cancel'"});
    if (auto there = check_stick(folder); !there) return request->fail(there.error());
    if (!is_on_stick(stick_request_path(folder)))
        return request->fail({Fault::not_found, "there is no request of a new device in " + folder,
                              "first run 'kith device join --from' on the new device, with this stick"});
    auto act = profile_.act_key(request->secret("passphrase"));
    if (!act) return request->fail(act.error());
    stick_act_key_ = std::move(*act);
    stick_request_ = request;
    // The key that signs is not left open beside a question that nobody answers.
    stick_ask_timer_ = loop_.after(limits::pairing_decide_ms, [this] {
        stop_asking({Fault::timed_out, "nobody typed the fingerprint", "run the same command again"});
    });
    request->on_answer([this, folder](std::string_view name, std::string_view value) {
        const auto asking = stick_request_;
        if (name == "fingerprint" && asking && stick_act_key_) fingerprint_typed(asking, folder, value);
    });
    request->on_cancelled([this](control::Cancelled) {
        if (stick_export_) return stick_export_->cancel();
        stop_asking({Fault::cancelled, "nothing was added", ""});
    });
    request->ask("fingerprint");
}

void Core::stop_asking(const Error& why) {
    stick_ask_timer_.cancel();
    stick_act_key_.reset();
    auto ended = std::move(stick_request_);
    stick_request_ = nullptr;
    if (ended) ended->fail(why);
}

void Core::fingerprint_typed(const Request& request, const std::string& folder, std::string_view text) {
    auto fingerprint = stick::read_fingerprint(text);
    if (!fingerprint) {
        request->event("warning", {{"text", fingerprint.error().what + "; " + fingerprint.error().hint}});
        return request->ask("fingerprint");
    }
    auto begun = [&]() -> Result<> {
        KITH_TRY_VALUE(file, read_whole(stick_request_path(folder), limits::stick_request_bytes));
        KITH_TRY_VALUE(asked, stick::open_request(file, *fingerprint));
        return export_to(request, folder, std::move(asked));
    }();
    if (!begun) return stop_asking(begun.error());
    stick_ask_timer_.cancel();
    stick_act_key_.reset();
}

// The new device is added before anything is written: its payload holds the roster with it.
Result<> Core::export_to(const Request& request, const std::string& folder, Bytes asked) {
    KITH_TRY(may_add_devices());
    KITH_TRY_VALUE(read, stick::decode_request(asked));
    KITH_TRY_VALUE(device, roster::read_request(read.device));
    KITH_TRY_VALUE(known, known_accounts(profile_));
    KITH_TRY_VALUE(selection, resolve(choice_of(read), known));
    // Before anybody is added: whether the stick can be written to.
    KITH_TRY(PayloadWriter::begin(folder));
    KITH_TRY_VALUE(id, admit_by_stick(read, stick::hash_of(asked)));
    request->event("approved", {{"device", id.hex()}, {"name", device.name}});
    const auto* own = profile_.roster().find(profile_.device());
    const auto introduction = encode_introduction(
        {profile_.device(), own->link_key, own->act_key, peers_->endpoints(), profile_.entries()});
    StickExport::Events events;
    events.on_progress = [this](const history::Progress& progress, bool attachments) {
        stick_request_->event("progress", progress_json(progress, attachments));
    };
    events.on_end = [this, folder](Result<StickCounts> counts) {
        auto ended = std::move(stick_request_);
        stick_request_ = nullptr;
        stick_end_timer_ = loop_.after(0, [this] { stick_export_.reset(); });
        if (!counts) return ended->fail(counts.error());
        auto result = counts_json(*counts, loop_.now().mono_ms - stick_began_ms_);
        result["path"] = stick_payload_path(folder).string();
        ended->finish(std::move(result));
    };
    KITH_TRY_VALUE(started, StickExport::start(loop_, profile_, random_, folder, asked, introduction,
                                               selection, std::move(events)));
    stick_began_ms_ = loop_.now().mono_ms;
    stick_export_ = std::move(started);
    stick_export_device_ = id;
    return {};
}

// Who is barred meanwhile, or was that by whom this device is, gets nothing more.
void Core::look_at_export() {
    if (!stick_export_) return;
    const auto active = [&](const DeviceId& id) {
        const auto* device = profile_.roster().find(id);
        return device && device->state == roster::DeviceState::active;
    };
    if (!active(stick_export_device_) || !active(profile_.device())) stick_export_->cancel();
}

// A second time the payload alone is written anew, for the same request: the one-use key in it is signed by
// nothing but the fingerprint, and what else is in it many have seen who were shown the roster.
Result<DeviceId> Core::admit_by_stick(const stick::Request& asked, const crypto::Hash& request) {
    const auto id = asked.device.id();
    if (const auto* known = profile_.roster().find(id)) {
        KITH_TRY_VALUE(admitted, profile_.store().setting(admitted_setting(id)));
        if (known->state == roster::DeviceState::active) {
            if (admitted && equal_constant_time(admitted->view(), request)) return id;
            return fail(
                Fault::refused,
                "the request on the stick names a device that is one of yours already, and was not let "
                "in here by this request",
                "a payload can be written again by the device that let it in, for the same request. If "
                "somebody else gave you the stick, nothing of yours is on it");
        }
        return fail(
            Fault::refused,
            "that device is " + std::string(roster::device_state_name(known->state)) + ": " + known->why,
            "to make it a device again, it needs a new request: there, 'kith device cancel', then "
            "'kith device join --from'");
    }
    KITH_TRY_VALUE(add, roster::make_add(profile_.roster(), profile_.device(), *stick_act_key_, asked.device,
                                         loop_.now().unix_ms));
    KITH_TRY(profile_.store().put_setting(admitted_setting(id), request));
    KITH_TRY(keep_added(add, id));
    return id;
}

// --- on the new device

bool Core::has_stick_request() {
    if (!profile_.open()) return false;
    auto asked = kept_request(profile_);
    return asked && *asked;
}

void Core::join_by_stick(const Request& request, const std::string& folder, const std::string& name,
                         const Choice& choice) {
    auto done = [&]() -> Result<> {
        if (stick_request_)
            return fail(Fault::refused, "this device is busy with a stick already",
                        "'kith device cancel' stops it");
        if (profile_.exists() && !profile_.open())
            return fail(Fault::locked, "this device is locked", "run 'kith unlock'");
        KITH_TRY(check_stick(folder));
        if (!has_stick_request()) return ask_by_stick(request, folder, name, choice);
        KITH_TRY_VALUE(kept, kept_choice(profile_));
        if (!choice.all() && choice != kept)
            return fail(Fault::refused, "this device has asked for " + describe(kept) + " already",
                        "leave the selection out; or 'kith device cancel', and ask anew");
        if (is_on_stick(stick_payload_path(folder))) return import_from(request, folder);
        KITH_TRY_VALUE(asked, kept_request(profile_));
        KITH_TRY(store::replace_file(stick_request_path(folder), stick::seal_request(asked->request, random_),
                                     store::Readers::all));
        request->finish({{"fingerprint", stick::to_text(stick::fingerprint_of(asked->request))},
                         {"path", stick_request_path(folder).string()}});
        return {};
    }();
    if (!done) request->fail(done.error());
}

// The first step: makes the request, durably, before it is on the stick.
Result<> Core::ask_by_stick(const Request& request, const std::string& folder, const std::string& name,
                            const Choice& choice) {
    if (profile_.open() && profile_.membership() != Membership::none) {
        KITH_TRY_VALUE(done, profile_.store().setting(done_setting));
        if (done && is_on_stick(stick_payload_path(folder)))
            return fail(
                Fault::refused, "this device has taken its payload in already, and the key to it is gone",
                "there is nothing left to do; what came since is exchanged when devices meet in a network");
        return fail(
            Fault::refused, "this device already belongs to a person",
            "nothing was changed; use another folder with --home to make this machine a further device");
    }
    if (is_on_stick(stick_request_path(folder)) || is_on_stick(stick_payload_path(folder)))
        return fail(
            Fault::refused, "what is in " + folder + " is of another device",
            "only the device that made the request can use it. To set this one up too, use an empty folder");
    const bool fresh = !profile_.exists();
    auto asked = [&]() -> Result<Bytes> {
        const auto passphrase = request->secret("passphrase");
        KITH_TRY(joinable(passphrase));
        KITH_TRY_VALUE(act, profile_.act_key(passphrase));
        const auto key = crypto::LinkKey::generate(random_);
        auto making = request_of(choice);
        making.key = key.public_key;
        KITH_TRY_VALUE(device, profile_.open_request(name, act));
        making.device = std::move(device);
        auto bytes = stick::encode_request(making);
        auto sealed = stick::seal_request(bytes, random_);
        if (sealed.size() > limits::stick_request_bytes)
            return fail(Fault::invalid, "the names of the accounts are too long for a request",
                        "name fewer; 'kith history select' adds to them later");
        Bytes kept;
        kept.reserve(Key::size() + bytes.size());
        append(kept, key.secret.view());
        append(kept, bytes);
        const SecretBytes wiped(std::move(kept));
        KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
        KITH_TRY(keep_choice(profile_, choice));
        KITH_TRY(profile_.store().put_setting(asked_setting, wiped.view()));
        KITH_TRY(tx.commit());
        KITH_TRY(store::replace_file(stick_request_path(folder), sealed, store::Readers::all));
        return bytes;
    }();
    if (!asked) {
        if (fresh && profile_.open()) (void)profile_.discard();
        return fail(asked.error());
    }
    request->finish({{"fingerprint", stick::to_text(stick::fingerprint_of(*asked))},
                     {"path", stick_request_path(folder).string()}});
    return {};
}

Result<> Core::import_from(const Request& request, const std::string& folder) {
    KITH_TRY_VALUE(asked, kept_request(profile_));
    KITH_TRY_VALUE(read, stick::decode_request(asked->request));
    StickImport::Events events;
    events.on_introduction = [this, device = read.device](const Introduction& host,
                                                          const roster::State& state) -> Result<> {
        if (profile_.membership() != Membership::none) {
            // Broken off before: it goes on.
            if (profile_.person() != state.person)
                return fail(Fault::refused,
                            "the payload on the stick is of another person than the one before",
                            "nothing was taken in; 'kith device list' shows whose device this is");
            KITH_TRY(profile_.add_entries(host.entries, loop_.now().unix_ms));
            // By what this device has heard meanwhile, too: the payload may hold a roster from before a bar.
            const auto* maker = profile_.roster().link_allowed(host.link_key);
            const auto* self = profile_.roster().find(device.id());
            if (maker && self && self->state == roster::DeviceState::active) return {};
            return fail(Fault::refused,
                        "the payload was made by a device that is barred by now, or for one that is",
                        "nothing of it was taken in; 'kith device log' shows what happened");
        }
        auto kept = [&]() -> Result<> {
            KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
            KITH_TRY(profile_.belong_to(state, host.entries, device,
                                        {host.device, host.endpoints, loop_.now().unix_ms}));
            KITH_TRY(keep_joining(host.device));
            return tx.commit();
        }();
        // What is not on the disk must not be in memory either: the next try would take it for done.
        if (!kept) KITH_TRY(profile_.reload_identity());
        return kept;
    };
    events.on_welcome = [this](ByteView body) -> Result<> {
        KITH_TRY_VALUE(secrets, read_secrets(body));
        if (!profile_.term_key() ||
            profile_.term_version().older_than(Profile::version_of(secrets.number, secrets.term_key))) {
            if (secrets.identity) KITH_TRY(profile_.put_identity(*secrets.identity));
            KITH_TRY(
                profile_.take_person_secrets(secrets.term_key, secrets.number, secrets.recovery_accounts));
        }
        return peers_ ? Result<>() : open();
    };
    events.on_account = [this](const store::Account& account) { return services_->learn(account); };
    events.on_erased = [this](std::span<const history::Key> keys) {
        if (indexer_) indexer_->forget(keys);
    };
    events.on_progress = [this](const history::Progress& progress, bool attachments) {
        stick_request_->event("progress", progress_json(progress, attachments));
    };
    events.on_history = [this] {
        if (peers_) peers_->history_changed();
        if (indexer_) indexer_->wake();
    };
    events.on_end = [this](Result<StickCounts> counts) { imported(std::move(counts)); };
    KITH_TRY_VALUE(started, StickImport::start(loop_, profile_, folder, asked->key, std::move(asked->request),
                                               std::move(events)));
    stick_import_ = std::move(started);
    stick_began_ms_ = loop_.now().mono_ms;
    stick_request_ = request;
    request->on_cancelled([this](control::Cancelled) {
        if (stick_import_) stick_import_->cancel();
    });
    return {};
}

void Core::imported(Result<StickCounts> counts) {
    auto ended = std::move(stick_request_);
    stick_request_ = nullptr;
    stick_end_timer_ = loop_.after(0, [this] { stick_import_.reset(); });
    // Half a person is no reason to hold on to a connection: what came is used all the same.
    if (!counts && !peers_ && profile_.membership() != Membership::none)
        if (auto opened = open(); !opened) log_(opened.error().what);
    if (!counts) return ended->fail(counts.error());
    auto finished = [&]() -> Result<Json> {
        KITH_TRY(forget_stick_request());
        auto result = counts_json(*counts, loop_.now().mono_ms - stick_began_ms_);
        KITH_TRY_VALUE(digest, own_digest());
        result["digest"] = to_hex(digest.hash);
        KITH_TRY_VALUE(jobs, profile_.store().jobs());
        for (const auto& job : jobs)
            if (const auto* host = profile_.roster().find(job.peer); host && job.role == "joiner")
                result["from"] = host->name;
        return result;
    }();
    if (!finished) return ended->fail(finished.error());
    log_("a payload was taken in: " + std::to_string(counts->records) + " records");
    if (peers_) peers_->history_changed();
    ended->finish(std::move(*finished));
}

// Erases the key to the payload: it was taken in, or all that it holds has come in another way.
Result<> Core::forget_stick_request() {
    KITH_TRY_VALUE(asked, kept_request(profile_));
    if (!asked) return {};
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY(profile_.store().put_setting(done_setting, stick::hash_of(asked->request)));
    KITH_TRY(profile_.store().remove_setting(asked_setting));
    KITH_TRY(tx.commit());
    // The log of the database still has it; while somebody reads, until the next time.
    if (auto cleared = profile_.db().checkpoint(); !cleared) log_(cleared.error().what);
    return {};
}

// False: nothing of this is under way.
bool Core::cancel_stick(const Request& request) {
    const auto say = [&](const char* state) {
        request->finish({{"state", state}, {"remains", Json::array()}});
        return true;
    };
    if (stick_export_) {
        stick_export_->cancel();
        return say(
            "writing to the stick was stopped; 'kith device cancel' once more takes the approval back");
    }
    if (stick_import_) {
        stick_import_->cancel();
        return say("the import was stopped; what came so far is kept, 'kith device join --from' goes on");
    }
    if (stick_request_) {
        stop_asking({Fault::cancelled, "nothing was added", ""});
        return say("nothing was added");
    }
    if (profile_.open() && profile_.membership() == Membership::none && has_stick_request()) {
        if (auto gone = profile_.discard(); !gone)
            request->fail(gone.error());
        else
            say("the request is given up: its fingerprint is worth nothing any more, and this device is as "
                "new");
        return true;
    }
    return false;
}

}  // namespace kith::app
