#include "app/stick_import.h"

#include <algorithm>

#include "app/person_facts.h"
#include "app/stick_files.h"
#include "base/limits.h"
#include "stick/request.h"

namespace kith::app {
namespace {

Result<> out_of_order() {
    return fail(Fault::protocol, "the payload on the stick is not in order", "update kith on both devices");
}

// What each payload begins with.
constexpr std::string_view beginning[] = {"payload", "welcome", "accounts", "state"};

}  // namespace

struct StickImport::Item {
    Error error{};  // when there is no frame
    bool failed = false, read = false, last = false;
    std::uint64_t bytes = 0;  // of the payload, with this frame
    wire::Fields head = wire::Fields::parse("{}");
    std::string op;
    Bytes body;
    std::optional<history::Arrival> arrival;
};

struct StickImport::In {
    PayloadReader files;
    stick::Opener opener;
    history::Packer packer;
    bool ended = false;

    Result<> read(Item& item) {
        if (ended) return {};
        KITH_TRY_VALUE(length, files.read(stick::length_bytes));
        KITH_TRY_VALUE(size, stick::Opener::read_length(length));
        KITH_TRY_VALUE(message, files.read(size));
        KITH_TRY_VALUE(opened, opener.open_next(message));
        item.last = ended = opened.last;
        item.bytes = files.bytes_read();
        item.head = wire::Fields::parse(opened.frame.head);
        item.op = item.head.text("op", 32);
        if (!item.head.ok()) return out_of_order();
        if (!history::is_arrival(item.op)) {
            item.body = std::move(opened.frame.body);
            return {};
        }
        KITH_TRY_VALUE(arrival,
                       history::read_arrival(item.op, item.head, std::move(opened.frame.body), packer));
        item.arrival = std::move(arrival);
        return {};
    }
};

StickImport::StickImport(net::Loop& loop, Profile& profile, std::unique_ptr<In> in, crypto::Hash start,
                         Bytes request, Events events)
    : loop_(loop),
      profile_(profile),
      start_(start),
      request_(std::move(request)),
      events_(std::move(events)),
      vault_(profile, {[this](const store::Account& account) { return events_.on_account(account); },
                       [this](std::span<const history::Key> keys) { events_.on_erased(keys); },
                       [this](const AccountId& id) {
                           if (std::find(accounts_.begin(), accounts_.end(), id) != accounts_.end())
                               return true;
                           auto account = profile_.store().account(id);
                           return account && account->has_value();
                       }}),
      in_(std::move(in)),
      worker_(loop) {}
StickImport::~StickImport() = default;

Result<std::unique_ptr<StickImport>> StickImport::start(net::Loop& loop, Profile& profile,
                                                        const std::filesystem::path& folder,
                                                        const crypto::LinkKey& key, Bytes request,
                                                        Events events) {
    KITH_TRY_VALUE(files, PayloadReader::open(folder));
    KITH_TRY_VALUE(start, files.read(stick::start_bytes));
    KITH_TRY_VALUE(opener, stick::Opener::open(start, key));
    auto in = std::unique_ptr<In>(new In{std::move(files), std::move(opener), {}});
    std::unique_ptr<StickImport> self(new StickImport(loop, profile, std::move(in), crypto::hash(start),
                                                      std::move(request), std::move(events)));
    self->timer_ = loop.after(0, [raw = self.get()] { raw->read_ahead(); });
    return self;
}

void StickImport::cancel() {
    end(fail(Fault::cancelled, "the import was stopped",
             "what came so far is kept; 'kith device join --from' goes on"));
}

void StickImport::read_ahead() {
    while (!ended_ && items_.size() < limits::frames_read_ahead) {
        auto item = std::make_shared<Item>();
        items_.push_back(item);
        worker_.run(
            [item, in = in_.get()] {
                auto read = in->read(*item);
                if (read) return;
                item->failed = true;
                item->error = read.error();
            },
            [this, item] {
                item->read = true;
                take_next();
            });
    }
}

// One a turn of the loop: storing takes long enough for others to have a turn after it.
void StickImport::take_next() {
    if (ended_ || taking_ || items_.empty() || !items_.front()->read) return;
    auto item = items_.front();
    items_.pop_front();
    if (item->failed) return end(fail(item->error));
    progress_.bytes = counts_.bytes = item->bytes;
    if (auto taken = take(*item); !taken) return end(fail(taken.error()));
    if (item->last) return end(counts_);
    tell();
    taking_ = true;
    timer_ = loop_.after(0, [this] {
        taking_ = false;
        read_ahead();
        take_next();
    });
}

Result<> StickImport::take(Item& item) {
    const auto& op = item.op;
    const auto number = taken_++;
    if (number < std::size(beginning) && op != beginning[number]) return out_of_order();
    if (item.last != (op == "end")) return out_of_order();
    if (number == 0) return on_payload(item.body);
    if (number == 1) {
        auto taken = events_.on_welcome(item.body);
        wipe(item.body);
        return taken;
    }
    if (number == 2) {
        KITH_TRY_VALUE(list, read_accounts(item.body));
        for (const auto& account : list.accounts) accounts_.push_back(account.id);
        KITH_TRY(keep_node_labels(profile_, list.labels));
        return {};
    }
    if (number == 3) {
        KITH_TRY_VALUE(state, history::read_state(item.head));
        progress_.records_total = state.totals.records;
        progress_.bytes_total = in_->files.bytes();
        return {};
    }
    if (auto* arrival = item.arrival ? &*item.arrival : nullptr) {
        if (auto* batch = std::get_if<history::BatchArrival>(arrival)) return on_batch(std::move(*batch));
        return on_piece(std::get<history::PieceArrival>(*arrival));
    }
    if (op == "sync.hashes") return on_hashes(item.head, item.body);
    if (op == "end") return on_last(item.head);
    return {};  // of a later version
}

// Who made it, and whether it is for this device: before anything is kept.
Result<> StickImport::on_payload(ByteView body) {
    const auto refused = [](const char* what) {
        return fail(
            Fault::refused, what,
            "nothing was taken in. If the stick was in your hands all the time, write the payload again: "
            "'kith device add --to' on the other device");
    };
    KITH_TRY_VALUE(statement, stick::read_statement(body));
    if (statement.start != start_ || statement.request != stick::hash_of(request_))
        return refused("the payload on the stick was not made for this device's request");
    KITH_TRY_VALUE(introduction, decode_introduction(statement.introduction));
    KITH_TRY_VALUE(
        state, roster::check_introduction(introduction.entries, introduction.link_key, introduction.act_key));
    const auto* host = state.link_allowed(introduction.link_key);
    if (!host || host->id != introduction.device || host->id != statement.device ||
        !statement.signed_by(host->device_key))
        return refused("the payload on the stick is not signed by the device that it names");
    KITH_TRY_VALUE(request, stick::decode_request(request_));
    const auto* self = state.find(request.device.id());
    if (!self || self->state != roster::DeviceState::active)
        return refused("the device that made the payload does not let this one in");
    return events_.on_introduction(introduction, state);
}

Result<> StickImport::on_batch(history::BatchArrival batch) {
    if (all_records_) return out_of_order();
    all_records_ = batch.end;
    counts_.records += batch.records.size();
    progress_.records = counts_.records;
    KITH_TRY(check_room());
    KITH_TRY_VALUE(added, vault_.add(std::move(batch.records)));
    if (added > 0) events_.on_history();
    return {};
}

Result<> StickImport::on_hashes(wire::Fields& head, ByteView body) {
    Blob blob{head.id<BlobId>("blob"), head.u64("size"), 0};
    KITH_TRY(head.finish("sync.hashes"));
    if (!all_records_) return out_of_order();
    auto named = history::blob_id(blob.size, body);
    if (!named || *named != blob.id)
        return fail(Fault::protocol, "the payload names an attachment that is none");
    ++counts_.blobs;
    blob_.reset();
    auto info = profile_.blobs().info(blob.id);
    if (!info && info.error().kind != Fault::not_found) return fail(info.error());
    if (info && info->state == store::BlobState::complete) return {};
    KITH_TRY(vault_.begin(blob.id, blob.size, body));
    blob_ = blob;
    return {};
}

Result<> StickImport::on_piece(const history::PieceArrival& arrival) {
    if (!blob_ || arrival.blob != blob_->id || !arrival.here) return {};
    KITH_TRY(check_room());
    KITH_TRY(vault_.put_piece(arrival.blob, arrival.index, arrival.piece));
    if (++blob_->pieces < history::piece_count(blob_->size)) return {};
    KITH_TRY_VALUE(left, vault_.begun(blob_->id));
    if (left && left->empty()) {
        arrived_.push_back(blob_->id);
        arrived_bytes_ += blob_->size;
    }
    blob_.reset();
    const bool full =
        arrived_.size() >= limits::blobs_settled || arrived_bytes_ >= limits::blob_bytes_settled;
    return full ? settle() : Result<>();
}

// Several together: syncing each by itself would take longer than reading it.
Result<> StickImport::settle() {
    if (!arrived_.empty()) KITH_TRY(vault_.finish(arrived_));
    arrived_.clear();
    arrived_bytes_ = 0;
    return {};
}

Result<> StickImport::on_last(wire::Fields& head) {
    const auto records = head.u64("records"), blobs = head.u64("blobs");
    counts_.lacking = head.u64("lacking");
    KITH_TRY(head.finish("end"));
    if (!all_records_ || records != counts_.records || blobs != counts_.blobs) return out_of_order();
    return settle();
}

Result<> StickImport::check_room() {
    if (room_checks_++ % 16 != 0) return {};
    KITH_TRY_VALUE(free, vault_.free_space());
    if (free >= limits::spare_bytes / 4) return {};
    return fail(Fault::disk_full, "the disk is full",
                "free some space, and run 'kith device join --from' again: it goes on where it was");
}

void StickImport::tell() {
    const auto now = loop_.now().mono_ms;
    if (now - told_ms_ < limits::progress_ms || taken_ <= std::size(beginning)) return;
    told_ms_ = now;
    auto progress = progress_;
    progress.records_total = std::max(progress.records_total, progress.records);
    events_.on_progress(progress, all_records_);
}

void StickImport::end(Result<StickCounts> result) {
    if (ended_) return;
    ended_ = true;
    timer_.cancel();
    // What is here in full is kept, whatever ended it.
    if (!result && !arrived_.empty()) (void)settle();
    auto call = std::move(events_.on_end);
    call(std::move(result));
}

}  // namespace kith::app
