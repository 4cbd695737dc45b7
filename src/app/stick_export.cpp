#include "app/stick_export.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/person_facts.h"
#include "app/stick_files.h"
#include "base/limits.h"
#include "stick/payload.h"
#include "wire/fields.h"

namespace kith::app {

using Json = nlohmann::json;

namespace {

constexpr std::uint64_t stream = 1;
// Frames that wait to be written: each may hold a batch.
constexpr std::size_t frames_ahead = 4;

}  // namespace

struct StickExport::Out {
    stick::Sealer sealer;
    PayloadWriter files;
    std::optional<Error> error;
    void write(const wire::Frame& frame, bool last) {
        if (error) return;
        auto written = files.append(sealer.seal(frame, last));
        if (written && last) written = files.finish();
        if (!written) error = written.error();
    }
};

StickExport::StickExport(net::Loop& loop, Profile& profile, const history::Selection& selection,
                         std::unique_ptr<Out> out, Events events)
    : loop_(loop),
      profile_(profile),
      selection_(selection),
      events_(std::move(events)),
      vault_(profile, {}),
      server_(vault_, vault_),
      out_(std::move(out)),
      worker_(loop) {}
StickExport::~StickExport() = default;

Result<std::unique_ptr<StickExport>> StickExport::start(net::Loop& loop, Profile& profile, Random& random,
                                                        const std::filesystem::path& folder, ByteView request,
                                                        const Bytes& introduction,
                                                        const history::Selection& selection, Events events) {
    KITH_TRY_VALUE(read, stick::decode_request(request));
    KITH_TRY_VALUE(files, PayloadWriter::begin(folder));
    auto out = std::make_unique<Out>(Out{stick::Sealer(read.key, random), std::move(files), {}});
    KITH_TRY(out->files.append(out->sealer.start()));
    std::unique_ptr<StickExport> self(
        new StickExport(loop, profile, selection, std::move(out), std::move(events)));
    KITH_TRY(self->gather(request, introduction));
    self->timer_ = loop.after(0, [raw = self.get()] { raw->pump(); });
    return self;
}

// What comes before the history.
Result<> StickExport::gather(ByteView request, const Bytes& introduction) {
    const auto frame = [&](const char* op, Bytes body) {
        facts_.push_back({Json{{"op", op}}.dump(), std::move(body)});
    };
    frame("payload", stick::make_statement(profile_.device(), profile_.device_key(), out_->sealer.start(),
                                           stick::hash_of(request), introduction));
    KITH_TRY_VALUE(secrets, pack_secrets(profile_));
    frame("welcome", std::move(secrets));
    KITH_TRY_VALUE(accounts, pack_accounts(profile_));
    frame("accounts", std::move(accounts));
    KITH_TRY_VALUE(all, vault_.fingerprint(history::Range::all()));
    KITH_TRY_VALUE(totals, vault_.totals());
    facts_.push_back({history::state_head(all, totals), {}});
    progress_.records_total = totals.records;
    progress_.bytes_total = totals.record_bytes + totals.blob_bytes;
    return {};
}

Result<> StickExport::list_blobs() {
    const auto note = [&](const BlobId& id, std::uint64_t size) {
        if (selection_.takes_blob(size)) blobs_.emplace_back(id, size);
    };
    const auto& history = profile_.history();
    KITH_TRY(selection_.all() ? history.for_each_complete_blob(note)
                              : history.for_each_selected_blob(selection_, note));
    std::sort(blobs_.begin(), blobs_.end());
    blobs_.erase(std::unique(blobs_.begin(), blobs_.end()), blobs_.end());
    if (selection_.all()) {
        KITH_TRY_VALUE(totals, vault_.totals());
        counts_.lacking = totals.blobs_missing;
    }
    std::uint64_t bytes = 0;
    for (const auto& [id, size] : blobs_) bytes += size;
    progress_.bytes_total = progress_.bytes + bytes;
    return {};
}

void StickExport::cancel() {
    end(fail(Fault::cancelled, "writing to the stick was stopped",
             "the new device is on the list already: 'kith device add --to' goes on, 'kith device cancel' "
             "takes it back"));
}

void StickExport::pump() {
    if (ended_ || stage_ == Stage::written || in_flight_ >= frames_ahead) return;
    const bool last = stage_ == Stage::end;
    auto frame = next();
    if (!frame) return end(fail(frame.error()));
    if (*frame) write(std::move(**frame), last);
    tell();
    timer_ = loop_.after(0, [this] { pump(); });
}

void StickExport::write(wire::Frame frame, bool last) {
    ++in_flight_;
    auto kept = std::make_shared<wire::Frame>(std::move(frame));
    worker_.run([out = out_.get(), kept, last] { out->write(*kept, last); },
                [this, last] {
                    --in_flight_;
                    if (ended_) return;
                    if (out_->error) return end(fail(*out_->error));
                    if (last) return end(counts_);
                    if (!timer_.armed()) pump();
                });
}

Result<std::optional<wire::Frame>> StickExport::next() {
    if (stage_ == Stage::facts) {
        auto frame = std::move(facts_.front());
        facts_.pop_front();
        if (facts_.empty()) stage_ = Stage::records;
        return frame;
    }
    if (stage_ == Stage::records) return next_batch();
    if (stage_ == Stage::blobs) return next_of_blob();
    stage_ = Stage::written;
    return wire::Frame{Json{{"op", "end"},
                            {"records", counts_.records},
                            {"blobs", counts_.blobs},
                            {"lacking", counts_.lacking}}
                           .dump(),
                       {}};
}

// What the machine that serves peers says to a request; nothing while it has more to do for it.
Result<std::optional<wire::Frame>> StickExport::answer(std::string head, Bytes body) {
    auto fields = wire::Fields::parse(head);
    KITH_TRY(server_.on_frame(fields.text("op", 32), fields, body));
    return server_.work();
}

Result<std::optional<wire::Frame>> StickExport::next_batch() {
    Json ask{{"op", asked_ ? "sync.more" : "sync.fetch"}, {"stream", stream}, {"credit", 1}};
    Bytes range;
    if (!asked_) {
        history::append_selection(ask, selection_);
        history::append_key(range, history::Range::all().from);
        history::append_key(range, history::Range::all().to);
    }
    asked_ = true;
    KITH_TRY_VALUE(frame, answer(ask.dump(), std::move(range)));
    if (!frame) return frame;
    auto head = wire::Fields::parse(frame->head);
    counts_.records += head.u64("count");
    counts_.bytes += frame->body.size();
    const bool last = head.flag("end");
    KITH_TRY(head.finish("sync.batch"));
    progress_.records = counts_.records;
    progress_.bytes = counts_.bytes;
    if (last) {
        stage_ = Stage::blobs;
        KITH_TRY(list_blobs());
    }
    return frame;
}

Result<std::optional<wire::Frame>> StickExport::next_of_blob() {
    if (next_piece_ > 0) {
        const auto& [id, size] = blobs_[next_blob_ - 1];
        const auto index = next_piece_ - 1;
        next_piece_ = index + 1 < history::piece_count(size) ? next_piece_ + 1 : 0;
        KITH_TRY_VALUE(
            frame,
            answer(Json{{"op", "sync.pieces"}, {"blob", id.hex()}, {"first", index}, {"count", 1}}.dump(),
                   {}));
        counts_.bytes += frame ? frame->body.size() : 0;
        progress_.bytes += history::piece_size(size, index);
        return frame;
    }
    if (next_blob_ == blobs_.size()) {
        stage_ = Stage::end;
        return std::nullopt;
    }
    const auto& [id, size] = blobs_[next_blob_++];
    KITH_TRY_VALUE(frame, answer(Json{{"op", "sync.want"}, {"blob", id.hex()}}.dump(), {}));
    auto head = frame ? Json::parse(frame->head, nullptr, false) : Json();
    if (!head.value("here", false)) {
        ++counts_.lacking;
        return std::nullopt;
    }
    ++counts_.blobs;
    next_piece_ = 1;
    head["size"] = size;
    frame->head = head.dump();
    return frame;
}

void StickExport::tell() {
    const auto now = loop_.now().mono_ms;
    if (now - told_ms_ < limits::progress_ms) return;
    told_ms_ = now;
    auto progress = progress_;
    progress.bytes_total = std::max(progress.bytes_total, progress.bytes);
    progress.records_total = std::max(progress.records_total, progress.records);
    events_.on_progress(progress, stage_ == Stage::blobs);
}

void StickExport::end(Result<StickCounts> result) {
    if (ended_) return;
    ended_ = true;
    timer_.cancel();
    auto call = std::move(events_.on_end);
    call(std::move(result));
}

}  // namespace kith::app
