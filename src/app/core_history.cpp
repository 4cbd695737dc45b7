// The core's methods for history: importing, counting, listing, showing.
#include <algorithm>

#include "app/contacts.h"
#include "app/content.h"
#include "app/core.h"
#include "app/inbox.h"
#include "app/labels.h"
#include "app/mnm_importer.h"
#include "app/own_records.h"
#include "app/shown.h"
#include "base/limits.h"
#include "control/base64.h"
#include "control/time_text.h"
#include "history/mail.h"
#include "history/mime_text.h"

namespace kith::app {

using control::Json;

namespace {

Json digest_json(const history::Digest& digest) {
    return {{"digest", to_hex(digest.hash)},
            {"records", digest.records},
            {"blobs", digest.blobs},
            {"bytes", digest.bytes}};
}

std::string time_text(std::uint64_t time_ms) {
    return control::to_time_text(static_cast<std::int64_t>(time_ms));
}

Json attachments_json(const Shown& view) {
    Json list = Json::array();
    for (const auto& item : view.attachments)
        list.push_back({{"name", item.name}, {"type", item.type}, {"size", item.size}, {"here", item.here}});
    return list;
}

}  // namespace

void Core::history_import(const Request& request) {
    auto fields = request->fields();
    auto path = fields.text("path", 4096);
    auto format = fields.has("format") ? fields.text("format", 16) : std::string("auto");
    const bool accounts = fields.has("accounts") && fields.flag("accounts");
    if (auto read = fields.finish("history.import"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (format != "auto" && format != "mbox" && format != "mnm")
        return request->fail(
            {Fault::invalid, "there is no format '" + format + "'", "give --format mbox, mnm or auto"});
    if (format == "auto" && !mnm_accounts(path).empty()) format = "mnm";
    if (accounts && format != "mnm")
        return request->fail({Fault::invalid, "only a store of the reference client holds accounts",
                              "leave out --accounts, or give that client's folder 'store'"});
    if (importer_)
        return request->fail({Fault::refused, "an import is running already", "wait until it is done"});
    ImportEvents events;
    events.on_progress = [this](std::uint64_t done, std::uint64_t total, std::uint64_t bytes) {
        import_request_->event("progress", {{"done", done}, {"total", total}, {"bytes", bytes}});
    };
    events.on_skipped = [this](const std::string& where, const std::string& why) {
        import_request_->event("skipped", {{"path", history::valid_utf8(where)}, {"why", why}});
    };
    events.on_history = [this] {
        if (peers_) peers_->history_changed();
        if (indexer_) indexer_->wake();
    };
    events.on_end = [this](Result<ImportCounts> counts) {
        auto ended = std::move(import_request_);
        import_request_ = nullptr;
        import_end_timer_ = loop_.after(0, [this] { importer_.reset(); });
        if (!counts) return ended->fail(counts.error());
        Json result{{"imported", counts->imported}, {"known", counts->known}, {"skipped", counts->skipped}};
        if (const auto* store = dynamic_cast<const MnmImporter*>(importer_.get())) {
            result["accounts"] = Json::array();
            for (const auto& one : store->taken())
                result["accounts"].push_back({{"address", one.account.address},
                                              {"alias", one.account.alias},
                                              {"uid", one.account.uid},
                                              {"here", one.here}});
        }
        ended->finish(std::move(result));
    };
    auto started = start_import(path, format, accounts, std::move(events));
    if (!started) return request->fail(started.error());
    importer_ = std::move(*started);
    import_request_ = request;
    request->on_cancelled([this](control::Cancelled) {
        if (importer_) importer_->cancel();
    });
}

Result<std::unique_ptr<ImportJob>> Core::start_import(const std::string& path, const std::string& format,
                                                      bool accounts, ImportEvents events) {
    if (format != "mnm") {
        KITH_TRY_VALUE(mails, Importer::start(loop_, profile_, path, format == "mbox", std::move(events)));
        return std::unique_ptr<ImportJob>(std::move(mails));
    }
    MnmImporter::Hooks hooks;
    hooks.learn = [this](const store::Account& account) -> Result<> {
        KITH_TRY(keep_account_record(profile_, account, loop_.now()));
        return services_->learn(account);
    };
    hooks.has_node = [this](const AccountId& account) { return services_->has_node(account); };
    if (accounts)
        hooks.take_over = [this](const store::Account& account, const SecretBytes& nodeid) -> Result<> {
            KITH_TRY(services_->take_over(account, nodeid));
            if (peers_) peers_->services_changed();
            return {};
        };
    KITH_TRY_VALUE(store, MnmImporter::start(loop_, profile_, path, std::move(hooks), std::move(events)));
    return std::unique_ptr<ImportJob>(std::move(store));
}

void Core::history_stats(const Request& request) {
    auto totals = profile_.history().totals();
    if (!totals) return request->fail(totals.error());
    request->finish({{"records", totals->records},
                     {"bytes", totals->record_bytes + totals->blob_bytes},
                     {"blobs", totals->blobs},
                     {"blobs_missing", totals->blobs_missing},
                     {"bytes_missing", totals->bytes_missing}});
}

// Of all that this device is to hold.
Result<history::Digest> Core::own_digest() {
    history::Selection selection;
    KITH_TRY_VALUE(choice, kept_choice(profile_));
    if (!choice.all()) {
        std::vector<AccountName> known;
        KITH_TRY_VALUE(accounts, profile_.store().accounts());
        for (const auto& account : accounts)
            known.push_back({account.id, account.address, account.site, account.alias});
        KITH_TRY_VALUE(resolved, resolve(choice, known));
        selection = resolved;
    }
    return compute_digest(profile_, selection);
}

void Core::history_digest(const Request& request) {
    auto digest = own_digest();
    if (!digest) return request->fail(digest.error());
    request->finish(digest_json(*digest));
}

std::string Core::service_name(const AccountId& account) const {
    for (const auto& status : services_->list())
        if (status.account.id == account)
            return status.account.site.empty() ? status.account.address : status.account.site;
    return {};
}

Json Core::listed_json(const store::ListedRecord& row) const {
    return {{"id", row.key.id.hex()},
            {"time", time_text(row.key.time_ms)},
            {"service", service_name(row.account)},
            {"from", row.from},
            {"subject", row.subject}};
}

void Core::history_list(const Request& request) {
    auto fields = request->fields();
    auto limit = fields.u64("limit");
    auto before_text = fields.has("before") ? fields.text("before", 64) : std::string();
    if (auto read = fields.finish("history.list"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    std::optional<history::Key> before;
    if (!before_text.empty()) {
        auto key = profile_.history().find(before_text);
        if (!key) return request->fail(key.error());
        before = *key;
    }
    auto rows = profile_.history().list(std::clamp<std::size_t>(limit, 1, limits::control_list), before);
    if (!rows) return request->fail(rows.error());
    Json list = Json::array();
    for (const auto& row : *rows) list.push_back(listed_json(row));
    request->finish(std::move(list));
}

void Core::history_search(const Request& request) {
    auto fields = request->fields();
    auto words = fields.text("words", limits::control_request_bytes);
    auto limit = fields.u64("limit");
    if (auto read = fields.finish("history.search"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    auto rows = indexer_->search(words, std::clamp<std::size_t>(limit, 1, limits::control_list));
    if (!rows) return request->fail(rows.error());
    auto reach = indexer_->reach();
    if (!reach) return request->fail(reach.error());
    Json hits = Json::array();
    for (const auto& row : *rows) hits.push_back(listed_json(row));
    request->finish({{"hits", std::move(hits)},
                     {"complete", reach->complete},
                     {"reaches", reach->back_to_ms ? Json(time_text(*reach->back_to_ms)) : Json()},
                     {"indexed", reach->indexed},
                     {"of", reach->of}});
}

void Core::history_show(const Request& request) {
    auto fields = request->fields();
    auto id = fields.text("id", 64);
    bool raw = fields.has("raw") && fields.flag("raw");
    auto offset = fields.has("offset") ? fields.u64("offset") : 0;
    std::optional<std::uint64_t> attachment;
    if (fields.has("attachment")) attachment = fields.u64("attachment");
    if (auto read = fields.finish("history.show"); !read)
        return request->fail({Fault::invalid, read.error().what, ""});
    if (id.size() < 8)
        return request->fail(
            {Fault::invalid, "an id has at least 8 digits here", "'kith history list' shows them"});
    if (raw) return show_raw(request, id, attachment, offset);
    auto result = [&]() -> Result<Json> {
        KITH_TRY_VALUE(key, profile_.history().find(id));
        KITH_TRY_VALUE(record, profile_.history().read(key));
        KITH_TRY_VALUE(view, shown(record, profile_.blobs()));
        KITH_TRY_VALUE(listed, profile_.history().listed(key));
        Labels labels;
        if (!view.msgid.empty()) {
            KITH_TRY_VALUE(known, labels_of(profile_, listed.account, view.msgid));
            labels = std::move(known);
        }
        Json shown_json{{"id", key.id.hex()},
                        {"time", time_text(key.time_ms)},
                        {"service", service_name(listed.account)},
                        {"from", view.from},
                        {"to", view.to},
                        {"subject", view.subject},
                        {"attachments", attachments_json(view)},
                        {"raw_size", record.content_size()}};
        if (!labels.tags.empty()) shown_json["tags"] = labels.tags;
        if (labels.seen_ms) shown_json["seen"] = time_text(*labels.seen_ms);
        if (view.body.size() > limits::control_body_bytes) {
            view.body = history::valid_utf8(view.body.substr(0, limits::control_body_bytes));
            shown_json["truncated"] = true;
        }
        shown_json["body"] = std::move(view.body);
        if (record.kind == history::kind::message) {
            KITH_TRY_VALUE(message, message_json(key, record));
            shown_json.update(message);
        }
        return shown_json;
    }();
    if (!result) return request->fail(result.error());
    request->finish(std::move(*result));
}

// What a message has besides a mail: its thread, and who else got it.
Result<Json> Core::message_json(const history::Key& key, const history::Record& record) {
    Json json = Json::object();
    auto listing = listing_of(record);
    json["uid"] = listing.uid;
    if (!listing.thread.empty()) json["thread"] = listing.thread;
    KITH_TRY_VALUE(parts, read_message_record(record.leading_bytes()));
    for (const auto& copy : parts.message.cc)
        json["cc"].push_back(
            {{"alias", history::valid_utf8(copy.who)}, {"uid", history::valid_utf8(copy.whouid)}});
    KITH_TRY_VALUE(sent, recipients_of(profile_, record.account, listing.msgid, key.time_ms));
    if (!sent) return json;
    KITH_TRY_VALUE(known, contacts(profile_));
    std::string to;
    auto add = [&](const std::string& name) { to += (to.empty() ? "" : ", ") + name; };
    for (const auto& uid : sent->uids) {
        if (uid == listing.uid) continue;  // kith's own copy
        auto contact = std::find_if(known.begin(), known.end(), [&](const auto& one) {
            return one.account == record.account && one.uid == uid;
        });
        add(contact == known.end() ? uid : contact->alias);
    }
    for (const auto& group : sent->groups) add(group);
    json["to"] = history::valid_utf8(to);
    return json;
}

// Attachments that are not here yet are fetched first.
void Core::show_raw(const Request& request, const std::string& id, std::optional<std::uint64_t> attachment,
                    std::uint64_t offset) {
    auto piece = raw_piece(id, attachment, offset);
    if (piece) return request->finish(std::move(*piece));
    auto key = profile_.history().find(id);
    bool lacking = key && piece.error().kind == Fault::unavailable;
    auto retry = [this, request, id, attachment, offset] {
        auto again = raw_piece(id, attachment, offset);
        if (!again && again.error().kind == Fault::unavailable) return false;
        if (again)
            request->finish(std::move(*again));
        else
            request->fail(again.error());
        return true;
    };
    if (!lacking || !wait_for_blobs(request, *key, std::move(retry))) request->fail(piece.error());
}

// A piece of a record's bytes, or of an attachment's.
Result<Json> Core::raw_piece(const std::string& id, std::optional<std::uint64_t> attachment,
                             std::uint64_t offset) {
    if (attachment && id + " " + std::to_string(*attachment) == raw_name_) return decoded_piece(offset);
    KITH_TRY_VALUE(key, profile_.history().find(id));
    KITH_TRY_VALUE(record, profile_.history().read(key));
    const Content content(record, profile_.blobs());
    std::uint64_t begin = 0, size = content.size();
    if (attachment) {
        KITH_TRY_VALUE(view, shown(record, profile_.blobs()));
        if (*attachment >= view.attachments.size())
            return fail(Fault::not_found, "no such attachment",
                        "they are numbered as 'kith history show' lists them");
        if (view.is_mail) {
            KITH_TRY_VALUE(mail, content.read(0, size));
            raw_bytes_ = history::mail_attachment(mail, *attachment);
            raw_name_ = id + " " + std::to_string(*attachment);
            return decoded_piece(offset);
        }
        begin = view.attachments[*attachment].offset;
        size = view.attachments[*attachment].size;
    }
    offset = std::min(offset, size);
    KITH_TRY_VALUE(
        piece, content.read(begin + offset, std::min<std::uint64_t>(limits::control_piece, size - offset)));
    return Json{{"raw", control::to_base64(piece)}, {"raw_size", size}};
}

// A mail's attachment is decoded once for a run of pieces.
Json Core::decoded_piece(std::uint64_t offset) {
    auto drop = [this] {
        raw_name_.clear();
        raw_bytes_ = {};
    };
    auto from = std::min<std::uint64_t>(offset, raw_bytes_.size());
    auto piece = ByteView(raw_bytes_)
                     .subspan(from, std::min<std::size_t>(limits::control_piece, raw_bytes_.size() - from));
    Json result{{"raw", control::to_base64(piece)}, {"raw_size", raw_bytes_.size()}};
    if (from + piece.size() == raw_bytes_.size())
        drop();
    else
        raw_timer_ = loop_.after(limits::raw_cache_ms, drop);
    return result;
}

}  // namespace kith::app
