// The core's methods for what this device holds: bringing it up to date with the others, choosing, erasing,
// and fetching what somebody waits for.
#include <algorithm>

#include "app/content.h"
#include "app/core.h"
#include "app/erasing.h"
#include "app/person_facts.h"
#include "base/limits.h"
#include "control/time_text.h"

namespace kith::app {

using control::Json;

namespace {

constexpr std::int64_t sync_look_ms = 100, waiting_look_ms = 500;
constexpr std::int64_t housekeeping_ms = 6 * 3600 * 1000;

}  // namespace

Json Core::progress_json(const history::Progress& progress, bool attachments) {
    return {{"records", progress.records},
            {"records_total", progress.records_total},
            {"bytes", progress.bytes},
            {"bytes_total", progress.bytes_total},
            {"doing", attachments ? "attachments" : "messages"}};
}

// --- up to date with the other devices

void Core::sync(const Request& request) {
    auto fields = request->fields();
    auto seconds = fields.has("wait") ? fields.u64("wait") : limits::sync_wait_ms / 1000;
    if (auto read = fields.finish("sync"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (profile_.roster().devices.size() < 2)
        return request->fail({Fault::refused, "this person has one device", "add another: kith device add"});
    syncs_.push_back({request, loop_.now().mono_ms + static_cast<std::int64_t>(seconds) * 1000, {}});
    request->on_cancelled([this, raw = request.get()](control::Cancelled) {
        std::erase_if(syncs_, [&](const auto& sync) { return sync.request.get() == raw; });
    });
    look_at_syncs();
}

void Core::look_at_syncs() {
    auto syncs = std::move(syncs_);
    syncs_.clear();
    for (auto& sync : syncs)
        if (sync.request->open() && peers_ && !look_at(sync)) syncs_.push_back(std::move(sync));
    if (!syncs_.empty()) sync_timer_ = loop_.after(sync_look_ms, [this] { look_at_syncs(); });
}

// True when its caller has been answered.
bool Core::look_at(Sync& sync) {
    bool linked = false, equal = true, away = false;
    Json list = Json::array();
    for (const auto& device : profile_.roster().devices) {
        if (device.id == profile_.device() || device.state != roster::DeviceState::active) continue;
        auto* session = peers_->find(device.id);
        std::string state = "out of reach";
        if (session && session->linked()) {
            auto complete = session->transfer().complete();
            if (!complete) {
                sync.request->fail(complete.error());
                return true;
            }
            linked = true;
            state = *complete ? "up to date" : "under way";
            equal = equal && *complete;
            if (!*complete) tell_progress(sync, *session);
        } else {
            away = true;
        }
        list.push_back({{"name", device.name}, {"state", state}});
    }
    bool late = loop_.now().mono_ms >= sync.until_ms;
    if (linked && equal && (!away || late)) {
        sync.request->finish({{"peers", std::move(list)}});
        return true;
    }
    if (!linked && late) {
        sync.request->fail(
            {Fault::unreachable, "none of this person's other devices is in reach",
             "switch one on, in the same network; they find out by themselves what is missing"});
        return true;
    }
    return false;
}

void Core::tell_progress(Sync& sync, const PeerSession& session) {
    auto progress = progress_json(session.transfer().progress(), session.transfer().pulling_blobs());
    auto waiting = session.waiting(loop_.now());
    if (!waiting.empty()) progress["waiting_for"] = waiting;
    if (progress == sync.told) return;
    sync.told = progress;
    sync.request->event("progress", std::move(progress));
}

// --- what is held here

Json Core::left_out_json() {
    auto totals = profile_.history().totals();
    auto choice = kept_choice(profile_);
    if (!totals || !choice) return Json::object();
    auto attachments = profile_.history().missing_above(choice->largest);
    if (!attachments || (totals->absent == 0 && attachments->count == 0)) return Json::object();
    return {{"messages", totals->absent},
            {"message_bytes", totals->absent_bytes},
            {"attachments", attachments->count},
            {"attachment_bytes", attachments->bytes}};
}

void Core::history_select(const Request& request) {
    auto fields = request->fields();
    bool all = fields.has("all") && fields.flag("all"), asked = !has_choice(fields) && !all;
    if (all && has_choice(fields))
        return request->fail({Fault::invalid, "everything, and not everything, is asked for",
                              "leave --all out, or the others"});
    auto choice = asked ? kept_choice(profile_) : read_choice(fields);
    if (auto read = fields.finish("history.select"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (!choice) return request->fail(choice.error());
    if (!asked) {
        auto known = known_accounts(profile_);
        if (!known) return request->fail(known.error());
        if (auto resolved = resolve(*choice, *known); !resolved) return request->fail(resolved.error());
        if (auto kept = keep_choice(profile_, *choice); !kept) return request->fail(kept.error());
        peers_->selection_changed();
    }
    Json result{{"selection", describe(*choice)}, {"left_out", left_out_json()}};
    if (choice->accounts) result["accounts"] = *choice->accounts;
    if (choice->since_ms > 0)
        result["since"] = control::to_time_text(static_cast<std::int64_t>(choice->since_ms));
    if (choice->largest != UINT64_MAX) result["largest"] = choice->largest;
    request->finish(std::move(result));
}

void Core::history_erase(const Request& request) {
    auto fields = request->fields();
    auto ids = fields.texts("ids", limits::control_request_bytes / 8, 64);
    if (auto read = fields.finish("history.erase"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (ids.size() > limits::erased_keys)
        return request->fail(
            {Fault::invalid,
             "at most " + std::to_string(limits::erased_keys) + " messages can be erased at once",
             "give fewer ids, several times"});
    auto erased = [&]() -> Result<std::size_t> {
        std::vector<history::Key> keys;
        for (const auto& id : ids) {
            if (id.size() < 8)
                return fail(Fault::invalid, "an id has at least 8 digits here",
                            "'kith history list' shows them");
            KITH_TRY_VALUE(key, profile_.history().find(id));
            KITH_TRY_VALUE(record, profile_.history().read(key));
            if (record.kind != history::kind::mail && record.kind != history::kind::message)
                return fail(Fault::refused, "this record is not a message",
                            "'kith history list' shows messages");
            keys.push_back(key);
        }
        if (keys.empty()) return fail(Fault::invalid, "no message was named", "give its id");
        KITH_TRY(erase(profile_, keys, loop_.now()));
        if (indexer_) indexer_->forget(keys);
        return keys.size();
    }();
    if (!erased) return request->fail(erased.error());
    peers_->history_changed();
    request->finish({{"erased", *erased}});
}

// --- what somebody waits for

// Asks the other devices for the blobs that a record lacks, and tries the request again as they come. False:
// nothing is lacking, or nobody can be asked.
bool Core::wait_for_blobs(const Request& request, const history::Key& key, std::function<bool()> retry) {
    auto lacking = [&]() -> Result<std::vector<history::BlobWant>> {
        KITH_TRY_VALUE(record, profile_.history().read(key));
        KITH_TRY_VALUE(gaps, Content(record, profile_.blobs()).gaps());
        std::vector<history::BlobWant> blobs;
        for (const auto& gap : gaps) blobs.push_back(gap.blob);
        return blobs;
    }();
    if (!lacking || lacking->empty() || !peers_->prefer(*lacking)) return false;
    blob_waits_.push_back({request, std::move(retry), loop_.now().mono_ms + limits::fetch_wait_ms});
    blob_timer_ = loop_.after(limits::fetch_wait_ms + 50, [this] { look_at_blob_waits(); });
    return true;
}

void Core::look_at_blob_waits() {
    auto waits = std::move(blob_waits_);
    blob_waits_.clear();
    for (auto& wait : waits) {
        if (!wait.request->open()) continue;
        if (wait.retry()) continue;
        if (loop_.now().mono_ms >= wait.until_ms)
            wait.request->fail({Fault::unavailable, "an attachment is still on its way from another device",
                                "try again in a moment; 'kith status' shows how far it is"});
        else
            blob_waits_.push_back(std::move(wait));
    }
}

// --- what a transfer waits for

void Core::watch_followed() {
    if (followers_.empty() || !peers_) return told_waiting_.clear();
    for (const auto& [device, request] : followers_) {
        auto* session = peers_->find(device);
        auto waiting = session ? session->waiting(loop_.now()) : std::string();
        auto& told = told_waiting_[device];
        if (told != waiting) tell(device, "waiting", {{"for", waiting}});
        told = waiting;
    }
    watch_timer_ = loop_.after(waiting_look_ms, [this] { watch_followed(); });
}

Json Core::transfer_json(const PeerSession& session) const {
    auto result = progress_json(session.progress(), session.transfer().pulling_blobs());
    if (auto waiting = session.waiting(loop_.now()); !waiting.empty()) result["waiting_for"] = waiting;
    return result;
}

// Removes for good what was erased long enough ago, a few rows at a time.
void Core::keep_house() {
    if (!profile_.open() || !peers_) return;
    auto more = purge_erased(profile_, loop_.now());
    if (!more) log_("erased messages could not be removed: " + more.error().what);
    bool again = more && *more;
    if (!again && !importer_ && !stick_import_) (void)profile_.blobs().remove_unreferenced();
    house_timer_ = loop_.after(again ? 10 : housekeeping_ms, [this] { keep_house(); });
}

}  // namespace kith::app
