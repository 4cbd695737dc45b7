#include "app/import_job.h"

namespace kith::app {

ImportJob::ImportJob(net::Loop& loop, Profile& profile, ImportEvents events)
    : profile_(profile), events_(std::move(events)), loop_(loop) {}

void ImportJob::begin() {
    timer_ = loop_.after(0, [this] { look_on(); });
}

void ImportJob::cancel() {
    end(fail(Fault::cancelled, "the import was stopped", "what was taken in stays"));
}

// First all files are found, to know how many there are.
void ImportJob::look_on() {
    auto more = look();
    if (!more) return end(fail(more.error()));
    if (*more) return begin();
    step();
}

void ImportJob::step() {
    auto more = fill();
    if (more)
        if (auto kept = keep_batch(); !kept) more = fail(kept.error());
    if (!more) {
        auto error = more.error();
        if (error.kind == Fault::disk_full)
            error.hint = "free some space and run the same import again: it goes on from there";
        return end(fail(error));
    }
    tell_progress();
    if (*more) {
        timer_ = loop_.after(0, [this] { step(); });
        return;
    }
    if (auto checked = check_end(); !checked) return end(fail(checked.error()));
    end(counts_);
}

void ImportJob::skip(const std::string& path, const std::string& why) {
    ++counts_.skipped;
    events_.on_skipped(path, why);
}

void ImportJob::end(Result<ImportCounts> result) {
    timer_.cancel();
    auto call = std::move(events_.on_end);
    events_.on_end = nullptr;
    if (call) call(std::move(result));
}

}  // namespace kith::app
